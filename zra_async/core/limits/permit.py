"""The permit of the local limiter."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from zra_async.core.limits.quota import Daily


class Issuer(Protocol):
    """The bucket that a permit comes from."""

    daily: Daily
    life: int

    def count(self, permit: LocalPermit) -> float:
        """Count an attempt that is sent now, and return the loop time."""
        ...

    def finish(self, permit: LocalPermit) -> None:
        """End the attempt of a permit."""
        ...


class LocalPermit:
    """A permit of the local limiter."""

    __slots__ = ("_bucket", "_open", "day", "granted_at", "leaves", "life", "probe", "sent_at", "waited")

    def __init__(self, bucket: Issuer, granted_at: float, *, probe: bool) -> None:
        self._bucket = bucket
        self._open = True
        self.life: int = bucket.life
        self.probe: bool = probe
        self.granted_at: float = granted_at
        self.day: datetime | None = None  #: the day that pays for it
        self.waited: float = 0.0
        self.sent_at: float | None = None
        self.leaves: int = 0  #: the moment of the window at which it stops to count

    def sent(self) -> None:
        """Count the attempt from this moment on."""
        if self._open and self.sent_at is None:
            self.sent_at = self._bucket.count(self)

    def release(self) -> None:
        """End the attempt; one that was never sent costs nothing."""
        if self._open:
            self.withdraw()
            if self.day is not None:
                self._bucket.daily.settle(self.day, sent=self.sent_at is not None)

    def withdraw(self) -> None:
        """Return a permit that never reached its caller; the caller settles the day."""
        self._open = False
        self._bucket.finish(self)
