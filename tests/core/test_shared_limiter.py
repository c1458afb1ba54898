"""One limiter in several event loops, threads and processes: it works, or says at once that it cannot."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests import virtual
from tests.core.callers import LIGHT, assert_windows, call, limiter
from zra_async import errors
from zra_async.core.limits import Lane, LocalRateLimiter
from zra_async.core.operation import Label

USES: list[Callable[[LocalRateLimiter], object]] = [
    lambda limits: limits.observe(LIGHT, {}, None),
    lambda limits: limits.freeze(LIGHT, 1.0),
    lambda limits: limits.snapshot(),
]


@contextmanager
def another_thread(limits: LocalRateLimiter) -> Iterator[asyncio.AbstractEventLoop]:
    """A thread whose event loop runs and has used the limiter."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(call(limits, Lane.INTERACTIVE), loop).result()
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def test_clients_of_one_loop_share_a_limiter() -> None:
    """Any number of tasks draw on one window."""

    async def scenario() -> list[float]:
        limits = limiter(5)
        sent: list[float] = []
        await asyncio.gather(*(call(limits, lane, sent=sent) for lane in Lane for _ in range(15)))
        return sent

    assert_windows(virtual.run(scenario()), 5, 1.0)


@pytest.mark.parametrize("lane", list(Lane))
def test_a_second_loop_is_refused_while_the_first_is_in_use(lane: Lane) -> None:
    """The error comes at once, names the reason, and does not harm the first loop."""
    limits = limiter(5)
    with another_thread(limits) as loop:
        with pytest.raises(errors.ConfigurationError, match="serves another event loop"):
            asyncio.run(call(limits, lane))
        asyncio.run_coroutine_threadsafe(call(limits, lane), loop).result()


@pytest.mark.parametrize("use", USES, ids=["observe", "freeze", "snapshot"])
def test_every_use_from_another_thread_is_refused(use: Callable[[LocalRateLimiter], object]) -> None:
    """Also without a loop of its own a thread may not touch what another loop is changing."""
    limits = limiter(5)
    with another_thread(limits), pytest.raises(errors.ConfigurationError, match="serves another event loop"):
        use(limits)


def test_threads_that_begin_together_leave_one_owner() -> None:
    """Of many threads that use a new limiter at the same time one succeeds, and each other one is told."""
    limits = limiter(100)
    ready, done = threading.Barrier(8), threading.Barrier(8)
    outcomes: list[str] = []

    def work() -> None:
        async def use() -> None:
            ready.wait()
            try:
                await call(limits, Lane.INTERACTIVE)
                outcomes.append("served")
            except errors.ConfigurationError:
                outcomes.append("refused")
            done.wait()  # the owner's loop is open until all have asked

        asyncio.run(use())

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["refused"] * 7 + ["served"]


def test_a_limiter_serves_one_loop_after_the_other() -> None:
    """Once a loop is closed the next one may use the limiter, and what was sent before still counts."""
    limits = limiter(3, 60.0)
    for _ in range(3):
        asyncio.run(call(limits, Lane.INTERACTIVE))

    async def fourth() -> int:
        in_window = limits.snapshot()[Label.LIGHT].in_window
        with pytest.raises(errors.RateLimited):
            await limits.acquire(LIGHT, Lane.INTERACTIVE, asyncio.get_running_loop().time() + 30)
        return in_window

    assert asyncio.run(fourth()) == 3


def test_a_loop_that_ended_amid_its_calls_costs_no_slot() -> None:
    """Permits and waiters of a closed loop hold nothing back in the next one."""
    limits = limiter(2)

    async def broken_off() -> None:
        held = [await limits.acquire(LIGHT, Lane.INTERACTIVE, None) for _ in range(2)]
        waiting = [asyncio.ensure_future(call(limits, lane)) for lane in Lane for _ in range(3)]
        await asyncio.sleep(0)
        kept.append((held, waiting))

    kept: list[object] = []
    loop = asyncio.new_event_loop()
    loop.run_until_complete(broken_off())
    loop.close()

    async def afterwards() -> tuple[int, int, int]:
        await asyncio.gather(*(call(limits, lane) for lane in Lane))
        state = limits.snapshot()[Label.LIGHT]
        return state.in_window, state.waiting, state.waiting_bulk

    assert asyncio.run(afterwards()) == (2, 0, 0)
    for task in kept[0][1]:  # type: ignore[index]
        task._log_destroy_pending = False
    kept.clear()
    gc.collect()
    assert asyncio.run(afterwards())[1:] == (0, 0)


def test_a_clock_that_begins_anew_counts_what_was_sent() -> None:
    """The next loop may have another clock: calls that counted go on counting for a whole window."""
    limits = limiter(2)

    async def use(calls: int) -> list[float]:
        sent: list[float] = []
        await asyncio.sleep(3.0 if calls == 2 else 0.0)
        await asyncio.gather(*(call(limits, Lane.INTERACTIVE, sent=sent) for _ in range(calls)))
        return sent

    virtual.run(use(2))
    assert virtual.run(use(1))[0] >= 1.0


def test_a_snapshot_needs_no_loop() -> None:
    """Before and after its use a limiter can be looked at from anywhere."""
    limits = limiter(5)
    assert limits.snapshot()[Label.LIGHT].in_window == 0
    asyncio.run(call(limits, Lane.INTERACTIVE))
    assert limits.snapshot()[Label.LIGHT].in_window == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system cannot fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_is_refused() -> None:
    """The counts of a parent's limiter would be counted twice in its child."""
    limits = limiter(5)

    async def parent() -> int:
        await call(limits, Lane.INTERACTIVE)
        child = os.fork()
        if child == 0:
            code = 1
            try:
                limits.snapshot()
            except errors.ConfigurationError:
                code = 42
            finally:
                os._exit(code)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    assert asyncio.run(parent()) == 42
