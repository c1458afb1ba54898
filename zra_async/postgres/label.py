"""One label of an account in one process: its callers, the pump that books slots for them, and what is reported back.

The pump asks the database for slots, at most the horizon ahead, and hands them to the callers in their order. A slot is
an absolute time on the clock of the database, which is mapped to that of the event loop. A call that leaves or is
answered late counts later, and is moved in the database with the next statement; an attempt that is neither sent nor
answered long before its window ends is moved as well, so that no other process books too early after it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from datetime import datetime
from itertools import islice
from typing import Literal

from zra_async.core.clock import moment_of
from zra_async.core.limits import Lane, Rate
from zra_async.core.limits.timing import AnswerDelay, AttemptTime
from zra_async.core.operation import Label
from zra_async.postgres.link import DatabaseLink, DatabaseLost
from zra_async.postgres.permit import SharedPermit

HORIZON = 0.08  #: seconds that slots are booked ahead: as much is lost when a process is killed
MARGIN = 0.015  #: seconds by which each window is longer than that of the service
_MOST = 32  #: callers of a lane that one statement books for
_SLACK = 0.008  #: the delay that the quickest answers may have met with, in seconds
_DOUBT = 0.1  #: how much later than it was sent an attempt counts that has no answer yet, in seconds
_REPORT = 0.004  #: a smaller delay is covered by the margin
_FLUSH = 0.03  #: seconds until reports are sent for which no booking comes
_POLL = 0.25  #: seconds between two looks at a freeze that no notification may end
_LATE = 0.4  #: the part of a period by which a slot may be used too late


#: a permit; when the day ends whose calls are used up; None for a slot that would come too late
Told = SharedPermit | datetime | Literal["lost"] | None


class SlotWaiter:
    """One caller that waits for a slot."""

    __slots__ = ("deadline", "future", "since", "timer", "urgent")

    def __init__(self, lane: Lane, since: float, deadline: float | None) -> None:
        self.urgent: bool = lane is Lane.INTERACTIVE
        self.since: float = since
        self.deadline: float | None = deadline
        self.future: asyncio.Future[Told] = asyncio.get_running_loop().create_future()
        self.timer: asyncio.TimerHandle | None = None

    def tell(self, outcome: Told) -> None:
        """Wake the caller."""
        if not self.future.done():
            self.future.set_result(outcome)


class SharedLabel:
    """The limit of one label that all processes of an account share. Times are those of the event loop."""

    def __init__(
        self, link: DatabaseLink, key: tuple[str, Label, str | None, int], rate: Rate, lost: Callable[[str], None]
    ) -> None:
        self._link = link
        self._account, self._process = key[0], key[3]
        self.label: Label = key[1]
        self.budget: str | None = key[2]
        self.rate: Rate = rate
        self._lost = lost
        self.limit: int = rate.count  #: the rate that the database permits now
        self.known: int = rate.count  #: the limit that the service has named last, or that is configured
        self.was_refused: bool = False  #: the freeze that comes next is because of a refusal of this label
        self.refused: int = 0
        self.used_today: int = 0
        self.per_day: int | None = rate.per_day
        self.thawing: bool = False  #: nothing has succeeded since the last refusal, as far as this process knows
        self.frozen_until: float = 0.0
        self.freezes_under_way: int = 0  #: freezes that the database has not been told of yet
        self.times: AttemptTime = AttemptTime()
        self._answer_delay = AnswerDelay()
        self._doubt = _DOUBT
        self._queues: dict[bool, deque[SlotWaiter]] = {True: deque(), False: deque()}
        self._moves: list[tuple[float, float]] = []
        self._open: deque[SharedPermit] = deque()  # permits whose time may still change, by their slots
        self._sent: deque[float] = deque()  # when attempts of this process were sent
        self.flying: int = 0  #: attempts of this process that have no answer yet
        self._wake = asyncio.Event()
        self._flush: asyncio.TimerHandle | None = None
        self._review_timer: asyncio.TimerHandle | None = None
        self._unfilled = False  # bulk callers wait for a later turn, which a newcomer does not change
        self._pump: asyncio.Task[None] | None = None

    # ------------------------------------------------------------------ callers

    def waiting(self, lane: Lane) -> int:
        """Return how many callers of this process wait."""
        return sum(not waiter.future.done() for waiter in self._queues[lane is Lane.INTERACTIVE])

    def in_window(self, now: float) -> int:
        """Return how many attempts of this process were sent within the last period."""
        while self._sent and self._sent[0] <= now - self.rate.period:
            self._sent.popleft()
        return len(self._sent)

    def ask(self, lane: Lane, deadline: float | None) -> SlotWaiter:
        """Join the queue of a lane."""
        loop = asyncio.get_running_loop()
        waiter = SlotWaiter(lane, loop.time(), deadline)
        if deadline is not None:
            waiter.timer = loop.call_at(deadline - self.times.mean, waiter.tell, None)
        self._queues[waiter.urgent].append(waiter)
        if waiter.urgent or not self._unfilled:
            self._wake.set()
        if self._pump is None or self._pump.done():
            self._pump = loop.create_task(self._run())
        return waiter

    def dismiss(self, outcome: datetime | None = None, *, lost: bool = False) -> None:
        """Tell everybody who waits for a slot that none is coming; after a loss, that they must look elsewhere."""
        for queue in self._queues.values():
            for waiter in queue:
                waiter.tell("lost" if lost else outcome)
            queue.clear()

    async def close(self) -> None:
        """Stop the pump, and forget what belongs to this event loop."""
        pump, self._pump = self._pump, None
        for timer in (self._flush, self._review_timer):
            if timer is not None:
                timer.cancel()
        if pump is not None:
            pump.cancel()
            await asyncio.wait([pump])
        self._flush = self._review_timer = None
        self._moves.clear()
        self._open.clear()
        self._sent.clear()
        self._wake = asyncio.Event()
        self.thaw()

    # ------------------------------------------------------------------ the pump

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._wake.clear()
            if not (self._prune() or self._moves):
                await self._wake.wait()
                continue
            try:
                again = await self._book()
            except DatabaseLost as problem:
                self._moves.clear()
                self.dismiss(lost=True)
                self._lost(str(problem))
                continue
            if self._prune():
                timer = loop.call_at(max(again, loop.time() + 0.001), self._wake.set)
                await self._wake.wait()
                timer.cancel()

    def _prune(self) -> bool:
        """Drop callers who have gone, and tell if any is left."""
        for queue in self._queues.values():
            while queue and queue[0].future.done():
                queue.popleft()
        self._unfilled = self._unfilled and bool(self._queues[False])
        return any(self._queues.values())

    def _heads(self, *, urgent: bool) -> list[float]:
        offset = self._link.offset
        waiting = (waiter.since - offset for waiter in self._queues[urgent] if not waiter.future.done())
        return list(islice(waiting, _MOST))

    async def _book(self) -> float:
        """Book slots, hand them out, and return when to ask again."""
        urgent, bulk = self._heads(urgent=True), self._heads(urgent=False)
        moves, self._moves = self._moves, []
        answer = await self._link.call(
            "zra_book",
            self._account,
            self.label.value,
            self.budget,
            self._process,
            urgent,
            bulk,
            [before for before, _ in moves],
            [after for _, after in moves],
            None,
            HORIZON,
            expected=8,
        )
        offset = self._link.offset
        self.limit = answer.rate
        if not self.freezes_under_way:
            self.thawing = answer.frozen > 0
            self.frozen_until = answer.frozen + offset if self.thawing else 0.0
        if self.budget is not None:
            self.used_today, self.per_day = answer.used, answer.per_day
        for slots, lane in ((answer.urgent, True), (answer.bulk, False)):
            for slot in slots:
                self._assign(lane, slot, slot + offset, probe=answer.probe)
        self._unfilled = len(answer.bulk) < len(bulk)
        if answer.closed:
            self.dismiss(moment_of(answer.closed))
        self._refuse_late(answer.next_ + offset)
        again: float = answer.again + offset
        return min(again, asyncio.get_running_loop().time() + _POLL) if self.thawing else again

    def _refuse_late(self, first: float) -> None:
        """Refuse callers whose turn cannot come in time: each waits for those before it at least."""
        step = self.rate.period / self.limit
        for queue in self._queues.values():
            if any(waiter.deadline is not None for waiter in queue):
                for place, waiter in enumerate(queue):
                    soonest = first + place * step * 0.9 + self.times.mean
                    if waiter.deadline is not None and soonest > waiter.deadline:
                        waiter.tell(None)

    def _assign(self, urgent: bool, logged: float, slot: float, *, probe: bool) -> None:
        """Give a slot to the next caller of a lane, who is told when it comes."""
        queue = self._queues[urgent]
        while queue and queue[0].future.done():
            queue.popleft()
        if not queue:
            self._report(logged, 0.0)
            return
        waiter = queue.popleft()
        loop = asyncio.get_running_loop()
        if slot <= loop.time():
            self._deliver(waiter, logged, slot, probe)
        else:
            loop.call_at(slot, self._deliver, waiter, logged, slot, probe)

    def _deliver(self, waiter: SlotWaiter, logged: float, slot: float, probe: bool) -> None:
        now = asyncio.get_running_loop().time()
        late = now - slot > _LATE * self.rate.period
        if late or (self.frozen_until > now and not probe):
            self._report(logged, 0.0)  # unused
            if not waiter.future.done():
                self._queues[waiter.urgent].appendleft(waiter)
                self._wake.set()
        elif waiter.future.done():
            self._assign(waiter.urgent, logged, slot, probe=probe)
        else:
            permit = SharedPermit(self, slot, logged, now, probe=probe)
            self._look_later(permit, now)
            waiter.tell(permit)

    # ------------------------------------------------------------------ attempts

    def left(self, permit: SharedPermit) -> float:
        """Note that the attempt is sent now."""
        now = asyncio.get_running_loop().time()
        self._sent.append(now)
        self.flying += 1
        if now - permit.slot > 0.05:
            self._move(permit, now - permit.slot)  # at once: its answer may be a while
        return now

    def ended(self, permit: SharedPermit) -> None:
        """Note that the attempt has ended, and how late it may have been counted."""
        permit.settled = True
        now = asyncio.get_running_loop().time()
        if permit.sent_at is None:
            self._report(permit.logged, 0.0)
            return
        self.flying -= 1
        took = now - permit.sent_at
        self.times.took(now - permit.granted_at, answered=True)
        late = self._answer_delay.of(took)
        self._move(permit, permit.sent_at - permit.slot + max(0.0, min(late, self._doubt) + _SLACK - MARGIN))

    def _move(self, permit: SharedPermit, delay: float) -> None:
        """Let an attempt count ``delay`` seconds later than its slot."""
        to = permit.booked + max(0.0, delay)
        if abs(to - permit.logged) > _REPORT:
            self._report(permit.logged, to)
            permit.logged = to

    def _report(self, before: float, after: float) -> None:
        """Tell the database with the next statement; there is one soon."""
        self._moves.append((before, after))
        if self._flush is None and self._link.is_open:
            self._flush = asyncio.get_running_loop().call_later(_FLUSH, self._send_reports)

    def _send_reports(self) -> None:
        self._flush = None
        if self._moves:
            self._wake.set()

    def _look_later(self, permit: SharedPermit, now: float) -> None:
        permit.review_at = now + _LATE * self.rate.period
        self._open.append(permit)
        if self._review_timer is None:
            self._review_timer = asyncio.get_running_loop().call_at(permit.review_at, self._review)

    def _review(self) -> None:
        """Move attempts that are not settled yet, before other processes book for when their window would end."""
        self._review_timer = None
        loop = asyncio.get_running_loop()
        now = loop.time()
        while self._open and (self._open[0].settled or self._open[0].review_at <= now + 0.001):
            permit = self._open.popleft()
            if permit.settled:
                continue
            if permit.sent_at is None:
                # it may leave at any moment: count it as sent a little later than now, and look again
                self._move(permit, now - permit.slot + _LATE * self.rate.period)
                self._look_later(permit, now)
            else:
                self._move(permit, permit.sent_at - permit.slot + self._doubt)
        if self._review_timer is None and self._open:
            self._review_timer = loop.call_at(self._open[0].review_at, self._review)

    def widen(self) -> None:
        """Trust late answers less: the service has counted more than was booked."""
        self._doubt = min(self.rate.period / 2, self._doubt + 0.05)

    # ------------------------------------------------------------------ freezes

    def freeze(self, until: float) -> None:
        """Let nobody go until then: those who have a slot ask for another one."""
        self.frozen_until, self.thawing = max(self.frozen_until, until), True

    def thaw(self) -> None:
        """Let everybody go again."""
        self.frozen_until, self.thawing = 0.0, False
        self._wake.set()
