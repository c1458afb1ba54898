"""The lanes of the limiter, in virtual time: in order within a lane, and fair between the two."""

from __future__ import annotations

import asyncio

import pytest

from tests import virtual
from tests.core.callers import LIGHT, limiter
from zra_async.core.limits import Lane


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


class _Busy(virtual.Loop):
    """A loop whose clock also goes on by some milliseconds with each step of `spend`."""

    spent = 0.0

    def time(self) -> float:
        return float(super().time()) + self.spent

    async def spend(self, step: float) -> None:
        """Keep the loop busy."""
        while True:
            self.spent += step
            await asyncio.sleep(0)


@pytest.mark.parametrize("rate", [4, 20, 80, 200])
@pytest.mark.parametrize("step", [0.0005, 0.007, 0.03, 0.1])
@pytest.mark.parametrize("lane", list(Lane))
def test_callers_run_in_the_order_in_which_they_asked(lane: Lane, rate: int, step: float) -> None:
    """Tasks that call again and again on a busy loop never go on before one that had asked earlier."""

    async def scenario() -> list[int]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, _Busy)
        limits = limiter(rate)
        order: list[int] = []
        asked = 0

        async def work() -> None:
            nonlocal asked
            while True:
                place, asked = asked, asked + 1
                permit = await limits.acquire(LIGHT, lane, None)
                order.append(place)
                await asyncio.sleep(0)
                permit.sent()
                permit.release()

        tasks = [asyncio.create_task(loop.spend(step)), *(asyncio.create_task(work()) for _ in range(50))]
        await asyncio.sleep(5.0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return order

    with asyncio.Runner(loop_factory=_Busy) as runner:
        order = runner.run(scenario())
    assert order == sorted(order)


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
