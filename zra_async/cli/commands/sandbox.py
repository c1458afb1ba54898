"""``zra sandbox``: an account on loopback, for programs and tests."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import click

from zra_async.cli.arguments.paths import PathArgument
from zra_async.cli.exits import Exit
from zra_async.cli.failures import UsageProblem
from zra_async.cli.frame import standalone
from zra_async.cli.output.streams import say, write
from zra_async.cli.program import find_program, run_program, signals_held
from zra_async.sandbox.command_options import COMMAND_OPTIONS, CommandOption, sandbox_arguments

if TYPE_CHECKING:
    from zra_async.sandbox import Sandbox


def sandbox_options(callback: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of a sandbox to a command."""
    for option in reversed(COMMAND_OPTIONS):
        shown = option.default is not None and not option.flag
        kind = None if option.flag else _type_of(option)
        callback = click.option(
            f"--{option.name}",
            type=kind,
            is_flag=option.flag,
            default=option.default,
            show_default=shown,
            metavar=option.metavar,
            help=option.help,
        )(callback)
    return callback


def _type_of(option: CommandOption) -> click.ParamType[Any, Any]:
    if option.choices:
        return click.Choice(option.choices)
    if option.kind is int and option.minimum is not None:
        return click.IntRange(_whole(option.minimum), _whole(option.maximum))
    if option.kind is float:
        return click.FloatRange(option.minimum, option.maximum)
    return click.INT if option.kind is int else click.STRING


def _whole(bound: float | None) -> int | None:
    return None if bound is None else int(bound)


@standalone("sandbox", on_interrupt=Exit.OK)
@click.argument("program", nargs=-1, type=click.UNPROCESSED, metavar="[-- PROGRAM [ARGS]...]")
@sandbox_options
@click.option("--faults", type=PathArgument("read"), help="TOML file with [[fault]] tables.")
@click.option("--json", "as_json", is_flag=True, help="Print the environment as one JSON object.")
async def command(program: tuple[str, ...], faults: Path | None, as_json: bool, **options: Any) -> int:
    """Serve an account on this machine, until Ctrl-C.

    The environment of its clients goes to stdout, as lines that a shell can take over:

    \b
      zra sandbox > sandbox.env &      zra sandbox -- pytest
      source sandbox.env               zra sandbox -- python app.py

    With a PROGRAM, the environment is the program's. It gets the signals that zra gets, and zra ends with it and with
    its exit code: 128 + N if signal N has ended it, 127 if there is no such program, 126 if it cannot be executed.
    """
    from zra_async.sandbox import Sandbox  # a whole server: only when asked for

    if program:
        find_program(program[0])
    try:
        sandbox = Sandbox(**sandbox_arguments(options))
        if faults:
            sandbox.faults.load(faults)
        if options["live"] is not None:
            sandbox.live(options["live"])
    except ValueError as problem:
        raise UsageProblem(str(problem)) from None
    if program:
        with signals_held():
            async with sandbox:
                return await run_program(program, {**os.environ, **sandbox.environment()})
    async with sandbox:
        _announce(sandbox, as_json)
        await anyio.sleep_forever()
    return Exit.OK


def _announce(sandbox: Sandbox, as_json: bool) -> None:
    environment = sandbox.environment()
    if as_json:
        import msgspec

        write(msgspec.json.encode(environment) + b"\n")
    else:
        write("".join(f"export {name}={shlex.quote(value)}\n" for name, value in environment.items()).encode())
    options = sandbox.options
    say(
        f"serving {options.conversations:,} conversations at {sandbox.api_url} under the limits of the plan "
        f"{options.plan!r}; Ctrl-C ends it"
    )
