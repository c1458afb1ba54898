"""One label's bucket: its sliding window, its two lanes of waiters, its freeze, and its calls of the day.

The bucket keeps the calls of the last window, and lets a call go when fewer than the limit remain. A call's window
begins when its bytes leave and not when it was granted, so that neither a busy event loop nor a slow connect can bunch
calls together on their way. What the network adds is covered by a margin on the window: a small one for every call,
and as much as its answer is late, within bounds, for a call that may have been held up before the service counted it.
Waiters are served first come, first served within a lane.

A few callers go at once. A crowd, of more than there is room for, is let go one by one, evenly over the window: calls
that leave together meet again as a burst each time their slots come free, and a service that takes them one by one may
count the last of a burst later than the margin covers.

The bulk lane is paced by a token bucket from its first call on: a slot comes free every few milliseconds, and an
interactive call never waits for the next window to begin.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from zra_async.core.limits.plans import Rate
from zra_async.core.limits.window import TICK, Lateness, Window

#: of every ten grants, bulk gets at least one
_BULK_TURN = 10
#: by how much an answer may be late, in seconds, without costing a refusal; refusals raise it
_DOUBT = 0.1
#: how much delay the quickest answers may have met with, in seconds
_SLACK = 0.015


class Lane(StrEnum):
    """Who is waiting: a person (`INTERACTIVE`, the default) or an export, import or ingest (`BULK`)."""

    INTERACTIVE = "interactive"
    BULK = "bulk"


class Permit:
    """The right to send one attempt. Say `sent` when its bytes leave, and `release` it in any case."""

    __slots__ = ("_bucket", "_open", "_probe", "leaves", "sent_at", "waited")

    def __init__(self, bucket: Bucket, *, probe: bool) -> None:
        self._bucket = bucket
        self._probe = probe
        self._open = True
        self.waited: float = 0.0  #: how long it was waited for, in seconds
        self.sent_at: float | None = None
        self.leaves: int = 0  #: the moment of the window at which it stops to count

    def sent(self) -> None:
        """Count the attempt from this moment on."""
        if self._open and self.sent_at is None:
            self.sent_at, self.leaves = self._bucket.count()

    def release(self) -> None:
        """Give the permit back; an attempt that was never sent costs nothing."""
        if self._open:
            self._open = False
            self._bucket.finish(self, probe=self._probe)
            if self.sent_at is None:
                self._bucket.daily.give_back()

    def withdraw(self) -> None:
        """Give back a permit that never reached its waiter."""
        self._open = False
        self._bucket.finish(self, probe=self._probe)


class Daily:
    """Calls from midnight to midnight UTC; may be shared by several buckets."""

    def __init__(self, limit: int | None, clock: Callable[[], datetime]) -> None:
        self.limit = limit
        self._clock = clock
        self._used = 0
        self._begins, self._ends = _day_of(clock())
        self._closed_until: datetime | None = None  # the service said that its day is used up

    @property
    def over(self) -> bool:
        """Whether the service has refused this day's next call."""
        return self._closed_until is not None and self._clock() < self._closed_until

    @property
    def used(self) -> int:
        """Calls since midnight UTC."""
        now = self._clock()
        if not self._begins <= now < self._ends:
            self._begins, self._ends = _day_of(now)
            self._used = 0
        return self._used

    def take(self) -> bool:
        """Count one call, unless the day's calls are used up."""
        used = self.used
        if (self.limit is not None and used >= self.limit) or self.over:
            return False
        self._used = used + 1
        return True

    def give_back(self) -> None:
        """Count one call less."""
        self._used = max(0, self.used - 1)

    def correct(self, limit: int, remaining: int) -> None:
        """Take over what the service counts, if that is less favourable."""
        own = self.limit if self.limit is not None else limit
        self.limit = own
        self._used = max(self.used, own - remaining)  # of a share, all may be there still when others took theirs

    def close(self, until: datetime | None) -> None:
        """Take the service's word that its day is used up, whoever used it."""
        self._closed_until = until or self.resets_at()

    def resets_at(self) -> datetime:
        """When calls are possible again: when the service said, or the next midnight UTC."""
        return self._closed_until if self.over and self._closed_until else _day_of(self._clock())[1]


def _day_of(now: datetime) -> tuple[datetime, datetime]:
    begins = datetime.combine(now.date(), datetime.min.time(), UTC)
    return begins, begins + timedelta(days=1)


