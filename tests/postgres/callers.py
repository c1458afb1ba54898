"""Limiters of several processes in one, and the calls that they grant."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from tests.core.rows import row
from zra_async.core.limits import Lane, Rate
from zra_async.core.operation import Label
from zra_async.postgres import PostgresRateLimiter

LIGHT = row(Label.LIGHT)


@asynccontextmanager
async def limiters(
    dsn: str, account: str, count: int, rate: Rate, **options: Any
) -> AsyncIterator[list[PostgresRateLimiter]]:
    """As many limiters, each with a connection of its own as if it were in another process."""
    async with AsyncExitStack() as stack:
        found = [
            PostgresRateLimiter(dsn, account=account, overrides={Label.LIGHT: rate}, **options) for _ in range(count)
        ]
        for limiter in found:
            await stack.enter_async_context(limiter)
        yield found


async def call(limiter: PostgresRateLimiter, lane: Lane, sent: list[float]) -> float:
    """Make one call that succeeds at once, and return how long it waited."""
    permit = await limiter.acquire(LIGHT, lane, None)
    permit.sent()
    sent.append(asyncio.get_running_loop().time())
    limiter.observe(LIGHT, {}, None)
    permit.release()
    return permit.waited


def assert_windows(sent: list[float], limit: int, period: float) -> None:
    """No half-open window of ``period`` holds more than ``limit`` sending times."""
    times = sorted(sent)
    for first, beyond in zip(times, times[limit:], strict=False):
        assert beyond - first > period, f"{limit + 1} calls within {beyond - first:.4f} s"
