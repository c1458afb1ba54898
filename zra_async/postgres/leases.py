"""Leases: what one task of one process may do at a time, for all processes of an account."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from zra_async.postgres.link import DatabaseLink

LEASE = 30.0  #: seconds for which a lease is good unless it is renewed: so long it outlives a process that is killed
_RENEW = 10.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.005, 0.25


@asynccontextmanager
async def lease(link: DatabaseLink, account: str, name: str, seconds: float = LEASE) -> AsyncGenerator[str]:
    """Hold the lease ``name`` of an account, and yield the owner's key. Raises `DatabaseLost` if it cannot be taken."""
    owner, pause = secrets.token_hex(8), _FIRST_PAUSE
    while not (await link.call("zra_leased", account, name, owner, seconds))[0]:
        await asyncio.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)
    keeper = asyncio.create_task(_keep(link, account, name, owner, seconds))
    try:
        yield owner
    finally:
        keeper.cancel()
        await asyncio.wait([keeper])
        with contextlib.suppress(Exception):  # without the database it ends by itself
            await link.call("zra_leased", account, name, owner, -1.0)


async def _keep(link: DatabaseLink, account: str, name: str, owner: str, seconds: float) -> None:
    while True:
        await asyncio.sleep(min(_RENEW, seconds / 3))
        with contextlib.suppress(Exception):
            await link.call("zra_leased", account, name, owner, seconds)
