"""Waiting callers: first come, first served, and nobody waits for what comes too late."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from zra_async.core.limits.base import Lane

if TYPE_CHECKING:
    from zra_async.core.limits.permit import LocalPermit

#: of every ten grants, bulk gets at least one
BULK_TURN = 10


class Waiter:
    """One caller in a queue, with the loop time of its deadline if it has one.

    It is told its permit, None if that would come too late, or to buy tokens from the pace of the bulk lane.
    """

    __slots__ = ("deadline", "expected", "future", "lane", "queue", "timer")

    future: asyncio.Future[LocalPermit | Literal["buy"] | None]

    def __init__(self, lane: Lane, deadline: float | None) -> None:
        self.lane: Lane = lane
        self.deadline: float | None = deadline
        self.expected: float | None = None  #: when it is to be served, as long as nothing changes that
        self.queue: Queue | None = None
        self.timer: asyncio.TimerHandle | None = None
        self.renew()

    def renew(self) -> None:
        """Await another word."""
        self.future = asyncio.get_running_loop().create_future()

    @property
    def told(self) -> LocalPermit | Literal["buy"] | None:
        """The word that has come, None if there is none."""
        return self.future.result() if self.future.done() and not self.future.cancelled() else None

    def tell(self, outcome: LocalPermit | Literal["buy"] | None) -> None:
        """Wake the caller."""
        if not self.future.done():
            self.future.set_result(outcome)

    def refuse(self) -> None:
        """Tell the caller that it cannot be served in time."""
        self.leave()
        self.tell(None)

    def leave(self) -> None:
        """Leave the queue, and need no timer any more."""
        if self.queue is not None:
            self.queue.discard(self)
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


class Queue:
    """Waiters in their order. Leaving from the middle costs nothing: the place stays until its turn comes."""

    __slots__ = ("_count", "_places", "dated")

    def __init__(self) -> None:
        self._places: deque[Waiter] = deque()
        self._count = 0
        self.dated: int = 0  #: how many waiters have a deadline

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Waiter]:
        return (waiter for waiter in self._places if waiter.queue is self)

    def add(self, waiter: Waiter) -> None:
        """Join the end of the queue."""
        waiter.queue = self
        self._places.append(waiter)
        self._count += 1
        self.dated += waiter.deadline is not None

    def discard(self, waiter: Waiter) -> None:
        """Leave the queue from wherever the waiter stands."""
        self._gone(waiter)

    @property
    def head(self) -> Waiter | None:
        """The first waiter, if there is one."""
        return self._places[0] if self._places else None

    def pop(self) -> Waiter:
        """Take the first waiter out."""
        waiter = self._places.popleft()
        self._gone(waiter)
        return waiter

    def _gone(self, waiter: Waiter) -> None:
        waiter.queue = None
        self._count -= 1
        self.dated -= waiter.deadline is not None
        places = self._places
        while places and places[0].queue is not self:
            places.popleft()


class Lanes:
    """The two queues at the window: interactive before bulk, but of ten grants bulk gets one."""

    __slots__ = ("bulk", "interactive", "owed")

    def __init__(self) -> None:
        self.interactive: Queue = Queue()
        self.bulk: Queue = Queue()
        self.owed: int = 0  #: interactive grants since bulk had its turn

    def __len__(self) -> int:
        return len(self.interactive) + len(self.bulk)

    def next(self) -> Waiter | None:
        """Take out whoever is to be served now."""
        bulk_first = self.owed >= BULK_TURN - 1
        for queue in (self.bulk, self.interactive) if bulk_first else (self.interactive, self.bulk):
            if len(queue):
                return queue.pop()
        return None

    def served(self, lane: Lane) -> None:
        """Count a grant to a waiter of ``lane``."""
        self.owed = self.owed + 1 if lane is Lane.INTERACTIVE else 0
