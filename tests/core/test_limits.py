"""The limiter, in virtual time: never more than the limit in any window, and nearly as many."""

from __future__ import annotations

import asyncio
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import virtual
from tests.core.callers import LIGHT, answered, assert_windows, call, limiter
from tests.core.rows import row
from zra_async import errors
from zra_async.core.limits import MARGIN, PLANS, Lane, LocalRateLimiter, Rate
from zra_async.core.operation import Label

LANES = st.sampled_from(list(Lane))
SECONDS = st.integers(0, 5_000).map(lambda ms: ms / 1000)


@settings(max_examples=150, deadline=None)
@given(
    limit=st.integers(1, 12),
    period=st.sampled_from([1.0, 60.0]),
    arrivals=st.lists(
        st.tuples(SECONDS, LANES, st.sampled_from([0.0, 0.001, 0.05, 0.7, 2.5])), min_size=1, max_size=80
    ),
)
def test_no_window_ever_holds_more_than_the_limit(
    limit: int, period: float, arrivals: list[tuple[float, Lane, float]]
) -> None:
    """Any arrivals, in both lanes, with any delay between the grant and the sending: the window holds."""

    async def scenario() -> list[float]:
        limits = limiter(limit, period)
        sent: list[float] = []

        async def one(at: float, lane: Lane, latency: float) -> None:
            await asyncio.sleep(at)
            await call(limits, lane, latency=latency, sent=sent)

        await asyncio.gather(*(one(*arrival) for arrival in arrivals))
        return sent

    sent = virtual.run(scenario())
    assert len(sent) == len(arrivals)
    assert_windows(sent, limit, period)


@settings(max_examples=60, deadline=None)
@given(
    plan=st.lists(st.tuples(SECONDS, SECONDS, LANES, st.booleans()), min_size=1, max_size=60),
    limit=st.integers(1, 5),
)
def test_cancelled_waiters_cost_nothing(plan: list[tuple[float, float, Lane, bool]], limit: int) -> None:
    """Cancelling waiters at any moment neither leaks a slot nor stops the others."""

    async def scenario() -> None:
        limits = limiter(limit)

        async def one(at: float, lane: Lane) -> None:
            await asyncio.sleep(at)
            await call(limits, lane, latency=0.01)

        tasks = [asyncio.create_task(one(at, lane)) for at, _, lane, _ in plan]
        for task, (at, patience, _, cancelled) in zip(tasks, plan, strict=True):
            if cancelled:
                asyncio.get_running_loop().call_later(at + patience, task.cancel)
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(2 * 1.04)
        state = limits.snapshot()[Label.LIGHT]
        assert (state.in_window, state.waiting, state.waiting_bulk) == (0, 0, 0)

    virtual.run(scenario())


@pytest.mark.parametrize("lane", list(Lane))
def test_a_waiter_that_is_cancelled_as_its_slot_comes_free_takes_none(lane: Lane) -> None:
    """Between its cancellation and its last step a waiter is passed over, and the slot goes to the next one."""

    async def scenario() -> tuple[int, int]:
        limits = limiter(1)
        held = await limits.acquire(LIGHT, Lane.INTERACTIVE, None)
        cancelled = asyncio.create_task(call(limits, lane))
        following = asyncio.create_task(call(limits, lane))
        await asyncio.sleep(0.1)
        cancelled.cancel()
        held.release()  # unsent: its slot is free at once, before the cancelled task runs
        await following
        await asyncio.sleep(1.2)
        return limits.snapshot()[Label.LIGHT].in_window, int(cancelled.cancelled())

    assert virtual.run(scenario()) == (0, 1)


@pytest.mark.parametrize("lane", list(Lane))
@pytest.mark.parametrize(
    ("plan", "label"), [(plan, label) for plan, rates in PLANS.items() for label in rates], ids=lambda v: str(v)
)
def test_a_saturated_label_runs_at_95_percent_of_its_limit(plan: str, label: Label, lane: Lane) -> None:
    """Under saturating demand at least 95 % of the permitted rate is used, in either lane."""
    rate = PLANS[plan][label]  # type: ignore[index]
    calls = rate.count * 10

    async def scenario() -> list[float]:
        limits = LocalRateLimiter(plan)  # type: ignore[arg-type]
        sent: list[float] = []
        operation = row(label)

        async def one() -> None:
            permit = await limits.acquire(operation, lane, None)
            permit.sent()
            sent.append(asyncio.get_running_loop().time())
            permit.release()

        await asyncio.gather(*(one() for _ in range(calls)))
        return sent

    sent = virtual.run(scenario())
    assert_windows(sent, rate.count, rate.period)
    # the first window's worth may go at once; from then on the rate itself shows
    steady = sent[-1] - sent[rate.count - 1]
    assert steady <= (calls - rate.count) * rate.period / rate.count / 0.95


