"""The limiter, in virtual time: never more than the limit in any window, nearly as many, and in order."""

from __future__ import annotations

import asyncio
import itertools
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import virtual
from tests.core.rows import row
from zra_async import errors
from zra_async.core.bucket import Lane
from zra_async.core.limits import MARGIN, LocalRateLimiter
from zra_async.core.operation import Label
from zra_async.core.plans import PLANS, Rate

LIGHT = row(Label.LIGHT)
LANES = st.sampled_from(list(Lane))
SECONDS = st.integers(0, 5_000).map(lambda ms: ms / 1000)


def limiter(count: int, period: float = 1.0, per_day: int | None = None, **options: object) -> LocalRateLimiter:
    """A limiter whose LIGHT label permits ``count`` calls a ``period``."""
    return LocalRateLimiter("pro", overrides={Label.LIGHT: Rate(count, period, per_day)}, **options)  # type: ignore[arg-type]


async def call(limits: LocalRateLimiter, lane: Lane, *, latency: float = 0.0, sent: list[float] | None = None) -> float:
    """Take a permit, send after ``latency``, and return the sending time."""
    permit = await limits.acquire(LIGHT, lane, None)
    try:
        await asyncio.sleep(latency)
        permit.sent()
        now = asyncio.get_running_loop().time()
        if sent is not None:
            sent.append(now)
        return now
    finally:
        permit.release()


def assert_windows(sent: list[float], limit: int, period: float) -> None:
    """No half-open window of ``period`` holds more than ``limit`` sending times."""
    times = sorted(sent)
    for first, beyond in zip(times, times[limit:], strict=False):
        assert beyond - first > period, f"{limit + 1} calls within {beyond - first:.4f} s"


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


def test_waiters_of_a_lane_are_served_in_order() -> None:
    """Nobody is overtaken within a lane."""

    async def scenario() -> dict[Lane, list[int]]:
        limits = limiter(5)
        order: dict[Lane, list[int]] = {lane: [] for lane in Lane}

        async def one(number: int, lane: Lane) -> None:
            permit = await limits.acquire(LIGHT, lane, None)
            order[lane].append(number)
            permit.sent()
            permit.release()

        await asyncio.gather(*(one(n, lane) for n in range(60) for lane in Lane))
        return order

    for numbers in virtual.run(scenario()).values():
        assert numbers == list(range(60))


def test_a_newcomer_does_not_overtake_one_who_is_about_to_run() -> None:
    """A waiter that was let go but has not run yet still comes before whoever asks now."""

    async def scenario() -> list[str]:
        limits = limiter(2)
        order: list[str] = []

        async def one(name: str) -> None:
            permit = await limits.acquire(LIGHT, Lane.INTERACTIVE, None)
            order.append(name)
            permit.release()

        held = [await limits.acquire(LIGHT, Lane.INTERACTIVE, None) for _ in range(2)]
        waiter = asyncio.create_task(one("waiter"))
        await asyncio.sleep(0)
        newcomer = asyncio.create_task(one("newcomer"))
        for permit in held:
            permit.release()
        await asyncio.gather(waiter, newcomer)
        return order

    assert virtual.run(scenario()) == ["waiter", "newcomer"]


def test_an_interactive_call_is_served_within_three_slots_of_ten_thousand_bulk_waiters() -> None:
    """A web request does not wait behind an export."""

    async def scenario() -> int:
        limits = limiter(80)
        grants: list[Lane] = []

        async def one(lane: Lane) -> None:
            permit = await limits.acquire(LIGHT, lane, None)
            grants.append(lane)
            permit.sent()
            permit.release()

        bulk = [asyncio.create_task(one(Lane.BULK)) for _ in range(10_000)]
        await asyncio.sleep(5.0)
        before = len(grants)
        await one(Lane.INTERACTIVE)
        waited = len(grants) - before
        for task in bulk:
            task.cancel()
        await asyncio.gather(*bulk, return_exceptions=True)
        return waited

    assert virtual.run(scenario()) <= 3


