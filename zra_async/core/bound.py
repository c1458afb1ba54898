"""Bounds in time around attempts: one timer for all that are under way."""

from __future__ import annotations

import asyncio
import math
from types import TracebackType
from typing import Self

from zra_async.core.limits.window import TICK


class Watch:
    """Ends what takes too long.

    A timer for each attempt, as `asyncio.timeout` sets it, would be an eighth of what this client adds to a small
    call, and hardly one of them ever fires. One timer, set to the first bound that may come, does for all.
    """

    __slots__ = ("_bounds", "_next", "_timer")

    def __init__(self) -> None:
        self._bounds: set[Bound] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._next = math.inf  # when the timer fires

    def add(self, bound: Bound) -> None:
        """Watch over ``bound``."""
        self._bounds.add(bound)
        if bound.until < self._next:
            self._set(bound.until)

    def discard(self, bound: Bound) -> None:
        """It is over."""
        self._bounds.discard(bound)

    def close(self) -> None:
        """Stop watching."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._next = None, math.inf

    def _set(self, when: float) -> None:
        self.close()
        self._timer, self._next = asyncio.get_running_loop().call_at(when, self._sweep), when

    def _sweep(self) -> None:
        self.close()
        now = asyncio.get_running_loop().time() + TICK
        for bound in [bound for bound in self._bounds if bound.until <= now]:
            self._bounds.discard(bound)
            bound.expire()
        first = min((bound.until for bound in self._bounds), default=math.inf)
        if first < math.inf:
            self._set(first)


class Bound:
    """Cancels what runs inside ``with Bound(watch, until):`` when it goes on past that, and makes a TimeoutError of it.

    ``until`` is a time on the clock of the event loop; infinity is no bound. `expired` tells its own TimeoutError from
    that of others.
    """

    __slots__ = ("_cancelling", "_task", "_watch", "expired", "until")

    def __init__(self, watch: Watch, until: float) -> None:
        self.expired: bool = False
        self.until: float = until
        self._watch = watch

    def __enter__(self) -> Self:
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        self._cancelling = task.cancelling()
        self._watch.add(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._watch.discard(self)
        # a cancellation from elsewhere is left to those who asked for it
        if self.expired and self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def move(self, seconds: float) -> None:
        """Let it expire ``seconds`` from now."""
        self.until = asyncio.get_running_loop().time() + seconds
        self._watch.add(self)

    def expire(self) -> None:
        """Cancel what runs inside."""
        self.expired = True
        self._task.cancel()
