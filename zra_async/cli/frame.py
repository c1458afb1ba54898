"""The frame of every command: its common options, how it runs, how it stops, and what is said when it fails."""

from __future__ import annotations

import asyncio
import functools
import logging
import shlex
import signal
import sys
import traceback
import warnings
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from typing import Any, Literal

import anyio
import click

from zra_async.cli.connection import Connection, opened, silent
from zra_async.cli.exits import Exit
from zra_async.cli.failures import GivenUp, explain, innermost
from zra_async.cli.output.data import DataOutput, Sink, output_options, report_options, take_output
from zra_async.cli.output.streams import StdoutLost, ended_without_stdout, say
from zra_async.cli.stopping import Stopped, code_of, handled
from zra_async.client import ZRAClient
from zra_async.core.events import Observer, log_event


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """The context of a command besides its own options. `again` is the command line as it was typed."""

    connection: Connection
    output: DataOutput
    debug: bool
    again: str
    options: frozenset[str] = frozenset()  #: the options of this command
    continues: str = ""  #: what to say when it is interrupted: how to go on

    @property
    def observer(self) -> Observer:
        """The observer of the library's events: the log with ``--debug``, nobody without."""
        return log_event if self.debug else silent

    def open(self) -> AbstractAsyncContextManager[ZRAClient]:
        """An open client of the account that the options describe."""
        return opened(self.connection, self.observer)


#: whether an interrupted command can be gone on with: always, or unless the account was an embedded one
Continues = Literal["never", "always", "with the account"]
Work = Callable[..., Awaitable[int | None]]


def subcommand(
    name: str, *, reports: bool = False, continues: Continues = "never", done: str = "", short_help: str | None = None
) -> Callable[[Work], click.Command]:
    """Make a command of an async function, which gets a `Frame` and its own options.

    ``reports``: what it writes to stdout is a report and not records. ``continues``: whether the same command line goes
    on where an interrupted one stopped. ``done``: what to know when the work is done and stdout cannot be written; ""
    for a command that only reads.
    """

    def decorate(work: Work) -> click.Command:
        @functools.wraps(work)
        def callback(**params: Any) -> int:
            frame = _frame(params, continues=continues, done=done)
            return _drive(functools.partial(work, frame, **params), frame, Exit.INTERRUPTED)

        own = callback.__dict__.pop("__click_params__", [])  # click keeps them last to first
        dressed = (report_options if reports else output_options)(connection_options(callback))
        dressed.__dict__["__click_params__"] += own
        return click.command(name, short_help=short_help)(dressed)

    return decorate


def standalone(name: str, *, on_interrupt: Exit = Exit.INTERRUPTED) -> Callable[[Work], click.Command]:
    """Make a command of an async function that needs no account of anybody's."""

    def decorate(work: Work) -> click.Command:
        @click.command(name)
        @click.option("--debug", is_flag=True, help="Log everything, and show where an error comes from.")
        @functools.wraps(work)
        def callback(debug: bool, **params: Any) -> int:
            frame = Frame(connection=Connection(), output=DataOutput(), debug=debug, again=_typed())
            return _drive(functools.partial(work, **params), frame, on_interrupt)

        return callback

    return decorate