def test_bulk_keeps_a_tenth_under_interactive_load() -> None:
    """Bulk is never starved, however many interactive callers there are."""

    async def scenario() -> int:
        limits = limiter(20)
        grants: list[Lane] = []

        async def one(lane: Lane) -> None:
            permit = await limits.acquire(LIGHT, lane, None)
            grants.append(lane)
            permit.sent()
            permit.release()

        tasks = [asyncio.create_task(one(lane)) for _ in range(400) for lane in Lane]
        while len(grants) < 200:
            await asyncio.sleep(0.1)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return grants[20:200].count(Lane.BULK)

    assert virtual.run(scenario()) >= 18


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


async def answered(limits: LocalRateLimiter, latency: float) -> float:
    """Make one call that is answered after so long; returns when it was sent."""
    permit = await limits.acquire(LIGHT, Lane.INTERACTIVE, None)
    permit.sent()
    sent = asyncio.get_running_loop().time()
    await asyncio.sleep(latency)
    permit.release()
    return sent


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


def test_a_frozen_bucket_sends_one_probe_before_it_resumes() -> None:
    """After a 429 one call tries; the others wait until it has succeeded."""

    async def scenario() -> list[tuple[int, float]]:
        limits = limiter(10)
        started: list[tuple[int, float]] = []

        async def one(number: int) -> None:
            permit = await limits.acquire(LIGHT, Lane.INTERACTIVE, None)
            started.append((number, asyncio.get_running_loop().time()))
            permit.sent()
            await asyncio.sleep(0.5)
            limits.observe(LIGHT, {}, None)
            permit.release()

        limits.freeze(LIGHT, 3.0)
        await asyncio.gather(*(one(n) for n in range(4)))
        return started

    (first, at), *rest = virtual.run(scenario())
    assert (first, at) == (0, 3.0)
    assert [(n, t) for n, t in rest] == [(1, 3.5), (2, 3.5), (3, 3.5)]


def test_a_probe_that_fails_lets_another_one_try() -> None:
    """A probe that ends without an answer hands its turn on; it does not open the gate."""

    async def scenario() -> list[float]:
        limits = limiter(10)
        times: list[float] = []

        async def one(number: int) -> None:
            permit = await limits.acquire(LIGHT, Lane.INTERACTIVE, None)
            times.append(asyncio.get_running_loop().time())
            permit.sent()
            await asyncio.sleep(1.0)
            if number:
                limits.observe(LIGHT, {}, None)
            permit.release()

        limits.freeze(LIGHT, 1.0)
        await asyncio.gather(*(one(n) for n in range(3)))
        return times

    assert virtual.run(scenario()) == [1.0, 2.0, 3.0]


def test_a_wait_past_the_deadline_is_refused_at_once() -> None:
    """The refusal names when a slot comes free, and costs no time."""

    async def scenario() -> errors.RateLimited:
        limits = limiter(1)
        await call(limits, Lane.INTERACTIVE)
        waiting = [asyncio.create_task(call(limits, Lane.INTERACTIVE)) for _ in range(9)]
        await asyncio.sleep(0)
        before = asyncio.get_running_loop().time()
        with pytest.raises(errors.RateLimited) as refused:
            await limits.acquire(LIGHT, Lane.INTERACTIVE, before + 5.0)
        assert asyncio.get_running_loop().time() == before
        await asyncio.gather(*waiting)
        return refused.value

    error = virtual.run(scenario())
    assert error.kind == "per_second"
    assert error.local
    assert error.resets_at is not None


def test_a_wait_within_the_deadline_is_waited_for() -> None:
    """The estimate never refuses a call that can still make it."""

    async def scenario() -> float:
        limits = limiter(1)
        await call(limits, Lane.INTERACTIVE)
        permit = await limits.acquire(LIGHT, Lane.INTERACTIVE, asyncio.get_running_loop().time() + 1.1)
        permit.release()
        return asyncio.get_running_loop().time()

    assert virtual.run(scenario()) == pytest.approx(1.0 + MARGIN, abs=0.002)


