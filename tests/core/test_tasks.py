"""Task groups: what they raise, what they leave on the task of their owner, and that none ends in silence."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest

from tests import virtual
from zra_async import errors
from zra_async.core.cancellation import CallersCode, told
from zra_async.core.tasks import Tasks, shielded

Work = Callable[[], Awaitable[object]]


async def stay() -> None:
    """Wait until cancelled."""
    await asyncio.sleep(1000)


async def stray() -> None:
    """Raise what a cancelled future raises to whoever asks for its result."""
    await asyncio.sleep(1)
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    future.cancel()
    future.result()


async def cancelled_alone() -> None:
    """Cancel the task that runs this, and nothing else."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().call_later(1, task.cancel)
    await stay()


def failing(problem: BaseException, after: float = 1) -> Work:
    """Work that raises ``problem``."""

    async def fail() -> None:
        await asyncio.sleep(after)
        raise problem

    return fail


async def slow_to_end() -> None:
    """Take a second to clean up when cancelled."""
    try:
        await stay()
    finally:
        await shielded(asyncio.sleep(1))


async def raising_at_its_end() -> None:
    """Raise another error when cancelled."""
    try:
        await stay()
    finally:
        raise RuntimeError("while cleaning up")


async def timed_inside() -> None:
    """Be cancelled while a timeout of its own has just struck."""
    with anyio.move_on_after(1):
        await stay()
    await stay()


async def group(*works: Work, body: Work | None = None) -> None:
    """Run works side by side, and ``body`` in the task that owns the group."""
    async with Tasks() as tasks:
        for work in works:
            tasks.start(work)
        if body is not None:
            await body()


async def nested() -> None:
    """A group in a task of a group."""
    await group(stay, timed_inside, body=stay)


async def owned(work: Work) -> tuple[object, int]:
    """What ``work`` raises, and how many cancellations it leaves on its task."""
    task = asyncio.current_task()
    assert task is not None
    before = task.cancelling()
    try:
        await work()
    except BaseException as problem:
        return problem, task.cancelling() - before
    return None, task.cancelling() - before


END_OF_THE_PROGRAM = (KeyboardInterrupt(), SystemExit(3))
FAILURES = [ValueError(), errors.InUse(), GeneratorExit(), BaseExceptionGroup("", [KeyError()]), *END_OF_THE_PROGRAM]


@pytest.mark.parametrize("problem", FAILURES, ids=lambda problem: type(problem).__name__)
@pytest.mark.parametrize("where", ["task", "owner", "inner task"])
def test_the_first_failure_is_raised_alone(problem: BaseException, where: str) -> None:
    """A failure ends the others, is raised as it is, and leaves no cancellation on the owner."""
    fail = failing(problem)
    works: dict[str, Work] = {
        "task": lambda: group(stay, fail, slow_to_end, failing(OSError(), 2)),
        "owner": lambda: group(stay, slow_to_end, body=fail),
        "inner task": lambda: group(stay, lambda: group(stay, fail), slow_to_end),
    }
    assert virtual.run(owned(works[where])) == (problem, 0)


@pytest.mark.parametrize("work", [stray, cancelled_alone], ids=["raised", "cancelled"])
@pytest.mark.parametrize("where", ["task", "inner task"])
def test_a_cancellation_that_nobody_asked_for_is_an_error(work: Work, where: str) -> None:
    """A task that ends with CancelledError, while its group is not cancelled, fails the group."""
    inside: Work = (lambda: group(stay, work)) if where == "inner task" else work
    problem, left = virtual.run(owned(lambda: group(stay, inside)))
    assert isinstance(problem, errors.StrayCancellation)
    assert isinstance(problem.__cause__, asyncio.CancelledError)
    assert left == 0


def test_a_stray_one_in_the_owner_is_an_error_too() -> None:
    """The owner is told so as well when its own code raises CancelledError."""
    problem, left = virtual.run(owned(lambda: group(stay, body=stray)))
    assert isinstance(problem, errors.StrayCancellation)
    assert left == 0


async def cancelled_after(work: Work, seconds: float) -> tuple[bool, int]:
    """Whether a task is cancelled that was asked to end while it did ``work``, and how often it was asked."""
    task = asyncio.ensure_future(work())
    await asyncio.sleep(seconds)
    task.cancel()
    await asyncio.wait([task])
    return task.cancelled(), task.cancelling()


