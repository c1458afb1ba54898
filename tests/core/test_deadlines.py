"""Waiting under a deadline, in virtual time: nobody waits for a slot that comes too late for an attempt."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import virtual
from tests.core.callers import LIGHT, answered, assert_windows, call, limiter
from tests.core.clients import GET
from tests.core.stage import Stage, says
from zra_async import errors
from zra_async.core.limits import MARGIN, Lane, LocalRateLimiter, Rate
from zra_async.core.operation import Label

AT_ONCE = 1e-3


def now() -> float:
    """The virtual time."""
    return asyncio.get_running_loop().time()


@dataclass
class Crowd:
    """Callers with one deadline for all, and what became of each."""

    limits: LocalRateLimiter
    deadline: float
    latency: float = 0.0
    outcomes: Counter[str] = field(default_factory=Counter[str])
    sent: list[float] = field(default_factory=list)

    async def one(self, lane: Lane, at: float = 0.0) -> None:
        """Call at ``at``; a refusal counts as late unless it comes at once."""
        await asyncio.sleep(at)
        asked = now()
        try:
            permit = await self.limits.acquire(LIGHT, lane, asked + self.deadline)
        except errors.RateLimited as refusal:
            assert refusal.local
            assert refusal.resets_at is not None
            self.outcomes["refused" if now() - asked < AT_ONCE else "refused late"] += 1
            return
        permit.sent()
        self.sent.append(now())
        await asyncio.sleep(self.latency)
        self.limits.observe(LIGHT, {}, None)
        permit.release()
        self.outcomes["in time" if now() < asked + self.deadline else "died"] += 1


@pytest.mark.parametrize("lane", list(Lane))
@pytest.mark.parametrize("rate", [1, 4, 30, 80])
@pytest.mark.parametrize("latency", [0.0, 0.05, 0.3, 0.8])
def test_whoever_waits_has_time_for_an_attempt(rate: int, latency: float, lane: Lane) -> None:
    """100 calls a second for 5 s with a deadline of 2 s: each is refused at once or answered in time."""

    async def scenario() -> Crowd:
        crowd = Crowd(limiter(rate), 2.0, latency)
        for _ in range(3):  # the time that an answer takes is known
            await answered(crowd.limits, latency)
        await asyncio.gather(*(crowd.one(lane, n / 100) for n in range(500)))
        return crowd

    crowd = virtual.run(scenario())
    assert set(crowd.outcomes) <= {"in time", "refused"}
    assert_windows(crowd.sent, rate, 1.0)
    # no slot is wasted: while there is demand, they leave as densely as without deadlines
    steady = [at for at in crowd.sent if crowd.sent[0] + 1.5 < at < crowd.sent[0] + 4.5]
    assert len(steady) >= int(3.0 * rate * 0.9)


@settings(max_examples=60)
@given(
    rate=st.integers(2, 20),
    deadline=st.floats(0.3, 5.0),
    latency=st.floats(0.0, 0.2),
    arrivals=st.lists(st.tuples(st.floats(0, 4.0), st.sampled_from(Lane)), min_size=1, max_size=120),
)
def test_nobody_is_served_without_time(
    rate: int, deadline: float, latency: float, arrivals: list[tuple[float, Lane]]
) -> None:
    """Whatever the load in both lanes: who gets a permit after a wait has the time that an attempt takes."""

    async def scenario() -> Crowd:
        crowd = Crowd(limiter(rate), deadline, latency)
        for _ in range(2):
            await answered(crowd.limits, latency)
        await asyncio.gather(*(crowd.one(lane, at) for at, lane in arrivals))
        return crowd

    crowd = virtual.run(scenario())
    assert not crowd.outcomes["died"]
    assert sum(crowd.outcomes.values()) == len(arrivals)


def test_the_first_answer_shows_who_cannot_make_it() -> None:
    """Before any answer the time of an attempt is not known: who waits too long is refused once it is."""

    async def scenario() -> Crowd:
        crowd = Crowd(limiter(2), 1.5, 0.8)
        await asyncio.gather(*(crowd.one(Lane.INTERACTIVE, at) for at in (0.0, 0.0, 0.1, 0.1)))
        assert now() < 0.9
        return crowd

    assert virtual.run(scenario()).outcomes == {"in time": 2, "refused late": 2}


def test_a_slot_exactly_at_the_deadline_is_too_late() -> None:
    """A slot that comes free at the very deadline leaves no time, and is refused without a wait."""

    async def scenario() -> None:
        limits = limiter(1)
        sent = await call(limits, Lane.INTERACTIVE)
        free = sent + 1.0 + MARGIN
        await asyncio.sleep(0.3)
        asked = now()
        with pytest.raises(errors.RateLimited, match="past the deadline"):
            await limits.acquire(LIGHT, Lane.INTERACTIVE, free)
        assert now() == asked
        permit = await limits.acquire(LIGHT, Lane.INTERACTIVE, free + 0.1)
        assert now() == pytest.approx(free, abs=0.002)
        permit.release()

    virtual.run(scenario())


def test_a_refusal_names_when_a_slot_is_free() -> None:
    """The wait that is named is that of the caller's place in the queue."""

    async def scenario() -> None:
        limits = limiter(1)
        waiting = [asyncio.create_task(call(limits, Lane.INTERACTIVE)) for _ in range(10)]
        await asyncio.sleep(0.0)
        with pytest.raises(errors.RateLimited, match=r"slot is (10|11)\.\d s away"):
            await limits.acquire(LIGHT, Lane.INTERACTIVE, now() + 5.0)
        await asyncio.gather(*waiting)

    virtual.run(scenario())


