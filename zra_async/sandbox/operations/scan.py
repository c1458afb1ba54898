"""Finds the records of one page: as many as asked for, and whether there are more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

T = TypeVar("T")

#: Records looked at for one page. A rare filter on a large account gives short or even empty pages that go on, as the
#: service's own lists may; the end of a list is a missing token and nothing else.
SCAN_LIMIT = 10_000


@dataclass(frozen=True, slots=True)
class Found(Generic[T]):
    """The records of one page; `next_position` is None at the end of the list."""

    records: list[T]
    next_position: int | None


def scan(candidates: Iterable[T], size: int, matches: Callable[[T], bool], position_of: Callable[[T], int]) -> Found[T]:
    """Take the first ``size`` matching candidates.

    A page position stands for its record and all after it, so that what is added or deleted elsewhere in the list
    between two pages neither doubles nor hides anything.
    """
    found: list[T] = []
    for looked, candidate in enumerate(candidates):
        if looked >= SCAN_LIMIT:
            return Found(found, position_of(candidate))
        if matches(candidate):
            if len(found) == size:
                return Found(found, position_of(candidate))
            found.append(candidate)
    return Found(found, None)
