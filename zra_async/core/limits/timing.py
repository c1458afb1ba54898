"""The times that answers take, learned from each of them."""

from __future__ import annotations

import math

#: among so many answers one has met with next to no delay
_ANSWERS = 64
#: how exactly event loops keep time, in seconds
_GRANULARITY = 0.02


class AnswerDelay:
    """The delay of answers beyond the quickest of the last hundred, in seconds.

    The first answers have nothing to be compared with: all of their time may be delay.
    """

    __slots__ = ("_before", "_left", "_now")

    def __init__(self) -> None:
        self._before = 0.0
        self._now = math.inf
        self._left = _ANSWERS

    def of(self, took: float) -> float:
        """Take note of an answer that took so long, and return how late it was."""
        self._now = min(self._now, took)
        late = took - min(self._now, self._before)
        self._left -= 1
        if not self._left:
            self._before, self._now, self._left = self._now, math.inf, _ANSWERS
        return late


class AttemptTime:
    """The time of an attempt from its grant to its answer, in seconds.

    `mean` is the smoothed time, 0 before the first answer. `usual` is enough for nearly every attempt, as TCP estimates
    a round trip (RFC 6298): the mean and four times the deviation, or the granularity of the clock.
    """

    __slots__ = ("_before", "_deviation", "_left", "_now", "mean")

    def __init__(self) -> None:
        self.mean: float = 0.0
        self._deviation = 0.0
        self._before = self._now = math.inf  # the quickest of the last hundred, and of those since
        self._left = _ANSWERS

    @property
    def usual(self) -> float:
        """The time within which nearly every attempt is answered."""
        return self.mean + max(_GRANULARITY, 4 * self._deviation)

    def took(self, seconds: float, *, answered: bool) -> None:
        """Learn from one attempt, of which it may not be known that it was answered."""
        if answered:
            self._now = min(self._now, seconds)
            self._left -= 1
            if not self._left:
                self._before, self._now, self._left = self._now, math.inf, _ANSWERS
        if not self.mean:
            self.mean, self._deviation = seconds, seconds / 2
            return
        self._deviation += (abs(seconds - self.mean) - self._deviation) / 4
        self.mean += (seconds - self.mean) / 8

    def suffices(self, seconds: float) -> bool:
        """Return False if no attempt can be answered in so short a time, as far as the quickest answers tell.

        They may have been those of a slower operation or network. Each denial lowers what the next caller needs, so
        that soon one of them finds out.
        """
        quickest = min(self._before, self._now)
        if seconds > 0 and (seconds > quickest or quickest == math.inf):
            return True
        self._before *= 0.9
        self._now *= 0.9
        return False
