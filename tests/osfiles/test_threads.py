"""Threads run to completion, whatever becomes of those who wait for them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest

from zra_async.osfiles.threads import to_thread, wait_until_done


class Work:
    """Blocks in a thread until `go` is set."""

    def __init__(self) -> None:
        self.began = threading.Event()
        self.go = threading.Event()
        self.ended = False
        self.closed = False

    def __call__(self) -> Work:
        self.began.set()
        assert self.go.wait(500)
        self.ended = True
        return self

    def close(self) -> None:
        """Note that it was closed."""
        self.closed = True


async def begun(work: Work) -> None:
    """Wait until the work is under way, without a thread of the pool."""
    while not work.began.is_set():
        await asyncio.sleep(0)


async def test_a_result_and_an_error_come_back() -> None:
    """`to_thread` returns what the function returns, and raises what it raises."""
    assert await to_thread(lambda a, b: a + b, 1, 2) == 3
    with pytest.raises(ZeroDivisionError):
        await to_thread(lambda: 1 // 0)


async def test_a_cancelled_caller_learns_of_it_after_the_thread_has_ended() -> None:
    """However often it is cancelled, the caller waits; what the thread has opened is closed."""
    work = Work()
    task = asyncio.create_task(to_thread(work))
    await begun(work)
    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0)
    assert not task.done()
    work.go.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert work.ended
    assert work.closed


async def _in_scope(inner: Callable[[], Awaitable[Any]], scope: anyio.CancelScope) -> None:
    with scope:
        await inner()


async def test_a_cancelled_scope_of_anyio_does_not_spin() -> None:
    """A scope that cancels again in every turn of the loop costs no more than a few turns, and is left unharmed."""
    work, scope = Work(), anyio.CancelScope()
    task = asyncio.create_task(_in_scope(lambda: to_thread(work), scope))
    await begun(work)

    scope.cancel()
    before = task.cancelling()
    for _ in range(200):
        await asyncio.sleep(0)
    assert task.cancelling() - before < 10
    work.go.set()
    await task
    assert scope.cancelled_caught
    assert task.cancelling() == 0
    assert work.ended


async def test_waiting_does_not_raise_the_error_of_the_job() -> None:
    """`wait_until_done` is about the end of a job and not about its result, also where the job was cancelled."""
    loop = asyncio.get_running_loop()
    failed, cancelled = loop.create_future(), loop.create_future()
    failed.set_exception(ZeroDivisionError())
    cancelled.cancel()
    await wait_until_done(failed)
    await wait_until_done(cancelled)
