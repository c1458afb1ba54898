"""The sandbox clock: exact, movable, and able to wake those who sleep on it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from tests.leap import leap, turns
from zra_async.sandbox.clock import NANOSECONDS, Clock

START = datetime(2026, 3, 1, tzinfo=UTC)


def test_a_frozen_clock_moves_by_exactly_what_it_is_told() -> None:
    """Ten tenths are one second, to the nanosecond."""
    clock = Clock(START, frozen=True)
    began = clock.time_ns()
    for _ in range(10):
        clock.advance(0.1)
    assert clock.time_ns() - began == NANOSECONDS
    assert clock.now() == datetime(2026, 3, 1, 0, 0, 1, tzinfo=UTC)


def test_a_running_clock_runs_until_it_is_frozen() -> None:
    """Readings grow by themselves, and stand still after ``freeze``."""
    clock = Clock(START)
    first = clock.time_ns()
    while clock.time_ns() == first:
        pass
    assert not clock.frozen
    clock.freeze()
    assert clock.frozen
    assert clock.time_ns() == clock.time_ns() > first


def test_a_clock_does_not_go_back() -> None:
    """A negative advance is refused."""
    with pytest.raises(ValueError, match="back"):
        Clock().advance(-1)


async def test_sleepers_wake_at_their_time_and_not_before() -> None:
    """Of two sleepers on a frozen clock an advance wakes the one that is due."""
    clock = Clock(START, frozen=True)
    short, long = asyncio.create_task(clock.sleep(10)), asyncio.create_task(clock.sleep(20))
    await asyncio.sleep(0)
    clock.advance(10)
    await short
    for _ in range(5):
        await asyncio.sleep(0)
    assert not long.done()
    clock.advance(10)
    await long


async def test_no_time_is_no_sleep() -> None:
    """A sleep of nothing, or into the past, returns although the clock stands still."""
    clock = Clock(START, frozen=True)
    await clock.sleep(0)
    await clock.sleep(-5)


async def test_freezing_keeps_a_sleeper_asleep() -> None:
    """A sleeper on a running clock that is frozen waits for an advance."""
    clock = Clock()
    sleeper = asyncio.create_task(clock.sleep(3600))
    await asyncio.sleep(0)
    clock.freeze()
    leap(7200)
    await turns()
    assert not sleeper.done()
    clock.advance(3600)
    await sleeper


async def test_another_thread_may_advance() -> None:
    """An advance from another thread wakes the sleepers of this loop."""
    clock = Clock(START, frozen=True)
    sleeper = asyncio.create_task(clock.sleep(3600))
    await asyncio.sleep(0)
    await asyncio.to_thread(clock.advance, 3600)
    await sleeper
