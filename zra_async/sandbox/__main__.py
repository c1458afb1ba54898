"""Serve a sandbox from the shell, without the extra ``cli``.

    python -m zra_async.sandbox --conversations 500 > sandbox.env &
    source sandbox.env

The command prints the environment of its clients as lines for a shell, and serves until it is interrupted.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import shlex
import signal
import sys
from typing import TYPE_CHECKING

from zra_async.sandbox.command_options import COMMAND_OPTIONS, CommandOption, sandbox_arguments
from zra_async.sandbox.server import Sandbox

if TYPE_CHECKING:
    from collections.abc import Sequence


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    made = argparse.ArgumentParser(
        prog="python -m zra_async.sandbox", description="Serve a Revenue Accelerator account on this machine."
    )
    for option in COMMAND_OPTIONS:
        _add(made, option)
    made.add_argument("--faults", metavar="FILE", help="TOML file with [[fault]] tables.")
    return made


def _add(parser: argparse.ArgumentParser, option: CommandOption) -> None:
    if option.flag:
        parser.add_argument(f"--{option.name}", action="store_true", help=option.help)
        return
    parser.add_argument(
        f"--{option.name}",
        type=option.kind,
        default=option.default,
        choices=option.choices or None,
        metavar=option.metavar,
        help=option.help,
    )


async def serve(arguments: argparse.Namespace) -> None:
    """Print the environment and serve until SIGINT or SIGTERM."""
    sandbox = Sandbox(**sandbox_arguments(vars(arguments)))
    if arguments.faults:
        sandbox.faults.load(arguments.faults)
    if arguments.live is not None:
        sandbox.live(arguments.live)
    stop = asyncio.Event()
    for signum in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(signum, stop.set)
    async with sandbox:
        for name, value in sandbox.environment().items():
            print(f"export {name}={shlex.quote(value)}")
        sys.stdout.flush()
        await stop.wait()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    made = parser()
    arguments = made.parse_args(argv)
    logging.basicConfig(level=logging.WARNING)
    try:
        asyncio.run(serve(arguments))
    except (OSError, ValueError) as error:
        made.error(str(error))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