def connection_options(callback: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that say what it talks to."""
    options = (
        click.option("--sandbox", is_flag=True, help="Run against an account that this command serves itself."),
        click.option("--sandbox-conversations", type=click.IntRange(0), metavar="N", help="Its size; 200 by default."),
        click.option("--sandbox-seed", type=int, metavar="N", help="The same seed gives the same account."),
        click.option(
            "--sandbox-latency", type=click.FloatRange(0), metavar="SECONDS", help="Added to each of its answers."
        ),
        click.option("--plan", type=click.Choice(["free", "pro", "business"]), help="The account's plan (ZRA_PLAN)."),
        click.option(
            "--share",
            type=click.FloatRange(0, 1, min_open=True),
            help="The part of the account's rate limits that this run may use (ZRA_SHARE).",
        ),
        click.option(
            "--database",
            metavar="DSN",
            help="A Postgres through which all processes share the account's limits (ZRA_DATABASE_URL).",
        ),
        click.option("--debug", is_flag=True, help="Log every call, and show where an error comes from."),
    )
    for option in reversed(options):
        callback = option(callback)
    return callback


def _frame(params: dict[str, Any], *, continues: Continues, done: str) -> Frame:
    embedded = {name: params.pop(f"sandbox_{name}") for name in ("conversations", "seed", "latency")}
    embedded = {name: value for name, value in embedded.items() if value is not None}
    connection = Connection(
        sandbox=params.pop("sandbox") or bool(embedded),
        plan=params.pop("plan"),
        share=params.pop("share"),
        database=params.pop("database"),
        **embedded,
    )
    again = _typed()
    frame = Frame(
        connection=connection,
        output=take_output(params, Sink(done)),
        debug=params.pop("debug"),
        again=again,
        options=_options(),
    )
    if continues == "never" or (continues == "with the account" and connection.sandbox):
        return frame
    return replace(frame, continues=f"nothing is lost; to go on: {again}")


def _options() -> frozenset[str]:
    return frozenset(name for parameter in click.get_current_context().command.params for name in parameter.opts)


def _typed() -> str:
    words: Sequence[str] = click.get_current_context().obj or ()
    return shlex.join(["zra", *words])


# --------------------------------------------------------------------------- running


def _drive(work: Callable[[], Awaitable[int | None]], frame: Frame, on_interrupt: Exit) -> int:
    _listen(frame.debug)
    try:
        code = anyio.run(_until_stopped, work, frame, on_interrupt)
    except click.ClickException:
        raise
    except Exception as error:
        cause = innermost(error)
        if isinstance(cause, StdoutLost):
            return ended_without_stdout(cause)
        return _failed(error, frame)
    sink = frame.output.sink
    if sink.lost:
        say(f"  {sink.done}")
        return Exit.ERROR
    return code


def _failed(error: Exception, frame: Frame) -> int:
    failure = explain(error, frame.options)
    if frame.debug:
        say("".join(traceback.format_exception(error)))
    say(f"error: {failure.message}")
    if failure.advice:
        say(f"  {failure.advice}")
    if failure.passing and frame.continues:
        say(f"  {frame.continues}")
    return failure.exit_code


async def _until_stopped(work: Callable[[], Awaitable[int | None]], frame: Frame, on_interrupt: Exit) -> int:
    """Run ``work``; the first signal that stops a command cancels it, and lets it clean up."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    stopped: list[signal.Signals] = []

    def stop(signum: signal.Signals) -> None:
        stopped.append(signum)
        if task is not None:
            task.cancel()

    with handled(loop, stop):
        try:
            return await work() or Exit.OK
        except (Exception, asyncio.CancelledError, Stopped) as error:
            if isinstance(error, Stopped):
                stopped.append(error.signum)
            if not stopped:
                raise
            if task is not None:
                task.uncancel()
            if on_interrupt is not Exit.INTERRUPTED:
                return on_interrupt
            # a command that gave up because of the signal knows better how to go on
            further = f"{error}; {error.advice}" if isinstance(error, GivenUp) else frame.continues
            say(f"interrupted{'; ' + further if further else ''}")
            return code_of(stopped[0])


def _listen(debug: bool) -> None:
    """Send the log to stderr with ``--debug``, and nowhere without: a command has its own words for a failure."""
    handler = logging.StreamHandler() if debug else logging.NullHandler()
    logging.basicConfig(
        level=logging.DEBUG if debug else logging.CRITICAL,
        format="%(asctime)s %(name)s %(levelname)s %(message)s",
        handlers=[handler],
        force=True,
    )
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    if not debug and not sys.warnoptions:
        warnings.simplefilter("ignore")
