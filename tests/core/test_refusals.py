"""Refusals, in virtual time: the limiter's own, and what it takes from those of the service and from its headers."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from tests import virtual
from tests.core.callers import LIGHT, call, limiter
from tests.core.rows import row
from zra_async import errors
from zra_async.core.limits import MARGIN, Lane, LocalRateLimiter, Rate
from zra_async.core.operation import Label


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


def test_a_day_of_ones_own_for_resource_intensive_calls() -> None:
    """A rate that is given for this label brings its own calls a day, and does not draw on those of HEAVY."""

    async def scenario() -> None:
        limits = LocalRateLimiter("pro", overrides={Label.RESOURCE_INTENSIVE: Rate(10, 60.0, per_day=2)})
        for _ in range(2):
            (await limits.acquire(row(Label.RESOURCE_INTENSIVE), Lane.INTERACTIVE, None)).sent()
        with pytest.raises(errors.RateLimited, match="daily"):
            await limits.acquire(row(Label.RESOURCE_INTENSIVE), Lane.INTERACTIVE, None)
        assert limits.snapshot()[Label.HEAVY].used_today == 0

    virtual.run(scenario())


@pytest.mark.parametrize("backwards", [False, True])
def test_waiters_that_were_cancelled_do_not_make_others_late(backwards: bool) -> None:
    """A newcomer is not refused for a queue of those who have gone, and the snapshot does not count them."""

    async def scenario() -> int:
        limits = limiter(1, 10.0)
        await call(limits, Lane.INTERACTIVE)
        waiting = [asyncio.create_task(call(limits, Lane.INTERACTIVE)) for _ in range(50)]
        await asyncio.sleep(0.1)
        for task in sorted(waiting[1:], key=waiting.index, reverse=backwards):
            task.cancel()
        await asyncio.wait(waiting[1:])
        there = limits.snapshot()[Label.LIGHT].waiting
        permit = await limits.acquire(LIGHT, Lane.INTERACTIVE, asyncio.get_running_loop().time() + 25)
        permit.release()
        assert limits.snapshot()[Label.LIGHT].waiting == 0
        return there

    assert virtual.run(scenario()) == 1
