"""What an error gives away: its text, its attributes, and the values in the frames of its whole chain."""

from __future__ import annotations

import contextlib
import inspect
import traceback
from collections.abc import Iterator
from pathlib import Path

_TESTS = str(Path(__file__).parent.parent)


def exposed(error: BaseException, *secrets: str) -> list[str]:
    """Where an error shows a secret, with what stands before it; causes that are suppressed count as well.

    The frames of the tests themselves are left out: they are where the secrets come from.
    """
    assert all(secrets)
    found: list[str] = []
    for link in _chain(error):
        for place, text in _texts(link):
            found += [
                f"{type(link).__name__}: {place}: {text[max(0, at - 80) : at]}"
                for secret in secrets
                if (at := text.find(secret)) >= 0
            ]
    return found


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        link = waiting.pop()
        if link is None or id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        waiting += [link.__cause__, link.__context__]
        if isinstance(link, BaseExceptionGroup):
            waiting += link.exceptions
        waiting += [value for value in vars(link).values() if isinstance(value, BaseException)]


def _texts(error: BaseException) -> Iterator[tuple[str, str]]:
    yield "text", str(error)
    yield "repr", repr(error)
    yield "args", repr(error.args)
    yield "attributes", repr(vars(error))
    yield "notes", repr(getattr(error, "__notes__", []))
    for frame, line in traceback.walk_tb(error.__traceback__):
        where = inspect.getfile(frame)
        if not where.startswith(_TESTS):
            for name, value in frame.f_locals.items():
                with contextlib.suppress(Exception):  # an object that was not finished may have no repr yet
                    yield f"{Path(where).name}:{line} {name}", repr(value)


def shown(error: BaseException) -> str:
    """What a tool that reports errors with their values would print: suppressed causes are left out."""
    report = traceback.TracebackException.from_exception(error, capture_locals=True)
    kept = [frame for frame in report.stack if not frame.filename.startswith(_TESTS)]
    report.stack[:] = kept
    return "".join(report.format())
