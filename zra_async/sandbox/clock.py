"""The sandbox's own clock, which a test moves by hand or speeds up."""

from __future__ import annotations

import time
from datetime import UTC, datetime


class Clock:
    """Wall-clock time that can be shifted; time windows, expiry and processing all read it.

    `advance` moves every later reading forward at once. `freeze` stops the clock, so that only `advance` moves it.
    """

    def __init__(self, start: datetime | None = None, *, frozen: bool = False) -> None:
        self._base = start.timestamp() if start else time.time()
        self._origin = time.monotonic()
        self._frozen = frozen

    def time(self) -> float:
        """Seconds since the epoch."""
        return self._base if self._frozen else self._base + time.monotonic() - self._origin

    def now(self) -> datetime:
        """The same as an aware UTC datetime."""
        return datetime.fromtimestamp(self.time(), UTC)

    def advance(self, seconds: float) -> None:
        """Move the clock forward by ``seconds``."""
        if seconds < 0:
            raise ValueError("a clock does not go back: seconds must not be negative")
        self._base += seconds

    def freeze(self) -> None:
        """Stop the clock where it is."""
        self._base = self.time()
        self._frozen = True
