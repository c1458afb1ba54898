"""One label's bucket: its window, its queues, its freeze, and its calls of the day.

The bucket counts the calls of the last window, and grants a permit when fewer than the limit count. A call's window
begins when its bytes leave and not when it is granted, so that neither a busy event loop nor a slow connect can bunch
calls together on their way. A margin on the window covers the delay of the network: a small one for every call, and as
much as its answer is late, within bounds, for a call that the service may have counted late.

Within a lane, waiters are served first come, first served. A few callers go at once. A crowd, of more than there is
room for, is served one by one, evenly over the window: calls that leave together would meet again as a burst each time
their slots come free, and a service may count the last of a burst later than the margin covers. The bulk lane is paced
from its first call on, so that an interactive call never waits for the next window to begin.

A caller with a deadline is refused as soon as it is known that a permit will come too late for an attempt: when it
asks, or when the outlook has become worse.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterator

from zra_async.core.limits.base import Lane
from zra_async.core.limits.forecast import Forecast, bulk_place, interactive_place
from zra_async.core.limits.freeze import Freeze
from zra_async.core.limits.pace import Activity, Pace
from zra_async.core.limits.permit import LocalPermit
from zra_async.core.limits.plans import Rate
from zra_async.core.limits.queue import BULK_TURN, Lanes, Queue, Waiter
from zra_async.core.limits.quota import Daily
from zra_async.core.limits.timing import AnswerDelay, AttemptTime
from zra_async.core.limits.window import TICK, SlidingWindow

#: tolerance for late answers before a 429 is likely, in seconds; refusals raise it
_DOUBT = 0.1
#: the delay that the quickest answers may have met with, in seconds
_SLACK = 0.015
#: the part of a wait by which it may become longer, since each grant on the way to it may be a little late
_DRIFT = 0.02
#: for how many periods the demand of a lane is remembered
_MEMORY = 4
#: the resolution of an event loop's timers, in seconds
_RESOLUTION = 0.001


class Bucket:
    """The limit of one label."""

    def __init__(self, rate: Rate, daily: Daily, margin: float) -> None:
        self.rate: Rate = rate
        self.limit: int = rate.count
        self.daily = daily
        self.refused = 0
        self.answered: bool = False  #: the call that ends next has an answer
        self.life: int = 0  #: how many event loops it has served; a permit of an earlier one counts no more
        self._margin = margin
        self._doubt = max(margin, _DOUBT)  # how long after its sending a call may be counted
        self._window = SlidingWindow(rate.period)  # of the calls that were sent
        self._freeze = Freeze()
        self._answer_delay = AnswerDelay()
        self._times = AttemptTime()
        self._next_turn = 0.0  # when the next of a crowd may go
        self._seen = 0.0  # the latest time that was looked at
        self._clock: Callable[[], float] = lambda: self._seen
        self._begin()
        self.adopt(rate)

    def _begin(self) -> None:
        """Have no callers."""
        self._pending = 0  # granted, and not yet sent
        self._flying = 0  # sent, and not yet answered
        self._waking = 0  # granted in the queue, and not yet running
        self._lanes = Lanes()
        self._line = Queue()  # bulk callers before the pace; the few behind it stand in their lane
        self._buyer: Waiter | None = None  # is about to buy tokens of the pace
        self._reviewed = self._reviewed_for = 0.0  # when waiters were looked at, and for how long an attempt
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = math.inf
        self._freeze.probing = False
        self._asked = {lane: Activity(_MEMORY * self.rate.period) for lane in Lane}
        self._slip = 0.0  # how much later than forecast callers were served

    def bind(self, clock: Callable[[], float]) -> None:
        """Serve another event loop, whose time ``clock`` tells; the callers of the last one are gone."""
        self._clock = clock
        now = clock()
        self.life += 1
        self._begin()
        self._pace = Pace(self.rate)
        if now < self._seen:  # another clock: what counted may have been sent a moment ago
            self._freeze.until = now + max(0.0, self._freeze.until - self._seen)
            self._next_turn = now
            count, self._window = self._window.count, SlidingWindow(self.rate.period)
            for _ in range(count):
                self._window.add(now + self.rate.period + self._doubt)
        self._seen = now

    def _now(self) -> float:
        self._seen = now = self._clock()
        return now

    # ------------------------------------------------------------------ state

    @property
    def waiting(self) -> dict[Lane, int]:
        """The number of waiting callers, by lane."""
        return {
            Lane.INTERACTIVE: len(self._lanes.interactive),
            Lane.BULK: len(self._lanes.bulk) + len(self._line),
        }

    @property
    def in_window(self) -> int:
        """The number of calls that count towards the limit now."""
        self._window.expire(self._now())
        return self._used

    @property
    def frozen_for(self) -> float:
        """For how many seconds nothing is granted."""
        return max(0.0, self._freeze.until - self._now())

    @property
    def _used(self) -> int:
        return self._pending + self._window.count

    # ------------------------------------------------------------------ asking

    def take(self, lane: Lane) -> LocalPermit | None:
        """Grant a permit at once, if there is a slot that nobody waits for."""
        now = self._now()
        self._asked[lane].note(now)
        # a newcomer must not overtake one who was served a moment ago and has yet to run
        if self._next_turn > now or self._waking or len(self._lanes) or not self._free(now):
            return None
        if lane is Lane.BULK:
            if len(self._line) or not self._pace.in_hand:
                return None
            self._pace.in_hand -= 1
        return self._grant(now)

    def leaves_time(self, deadline: float) -> bool:
        """Tell whether an attempt that is sent now can be answered by then."""
        return self._times.suffices(deadline - self._now())

    def wait_of(self, lane: Lane) -> float:
        """Return how long a newcomer waits, in seconds."""
        now = self._now()
        return self._when(self._forecast(now), lane, self.waiting[lane]) - now

    async def acquire(self, lane: Lane, deadline: float | None) -> LocalPermit | None:
        """Wait for a permit; None when it would come too late for an attempt before ``deadline``."""
        if lane is Lane.BULK and not len(self._line) and self._buyer is None and self._pace.can_buy():
            await self._pace.buy()
            if (permit := self.take(lane)) is not None:
                return permit
        waiter = Waiter(lane, deadline)
        if deadline is not None:
            wait = self.wait_of(lane)
            waiter.expected = self._seen + wait
            if waiter.expected + _DRIFT * wait + self._times.usual >= deadline:
                return None
            latest = deadline - self._times.mean
            waiter.timer = asyncio.get_running_loop().call_at(latest, self._too_late, waiter)
        (self._line if lane is Lane.BULK else self._lanes.interactive).add(waiter)
        self._admit()
        if self._timer is None or len(self._lanes) == 1 or len(self._line) == 1:
            self._rearm()  # with more than that, the timer is set for those who wait already
        return await self._outcome(waiter)

    async def _outcome(self, waiter: Waiter) -> LocalPermit | None:
        try:
            while (told := await waiter.future) == "buy":
                waiter.renew()
                await self._pace.buy()
                self._buyer = None
                # not in this step: those who stand before it in the lane would be told, and run, after it
                asyncio.get_running_loop().call_soon(self._serve)
                if waiter.queue is None:
                    return None  # it was refused on its way here
        except asyncio.CancelledError:
            if isinstance(granted := waiter.told, LocalPermit):
                self._waking -= 1
                granted.withdraw()
            else:
                self._drop(waiter)
            raise
        if told is not None:
            self._waking -= 1
        return told

    def _drop(self, waiter: Waiter) -> None:
        if self._buyer is waiter:
            self._buyer = None
        waiter.leave()
        self._serve()

    def _too_late(self, waiter: Waiter) -> None:
        waiter.timer = None
        waiter.refuse()
        self._serve()

    # ------------------------------------------------------------------ attempts

    def count(self, permit: LocalPermit) -> float:
        """Count a granted call from now on, and return the time."""
        now = self._now()
        if permit.life == self.life:
            self._pending -= 1
            self._flying += 1
            permit.leaves = self._window.add(now + self.rate.period + self._doubt)
            if self._timer is None:
                self._rearm()
        return now

    def finish(self, permit: LocalPermit) -> None:
        """End a granted call; one that was never sent frees its slot at once."""
        if permit.life != self.life:
            return
        if permit.probe:
            self._freeze.probing = False
        if permit.sent_at is None:
            self._pending -= 1
            self._next_turn -= self._interval
            self._serve()
            return
        self._flying -= 1
        now = self._now()
        late = self._answer_delay.of(now - permit.sent_at)
        held = self._doubt
        if late < held:
            held = max(self._margin, late + _SLACK)
            self._window.move(permit.leaves, permit.sent_at + self.rate.period + held)
        until = permit.sent_at + self.rate.period + held
        self._times.took(now - permit.granted_at, answered=self.answered)
        self.answered = False
        self._held += (held - self._held) / 16
        self._cycle += (until - permit.granted_at - self._cycle) / 16
        if self._times.mean > 1.2 * self._reviewed_for and len(self._lanes):
            self._review()  # what was time enough is so no more
        if permit.probe:
            self._serve()
        elif self._timer is not None and until < self._timer_at:
            self._rearm()

    # ------------------------------------------------------------------ the word of the service

    def freeze(self, seconds: float) -> None:
        """Grant nothing for ``seconds``, then one permit as a probe."""
        self._freeze.begin(self._now() + seconds)
        self._review()
        self._rearm()

    def succeed(self) -> None:
        """A call has succeeded: a freeze whose time is over ends for everyone."""
        if self._freeze.thawing and self._freeze.end(self._now()):
            self._serve()

    def widen(self) -> None:
        """The service counted more than this bucket: trust late answers less."""
        self._doubt = min(self.rate.period / 2, self._doubt + 0.05)

    def adopt(self, rate: Rate) -> None:
        """Keep ``rate`` from now on."""
        if self.life and (rate.count, rate.period) == (self.limit, self.rate.period):
            return
        self.rate, self.limit = rate, rate.count
        self._interval = rate.period / rate.count
        self._gate = math.ceil(rate.count / BULK_TURN)
        self._held = self._doubt  # for how long beyond the period a call counts
        self._cycle = rate.period + self._doubt  # for how long a grant takes up its slot
        if self.life:
            self._pace = Pace(rate)
            self._review()
            self._serve()

    def refuse_all(self) -> None:
        """Refuse every caller who waits."""
        for queue in (self._lanes.interactive, self._lanes.bulk, self._line):
            for waiter in list(queue):
                waiter.refuse()

    # ------------------------------------------------------------------ serving

    def _free(self, now: float) -> bool:
        self._window.expire(now)
        return not self._freeze.blocks(now) and self._used < self.limit

    def _grant(self, now: float) -> LocalPermit:
        self._pending += 1
        # an eighth of the window may be ahead of its turn: a late timer must not cost the calls that it held up
        self._next_turn = max(self._next_turn, now - self.rate.period / 8) + self._interval
        probe = self._freeze.probing = self._freeze.thawing
        return LocalPermit(self, now, probe=probe)

    def _serve(self) -> None:
        """Serve whoever is due, and set the timer for the next."""
        now = self._now()
        self._admit()
        while self._free(now) and self._due(now) <= now + TICK:
            waiter = self._lanes.next()
            if waiter is None:
                break
            if waiter.future.cancelled():
                waiter.leave()  # its task has not run since
                continue
            if waiter.deadline is not None and waiter.deadline <= now + self._times.mean:
                waiter.refuse()
                continue
            if waiter.lane is Lane.INTERACTIVE and waiter.expected is not None:
                self._slip = max(0.9 * self._slip, min(now - waiter.expected, self.rate.period / 4))
            waiter.leave()
            waiter.tell(self._grant(now))
            self._waking += 1
            self._lanes.served(waiter.lane)
            if waiter.lane is Lane.BULK:
                self._admit()
        self._rearm()

    def _admit(self) -> None:
        """Let bulk callers into their lane, a few at a time and each with a token of the pace."""
        while (head := self._line.head) is not None and len(self._lanes.bulk) < self._gate:
            if head is self._buyer:
                return
            if not self._pace.in_hand:
                if self._buyer is None and self._pace.can_buy():
                    self._buyer = head
                    head.tell("buy")
                return
            self._pace.in_hand -= 1
            self._lanes.bulk.add(self._line.pop())

    def _due(self, now: float) -> float:
        """Return when the next waiter may have a slot that is free: now, or in a crowd when its turn has come."""
        crowded = len(self._lanes) > self.limit - self._used
        return max(now, self._next_turn) if crowded else now

    def _rearm(self, least: float = 0.0) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer, self._timer_at = None, math.inf
        when = min(self._next_service(), self._next_admission())
        if when < math.inf:
            self._timer_at = max(when, least)
            self._timer = asyncio.get_running_loop().call_at(self._timer_at, self._fire)

    def _next_service(self) -> float:
        if not len(self._lanes):
            return math.inf
        now = self._now()
        if self._freeze.until > now + TICK:
            return self._freeze.until
        if self._freeze.blocks(now):
            return math.inf  # the probe's end serves
        if self._used < self.limit:
            return self._due(now)
        leaving = self._window.first
        return math.inf if leaving is None else leaving  # all granted and none sent: the next one sent arms

    def _next_admission(self) -> float:
        if self._line.head is None or self._buyer is not None or len(self._lanes.bulk) >= self._gate:
            return math.inf
        # where two calculations of one moment differ by a rounding error, ask again a little later
        return max(self._pace.due(1), self._now() + _RESOLUTION)

    def _fire(self) -> None:
        early = self._timer_at - self._now() > TICK  # some loops round to milliseconds
        self._timer, self._timer_at = None, math.inf
        if (self._line.dated or self._lanes.bulk.dated) and self._seen - self._reviewed > self.rate.period / 4:
            self._review()  # interactive callers have come before bulk ones
        self._serve()
        if early and self._timer is not None and self._timer_at < self._seen + _RESOLUTION:
            self._rearm(self._seen + _RESOLUTION)

    # ------------------------------------------------------------------ foresight

    def _forecast(self, now: float) -> Forecast:
        self._window.expire(now)
        start = resumes = max(now, self._freeze.until)
        if self._freeze.thawing:
            resumes += self._times.usual
            start = resumes if self._freeze.probing else start
        leaving = self._window.schedule()
        for index in range(max(0, len(leaving) - self._flying), len(leaving)):
            leaving[index] -= self._doubt - self._held  # these are still counted as if their answers were late
        leaving += [now + self._cycle] * self._pending
        leaving.sort()
        crowded = sum(self.waiting.values()) >= self.limit - len(leaving)
        return Forecast(
            limit=self.limit,
            start=start,
            resumes=resumes,
            leaving=leaving,
            cycle=self._cycle,
            pace=(self._next_turn, self._interval, self.rate.period / 8) if crowded else None,
        )

    def _when(self, forecast: Forecast, lane: Lane, ahead: int) -> float:
        """Return when a caller is served who has ``ahead`` others of its lane before it."""
        now = self._seen
        interactive = len(self._lanes.interactive)
        bulk = len(self._lanes.bulk) + len(self._line)
        if lane is Lane.INTERACTIVE:
            active = bulk > 0 or self._asked[Lane.BULK].level(now) > 0.5
            return self._slip + forecast.when(interactive_place(ahead, self._lanes.owed, bulk=active))
        share = self._asked[Lane.INTERACTIVE].level(now) / (_MEMORY * self.limit)
        at = self._slip + forecast.when(bulk_place(ahead, interactive, self._lanes.owed, share))
        return max(at, self._pace.due(ahead + 1 - len(self._lanes.bulk)))

    def _dated_waiters(self) -> Iterator[tuple[Lane, Queue]]:
        yield Lane.INTERACTIVE, self._lanes.interactive
        yield Lane.BULK, self._lanes.bulk
        yield Lane.BULK, self._line

    def _review(self) -> None:
        """Refuse at once whoever can no longer make it."""
        forecast = self._forecast(self._now())
        self._reviewed, self._reviewed_for = self._seen, self._times.mean
        ahead = dict.fromkeys(Lane, 0)
        for lane, queue in self._dated_waiters():
            for waiter in list(queue):
                waiter.expected = None
                at = -math.inf if waiter.deadline is None else self._when(forecast, lane, ahead[lane])
                if waiter.deadline is not None and at + self._reviewed_for >= waiter.deadline:
                    waiter.refuse()
                else:
                    ahead[lane] += 1
