"""One label's bucket: its sliding window, its two lanes of waiters, its freeze, and its calls of the day.

The bucket keeps the sending times of the calls in the last window, and lets a call go when fewer than the limit
remain. A time is noted when the bytes leave and not when the call was granted, so that neither a busy event loop nor
a slow connect can bunch calls together on their way; what the network adds is covered by a margin on the window.
Waiters are served first come, first served within a lane.

The bulk lane is paced by a token bucket as well, which spreads its calls evenly over the window: a slot comes free
every few milliseconds, and an interactive call never waits for the next window to begin.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from aiolimiter import AsyncLimiter

from zra_async.core.plans import Rate

#: of every ten grants, bulk gets at least one
_BULK_TURN = 10
#: a timer may fire this early, in seconds; the margin of a window is far larger
_TICK = 1e-6


class Lane(StrEnum):
    """Who is waiting: a person (`INTERACTIVE`, the default) or an export, import or ingest (`BULK`)."""

    INTERACTIVE = "interactive"
    BULK = "bulk"


class Permit:
    """The right to send one attempt. Say `sent` when its bytes leave, and `release` it in any case."""

    __slots__ = ("_bucket", "_open", "_probe", "_sent")

    def __init__(self, bucket: Bucket, *, probe: bool) -> None:
        self._bucket = bucket
        self._probe = probe
        self._sent = False
        self._open = True

    def sent(self) -> None:
        """Count the attempt from this moment on."""
        if self._open and not self._sent:
            self._sent = True
            self._bucket.stamp()

    def release(self) -> None:
        """Give the permit back; an attempt that was never sent costs nothing."""
        if self._open:
            self._open = False
            self._bucket.finish(counted=self._sent, probe=self._probe)
            if not self._sent:
                self._bucket.daily.give_back()

    def withdraw(self) -> None:
        """Give back a permit that never reached its waiter."""
        self._open = False
        self._bucket.finish(counted=False, probe=self._probe)


class Daily:
    """Calls from midnight to midnight UTC; may be shared by several buckets."""

    def __init__(self, limit: int | None, clock: Callable[[], datetime]) -> None:
        self.limit = limit
        self._clock = clock
        self._used = 0
        self._day = clock().date()
        self._closed_until: datetime | None = None  # the service said that its day is used up

    @property
    def over(self) -> bool:
        """Whether the service has refused this day's next call."""
        if self._closed_until is not None and self._clock() >= self._closed_until:
            self._closed_until = None
        return self._closed_until is not None

    @property
    def used(self) -> int:
        """Calls since midnight UTC."""
        today = self._clock().date()
        if today != self._day:
            self._day, self._used = today, 0
        return self._used

    def take(self) -> bool:
        """Count one call, unless the day's calls are used up."""
        if self.over or (self.limit is not None and self.used >= self.limit):
            return False
        self._used = self.used + 1
        return True

    def give_back(self) -> None:
        """Count one call less."""
        self._used = max(0, self.used - 1)

    def correct(self, limit: int, remaining: int) -> None:
        """Take over what the service counts, if that is less favourable."""
        own = self.limit if self.limit is not None else limit
        self.limit = own
        self._used = max(self.used, min(own, limit - remaining))

    def close(self, until: datetime | None) -> None:
        """Take the service's word that its day is used up, whoever used it."""
        self._closed_until = until or self.resets_at()

    def resets_at(self) -> datetime:
        """When calls are possible again: when the service said, or the next midnight UTC."""
        if self._closed_until is not None:
            return self._closed_until
        now = self._clock()
        return datetime.combine(now.date() + timedelta(days=1), datetime.min.time(), UTC)


