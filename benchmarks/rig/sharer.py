"""One process of an account that several share: it calls as fast as its limiter permits, and tells how that went.

``python -m benchmarks.rig.sharer SETTINGS`` prints ``ready``, begins when it reads a line, and prints a JSON object.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import sys
import time
from collections.abc import AsyncIterator
from typing import Any

import msgspec

from zra_async import Hosts, Lane, LocalRateLimiter, RateLimiter, RetryPolicy, ServerToServer, ZRAClient, errors


class Settings(msgspec.Struct, kw_only=True):
    """How a process calls. With a `dsn` its limits are shared; `foreign` calls a second pass by all limits."""

    hosts: tuple[str, str, str]
    credentials: tuple[str, str, str]
    seconds: float
    bulk: int
    interactive: float = 0.0  #: calls a second in the other lane
    dsn: str = ""
    share: float = 1.0
    foreign: float = 0.0


class Result(msgspec.Struct, kw_only=True):
    """What one process saw. Times are in seconds; `done` are the times of the answers since the start."""

    done: list[float]
    waits: list[float]  #: of the bulk calls for their permits
    urgent: list[float]  #: how long interactive calls waited for their permits
    refused: int
    statements: int = 0


class _Watched:
    """A limiter that counts refusals and how long calls wait."""

    def __init__(self, limiter: Any) -> None:
        self._limiter = limiter
        self.freeze = limiter.freeze
        self.snapshot = limiter.snapshot
        self.refused = 0
        self.waits: dict[Lane, list[float]] = {lane: [] for lane in Lane}

    async def acquire(self, operation: Any, lane: Lane, deadline: float | None) -> Any:
        """Wait for a permit, and note for how long."""
        began = time.monotonic()
        permit = await self._limiter.acquire(operation, lane, deadline)
        self.waits[lane].append(time.monotonic() - began)
        return permit

    def observe(self, operation: Any, headers: Any, error: errors.CallError | None) -> None:
        """Count refusals."""
        self.refused += isinstance(error, errors.RateLimited)
        self._limiter.observe(operation, headers, error)


class _Unlimited:
    """Lets everything through: another app of the account, with a pace of its own."""

    class _Permit:
        waited = 0.0
        sent_at: float | None = None

        def sent(self) -> None:
            """Need nothing."""

        def release(self) -> None:
            """Need nothing."""

    async def acquire(self, operation: Any, lane: Lane, deadline: float | None) -> Any:  # noqa: ARG002
        """Let a call go."""
        return self._Permit()

    def observe(self, operation: Any, headers: Any, error: Any) -> None:
        """Learn nothing."""

    def freeze(self, operation: Any, seconds: float) -> None:
        """Pause for nobody."""

    def snapshot(self) -> Any:
        """Return nothing."""
        return {}


@contextlib.asynccontextmanager
async def _limiter(settings: Settings) -> AsyncIterator[Any]:
    if settings.foreign:
        yield _Unlimited()
    elif not settings.dsn:
        yield LocalRateLimiter("business", share=settings.share)
    else:
        from zra_async.postgres import PostgresRateLimiter

        async with PostgresRateLimiter(settings.dsn, account="bench", plan="business") as limiter:
            yield limiter


async def run(settings: Settings) -> Result:
    """Call for so many seconds."""
    api, file, token = settings.hosts
    result = Result(done=[], waits=[], urgent=[], refused=0)
    async with _limiter(settings) as limiter:
        watched = _Watched(limiter)
        limits: RateLimiter = watched
        retry = RetryPolicy(rate=1000) if not settings.foreign else RetryPolicy()
        async with ZRAClient(
            ServerToServer(*settings.credentials),
            plan="business",
            hosts=Hosts(api=api, file=file, token=token),
            limits=limits,
            retry=retry,
        ) as zra:
            await zra._session.authorization()
            first = os.environ["ZRA_BENCH_CONVERSATION"]
            print("ready", flush=True)
            await asyncio.to_thread(sys.stdin.readline)
            watched.refused = 0
            for waits in watched.waits.values():
                waits.clear()
            began = time.monotonic()
            statements = _statements(limiter)
            ends = began + settings.seconds
            bulk, urgent = zra.with_options(lane=Lane.BULK), zra

            async def busy(client: ZRAClient, pause: float) -> None:
                await asyncio.sleep(pause * random.random())
                while time.monotonic() < ends:
                    with contextlib.suppress(errors.RateLimited):
                        await client.conversations.get(first)
                        result.done.append(time.monotonic() - began)
                    if pause:
                        await asyncio.sleep(pause)

            work = [asyncio.create_task(busy(bulk, 0.0)) for _ in range(settings.bulk)]
            rate = settings.interactive or settings.foreign
            if rate:
                tasks = 10
                work += [asyncio.create_task(busy(urgent, tasks / rate)) for _ in range(tasks)]
            await asyncio.sleep(settings.seconds)
            result.statements = _statements(limiter) - statements
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)
    result.refused = watched.refused
    result.waits, result.urgent = watched.waits[Lane.BULK], watched.waits[Lane.INTERACTIVE]
    return result


def _statements(limiter: Any) -> int:
    link = getattr(limiter, "_link", None)
    return 0 if link is None else int(link.statements)


if __name__ == "__main__":
    outcome = asyncio.run(run(msgspec.convert(json.loads(sys.argv[1]), Settings)))
    print(msgspec.json.encode(outcome).decode(), flush=True)
