"""Callbacks of the caller: plain functions, called in the event loop's thread, whose failures change nothing."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from zra_async.errors import InvalidArgument

T = TypeVar("T")
logger: logging.Logger = logging.getLogger("zra_async")


def check_plain(name: str, callback: object) -> None:
    """Refuse a callback that cannot be called, or that is an async function. Raises `InvalidArgument`."""
    if not callable(callback):
        raise InvalidArgument(f"{name} must be a function, not {type(callback).__name__}")
    if is_async(callback):
        raise InvalidArgument(
            f"{name} must be a plain function, and this one is async, so that nobody would await it: "
            "let a plain function put what it gets into an asyncio.Queue, or start a task"
        )


def is_async(callback: object) -> bool:
    """Tell whether a call of ``callback`` makes a coroutine or an async generator, as far as that shows beforehand."""
    while isinstance(callback, partial):
        callback = callback.func  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    called: Any = getattr(type(callback), "__call__", None)  # noqa: B004 (an object whose call is an async method)
    return any(inspect.iscoroutinefunction(one) or inspect.isasyncgenfunction(one) for one in (callback, called))


def guarded(name: str, callback: Callable[[T], object] | None) -> Callable[[T], None]:
    """Make a function that calls ``callback`` until it fails for the first time.

    Whatever the callback raises is logged once, and the callback is not called again: `CancelledError` and every other
    exception alike, except KeyboardInterrupt and SystemExit, which end the program. A coroutine that the callback
    returns is closed and counts as a failure. None is a callback that does nothing. Raises `InvalidArgument` for an
    async function.
    """
    if callback is not None:
        check_plain(name, callback)
    working = callback

    def call(value: T) -> None:
        nonlocal working
        if working is None:
            return
        try:
            refuse_awaitable(working(value))
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException:
            working = None
            logger.exception("the %s callback failed; it is not called again", name)

    return call


def refuse_awaitable(returned: object) -> None:
    """Close a coroutine that a callback returned, and raise TypeError; a task or a future runs by itself."""
    if isinstance(returned, asyncio.Future) or not (inspect.isawaitable(returned) or inspect.isasyncgen(returned)):
        return
    if inspect.iscoroutine(returned):
        returned.close()
    raise TypeError(f"the callback returned a {type(returned).__name__}, which nobody awaits: give a plain function")
