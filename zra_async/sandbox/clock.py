"""The sandbox's own clock, which a test moves by hand or stops."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime

NANOSECONDS = 1_000_000_000


class Clock:
    """Wall-clock time that can be shifted; time windows, expiry and processing all read it.

    `advance` moves every later reading forward at once. `freeze` stops the clock, so that only `advance` moves it.
    Time is kept in whole nanoseconds: a float of seconds since 1970 is too coarse for an exact one-second window.
    """

    def __init__(self, start: datetime | None = None, *, frozen: bool = False) -> None:
        self._base = round(start.timestamp() * NANOSECONDS) if start else time.time_ns()
        self._origin = time.monotonic_ns()
        self._frozen = frozen
        self._sleepers: set[asyncio.Future[None]] = set()

    @property
    def frozen(self) -> bool:
        """Tell whether only `advance` moves the clock."""
        return self._frozen

    def time_ns(self) -> int:
        """Nanoseconds since the epoch; never goes back."""
        return self._base if self._frozen else self._base + time.monotonic_ns() - self._origin

    def time(self) -> float:
        """Seconds since the epoch."""
        return self.time_ns() / NANOSECONDS

    def now(self) -> datetime:
        """The same as an aware UTC datetime."""
        return datetime.fromtimestamp(self.time(), UTC)

    def advance(self, seconds: float) -> None:
        """Move the clock forward by ``seconds``."""
        if seconds < 0:
            raise ValueError("a clock does not go back: seconds must not be negative")
        self._base += round(seconds * NANOSECONDS)
        self._wake()

    def freeze(self) -> None:
        """Stop the clock where it is."""
        self._base = self.time_ns()
        self._frozen = True

    async def sleep(self, seconds: float) -> None:
        """Wait until ``seconds`` of this clock have passed, by themselves or through `advance`."""
        loop = asyncio.get_running_loop()
        end = self.time_ns() + round(seconds * NANOSECONDS)
        while (remaining := end - self.time_ns()) > 0:
            moved = loop.create_future()
            self._sleepers.add(moved)
            try:
                await asyncio.wait([moved], timeout=None if self._frozen else remaining / NANOSECONDS)
            finally:
                self._sleepers.discard(moved)

    def _wake(self) -> None:
        for moved in tuple(self._sleepers):  # another thread may be advancing
            moved.get_loop().call_soon_threadsafe(_resolve, moved)


def _resolve(moved: asyncio.Future[None]) -> None:
    if not moved.done():
        moved.set_result(None)
