"""Bounds in time around attempts: one timer for all that are under way."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from zra_async.core.window import TICK


class Watch:
    """Ends what takes too long.

    A timer for each attempt, as `asyncio.timeout` sets it, would be an eighth of what this client adds to a small
    call, and hardly one of them ever fires. One timer, set to the first bound that may come, does for all.
    """

    __slots__ = ("_bounds", "_timer")

    def __init__(self) -> None:
        self._bounds: set[Bound] = set()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, bound: Bound, loop: asyncio.AbstractEventLoop) -> None:
        """Watch over ``bound``."""
        self._bounds.add(bound)
        if self._timer is None or bound.until < self._timer.when():
            self.close()
            self._timer = loop.call_at(bound.until, self._sweep, loop)

    def discard(self, bound: Bound) -> None:
        """It is over."""
        self._bounds.discard(bound)

    def close(self) -> None:
        """Stop watching."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        now = loop.time() + TICK
        for bound in [bound for bound in self._bounds if bound.until <= now]:
            self._bounds.discard(bound)
            bound.expire()
        if self._bounds:
            first = min(bound.until for bound in self._bounds)
            self._timer = loop.call_at(first, self._sweep, loop)


class Bound:
    """Cancels what runs inside ``with Bound(watch, seconds):`` when it takes longer, and makes a TimeoutError of that.

    None is no bound. `expired` tells its own TimeoutError from that of others.
    """

    __slots__ = ("_cancelling", "_seconds", "_task", "_watch", "expired", "until")

    def __init__(self, watch: Watch, seconds: float | None) -> None:
        self.expired: bool = False
        self.until: float = 0.0  #: on the clock of the event loop
        self._watch = watch
        self._seconds = seconds

    def __enter__(self) -> Self:
        if self._seconds is not None:
            loop = asyncio.get_running_loop()
            task = asyncio.current_task(loop)
            assert task is not None
            self._task = task
            self._cancelling = task.cancelling()
            self.until = loop.time() + self._seconds
            self._watch.add(self, loop)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._watch.discard(self)
        # a cancellation from elsewhere is left to those who asked for it
        if self.expired and self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def expire(self) -> None:
        """Cancel what runs inside."""
        self.expired = True
        self._task.cancel()
