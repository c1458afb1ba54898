"""The pace of the bulk lane, and how busy a lane has been."""

from __future__ import annotations

import asyncio
import math

from zra_async.core.limits.plans import Rate


class Pace:
    """Lets bulk calls through evenly, from the first one on: a token bucket that holds an eighth of the window.

    Tokens are bought a few at a time, which costs less. `in_hand` is how many are bought and not yet used.
    """

    __slots__ = ("_burst", "_full_at", "_handful", "_interval", "_tokens", "in_hand")

    def __init__(self, rate: Rate) -> None:
        from aiolimiter import AsyncLimiter  # costs an import, which a client makes when it opens

        self._interval = rate.period / rate.count
        self._burst = max(1.0, rate.count / 8)
        self._handful = max(1, int(self._burst / 4))
        self._tokens = AsyncLimiter(self._burst, self._burst * self._interval)
        self._full_at = -math.inf  # when the bucket holds all of its tokens again
        self.in_hand: int = 0

    def can_buy(self) -> bool:
        """Tell whether there are enough tokens for `buy` not to wait."""
        return self._tokens.has_capacity(self._handful)

    async def buy(self) -> None:
        """Buy a few tokens."""
        await self._tokens.acquire(self._handful)
        now = asyncio.get_running_loop().time()
        self._full_at = max(self._full_at, now) + self._handful * self._interval
        self.in_hand += self._handful

    def due(self, calls: int) -> float:
        """Return when so many more calls have their tokens; a time that has passed means now."""
        purchases = math.ceil((calls - self.in_hand) / self._handful)
        if purchases <= 0:
            return -math.inf
        return self._full_at + (purchases * self._handful - self._burst) * self._interval


class Activity:
    """About how many calls a lane was asked for within the last ``seconds``."""

    __slots__ = ("_at", "_level", "_seconds")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._at = 0.0
        self._level = 0.0

    def note(self, now: float) -> None:
        """Count one call."""
        self._level = self.level(now) + 1.0
        self._at = now

    def level(self, now: float) -> float:
        """Return the count, in which a call weighs the less the longer ago it was."""
        return self._level * math.exp(min(0.0, self._at - now) / self._seconds) if self._level else 0.0
