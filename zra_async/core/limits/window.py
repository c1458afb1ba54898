"""The calls that count towards a limit now."""

from __future__ import annotations

import heapq
import math

#: a timer may fire this early, in seconds; the margin of a limit is far larger
TICK = 1e-6
#: into how many moments a window is divided; a call leaves at the end of its moment, so at most this part too late
_MOMENTS = 1000


class SlidingWindow:
    """Counts calls until each of them leaves, at a cost that does not grow with their number.

    Calls that leave within a thousandth of the period leave together. Times are seconds on any clock that does not
    go back. `count` is right after `expire`.
    """

    __slots__ = ("_leaving", "_moments", "_step", "count")

    def __init__(self, period: float) -> None:
        self.count: int = 0
        self._step = period / _MOMENTS
        self._leaving: dict[int, int] = {}  # how many leave at each moment; also at moments that none is left for
        self._moments: list[int] = []  # a heap of the same moments

    def add(self, until: float) -> int:
        """Count one call ``until`` then; the returned moment identifies it to `move`."""
        moment = math.ceil(until / self._step)
        if moment in self._leaving:
            self._leaving[moment] += 1
        else:
            self._leaving[moment] = 1
            heapq.heappush(self._moments, moment)
        self.count += 1
        return moment

    def move(self, moment: int, until: float) -> None:
        """Let a call that would leave at ``moment`` leave at another time, unless it is gone."""
        if moment in self._leaving:
            self._leaving[moment] -= 1
            self.count -= 1
            self.add(until)

    def expire(self, now: float) -> None:
        """Drop the calls whose time has come."""
        moments = self._moments
        while moments and moments[0] * self._step <= now + TICK:
            self.count -= self._leaving.pop(heapq.heappop(moments))

    @property
    def first(self) -> float | None:
        """The moment at which the next call leaves, None if there is none."""
        while self._moments and not self._leaving[self._moments[0]]:
            del self._leaving[heapq.heappop(self._moments)]
        return self._moments[0] * self._step if self._moments else None

    def schedule(self) -> list[float]:
        """Return when each call leaves, the next one first."""
        return [moment * self._step for moment in sorted(self._leaving) for _ in range(self._leaving[moment])]
