"""Structured concurrency above the hot path: anyio's task groups, in which no task ends without a word.

`asyncio.TaskGroup` of CPython 3.11 and 3.12 leaves a cancellation count on the task of its owner; anyio's task groups
do not. anyio in turn takes a child that ends with a `CancelledError` for one that was cancelled, whoever raised it, and
ends its group in silence. Here that is an error of the group.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self, TypeVar, TypeVarTuple

import anyio

from zra_async.core.cancellation import CallersCode
from zra_async.errors import StrayCancellation

T = TypeVar("T")
Arguments = TypeVarTuple("Arguments")


class Tasks:
    """A task group that raises its first failure alone, after all of its tasks have ended.

        async with Tasks() as tasks:
            tasks.start(work, argument)

    A failure cancels the other tasks. A `CancelledError` that nobody asked for is a failure: `StrayCancellation`. A
    cancellation of the owner cancels all tasks and goes on to the owner, whatever the tasks raise meanwhile.
    """

    def __init__(self) -> None:
        self._group = anyio.create_task_group()
        self._first: BaseException | None = None

    async def __aenter__(self) -> Self:
        self._owner = CallersCode()
        self._scope = anyio.CancelScope()
        self._scope.__enter__()
        await self._group.__aenter__()
        return self

    def start(self, work: Callable[[*Arguments], Awaitable[object]], *arguments: *Arguments) -> None:
        """Start a task that awaits ``work(*arguments)``."""
        self._group.start_soon(self._run, work, arguments)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if error is not None:
            self._fail(error, self._owner)
        ending: asyncio.CancelledError | None = None
        try:
            # any other error is raised below: anyio would wrap it in a group
            cancelled = isinstance(error, asyncio.CancelledError)
            await self._group.__aexit__(*((kind, error, trace) if cancelled else (None, None, None)))
        except asyncio.CancelledError as problem:
            ending = problem
        finally:
            _settle(self._scope)
            self._scope.__exit__(None, None, None)
        if ending is not None and self._owner.cancelled:
            raise ending
        if self._first is not None and self._first is not error:
            raise self._first
        return False

    async def _run(self, work: Callable[[*Arguments], Awaitable[object]], arguments: tuple[*Arguments]) -> None:
        task = CallersCode()
        with anyio.CancelScope() as scope:
            try:
                await work(*arguments)
            except BaseException as problem:
                if isinstance(problem, GeneratorExit) and not task.raised(problem):
                    raise
                # KeyboardInterrupt and SystemExit too: the owner raises them, after the other tasks have ended
                self._fail(problem, task)
            _settle(scope)

    def _fail(self, problem: BaseException, code: CallersCode) -> None:
        """Note the first failure and cancel the others."""
        if isinstance(problem, asyncio.CancelledError):
            if self._owner.cancelled or anyio.current_effective_deadline() == -math.inf:
                return
            how = "something cancelled this task" if code.cancelled else "its code raised CancelledError"
            stray = StrayCancellation(f"a task of the job ended early: {how}, and nobody cancelled the job")
            stray.__cause__ = problem
            problem = stray
        if self._first is None:
            self._first = problem
        self._group.cancel_scope.cancel()


def _settle(scope: anyio.CancelScope) -> None:
    """Let ``scope``, which is about to end, take back the cancellations that scopes inside it leave.

    A scope of anyio that ends inside a cancelled one leaves to its parent to take back the requests that it made of its
    own task. Where the parent belongs to another task, that task loses as many requests that others have made of it,
    and would go on although it was cancelled. A scope in between, of the same task, keeps them apart.
    """
    scope.shield = True
    scope.cancel()


async def shielded(work: Awaitable[T]) -> T:
    """Await a piece of cleaning up inside a scope that is cancelled: anyio cancels every await in it."""
    with anyio.CancelScope(shield=True):
        return await work
    raise AssertionError("unreachable: nothing cancels this scope")


def is_cancelled() -> bool:
    """Return True if the current task is being cancelled, so that nobody may be there to take its results."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
