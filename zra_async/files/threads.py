"""Work in threads on things that are closed afterwards."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


async def to_the_end(function: Callable[..., T], *arguments: object) -> T:
    """Run ``function`` in a thread, and wait for its end even when cancelled.

    A thread cannot be stopped: without the wait it would go on with a file that its owner has closed by then. What it
    opened for a caller that was cancelled is closed.
    """
    job = asyncio.get_running_loop().run_in_executor(None, function, *arguments)
    try:
        return await asyncio.shield(job)
    except asyncio.CancelledError:
        try:
            await ended(job)
        finally:
            _discard(job)
        raise


async def ended(job: asyncio.Future[Any]) -> None:
    """Wait until ``job`` is over, whatever became of it and however often the caller is cancelled."""
    cancelled = False
    while not job.done():
        try:
            await asyncio.wait({job})
        except asyncio.CancelledError:
            cancelled = True
    with contextlib.suppress(asyncio.CancelledError):
        job.exception()  # somebody has to look at it
    if cancelled:
        raise asyncio.CancelledError


def _discard(job: asyncio.Future[Any]) -> None:
    close = None if job.cancelled() or job.exception() else getattr(job.result(), "close", None)
    if close is not None:
        close()
