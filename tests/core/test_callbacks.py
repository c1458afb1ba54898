"""Callbacks: plain functions only, and whatever one raises changes nothing."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Callable
from typing import Any
from unittest.mock import AsyncMock, MagicMock

import pytest

from tests import virtual
from zra_async import LocalRateLimiter, RetryPolicy, ServerToServer, ZRAClient, errors
from zra_async.bulk.crm.report import Failures
from zra_async.bulk.events import both
from zra_async.bulk.ingest.job import IngestPlan
from zra_async.core.callbacks import check_plain, guarded
from zra_async.core.events import TokenRefused, guard_observer
from zra_async.files.progress import Meter
from zra_async.files.upload import UploadArguments
from zra_async.webhooks import WebhookReceiver


async def _function(value: object) -> None: ...


async def _generator(value: object) -> AsyncIterator[int]:
    yield 1


class _Object:
    async def __call__(self, value: object) -> None: ...

    async def method(self, value: object) -> None: ...


ASYNC: dict[str, Any] = {
    "function": _function,
    "generator": _generator,
    "partial": functools.partial(_function),
    "partial of partial": functools.partial(functools.partial(_function)),
    "object": _Object(),
    "partial of object": functools.partial(_Object()),
    "method": _Object().method,
    "partial of method": functools.partial(_Object().method),
    "mock": AsyncMock(),
}
PLAIN: dict[str, Any] = {
    "list": [].append,
    "lambda": lambda value: None,
    "partial": functools.partial(print, end=""),
    "class": list,
    "mock": MagicMock(return_value=None),
}
TAKERS: dict[str, Callable[[Any], object]] = {
    "guarded": lambda callback: guarded("it", callback),
    "on_event": lambda callback: both(None, callback),
    "on_outcome": lambda callback: IngestPlan(ledger="ledger", on_outcome=callback),
    "on_failed": lambda callback: Failures(None, callback),
    "on_progress of an upload": lambda callback: UploadArguments(name="a.mp4", on_progress=callback),
    "on_progress of a download": lambda callback: Meter(None, 1, callback),
    "observer": lambda callback: ZRAClient(ServerToServer("a", "b", "c"), observer=callback),
    "clock of a receiver": lambda callback: WebhookReceiver("secret", clock=callback),
    "clock of a limiter": lambda callback: LocalRateLimiter(clock=callback),
    "random of a policy": lambda callback: RetryPolicy(random=callback),
}
BAD = [
    ValueError("bad"),
    asyncio.CancelledError(),
    StopIteration(),
    StopAsyncIteration(),
    GeneratorExit(),
    BaseExceptionGroup("", [asyncio.CancelledError()]),
    BaseException(),
    errors.InUse(),
]


@pytest.mark.parametrize("taker", TAKERS)
@pytest.mark.parametrize("kind", ASYNC)
def test_an_async_function_is_refused_at_once(taker: str, kind: str) -> None:
    """Whatever makes a coroutine is refused where it is given, with words that say what to do."""
    with pytest.raises((errors.InvalidArgument, errors.ConfigurationError), match="plain function"):
        TAKERS[taker](ASYNC[kind])


@pytest.mark.parametrize("taker", TAKERS)
def test_what_cannot_be_called_is_refused(taker: str) -> None:
    """A value that is no function is refused as well."""
    with pytest.raises((errors.InvalidArgument, errors.ConfigurationError), match="must be a function, not str"):
        TAKERS[taker]("print")


@pytest.mark.parametrize("kind", PLAIN)
def test_a_plain_function_is_taken(kind: str) -> None:
    """Whatever can be called, and makes no coroutine, is a callback."""
    check_plain("it", PLAIN[kind])
    guarded("it", PLAIN[kind])("")


@pytest.mark.parametrize("problem", BAD, ids=lambda problem: type(problem).__name__)
def test_a_failure_is_logged_once(problem: BaseException, caplog: pytest.LogCaptureFixture) -> None:
    """A callback that raises anything is logged, and not called again."""
    callback = MagicMock(side_effect=[problem, None])
    call = guarded("it", callback)
    call(1)
    call(2)
    assert callback.call_count == 1
    assert [record.message for record in caplog.records] == ["the it callback failed; it is not called again"]


@pytest.mark.parametrize("problem", BAD, ids=lambda problem: type(problem).__name__)
def test_an_observer_is_told_further(problem: BaseException, caplog: pytest.LogCaptureFixture) -> None:
    """An observer that raises anything is logged once for each class of error, and hears of later events."""
    observer = MagicMock(side_effect=[problem, problem, None])
    observe = guard_observer(observer)
    for _ in range(3):
        observe(TokenRefused("a"))
    assert observer.call_count == 3
    assert len([record for record in caplog.records if "observer failed" in record.message]) == 1


GUARDS = pytest.mark.parametrize(
    "guard", [guard_observer, lambda callback: guarded("it", callback)], ids=["observer", "callback"]
)


@pytest.mark.parametrize("problem", [KeyboardInterrupt(), SystemExit(1)], ids=lambda problem: type(problem).__name__)
@pytest.mark.parametrize(
    "guard", [guard_observer, lambda callback: guarded("it", callback)], ids=["observer", "callback"]
)
def test_the_end_of_the_program_is_none_of_its_failures(problem: BaseException, guard: Any) -> None:
    """KeyboardInterrupt and SystemExit pass through."""
    with pytest.raises(type(problem)):
        guard(MagicMock(side_effect=problem))(TokenRefused("a"))


@pytest.mark.parametrize(
    "guard", [guard_observer, lambda callback: guarded("it", callback)], ids=["observer", "callback"]
)
@pytest.mark.parametrize("made", [_function, _generator], ids=["coroutine", "generator"])
def test_a_coroutine_that_is_returned_is_closed(guard: Any, made: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A plain function that returns a coroutine is told that nobody awaits it; no warning is left behind."""
    guard(lambda value: made(value))(TokenRefused("a"))
    assert "which nobody awaits" in caplog.text


def test_a_task_that_is_returned_runs() -> None:
    """A plain function may start a task and return it."""
    done: list[object] = []

    async def note(value: object) -> None:
        done.append(value)

    async def use() -> None:
        call = guarded("it", lambda value: asyncio.ensure_future(note(value)))
        call(1)
        call(2)
        await asyncio.sleep(1)

    virtual.run(use())
    assert done == [1, 2]


def test_nothing_is_a_callback_too() -> None:
    """Without a callback nothing happens."""
    guarded("it", None)(1)