def test_a_slot_is_counted_from_the_moment_of_sending() -> None:
    """A call that needs long to leave (a slow connect) holds its slot, so that calls cannot bunch up on the way."""

    async def scenario() -> list[float]:
        limits = limiter(2)
        sent: list[float] = []
        await asyncio.gather(*(call(limits, Lane.INTERACTIVE, latency=0.9, sent=sent) for _ in range(4)))
        return sent

    sent = virtual.run(scenario())
    assert_windows(sent, 2, 1.0)
    assert sent[2] - sent[0] > 1.9


def test_a_few_callers_go_at_once() -> None:
    """As many callers as the limit permits do not wait for each other."""

    async def scenario() -> list[float]:
        limits = limiter(80)
        sent: list[float] = []
        await asyncio.gather(*(call(limits, Lane.INTERACTIVE, sent=sent) for _ in range(80)))
        return sent

    assert max(virtual.run(scenario())) < 0.001


def test_a_crowd_leaves_evenly() -> None:
    """Of more callers than the limit permits, no quarter of a window sees much more than a quarter of the limit."""

    async def scenario() -> list[float]:
        limits = limiter(80)
        sent: list[float] = []
        await asyncio.gather(*(call(limits, Lane.INTERACTIVE, sent=sent) for _ in range(400)))
        return sent

    sent = virtual.run(scenario())
    crowd = sent[: 400 - 80]  # the last of them are few
    assert_windows(crowd, 80 // 4 + 80 // 8 + 1, 0.25)
    assert sent[-1] < 400 / 80 / 0.95


@pytest.mark.parametrize(("late", "held"), [(0.0, MARGIN), (0.01, MARGIN), (0.08, 0.095), (0.5, 0.1)])
def test_a_late_answer_holds_its_slot_longer(late: float, held: float) -> None:
    """A call that may have been counted late is given that time, within bounds; slow answers as such cost nothing."""
    usual = 0.2

    async def scenario() -> float:
        limits = limiter(1)

        for _ in range(64):
            await answered(limits, usual)
        begin = await answered(limits, usual + late)
        return await answered(limits, usual) - begin

    assert virtual.run(scenario()) == pytest.approx(1.0 + held, abs=0.002)


def test_the_first_answers_may_all_be_late() -> None:
    """Before there is anything to compare with, the whole time of an answer may be delay."""

    async def scenario() -> list[float]:
        limits = limiter(1)
        begun: list[float] = []
        for _ in range(70):
            permit = await limits.acquire(LIGHT, Lane.INTERACTIVE, None)
            permit.sent()
            begun.append(asyncio.get_running_loop().time())
            await asyncio.sleep(0.05)
            permit.release()
        return [later - earlier for earlier, later in itertools.pairwise(begun)]

    gaps = virtual.run(scenario())
    assert gaps[:64] == pytest.approx([1.065] * 64, abs=0.002)
    assert gaps[64:] == pytest.approx([1.0 + MARGIN] * 5, abs=0.002)


def test_a_refusal_makes_the_limiter_more_careful() -> None:
    """After a 429 of the service a late answer holds its slot longer than before."""

    async def scenario() -> float:
        limits = limiter(1)

        for _ in range(64):
            await answered(limits, 0.0)
        limits.observe(LIGHT, {}, errors.RateLimited("things.get", kind="per_second"))
        begin = await answered(limits, 0.5)
        return await answered(limits, 0.0) - begin

    assert virtual.run(scenario()) == pytest.approx(1.15, abs=0.002)


def test_an_attempt_that_was_never_sent_is_not_counted() -> None:
    """A permit that is released unsent frees its slot and its call of the day."""

    async def scenario() -> tuple[float, int]:
        limits = limiter(1, per_day=10)
        for _ in range(5):
            (await limits.acquire(LIGHT, Lane.INTERACTIVE, None)).release()
        state = limits.snapshot()[Label.LIGHT]
        return asyncio.get_running_loop().time(), state.used_today

    now, used = virtual.run(scenario())
    assert (now, used) == (0.0, 0)


@given(share=st.floats(0.001, 1.0), count=st.integers(1, 100), per_day=st.none() | st.integers(1, 10_000))
def test_a_share_never_exceeds_its_part(share: float, count: int, per_day: int | None) -> None:
    """The shared rate is at most share × rate, also when that is less than one call a period."""
    shared = Rate(count, 1.0, per_day).shared(share)
    assert shared.count / shared.period <= count * share * (1 + 1e-6)
    assert shared.count >= 1
    if per_day is not None:
        assert shared.per_day is not None
        assert shared.per_day <= max(1, per_day * share * (1 + 1e-6))
