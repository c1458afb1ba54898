"""Serves a protocol until the process is stopped, on the fastest event loop that is installed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable


def serve_forever(protocol: Callable[[], asyncio.Protocol]) -> None:
    """Serve ``protocol`` on a free port of loopback, which is printed when it listens."""
    try:
        import uvloop
    except ImportError:
        run = asyncio.run
    else:
        run = uvloop.run
    with contextlib.suppress(KeyboardInterrupt):
        run(_serve(protocol))


async def _serve(protocol: Callable[[], asyncio.Protocol]) -> None:
    server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
