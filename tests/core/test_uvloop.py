"""Calls on uvloop, whose timers have other handles and whose clock counts milliseconds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from tests.core.callers import LIGHT, assert_windows, limiter
from zra_async.core.limits import Lane, LocalRateLimiter

uvloop = pytest.importorskip("uvloop", reason="uvloop does not install on this Python or system")
LOOPS: list[Callable[[], asyncio.AbstractEventLoop]] = [asyncio.new_event_loop, uvloop.new_event_loop]


async def crowd(limits: LocalRateLimiter, lane: Lane, calls: int) -> list[float]:
    """Make ``calls`` calls at once, each of which is answered after 30 ms, and return when they left."""
    loop = asyncio.get_running_loop()
    sent: list[float] = []

    async def one() -> None:
        permit = await limits.acquire(LIGHT, lane, loop.time() + 60)
        permit.sent()
        sent.append(loop.time())
        await asyncio.sleep(0.03)
        limits.observe(LIGHT, {}, None)
        permit.release()

    await asyncio.gather(*(one() for _ in range(calls)))
    return sent


@pytest.mark.parametrize("lane", list(Lane))
@pytest.mark.parametrize("factory", LOOPS, ids=["asyncio", "uvloop"])
def test_two_hundred_calls_under_a_limit(factory: Callable[[], asyncio.AbstractEventLoop], lane: Lane) -> None:
    """Every call ends without an error, and no window holds more than the limit."""
    with asyncio.Runner(loop_factory=factory) as runner:
        sent = runner.run(crowd(limiter(40, 0.2), lane, 200))
    assert len(sent) == 200
    assert_windows(sent, 40, 0.2)
