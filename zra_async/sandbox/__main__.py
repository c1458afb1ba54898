"""Serve a sandbox from the shell.

    python -m zra_async.sandbox --conversations 500 > sandbox.env &
    source sandbox.env

It prints the environment of its clients as lines that a shell can take over, and serves until it is interrupted.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import shlex
import signal
import sys
from typing import TYPE_CHECKING

from zra_async.sandbox.server import Sandbox

if TYPE_CHECKING:
    from collections.abc import Sequence


def parser() -> argparse.ArgumentParser:
    """The command line."""
    of = argparse.ArgumentParser(prog="python -m zra_async.sandbox", description="A Revenue Accelerator on loopback.")
    of.add_argument("--port", type=int, default=0, help="port of the API host; 0 picks a free one")
    of.add_argument("--ports", type=int, metavar="FIRST", help="fixed ports: FIRST for the API and the next three")
    of.add_argument("--conversations", type=int, default=500, help="how many conversations the account holds")
    of.add_argument("--plan", choices=["free", "pro", "business"], default="business", help="whose rate limits apply")
    of.add_argument("--seed", type=int, default=7, help="the same seed gives the same account")
    of.add_argument("--latency", type=float, default=0.0, metavar="SECONDS", help="added to every answer")
    of.add_argument("--jitter", type=float, default=0.0, metavar="SECONDS", help="random delay of up to this much")
    of.add_argument("--awkward", type=float, default=0.03, metavar="SHARE", help="share of awkward records")
    of.add_argument("--no-limits", action="store_true", help="never answer 429")
    of.add_argument("--store-parts", action="store_true", help="keep uploaded bytes, so that they can be downloaded")
    of.add_argument("--control", action="store_true", help="open the control endpoint, /_sandbox/ on the API host")
    of.add_argument("--live", type=float, metavar="RATE", help="changes of the account in a second, by themselves")
    of.add_argument("--faults", metavar="FILE", help="TOML file with [[fault]] tables")
    of.add_argument("--webhook-url", metavar="URL", help="loopback address that receives signed events")
    of.add_argument("--webhook-secret", metavar="TEXT", help="secret token that signs them")
    return of


async def serve(arguments: argparse.Namespace) -> None:
    """Print the environment and serve until SIGINT or SIGTERM."""
    sandbox = Sandbox(
        port=arguments.port,
        ports=None if arguments.ports is None else range(arguments.ports, arguments.ports + 4),
        conversations=arguments.conversations,
        plan=arguments.plan,
        seed=arguments.seed,
        latency=arguments.latency,
        jitter=arguments.jitter,
        awkward=arguments.awkward,
        limits=not arguments.no_limits,
        store_parts=arguments.store_parts,
        control=arguments.control,
        webhook_url=arguments.webhook_url,
        webhook_secret=arguments.webhook_secret,
    )
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
    of = parser()
    arguments = of.parse_args(argv)
    logging.basicConfig(level=logging.WARNING)
    try:
        asyncio.run(serve(arguments))
    except (OSError, ValueError) as error:
        of.error(str(error))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
