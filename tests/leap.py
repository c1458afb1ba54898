"""Leaps in time: what waits for a timeout on a real socket need not wait, and no timeout need be short."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

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