@pytest.mark.parametrize("lane", list(Lane))
def test_a_freeze_refuses_at_once_whoever_can_no_longer_make_it(lane: Lane) -> None:
    """A 429 for a minute ends the wait of those with a deadline, and of nobody else."""

    async def scenario() -> None:
        limits = limiter(10)
        crowd = Crowd(limits, 3.0)
        await asyncio.gather(*(call(limits, lane) for _ in range(10)))
        patient = [asyncio.create_task(call(limits, lane)) for _ in range(5)]
        hasty = [asyncio.create_task(crowd.one(lane)) for _ in range(10)]
        await asyncio.sleep(0.01)
        limits.freeze(LIGHT, 60.0)
        await asyncio.gather(*hasty)
        assert now() < 1.0
        assert crowd.outcomes == {"refused late": 10}
        state = limits.snapshot()[Label.LIGHT]
        assert state.waiting + state.waiting_bulk == 5
        asked = now()
        with pytest.raises(errors.RateLimited, match=r"(59|60)\.\d s away"):
            await limits.acquire(LIGHT, lane, now() + 50.0)
        assert now() == asked
        await asyncio.sleep(60)
        limits.observe(LIGHT, {}, None)
        await asyncio.gather(*patient)

    virtual.run(scenario())


def test_who_comes_after_a_freeze_waits_for_the_probe_too() -> None:
    """Behind a freeze the first caller is the probe; the next one needs the time of two attempts."""

    async def scenario() -> None:
        limits = limiter(10)
        for _ in range(3):
            await answered(limits, 0.5)
        limits.freeze(LIGHT, 1.0)
        ends = now() + 1.0
        probe = asyncio.create_task(answered(limits, 0.5))
        await asyncio.sleep(0.1)
        asked = now()
        with pytest.raises(errors.RateLimited):
            await limits.acquire(LIGHT, Lane.INTERACTIVE, ends + 0.9)
        assert now() == asked
        permit = await limits.acquire(LIGHT, Lane.INTERACTIVE, ends + 2.6)
        assert now() >= ends + 0.5
        permit.release()
        await probe

    virtual.run(scenario())


def test_a_limit_that_sinks_refuses_at_once_whoever_can_no_longer_make_it() -> None:
    """The service names a smaller limit: the queue becomes slower, and its end gives up at once."""

    async def scenario() -> None:
        limits = limiter(20)
        crowd = Crowd(limits, 2.0)
        await asyncio.gather(*(call(limits, Lane.INTERACTIVE) for _ in range(20)))
        hasty = [asyncio.create_task(crowd.one(Lane.INTERACTIVE)) for _ in range(15)]
        await asyncio.sleep(0.01)
        limits.observe(LIGHT, {"X-RateLimit-Type": "QPS", "X-RateLimit-Limit": "2"}, None)
        await asyncio.sleep(0.01)
        assert crowd.outcomes["refused late"] >= 12
        await asyncio.gather(*hasty)
        assert set(crowd.outcomes) == {"in time", "refused late"}

    virtual.run(scenario())


def test_bulk_that_is_starved_gives_up_before_its_deadline() -> None:
    """Interactive calls that come later go first: a bulk call that they leave no time for is refused in time."""

    async def scenario() -> None:
        limits = limiter(10)
        await asyncio.gather(*(call(limits, Lane.INTERACTIVE) for _ in range(10)))
        bulk = Crowd(limits, 5.0)
        waiting = [asyncio.create_task(bulk.one(Lane.BULK)) for _ in range(20)]
        await asyncio.sleep(0.05)
        rush = [asyncio.create_task(call(limits, Lane.INTERACTIVE)) for _ in range(200)]
        await asyncio.sleep(2.0)
        assert bulk.outcomes["refused late"] >= 10
        await asyncio.gather(*waiting)
        assert not bulk.outcomes["died"]
        assert bulk.outcomes["in time"] >= 2  # bulk keeps its tenth
        for task in rush:
            task.cancel()
        await asyncio.gather(*rush, return_exceptions=True)

    virtual.run(scenario())