async def in_a_group_of_anyio() -> None:
    """The groups of this library inside one of its caller."""
    async with anyio.create_task_group() as foreign:
        foreign.start_soon(nested)
        foreign.start_soon(stay)


@pytest.mark.parametrize("seconds", [0.5, 1, 1.5])
@pytest.mark.parametrize(
    "work",
    [
        nested,
        in_a_group_of_anyio,
        lambda: group(stay, slow_to_end),
        lambda: group(raising_at_its_end, raising_at_its_end, body=stay),
        lambda: group(nested, nested, slow_to_end),
        lambda: group(lambda: group(nested, timed_inside), nested, body=stay),
    ],
    ids=["nested", "foreign", "slow", "raising", "two nested", "three deep"],
)
def test_a_cancellation_from_outside_gets_through_once(work: Work, seconds: float) -> None:
    """The owner is cancelled whatever its tasks do meanwhile, and the request stays on its task."""
    assert virtual.run(cancelled_after(work, seconds)) == (True, 1)


@pytest.mark.parametrize("work", [nested, in_a_group_of_anyio, lambda: group(nested, raising_at_its_end)])
@pytest.mark.parametrize("bound", ["asyncio", "anyio", "wait_for"])
def test_a_timeout_of_the_caller_works(work: Work, bound: str) -> None:
    """A timeout around a group is raised as one, and leaves nothing behind."""

    async def bounded() -> None:
        if bound == "asyncio":
            async with asyncio.timeout(1):
                await work()
        elif bound == "anyio":
            with anyio.fail_after(1):
                await work()
        else:
            await asyncio.wait_for(work(), 1)

    problem, left = virtual.run(owned(bounded))
    assert (type(problem), left) == (TimeoutError, 0)


def test_a_failure_and_a_cancellation_at_once_are_a_cancellation() -> None:
    """Whoever asks for an end gets it, also in the moment in which a task fails."""
    assert virtual.run(cancelled_after(lambda: group(stay, failing(ValueError(), 1)), 1)) == (True, 1)


async def after_a_leftover(problem: BaseException) -> tuple[bool, bool]:
    """What is made of an error on a task that has a count which nobody takes back."""
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    try:
        await asyncio.sleep(0)
    except asyncio.CancelledError:
        code = CallersCode()
        before = code.raised(problem)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.sleep(0)
        return before, code.raised(problem)
    raise AssertionError("not cancelled")


@pytest.mark.parametrize(
    ("problem", "expected"),
    [
        (asyncio.CancelledError(), (True, False)),
        (ValueError(), (True, True)),
        (GeneratorExit(), (True, True)),
        (KeyboardInterrupt(), (False, False)),
        (SystemExit(), (False, False)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_old_count_is_no_request(problem: BaseException, expected: tuple[bool, bool]) -> None:
    """Only a cancellation that was asked for since tells a CancelledError of the code from one of the task."""
    assert virtual.run(after_a_leftover(problem)) == expected


def test_a_coroutine_that_is_closed_has_no_error() -> None:
    """The end of a coroutine that no task runs any more is not taken for an error of its code."""
    seen: list[bool] = []

    async def work() -> None:
        code = CallersCode()
        try:
            await stay()
        except GeneratorExit as problem:
            seen.append(code.raised(problem))
            raise

    virtual.run(asyncio.wait_for(_ended(work, seen), 5))
    assert seen == [False]


async def _ended(work: Work, seen: list[bool]) -> None:
    coroutine: Any = work()
    task = asyncio.ensure_future(coroutine)
    await asyncio.sleep(1)
    coroutine.close()  # as the interpreter does with one that nobody will run any more
    task.cancel()
    with pytest.raises((RuntimeError, asyncio.CancelledError)):
        await task


def test_an_error_of_any_class_can_be_told() -> None:
    """An error whose text cannot be had is told by its class."""

    class Odd(Exception):
        def __str__(self) -> str:
            raise ValueError

    assert told(Odd()) == "Odd: its text cannot be read"
    assert told(KeyError()) == "KeyError"
    assert told(ValueError("so")) == "ValueError: so"
