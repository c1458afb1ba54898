"""The forecast of a caller's grant: a pure function of the state of a bucket."""

from __future__ import annotations

import math
from collections.abc import Sequence

from zra_async.core.limits.queue import BULK_TURN


class Forecast:
    """The grants that a bucket is going to make. Times are those of the event loop, in seconds.

    The first grant is possible at ``start``, the others at ``resumes``: after a freeze they wait for the probe.
    ``leaving`` tells when each call that counts now leaves, the next one first. A call that is granted counts for
    ``cycle`` seconds. In a crowd, ``pace`` tells when the next turn is, how far apart turns are, and by how much they
    may catch up after a pause.
    """

    def __init__(
        self,
        *,
        limit: int,
        start: float,
        resumes: float,
        leaving: Sequence[float],
        cycle: float,
        pace: tuple[float, float, float] | None,
    ) -> None:
        self._limit = limit
        self._start = start
        self._resumes = resumes
        self._leaving = leaving
        self._cycle = cycle
        self._turn, self._interval, self._credit = pace or (-math.inf, 0.0, math.inf)
        self._first_cycle: list[float] = []

    def when(self, place: int) -> float:
        """Return when the grant is made that has ``place`` others before it."""
        cycles, first = divmod(place, self._limit)
        while len(self._first_cycle) <= first:
            self._extend()
        return self._first_cycle[first] + cycles * self._cycle

    def _extend(self) -> None:
        """Add the next grant of the first cycle, whose slot is free now or when a call leaves that counts now."""
        place = len(self._first_cycle)
        missing = place - (self._limit - len(self._leaving))
        free = self._leaving[missing] if missing >= 0 else -math.inf
        at = max(self._resumes if place else self._start, free, self._turn)
        self._first_cycle.append(at)
        self._turn = max(self._turn, at - self._credit) + self._interval


def interactive_place(ahead: int, owed: int, *, bulk: bool) -> int:
    """Return how many grants come before that of an interactive caller, with the turns of bulk if it is active."""
    return ahead + ((owed + ahead) // (BULK_TURN - 1) if bulk else 0)


def bulk_place(ahead: int, interactive: int, owed: int, share: float) -> int:
    """Return how many grants come before that of a bulk caller.

    ``ahead`` bulk and ``interactive`` callers wait before it, and interactive callers that are yet to come take
    ``share`` of the grants; but of ten grants bulk always gets one.
    """
    to_come = math.ceil(ahead * share / (1 - share)) if share < 1 else math.inf
    return int(min(ahead + interactive + to_come, BULK_TURN * (ahead + 1) - 1 - min(owed, BULK_TURN - 1)))