def test_a_used_up_day_is_refused_until_midnight_utc() -> None:
    """The daily budget raises at once, names midnight UTC, and is full again after it."""
    now = datetime(2026, 3, 1, 22, 0, tzinfo=UTC)

    async def scenario() -> None:
        nonlocal now
        limits = limiter(100, per_day=3, clock=lambda: now)
        for _ in range(3):
            await call(limits, Lane.INTERACTIVE)
        with pytest.raises(errors.RateLimited) as refused:
            await call(limits, Lane.BULK)
        assert (refused.value.kind, refused.value.resets_at) == ("daily", datetime(2026, 3, 2, tzinfo=UTC))
        now += timedelta(hours=3)
        await call(limits, Lane.BULK)

    virtual.run(scenario())


def test_a_daily_refusal_of_the_service_stops_everyone_until_it_ends() -> None:
    """Callers who wait already and callers to come are refused without a request, until the named instant."""
    now = datetime(2026, 3, 1, 22, 0, tzinfo=UTC)
    resets = datetime(2026, 3, 2, tzinfo=UTC)

    async def scenario() -> list[object]:
        nonlocal now
        limits = limiter(1, clock=lambda: now)
        sent: list[float] = []
        waiting = [asyncio.create_task(call(limits, lane, sent=sent)) for _ in range(10) for lane in Lane]
        await asyncio.sleep(0)
        refusal = errors.RateLimited("things.get", kind="daily", resets_at=resets)
        limits.observe(LIGHT, {}, refusal)
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        with pytest.raises(errors.RateLimited) as refused:
            await call(limits, Lane.INTERACTIVE)
        assert refused.value.resets_at == resets
        assert len(sent) == 1
        now = resets
        await call(limits, Lane.INTERACTIVE)
        return outcomes

    outcomes = virtual.run(scenario())
    assert sum(isinstance(o, errors.RateLimited) for o in outcomes) == 19


def test_heavy_and_resource_intensive_share_one_day_on_paid_plans() -> None:
    """One daily counter serves both labels."""

    async def scenario() -> None:
        limits = LocalRateLimiter("pro", share=0.0001)  # 3 a day
        for label in (Label.HEAVY, Label.RESOURCE_INTENSIVE, Label.HEAVY):
            permit = await limits.acquire(row(label), Lane.INTERACTIVE, None)
            permit.sent()
            permit.release()
        with pytest.raises(errors.RateLimited, match="daily"):
            await limits.acquire(row(Label.RESOURCE_INTENSIVE), Lane.INTERACTIVE, None)

    virtual.run(scenario())


def test_a_lower_limit_in_the_headers_is_taken_over_and_a_higher_one_is_not() -> None:
    """The account turned out to be on a smaller plan: the client slows down by itself."""

    async def scenario() -> list[int]:
        limits = limiter(80)
        seen: list[int] = []
        for told in ("30", "500", "nonsense", ""):
            limits.observe(LIGHT, {"X-RateLimit-Type": "QPS", "X-RateLimit-Limit": told}, None)
            seen.append(limits.snapshot()[Label.LIGHT].limit)
        return seen

    assert virtual.run(scenario()) == [30, 30, 30, 30]


def test_the_daily_count_follows_the_service() -> None:
    """What another app of the account has used counts here too."""

    async def scenario() -> int:
        limits = limiter(80, per_day=1000)
        headers = {"X-RateLimit-Type": "Daily-limit", "X-RateLimit-Limit": "1000", "X-RateLimit-Remaining": "10"}
        limits.observe(LIGHT, headers, None)
        return limits.snapshot()[Label.LIGHT].used_today

    assert virtual.run(scenario()) == 990


@given(share=st.floats(0.001, 1.0), count=st.integers(1, 100), per_day=st.none() | st.integers(1, 10_000))
def test_a_share_never_exceeds_its_part(share: float, count: int, per_day: int | None) -> None:
    """The shared rate is at most share × rate, also when that is less than one call a period."""
    shared = Rate(count, 1.0, per_day).shared(share)
    assert shared.count / shared.period <= count * share * (1 + 1e-6)
    assert shared.count >= 1
    if per_day is not None:
        assert shared.per_day is not None
        assert shared.per_day <= max(1, per_day * share * (1 + 1e-6))
