"""Leaps in time: what waits for a timeout on a real socket need not wait, and no timeout need be short."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zra_async.sandbox import Sandbox

_LEAPS = "_leaps_of_the_tests"
_true_time = asyncio.BaseEventLoop.time


def _time(loop: asyncio.BaseEventLoop) -> float:
    ahead: float = getattr(loop, _LEAPS, 0.0)
    return _true_time(loop) + ahead


asyncio.BaseEventLoop.time = _time  # type: ignore[method-assign]  # of the class: whoever reads the clock may hold the method


def leap(seconds: float) -> None:
    """Move the clock of the running loop, one of asyncio's own, ahead by ``seconds``."""
    loop = asyncio.get_running_loop()
    setattr(loop, _LEAPS, getattr(loop, _LEAPS, 0.0) + seconds)


_LEAPING = {"leap", "stands_still", "pass_stalls", "outlast_stalls", "stalls_pass"}


def is_used_by(item: Any) -> bool:
    """Tell whether a test leaps, which no other loop than asyncio's own can do."""
    codes: list[Any] = [item.obj.__code__] if hasattr(item.obj, "__code__") else []
    for code in codes:
        if _LEAPING & {*code.co_names, *code.co_varnames, *code.co_freevars}:
            return True
        codes += [inner for inner in code.co_consts if hasattr(inner, "co_consts")]
    return False


async def pass_stalls(sandbox: Sandbox, seconds: float) -> None:
    """Let so many seconds pass in a hurry whenever a request stalls; the loop turns meanwhile for all others."""
    passed = 0
    while True:
        await asyncio.sleep(0.001)
        stalls = sum(fault.stall for _, fault in sandbox.faults.struck)
        if stalls > passed:
            passed = stalls
            for _ in range(round(seconds)):
                leap(1.0)
                await turns(20)


async def outlast_stalls(sandbox: Sandbox, ready: Callable[[], bool]) -> None:
    """Let time pass whenever a request stalls or is delayed by seconds, once ``ready`` holds, until another one comes.

    ``ready`` tells that nothing else is under way, for which the time passes as well.
    """
    passed, requests = 0, sandbox.stats.operations
    while True:
        await asyncio.sleep(0.001)
        stalls = sum(fault.stall or fault.delay > 1 for _, fault in sandbox.faults.struck)
        if stalls > passed and ready():
            passed, before = stalls, requests.total()
            while requests.total() == before:
                leap(1.0)
                await asyncio.sleep(0.001)


async def turns(count: int = 10) -> None:
    """Let the loop turn ``count`` times: what is ready happens."""
    for _ in range(count):
        await asyncio.sleep(0)


def stands_still(seconds: float) -> Callable[[object, asyncio.StreamWriter], Awaitable[bool]]:
    """Take the request and never answer, while so many seconds pass in a hurry; a behaviour of a scripted server."""

    async def behave(_: object, __: asyncio.StreamWriter) -> bool:
        for _ in range(round(seconds)):
            leap(1.0)
            await turns()
        await asyncio.Event().wait()
        return False

    return behave
