"""Callers of a limiter, and what must hold for the instants at which they send."""

from __future__ import annotations

import asyncio

from tests.core.rows import row
from zra_async.core.limits import Lane, LocalRateLimiter, Rate
from zra_async.core.operation import Label

LIGHT = row(Label.LIGHT)


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


async def answered(limits: LocalRateLimiter, latency: float) -> float:
    """Make one call that is answered after so long; returns when it was sent."""
    permit = await limits.acquire(LIGHT, Lane.INTERACTIVE, None)
    permit.sent()
    sent = asyncio.get_running_loop().time()
    await asyncio.sleep(latency)
    permit.release()
    return sent


def assert_windows(sent: list[float], limit: int, period: float) -> None:
    """No half-open window of ``period`` holds more than ``limit`` sending times."""
    times = sorted(sent)
    for first, beyond in zip(times, times[limit:], strict=False):
        assert beyond - first > period, f"{limit + 1} calls within {beyond - first:.4f} s"
