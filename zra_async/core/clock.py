"""The service's time, learned from the ``Date`` header of its answers.

The clock of this machine may be wrong by any amount and may jump. Times that the service sends are therefore compared
with the service's own time, which is counted on the monotonic clock from the last ``Date`` header on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

_RESOLUTION = 1.0  #: seconds: a Date header has no fractions
_LONGEST = 64  #: characters that a Date header may have
_LAST = 2e11  #: a Date header further ahead, in seconds since 1970, is a mistake (it is the year 8307)
_EARLIEST = datetime.min.replace(tzinfo=UTC)
_LATEST = datetime.max.replace(tzinfo=UTC)


class ServiceClock:
    """The service's clock.

    Each answer bounds the difference between the service's time and the monotonic clock: the header was written after
    the request was sent and before the answer was received. The bounds of several answers are intersected. Bounds that
    exclude each other mean that one of the clocks was set, and then the newest answer counts alone.

    `now` is the earliest time that is possible within the bounds, so that it never goes back unless the service's own
    clock does, and what it says is over is over. Before the first answer it is the time of this machine.
    """

    def __init__(
        self, monotonic: Callable[[], float] = time.monotonic, wall: Callable[[], float] | None = None
    ) -> None:
        self._monotonic = monotonic
        self._wall = wall or time.time
        self._earliest: float | None = None  # the bounds of service time minus monotonic time
        self._latest = 0.0
        self._text: str = ""
        self._date = 0.0

    @property
    def known(self) -> bool:
        """True if an answer has told the service's time."""
        return self._earliest is not None

    @property
    def uncertainty(self) -> float:
        """The greatest lag of `now` behind the service's time, in seconds; infinite before the first answer."""
        return float("inf") if self._earliest is None else self._latest - self._earliest

    def observe(self, headers: Mapping[str, str], sent: float, received: float) -> None:
        """Learn from the headers of an answer; ``sent`` and ``received`` are readings of the monotonic clock."""
        text = headers.get("Date")
        if not text:
            return
        if text != self._text:
            date = parse_date(text)
            if date is None:
                return
            self._text, self._date = text, date
        earliest, latest = self._date - received, self._date + _RESOLUTION - sent
        if self._earliest is None or earliest > self._latest or latest < self._earliest:
            self._earliest, self._latest = earliest, latest
        else:
            self._earliest, self._latest = max(earliest, self._earliest), min(latest, self._latest)

    def time(self) -> float:
        """The service's time in seconds since 1970; give it to a `WebhookReceiver` as its ``clock``."""
        return self.at(self._monotonic())

    def at(self, moment: float) -> float:
        """The service's time at a reading of the monotonic clock, in seconds since 1970."""
        if self._earliest is not None:
            return self._earliest + moment
        return self._wall() - (self._monotonic() - moment)

    def now(self) -> datetime:
        """The service's time as an aware datetime."""
        return moment_of(self.time())

    def monotonic(self) -> float:
        """A reading of the monotonic clock, for `at`."""
        return self._monotonic()

    def __repr__(self) -> str:
        return f"ServiceClock({self.now().isoformat()}, uncertainty={self.uncertainty:.3f})"


def utc_now() -> datetime:
    """The time of this machine, which may differ from the service's by any amount."""
    return datetime.now(UTC)


def parse_date(text: str) -> float | None:
    """The seconds since 1970 that a Date header names, None where it makes no sense."""
    if len(text) > _LONGEST:
        return None
    try:
        moment = parsedate_to_datetime(text)
        seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return seconds if 0 < seconds < _LAST else None


def moment_of(seconds: float) -> datetime:
    """An aware datetime for seconds since 1970; what no datetime can hold becomes the nearest one."""
    try:
        return datetime.fromtimestamp(0, UTC) + timedelta(seconds=seconds)
    except OverflowError:
        return _EARLIEST if seconds < 0 else _LATEST
