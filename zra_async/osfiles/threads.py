"""Run blocking functions in threads, and wait until they have ended even when the caller is cancelled."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


async def to_thread(function: Callable[..., T], *arguments: object) -> T:
    """Run ``function`` in a thread to completion, and return its result.

    A thread cannot be stopped. When the caller is cancelled, the cancellation is raised only after the thread has
    ended, so that it never works with a file that its owner has closed. A result that has a ``close`` method is closed
    then, since nobody else can.
    """
    job = asyncio.get_running_loop().run_in_executor(None, _call, function, arguments)
    try:
        return await asyncio.shield(job)
    except asyncio.CancelledError:
        try:
            await wait_until_done(job)
        finally:
            _discard(job)
        raise


async def wait_until_done(job: asyncio.Future[Any], timeout: float | None = None) -> None:
    """Wait until ``job`` has ended, however it ends and however often the caller is cancelled meanwhile.

    With a ``timeout`` it waits for at most so many seconds. Raises `asyncio.CancelledError` afterwards if the caller
    was cancelled. The result of ``job`` is not raised.
    """
    loop = asyncio.get_running_loop()
    end = None if timeout is None else loop.time() + timeout
    cancelled = False
    with _shielded():
        while not job.done() and (end is None or loop.time() < end):
            try:
                await asyncio.wait({job}, timeout=None if end is None else end - loop.time())
            except asyncio.CancelledError:
                cancelled = True
    if job.done():
        with contextlib.suppress(asyncio.CancelledError):
            job.exception()  # marks it as retrieved
    if cancelled:
        raise asyncio.CancelledError


def _shielded() -> contextlib.AbstractContextManager[object]:
    """Keep a cancelled scope of anyio out: it would cancel the wait again in every turn of the event loop."""
    if "anyio" not in sys.modules:
        return contextlib.nullcontext()  # no scope of it can be open, and the import would be slow
    from anyio import CancelScope

    return CancelScope(shield=True)


def _call(function: Callable[..., T], arguments: tuple[object, ...]) -> T:
    try:
        return function(*arguments)
    except (StopIteration, GeneratorExit) as problem:
        # A future cannot hold the one: on CPython 3.11 it would never be done, and its task would wait for ever. The
        # other would close the coroutines that wait for it.
        raise RuntimeError(f"the function in the thread raised {type(problem).__name__}") from problem


def _discard(job: asyncio.Future[Any]) -> None:
    close = None if job.cancelled() or job.exception() else getattr(job.result(), "close", None)
    if close is not None:
        close()
