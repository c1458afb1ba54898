"""``zra sandbox``: an account on loopback, for programs and tests."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import anyio
import anyio.abc
import click

from zra_async.cli.exits import Exit
from zra_async.cli.failures import GivenUp, UsageProblem
from zra_async.cli.frame import say, standalone
from zra_async.cli.output import write

if TYPE_CHECKING:
    from zra_async.sandbox import Sandbox

_PATIENCE = 10.0  #: seconds that a program has to end by itself after Ctrl-C


@standalone("sandbox", on_interrupt=Exit.OK)
@click.argument("program", nargs=-1, type=click.UNPROCESSED, metavar="[-- PROGRAM [ARGS]...]")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port of the API host; 0 picks a free one.")
@click.option("--conversations", type=click.IntRange(0), default=500, show_default=True, help="How many it holds.")
@click.option("--plan", type=click.Choice(["free", "pro", "business"]), default="business", show_default=True)
@click.option("--seed", type=int, default=7, show_default=True, help="The same seed gives the same account.")
@click.option("--latency", type=click.FloatRange(0), default=0.0, metavar="SECONDS", help="Added to every answer.")
@click.option("--jitter", type=click.FloatRange(0), default=0.0, metavar="SECONDS", help="A random part of this, too.")
@click.option("--no-limits", is_flag=True, help="Never answer 429.")
@click.option("--store-parts", is_flag=True, help="Keep uploaded bytes, so that they can be downloaded.")
@click.option("--control", is_flag=True, help="Open the control endpoint, /_sandbox/ on the API host.")
@click.option("--faults", type=click.Path(exists=True, dir_okay=False), help="TOML file with [[fault]] tables.")
@click.option("--webhook-url", metavar="URL", help="Loopback address that receives signed events.")
@click.option("--webhook-secret", metavar="TEXT", help="Secret token that signs them; by default one is made up.")
@click.option("--json", "as_json", is_flag=True, help="Print the environment as one JSON object.")
async def command(program: tuple[str, ...], faults: str | None, as_json: bool, **options: Any) -> int:
    """Serve an account on this machine, until Ctrl-C.

    The environment of its clients goes to stdout, as lines that a shell can take over:

    \b
      zra sandbox > sandbox.env &      zra sandbox -- pytest
      source sandbox.env               zra sandbox -- python app.py

    With a PROGRAM, the environment is the program's, and zra ends with it and with its exit code.
    """
    from zra_async.sandbox import Sandbox  # a whole server: only when asked for

    if program and shutil.which(program[0]) is None:
        raise GivenUp(f"there is no program {program[0]}", exit_code=Exit.USAGE)
    options["limits"] = not options.pop("no_limits")
    try:
        sandbox = Sandbox(**options)
        if faults:
            sandbox.faults.load(faults)
    except ValueError as problem:
        raise UsageProblem(str(problem)) from None
    async with sandbox:
        if program:
            return await _accompany(program, sandbox.environment())
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


async def _accompany(program: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run a program with the environment of the account, and end with its exit code."""
    try:
        process = await anyio.open_process(
            program, stdin=sys.stdin, stdout=None, stderr=None, env={**os.environ, **environment}
        )
    except OSError as problem:
        raise GivenUp(f"{program[0]} cannot be run: {problem.strerror}", exit_code=Exit.USAGE) from None
    try:
        code = await process.wait()
    except BaseException:
        await _end(process)
        raise
    return code if code >= 0 else 128 - code


async def _end(process: anyio.abc.Process) -> None:
    """Let the program end after a signal; Ctrl-C on a terminal has reached it already."""
    with anyio.CancelScope(shield=True), anyio.move_on_after(_PATIENCE) as waiting:
        process.send_signal(signal.SIGTERM)
        await process.wait()
    if waiting.cancelled_caught:
        process.kill()
