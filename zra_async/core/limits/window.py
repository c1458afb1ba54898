"""The calls that count towards a limit now, and how late they may have been counted."""

from __future__ import annotations

import heapq
import math

#: a timer may fire this early, in seconds; the margin of a limit is far larger
TICK = 1e-6
#: into how many moments a window is divided; a call leaves at the end of its moment, so at most this part too late
_MOMENTS = 1000
#: among so many answers one has met with next to no delay
_ANSWERS = 64


class Window:
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
        """Count one call ``until`` then; the moment that is returned names it to `move`."""
        moment = math.ceil(until / self._step)
        if moment in self._leaving:
            self._leaving[moment] += 1
        else:
            self._leaving[moment] = 1
            heapq.heappush(self._moments, moment)
        self.count += 1
        return moment

    def move(self, moment: int, until: float) -> None:
        """Let a call that would leave at ``moment`` do so at another time, unless it is gone."""
        if moment in self._leaving:
            self._leaving[moment] -= 1
            self.count -= 1
            self.add(until)

    def expire(self, now: float) -> None:
        """Let go those whose time has come."""
        moments = self._moments
        while moments and moments[0] * self._step <= now + TICK:
            self.count -= self._leaving.pop(heapq.heappop(moments))

    def leaving(self, index: int) -> float | None:
        """When the call that is so many places from the front leaves, None where there are not so many."""
        if index == 0:
            return self._front()
        for moment in sorted(self._leaving):
            index -= self._leaving[moment]
            if index < 0:
                return moment * self._step
        return None

    def _front(self) -> float | None:
        while self._moments and not self._leaving[self._moments[0]]:
            del self._leaving[heapq.heappop(self._moments)]
        return self._moments[0] * self._step if self._moments else None


class Lateness:
    """How much later answers come than the quickest of the last hundred, in seconds.

    Of the first ones, which there is nothing to compare with, all of the time may be delay.
    """

    __slots__ = ("_before", "_left", "_now")

    def __init__(self) -> None:
        self._before = 0.0
        self._now = math.inf
        self._left = _ANSWERS

    def of(self, took: float) -> float:
        """Take note of an answer that took so long, and say how late it was."""
        self._now = min(self._now, took)
        late = took - min(self._now, self._before)
        self._left -= 1
        if not self._left:
            self._before, self._now, self._left = self._now, math.inf, _ANSWERS
        return late
