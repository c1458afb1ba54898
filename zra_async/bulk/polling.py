"""Polling intervals: short at first, then longer, up to a limit."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from zra_async import errors
from zra_async.core import retry

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Polling:
    """Ask after `first` seconds, then after `factor` times as many each, at most `longest`, for `limit` in all."""

    first: float = 1.0
    factor: float = 1.5
    longest: float = 30.0
    limit: float = 6 * 3600.0

    def __post_init__(self) -> None:
        if not (0 < self.first <= self.longest and self.factor >= 1 and self.limit > 0):
            raise errors.InvalidArgument("polling needs 0 < first ≤ longest, factor ≥ 1 and limit > 0, in seconds")

    def delay(self, asked: int) -> float:
        """Return the seconds to wait after ``asked`` requests."""
        # beyond a hundred the power only grows past what a float holds
        return min(self.longest, self.first * self.factor ** min(asked, 100))

    def waited(self, asked: int) -> float:
        """Return the total of the waits before the next request, in seconds."""
        return sum(self.delay(earlier) for earlier in range(asked))

    def delays(self) -> Iterator[float]:
        """The waiting times, until their sum reaches `limit`."""
        total = 0.0
        for asked in itertools.count():
            delay = self.delay(asked)
            total += delay
            if total > self.limit:
                return
            yield delay


def due_in(seconds: float) -> float:
    """The moment ``seconds`` from now, on the clock of the event loop, which nobody can set."""
    return asyncio.get_running_loop().time() + seconds


def passing(error: BaseException) -> bool:
    """Return True if the same request may succeed a little later, whatever it was."""
    return retry.passing(error)


async def patiently(call: Callable[[], Awaitable[T]], polling: Polling, *, rounds: int = 5) -> T:
    """Make a call that may be repeated, again after each passing failure, ``rounds`` times at most."""
    for asked in range(rounds - 1):
        try:
            return await call()
        except errors.CallError as problem:
            if not passing(problem):
                raise
            await asyncio.sleep(polling.delay(asked))
    return await call()
