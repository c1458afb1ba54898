"""Time limits of attempts: one timer for all that are under way."""

from __future__ import annotations

import asyncio
import math
from types import TracebackType
from typing import Self

from zra_async.core.limits.window import TICK


class TimeoutWatch:
    """The one timer of all time limits.

    A timer for each attempt, as `asyncio.timeout` sets it, would be an eighth of what this client adds to a small
    call, and hardly one of them ever fires. One timer, set to the first timeout that may come, does for all.
    """

    __slots__ = ("_next", "_timeouts", "_timer")

    def __init__(self) -> None:
        self._timeouts: set[Timeout] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._next = math.inf  # when the timer fires

    def add(self, timeout: Timeout) -> None:
        """Watch over a timeout."""
        self._timeouts.add(timeout)
        if timeout.until < self._next:
            self._set(timeout.until)

    def discard(self, timeout: Timeout) -> None:
        """Stop watching over a timeout that has ended."""
        self._timeouts.discard(timeout)

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
        for timeout in [timeout for timeout in self._timeouts if timeout.until <= now]:
            self._timeouts.discard(timeout)
            timeout.expire()
        first = min((timeout.until for timeout in self._timeouts), default=math.inf)
        if first < math.inf:
            self._set(first)


class Timeout:
    """A time limit: ``with Timeout(watch, until):`` cancels what runs inside past that, and raises TimeoutError.

    ``until`` is a time on the clock of the event loop; infinity is no limit. `expired` tells its own TimeoutError from
    that of others.
    """

    __slots__ = ("_cancelling", "_task", "_watch", "expired", "until")

    def __init__(self, watch: TimeoutWatch, until: float) -> None:
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
