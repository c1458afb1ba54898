"""Checks of what is sent: lists of Structs or plain mappings, item by item, and mail addresses."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping
from typing import TypeVar, cast

import msgspec

from zra_async.errors import InvalidArgument

S = TypeVar("S", bound=msgspec.Struct)

# Only what no mail address can lack; the service knows better which addresses exist.
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")


def mail_address(name: str, value: str) -> None:
    """A text with the shape of a mail address; the message does not repeat it, since it is somebody's."""
    if not _EMAIL.fullmatch(value):
        raise InvalidArgument(f"{name} must hold a mail address, such as name@example.com")


def typed(name: str, kind: type[S], values: Iterable[S | Mapping[str, object]], *, most: int = sys.maxsize) -> list[S]:
    """Check 1 to ``most`` items against ``kind``, strictly; `InvalidArgument` names the index of a bad one."""
    if isinstance(values, (str, bytes, Mapping)) or not isinstance(values, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidArgument(f"{name} must be a list of {kind.__name__} or of mappings")
    items = list(cast("Iterable[object]", values))
    if not items:
        raise InvalidArgument(f"{name} must not be empty")
    if len(items) > most:
        raise InvalidArgument(f"{name} takes at most {most} items, not {len(items)}")
    return [_one(f"{name}[{index}]", kind, item) for index, item in enumerate(items)]


def _one(name: str, kind: type[S], item: object) -> S:
    if not isinstance(item, (kind, Mapping)):
        raise InvalidArgument(f"{name} must be a {kind.__name__} or a mapping, not {type(item).__name__}")
    try:
        # A Struct checks no types when it is made, so it is taken apart and put together again.
        return msgspec.convert(msgspec.to_builtins(item) if isinstance(item, kind) else item, kind)
    except (ValueError, TypeError) as problem:
        raise InvalidArgument(f"{name}: {_readable(str(problem))}") from None


def _readable(problem: str) -> str:
    # msgspec ends with the path inside the item: a plain name reads better in front.
    text, _, path = problem.partition(" - at `$.")
    return f"{path.rstrip('`')}: {text}" if path else problem
