"""Processes that die at a named point: at the n-th step of a kind, however fast the machine is.

A child is forked from a server that has imported everything, so that it starts in milliseconds. It kills itself before
or after a step of its own (`Step`), or the sandbox kills it when a request arrives (`Arrival`). A child that was to die
and did not fails its test.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import sqlite3
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from zra_async.core.events import AttemptDone, Event

if TYPE_CHECKING:
    from zra_async.sandbox import Sandbox  # which a child does not need

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(
    ["pytest", "tests.bulk.crm.child", "tests.bulk.export.child", "tests.bulk.ingest.child", "tests.files.uploader"]
)


class Step(NamedTuple):
    """A step that a child makes, its number from 1, and the side of it on which the child dies.

    The steps are ``write``, ``fsync`` and ``replace`` of files, ``statement`` of SQLite (always before it), and
    ``answer``: an attempt has ended, and nothing was made of its answer yet.
    """

    name: str
    number: int
    when: str = "before"


class Arrival(NamedTuple):
    """A request that the sandbox gets: the operation, a pattern for `Fault`, and its number from 1.

    A small request is carried out and its answer lost; of a large one only a piece has arrived.
    """

    operation: str
    number: int


class Child:
    """A process that runs ``target`` with ``arguments`` on an account."""

    def __init__(self, target: Callable[..., Any], sandbox: Sandbox, *arguments: Any, step: Step | None = None) -> None:
        self._result, sender = _CONTEXT.Pipe(duplex=False)
        self._process = _CONTEXT.Process(
            target=_run, args=(sender, sandbox.environment(), step, target, arguments), daemon=True
        )
        self._process.start()
        sender.close()

    def kill(self) -> None:
        """Send SIGKILL."""
        self._process.kill()

    async def ended(self) -> tuple[int | None, Any]:
        """Wait for the end; give the exit code, and what ``target`` returned."""
        return await asyncio.to_thread(self._join)

    def _join(self) -> tuple[int | None, Any]:
        try:
            result = self._result.recv()
        except EOFError:
            result = None
        self._process.join()
        code = self._process.exitcode
        self._result.close()
        self._process.close()
        return code, result


async def finish(sandbox: Sandbox, target: Callable[..., Any], *arguments: Any) -> Any:
    """Run a child to its end."""
    code, result = await Child(target, sandbox, *arguments).ended()
    assert code == 0, f"the child ended with {code}"
    return result


async def die(at: Step | Arrival, sandbox: Sandbox, target: Callable[..., Any], *arguments: Any) -> None:
    """Run a child until it dies at the point ``at``."""
    child = Child(target, sandbox, *arguments, step=at if isinstance(at, Step) else None)
    if isinstance(at, Arrival):
        sandbox.faults.add(_killing(at, child))
    code, _ = await child.ended()
    assert code == -signal.SIGKILL, f"the child was to die at {at}, and ended with {code}"


def _killing(at: Arrival, child: Child) -> Any:
    """Make a fault that kills ``child`` when it strikes."""
    from zra_async.sandbox import Fault

    left: int | None = None  # None while the fault looks whether its operation exists

    class Killing(Fault, frozen=True, kw_only=True):
        def covers(self, name: str) -> bool:
            nonlocal left
            if left is None or not super().covers(name):
                return super().covers(name)
            left -= 1
            if left == 0:
                child.kill()
            return left == 0

    fault = Killing(operation=at.operation, lose_answer=True, times=1)
    left = at.number
    return fault


def _run(
    sender: Any, environment: Mapping[str, str], step: Step | None, target: Callable[..., Any], arguments: Any
) -> None:
    os.environ.update(environment)
    os.fsync = lambda fd: None  # type: ignore[assignment]  # a process dies here, not the machine: its writes stay
    if step is not None:
        _arm(step)
    sender.send(target(*arguments))
    sender.close()


_observers: list[Callable[[Event], object]] = []


def observe(event: Event) -> None:
    """Count the answers; the observer of every client in a child."""
    for observer in _observers:
        observer(event)


def _arm(step: Step) -> None:
    """Let this process die at ``step``."""
    left = step.number

    def count() -> bool:
        nonlocal left
        left -= 1
        return left == 0

    def deadly(true: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            if not count():
                return true(*arguments, **options)
            if step.when == "after":
                true(*arguments, **options)
            return os.kill(os.getpid(), signal.SIGKILL)

        return call

    stop = deadly(lambda *_: None)
    if step.name == "statement":
        connect = sqlite3.connect

        def traced(*arguments: Any, **options: Any) -> sqlite3.Connection:
            connection = connect(*arguments, **options)
            connection.set_trace_callback(stop)
            return connection

        sqlite3.connect = traced  # type: ignore[assignment]
    elif step.name == "answer":
        _observers.append(lambda event: stop() if isinstance(event, AttemptDone) else None)
    else:
        setattr(os, step.name, deadly(getattr(os, step.name)))
