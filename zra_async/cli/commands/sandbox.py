"""``zra sandbox``: an account on loopback, for programs and tests."""

from __future__ import annotations

import os
import shlex
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

if TYPE_CHECKING:
    from zra_async.sandbox import Sandbox


@standalone("sandbox", on_interrupt=Exit.OK)
@click.argument("program", nargs=-1, type=click.UNPROCESSED, metavar="[-- PROGRAM [ARGS]...]")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port of the API host; 0 picks a free one.")
@click.option(
    "--ports", type=click.IntRange(1, 65532), metavar="FIRST", help="Fixed ports: FIRST for the API and the next three."
)
@click.option("--conversations", type=click.IntRange(0), default=500, show_default=True, help="How many it holds.")
@click.option("--plan", type=click.Choice(["free", "pro", "business"]), default="business", show_default=True)
@click.option("--seed", type=int, default=7, show_default=True, help="The same seed gives the same account.")
@click.option("--latency", type=click.FloatRange(0), default=0.0, metavar="SECONDS", help="Added to every answer.")
@click.option("--jitter", type=click.FloatRange(0), default=0.0, metavar="SECONDS", help="A random part of this, too.")
@click.option("--no-limits", is_flag=True, help="Never answer 429.")
@click.option("--store-parts", is_flag=True, help="Keep uploaded bytes, so that they can be downloaded.")
@click.option("--control", is_flag=True, help="Open the control endpoint, /_sandbox/ on the API host.")
@click.option("--live", type=click.FloatRange(0), metavar="RATE", help="Change it by itself, RATE times a second.")
@click.option("--faults", type=PathArgument("read"), help="TOML file with [[fault]] tables.")
@click.option("--webhook-url", metavar="URL", help="Loopback address that receives signed events.")
@click.option("--webhook-secret", metavar="TEXT", help="Secret token that signs them; by default one is made up.")
@click.option("--json", "as_json", is_flag=True, help="Print the environment as one JSON object.")
async def command(
    program: tuple[str, ...], faults: Path | None, as_json: bool, live: float | None, **options: Any
) -> int:
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
    first = options.pop("ports")
    options["ports"] = None if first is None else range(first, first + 4)
    options["limits"] = not options.pop("no_limits")
    try:
        sandbox = Sandbox(**options)
        if faults:
            sandbox.faults.load(faults)
        if live is not None:
            sandbox.live(live)
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
