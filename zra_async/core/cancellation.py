"""The difference between a cancellation that was asked for and a `CancelledError` that code raises by itself."""

from __future__ import annotations

import asyncio
from typing import Any

from zra_async.errors import StrayCancellation


def requests_of(task: asyncio.Task[Any] | None) -> int:
    """Count the cancellations that were asked of ``task`` and that nobody has taken back."""
    return 0 if task is None else task.cancelling()


class CallersCode:
    """A stretch of a task that runs code of the caller, such as an iterator of items.

        code = CallersCode()
        try:
            item = await anext(items)
        except BaseException as problem:
            if not code.raised(problem):
                raise          # the task is being cancelled, or the program ends
            ...                # the iterator failed, with a CancelledError perhaps

    A count that was there before does not matter: CPython 3.11 and 3.12 leave one on a task that has used an
    `asyncio.TaskGroup`.
    """

    __slots__ = ("_before", "_task")

    def __init__(self) -> None:
        self._task = _current()
        self._before = requests_of(self._task)

    @property
    def cancelled(self) -> bool:
        """Tell whether the task was asked to end since this stretch began."""
        return requests_of(self._task) > self._before

    def raised(self, problem: BaseException) -> bool:
        """Tell whether ``problem`` is an error of the code, and not the end of the task or of the program."""
        if isinstance(problem, (KeyboardInterrupt, SystemExit)):
            return False
        if isinstance(problem, asyncio.CancelledError):
            return not self.cancelled
        if isinstance(problem, GeneratorExit):
            # a coroutine that is closed, at the end of its event loop, is not run by its task any more
            return self._task is not None and _current() is self._task
        return True


def as_error(problem: BaseException, what: str) -> BaseException:
    """Return what a job raises for ``problem`` out of the caller's code: `StrayCancellation` for a CancelledError."""
    if not isinstance(problem, asyncio.CancelledError):
        return problem
    error = StrayCancellation(f"{what} raised CancelledError, and nobody cancelled the job")
    error.__cause__ = problem
    return error


def told(problem: BaseException) -> str:
    """Describe an error of any class in one line: its class, and what it says."""
    try:
        text = str(problem)
    except Exception:
        text = "its text cannot be read"
    return f"{type(problem).__name__}: {text}" if text else type(problem).__name__


def _current() -> asyncio.Task[Any] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:  # no event loop runs
        return None
