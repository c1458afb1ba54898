"""Ids on the command line."""

from __future__ import annotations

import contextlib
import re
import signal
import sys
from collections.abc import Generator, Sequence

from zra_async.cli.failures import UsageProblem


def given_ids(words: Sequence[str]) -> list[str]:
    """The ids of a command line, each once; ``-`` stands for those on stdin, one a line. Raises `UsageProblem`."""
    ids: list[str] = []
    for word in words:
        ids += _read() if word == "-" else [word]
    if not ids:
        raise UsageProblem("give at least one id" + (": there is none on stdin" if "-" in words else ""))
    return list(dict.fromkeys(ids))


def _read() -> list[str]:
    try:
        with _interruptible():
            return list(filter(None, map(str.strip, sys.stdin)))
    except UnicodeDecodeError:
        raise UsageProblem("the ids on stdin are not text in UTF-8") from None


@contextlib.contextmanager
def _interruptible() -> Generator[None]:
    """Let a signal end a read that blocks the event loop, whose own way of noticing would wait for the read."""
    before = {signum: signal.getsignal(signum) for signum in (signal.SIGINT, signal.SIGTERM)}
    try:
        for signum in before:
            signal.signal(signum, signal.default_int_handler)
        yield
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


def folder_name(name: str) -> str:
    """An id as the name of a folder: slashes and the like become ``_``."""
    return re.sub(r"[^A-Za-z0-9=+_-]", "_", name)[:200] or "_"