class Bucket:
    """The window of one label, its two queues, and its freeze."""

    def __init__(self, rate: Rate, daily: Daily, margin: float) -> None:
        self.rate = rate
        self.limit = rate.count
        self.daily = daily
        self.refused = 0
        self._window = rate.period + margin
        self._pending = 0  # granted, and not yet sent
        self._stamps: deque[float] = deque()  # when the calls of the last window were sent
        self._queues: dict[Lane, deque[asyncio.Future[Permit]]] = {lane: deque() for lane in Lane}
        self._owed = 0  # interactive grants since bulk had its turn
        self._waking = 0  # granted in the queue, and not yet running
        self._timer: asyncio.TimerHandle | None = None
        self._frozen_until = 0.0
        self._thawing = False  # nothing has succeeded since the last freeze
        self._probing = False
        self._gate = asyncio.Semaphore(math.ceil(rate.count / _BULK_TURN))
        self._turn = asyncio.Lock()
        self._behind_gate = 0
        burst = max(1.0, rate.count / 8)
        self._pace = AsyncLimiter(burst, burst * rate.period / rate.count)

    @property
    def waiting(self) -> dict[Lane, int]:
        """How many callers wait in each lane."""
        return {
            Lane.INTERACTIVE: len(self._queues[Lane.INTERACTIVE]),
            Lane.BULK: len(self._queues[Lane.BULK]) + self._behind_gate,
        }

    @property
    def in_window(self) -> int:
        """How many calls count towards the limit now."""
        self._expire(_now())
        return self._pending + len(self._stamps)

    @property
    def frozen_for(self) -> float:
        """For how many seconds nobody is let through."""
        return max(0.0, self._frozen_until - _now())

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
        now = _now()
        self._expire(now)
        wait = max(0.0, self._frozen_until - now)
        waiting = self.waiting
        ahead = waiting[Lane.INTERACTIVE] + (waiting[Lane.BULK] if lane is Lane.BULK else 0)
        missing = ahead + 1 - (self.limit - self._pending - len(self._stamps))
        if missing <= 0:
            return wait
        windows, index = divmod(missing - 1, self.limit)
        first = self._stamps[index] + self._window - now if index < len(self._stamps) else 0.0
        return max(wait, windows * self._window + first)

    def stamp(self) -> None:
        """A granted call has been sent."""
        self._pending -= 1
        self._stamps.append(_now())
        if self._timer is None:
            self._arm()

    def finish(self, *, counted: bool, probe: bool) -> None:
        """A granted call is over; one that was never sent frees its slot at once."""
        if probe:
            self._probing = False
        if not counted:
            self._pending -= 1
        if probe or not counted:
            self._pump()

    def freeze(self, seconds: float) -> None:
        """Let nobody through for ``seconds``, then one call to try."""
        self._frozen_until = max(self._frozen_until, _now() + seconds)
        self._thawing = True
        self._rearm()

    def widen(self) -> None:
        """The service counted more than we did: trust the network less."""
        self._window = min(self.rate.period * 1.5, self._window + 0.02)

    def succeed(self) -> None:
        """A call has succeeded: a freeze that is over ends for everyone."""
        if self._thawing and self._frozen_until <= _now() + _TICK:
            self._thawing = False
            self._pump()

    async def _slot(self, lane: Lane) -> Permit:
        # a newcomer must not overtake one who was let go a moment ago and has yet to run
        if not self._waking and not any(self._queues.values()) and self._free(_now()):
            return self._grant()
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
        # elsewhere in the queue it stays, done, until its turn comes: removing it would cost a scan

    def _free(self, now: float) -> bool:
        self._expire(now)
        if self._frozen_until > now + _TICK or (self._thawing and self._probing):
            return False
        return self._pending + len(self._stamps) < self.limit

    def _grant(self) -> Permit:
        self._pending += 1
        if self._thawing:
            self._probing = True
        return Permit(self, probe=self._thawing)

    def _pump(self) -> None:
        """Let go whoever may go now, and set the timer for the next."""
        now = _now()
        while self._free(now):
            waiter = self._next()
            if waiter is None:
                break
            waiter.set_result(self._grant())
            self._waking += 1
        self._rearm()

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
        return None

    def _expire(self, now: float) -> None:
        stamps = self._stamps
        while stamps and stamps[0] + self._window <= now + _TICK:
            stamps.popleft()

    def _rearm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._arm()

    def _arm(self) -> None:
        if not any(self._queues.values()):
            return
        now = _now()
        if self._frozen_until > now + _TICK:
            when = self._frozen_until
        elif self._thawing and self._probing:
            return  # the probe's end pumps
        elif self._pending + len(self._stamps) < self.limit:
            when = now
        elif self._stamps:
            when = self._stamps[0] + self._window
        else:
            return  # all granted and none sent: the next stamp arms
        self._timer = asyncio.get_running_loop().call_at(when, self._fire)

    def _fire(self) -> None:
        self._timer = None
        self._pump()


def _now() -> float:
    return asyncio.get_running_loop().time()