def test_a_day_that_ends_the_calls_ends_the_waits() -> None:
    """The service's daily refusal refuses all who wait at once, and they make no request."""

    async def scenario() -> None:
        limits = limiter(1, 60.0)
        await call(limits, Lane.INTERACTIVE)
        waiting = [asyncio.create_task(call(limits, lane)) for lane in Lane for _ in range(5)]
        await asyncio.sleep(0.1)
        limits.observe(LIGHT, {}, errors.RateLimited("things.get", kind="daily"))
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        assert now() < 1.0
        assert all(isinstance(o, errors.RateLimited) and o.kind == "daily" for o in outcomes)

    virtual.run(scenario())


def test_a_refused_caller_costs_neither_a_slot_nor_a_call_of_the_day() -> None:
    """What was counted for a caller who is refused is returned."""

    async def scenario() -> None:
        limits = limiter(5, per_day=100)
        crowd = Crowd(limits, 1.5)
        await asyncio.gather(*(crowd.one(lane) for _ in range(30) for lane in Lane))
        assert crowd.outcomes["refused"] >= 40
        assert limits.snapshot()[Label.LIGHT].used_today == len(crowd.sent)
        await asyncio.sleep(1.2)
        state = limits.snapshot()[Label.LIGHT]
        assert (state.in_window, state.waiting, state.waiting_bulk) == (0, 0, 0)

    virtual.run(scenario())


def play(scene: Any) -> None:
    """Run a scene in virtual time."""
    virtual.run(scene)


def test_a_deadline_that_no_attempt_can_meet_costs_no_slot() -> None:
    """Answers take 500 ms: a call that has 100 ms is not sent, and says why."""

    async def scene() -> None:
        stage = Stage(otherwise=says(200, after=0.5))
        await stage.call()
        with pytest.raises(errors.DeadlineExceeded, match="no time for an attempt"):
            await stage.call(deadline=0.1)
        assert len(stage.sent) == 1

    play(scene())


def test_a_service_that_has_become_quicker_is_found_out() -> None:
    """Short deadlines are denied for a while only: soon one attempt shows that there is time enough."""

    async def scene() -> None:
        stage = Stage([says(200, after=0.5)], otherwise=says(200, after=0.01))
        await stage.call()
        denied = 0
        while True:
            try:
                await stage.call(deadline=0.1)
                break
            except errors.DeadlineExceeded:
                denied += 1
        assert 1 <= denied < 30
        await stage.call(deadline=0.1)

    play(scene())


def test_an_attempt_without_an_answer_denies_nobody() -> None:
    """A deadline is not judged by the time after which attempts were given up."""

    async def scene() -> None:
        stage = Stage([says(200, after=60)])
        with pytest.raises(errors.DeadlineExceeded):
            await stage.call(deadline=2.0)
        await stage.call(deadline=1.0)
        assert len(stage.sent) == 2

    play(scene())


def test_a_deadline_that_has_passed_is_not_waited_for() -> None:
    """A call whose deadline is over takes no slot."""

    async def scenario() -> None:
        limits = limiter(1)
        await asyncio.sleep(1.0)
        with pytest.raises(errors.DeadlineExceeded):
            await limits.acquire(GET, Lane.INTERACTIVE, now())
        assert limits.snapshot()[Label.LIGHT].in_window == 0

    virtual.run(scenario())


@pytest.mark.parametrize("lane", list(Lane))
def test_a_refusal_leaves_no_cancellation_behind(lane: Lane) -> None:
    """A wait that ends in a refusal, at once or later, is none of the caller's cancellations."""

    async def scenario() -> None:
        task = asyncio.current_task()
        assert task is not None
        limits = limiter(1)
        held = await limits.acquire(LIGHT, Lane.INTERACTIVE, None)  # never sent: no forecast knows when it ends
        for deadline in (0.5, 1.5, 3.0):
            with pytest.raises(errors.RateLimited):
                await limits.acquire(LIGHT, lane, now() + deadline)
            assert task.cancelling() == 0
            await asyncio.sleep(0)
        held.release()

    virtual.run(scenario())


def test_a_minute_label_is_forecast_by_the_minute() -> None:
    """The 25th caller of a label with 10 calls a minute waits for two minutes, and knows it at once."""

    async def scenario() -> None:
        limits = LocalRateLimiter("pro", overrides={Label.LIGHT: Rate(10, 60.0)})
        waiting = [asyncio.create_task(call(limits, Lane.INTERACTIVE)) for _ in range(24)]
        await asyncio.sleep(1.0)
        for deadline in (30.0, 100.0):
            asked = now()
            with pytest.raises(errors.RateLimited):
                await limits.acquire(LIGHT, Lane.INTERACTIVE, now() + deadline)
            assert now() == asked
        permit = await limits.acquire(LIGHT, Lane.INTERACTIVE, now() + 160.0)
        assert now() == pytest.approx(144, abs=5)
        permit.release()
        await asyncio.gather(*waiting)

    virtual.run(scenario())