class Bucket:
    """The window of one label, its two queues, and its freeze."""

    def __init__(self, rate: Rate, daily: Daily, margin: float) -> None:
        self.rate = rate
        self.limit: int = rate.count
        self.daily = daily
        self.refused = 0
        self._now: Callable[[], float] = self._first_look
        self._margin = margin
        self._doubt = max(margin, _DOUBT)  # how long after its sending a call may be counted
        self._lateness = Lateness()
        self._pending = 0  # granted, and not yet sent
        self._window = Window(rate.period)  # of those that were sent
        self._queues: dict[Lane, deque[asyncio.Future[Permit]]] = {lane: deque() for lane in Lane}
        self._gone = dict.fromkeys(Lane, 0)  # how many in each queue were cancelled
        self._owed = 0  # interactive grants since bulk had its turn
        self._waking = 0  # granted in the queue, and not yet running
        self._next_turn = 0.0  # when the next of a crowd may go
        self._timer: asyncio.TimerHandle | None = None
        self._frozen_until = 0.0
        self._thawing = False  # nothing has succeeded since the last freeze
        self._probing = False
        self._gate = asyncio.Semaphore(math.ceil(rate.count / _BULK_TURN))
        self._turn = asyncio.Lock()
        self._behind_gate = 0
        from aiolimiter import AsyncLimiter  # costs an import, which a client makes when it opens

        burst = max(1.0, rate.count / 8)
        self._pace = AsyncLimiter(burst, burst * rate.period / rate.count)
        self._handful = max(1, int(burst / 4))
        self._in_hand = 0  # of these, taken from the pace and not yet used

    def _first_look(self) -> float:
        self._now = asyncio.get_running_loop().time  # a limiter may be made before there is a loop
        return self._now()

    @property
    def waiting(self) -> dict[Lane, int]:
        """How many callers wait in each lane."""
        return {
            Lane.INTERACTIVE: len(self._queues[Lane.INTERACTIVE]) - self._gone[Lane.INTERACTIVE],
            Lane.BULK: len(self._queues[Lane.BULK]) - self._gone[Lane.BULK] + self._behind_gate,
        }

    @property
    def in_window(self) -> int:
        """How many calls count towards the limit now."""
        self._window.expire(self._now())
        return self._used

    @property
    def frozen_for(self) -> float:
        """For how many seconds nobody is let through."""
        return max(0.0, self._frozen_until - self._now())

    def take(self, lane: Lane) -> Permit | None:
        """A slot, if there is one that nobody waits for."""
        now = self._now()
        # a newcomer must not overtake one who was let go a moment ago and has yet to run
        if self._next_turn > now or self._waking or any(self._queues.values()) or not self._free(now):
            return None
        if lane is Lane.BULK and not self._in_pace():
            return None
        return self._grant(now)

    def _in_pace(self) -> bool:
        """Whether the pace of the bulk lane lets one more go now; it is asked for a few at a time, which costs less."""
        if self._behind_gate:
            return False
        if not self._in_hand:
            if not self._pace.has_capacity(self._handful):
                return False
            with contextlib.suppress(StopIteration):
                self._pace.acquire(self._handful).send(None)  # which need not wait, as has just been asked
            self._in_hand = self._handful
        self._in_hand -= 1
        return True

    async def acquire(self, lane: Lane) -> Permit:
        """Wait for a slot: in the lane's queue, and for bulk behind its pace as well."""
        if lane is Lane.INTERACTIVE:
            return await self._slot(lane)
        self._behind_gate += 1
        try:
            # A few bulk calls at a time stand at the window: the other 10 000 wait on a semaphore, which costs nothing.
            async with self._gate:
                async with self._turn:
                    await self._pace.acquire()
                self._behind_gate -= 1
                try:
                    return await self._slot(lane)
                finally:
                    self._behind_gate += 1
        finally:
            self._behind_gate -= 1

    def least_wait(self, lane: Lane) -> float:
        """A lower bound of how long a newcomer waits, in seconds."""
        now = self._now()
        self._window.expire(now)
        wait = max(0.0, self._frozen_until - now)
        waiting = self.waiting
        ahead = waiting[Lane.INTERACTIVE] + (waiting[Lane.BULK] if lane is Lane.BULK else 0)
        missing = ahead + 1 - (self.limit - self._used)
        if missing <= 0:
            return wait
        window = self.rate.period + self._margin
        windows, index = divmod(missing - 1, self.limit)
        leaving = self._window.leaving(index)  # of a call that is under way the moment may yet come nearer
        first = 0.0 if leaving is None else max(0.0, leaving - now - (self._doubt - self._margin))
        return max(wait, windows * window + first)

    def count(self) -> tuple[float, int]:
        """A granted call is sent now; it will leave the window at the moment that is returned as well."""
        now = self._now()
        self._pending -= 1
        leaves = self._window.add(now + self.rate.period + self._doubt)
        if self._timer is None:
            self._arm()
        return now, leaves

    def finish(self, permit: Permit, *, probe: bool) -> None:
        """A granted call is over; one that was never sent frees its slot at once."""
        if probe:
            self._probing = False
        if permit.sent_at is None:
            self._pending -= 1
            self._next_turn -= self.rate.period / self.limit
            self._pump()
            return
        late = self._lateness.of(self._now() - permit.sent_at)
        until = permit.sent_at + self.rate.period + max(self._margin, late + _SLACK)
        if late < self._doubt:
            self._window.move(permit.leaves, until)
        if probe:
            self._pump()
        elif self._timer is not None and until < self._timer.when():
            self._rearm()

    def freeze(self, seconds: float) -> None:
        """Let nobody through for ``seconds``, then one call to try."""
        self._frozen_until = max(self._frozen_until, self._now() + seconds)
        self._thawing = True
        self._rearm()

    def widen(self) -> None:
        """The service counted more than we did: trust late answers less."""
        self._doubt = min(self.rate.period / 2, self._doubt + 0.05)

    def succeed(self) -> None:
        """A call has succeeded: a freeze that is over ends for everyone."""
        if self._thawing and self._frozen_until <= self._now() + TICK:
            self._thawing = False
            self._pump()

    @property
    def _used(self) -> int:
        return self._pending + self._window.count

    async def _slot(self, lane: Lane) -> Permit:
        permit = self.take(Lane.INTERACTIVE)  # bulk has been paced before
        if permit is not None:
            return permit
        waiter: asyncio.Future[Permit] = asyncio.get_running_loop().create_future()
        self._queues[lane].append(waiter)
        if self._timer is None:
            self._arm()
        try:
            permit = await waiter
            self._waking -= 1
            return permit
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                self._waking -= 1
                waiter.result().withdraw()
            else:
                waiter.cancel()
                self._forget(lane, waiter)
            raise

    def _forget(self, lane: Lane, waiter: asyncio.Future[Permit]) -> None:
        queue = self._queues[lane]
        if queue and queue[0] is waiter:
            queue.popleft()
            self._pump()
        else:
            # elsewhere in the queue it stays, done, until its turn comes: removing it would cost a scan
            self._gone[lane] += 1

    def _free(self, now: float) -> bool:
        self._window.expire(now)
        if self._frozen_until > now + TICK or (self._thawing and self._probing):
            return False
        return self._used < self.limit

    def _grant(self, now: float) -> Permit:
        self._pending += 1
        # an eighth of the window may be ahead of its turn: a late timer must not cost the calls that it held up
        self._next_turn = max(self._next_turn, now - self.rate.period / 8) + self.rate.period / self.limit
        if self._thawing:
            self._probing = True
        return Permit(self, probe=self._thawing)

    def _pump(self) -> None:
        """Let go whoever may go now, and set the timer for the next."""
        now = self._now()
        while self._free(now) and self._due(now) <= now + TICK:
            waiter = self._next()
            if waiter is None:
                break
            waiter.set_result(self._grant(now))
            self._waking += 1
        self._rearm()

    def _due(self, now: float) -> float:
        """When the next waiter may have a slot that is free: now, or in a crowd when its turn has come."""
        room = self.limit - self._used
        crowded = sum(map(len, self._queues.values())) > room
        return max(now, self._next_turn) if crowded else now

    def _next(self) -> asyncio.Future[Permit] | None:
        bulk_first = self._owed >= _BULK_TURN - 1
        lanes = (Lane.BULK, Lane.INTERACTIVE) if bulk_first else (Lane.INTERACTIVE, Lane.BULK)
        for lane in lanes:
            queue = self._queues[lane]
            while queue:
                waiter = queue.popleft()
                if not waiter.done():
                    self._owed = self._owed + 1 if lane is Lane.INTERACTIVE else 0
                    return waiter
                self._gone[lane] -= 1
        return None

    def _rearm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._arm()

    def _arm(self) -> None:
        if not any(self._queues.values()):
            return
        now = self._now()
        if self._frozen_until > now + TICK:
            when = self._frozen_until
        elif self._thawing and self._probing:
            return  # the probe's end pumps
        elif self._used < self.limit:
            when = self._due(now)
        elif (leaving := self._window.leaving(0)) is not None:
            when = leaving
        else:
            return  # all granted and none sent: the next one sent arms
        self._timer = asyncio.get_running_loop().call_at(when, self._fire)

    def _fire(self) -> None:
        self._timer = None
        self._pump()
