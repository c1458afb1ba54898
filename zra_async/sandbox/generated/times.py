"""Times as the service writes them, and histories whose times rise with the index."""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache

from zra_async.sandbox.generated.entropy import words

_FORMAT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)
_EPOCH_DAY = date(1970, 1, 1)
_TWO = tuple(f"{number:02}" for number in range(60))


def write_time(seconds: float) -> str:
    """Write a time as ``yyyy-MM-ddTHH:mm:ssZ``, without fractions."""
    day, rest = divmod(int(seconds), 86400)
    hour, rest = divmod(rest, 3600)
    return f"{_day(day)}T{_TWO[hour]}:{_TWO[rest // 60]}:{_TWO[rest % 60]}Z"  # a quarter of what isoformat takes


def write_date(seconds: float) -> str:
    """Write the day of a time as ``yyyy-MM-dd``."""
    return _day(int(seconds // 86400))


@lru_cache(2048)
def _day(number: int) -> str:
    return (_EPOCH_DAY + timedelta(days=number)).isoformat()


def read_time(text: str) -> int | None:
    """Read ``yyyy-MM-ddTHH:mm:ssZ`` as seconds since the epoch; None for anything else."""
    if not _FORMAT.fullmatch(text):
        return None
    try:
        return int(datetime.fromisoformat(text).timestamp())
    except ValueError:
        return None


def write_offset(seconds: float) -> str:
    """Write a place in a recording as ``HH:MM:SS.mmm``."""
    whole, milliseconds = divmod(round(seconds * 1000), 1000)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}.{milliseconds:03}"


@dataclass(frozen=True, slots=True)
class History:
    """``count`` events over ``span`` seconds from ``begin``, each a pure function of its index and in order of it."""

    space: bytes
    begin: int
    span: int
    count: int

    def at(self, index: int) -> int:
        """Give the time of an event: its even share of the span and a jitter smaller than one step."""
        return self.place(index, words(self.space, index)[0])

    def place(self, index: int, jitter: int) -> int:
        """Give the same from a first word that has already been drawn."""
        return self.begin + index * self.span // self.count + jitter % max(1, self.span // self.count)

    def first(self, seconds: int) -> int:
        """Find the first event at or after a time by bisection; ``count`` if there is none."""
        return bisect_left(range(self.count), seconds, key=self.at)
