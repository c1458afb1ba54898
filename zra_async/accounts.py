"""The clients of many accounts in one process, as multi-tenant web apps need them."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Self

from zra_async.client import ZRAClient
from zra_async.core.events import logger
from zra_async.errors import ClientNotOpen, ConfigurationError

ClientFactory = Callable[[str], ZRAClient | Awaitable[ZRAClient]]


class _Tenant:
    """One account: its client while it is open, who uses it, and the timer that closes it."""

    def __init__(self) -> None:
        self.client: ZRAClient | None = None
        self.users = 0
        self.turn = asyncio.Lock()
        self.timer: asyncio.TimerHandle | None = None


class Accounts:
    """The clients of many accounts, opened when they are needed and closed when nobody has used them for a while.

        async with Accounts(lambda name: ZRAClient(auth_of(name), plan="business")) as accounts:
            async with accounts.client("acme") as zra:
                deals = await zra.deals.list()

    ``factory`` makes the client of an account by its key and may be async, for example to read credentials from a
    database. Limits belong to each client, and so to its account. ``idle`` is in seconds. An account whose factory or
    opening fails costs no other: the error is raised to those who ask for this account, and the next one tries again.
    """

    def __init__(self, factory: ClientFactory, *, idle: float = 600.0) -> None:
        if not idle > 0:
            raise ConfigurationError(f"idle must be a positive number of seconds, not {idle!r}")
        self._factory = factory
        self._idle = idle
        self._tenants: dict[str, _Tenant] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._open = False

    def __len__(self) -> int:
        """Return how many clients are open."""
        return sum(tenant.client is not None for tenant in self._tenants.values())

    async def __aenter__(self) -> Self:
        self._open = True
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    @asynccontextmanager
    async def client(self, key: str) -> AsyncGenerator[ZRAClient]:
        """Yield the open client of an account; it stays open for ``idle`` seconds after its last use."""
        if not self._open:
            raise ClientNotOpen("these accounts are not open: use them inside `async with Accounts(…) as accounts:`")
        tenant = self._tenants.setdefault(key, _Tenant())
        tenant.users += 1
        if tenant.timer is not None:
            tenant.timer.cancel()
            tenant.timer = None
        try:
            yield tenant.client or await self._opened(tenant, key)
        finally:
            tenant.users -= 1
            if not tenant.users:
                self._retire_later(key, tenant)

    async def aclose(self) -> None:
        """Close every client. An error of one is logged, and the others are closed all the same."""
        self._open = False
        tenants, self._tenants = self._tenants, {}
        for tenant in tenants.values():
            if tenant.timer is not None:
                tenant.timer.cancel()
            self._close(tenant)
        if self._closing:
            await asyncio.wait(self._closing)

    async def _opened(self, tenant: _Tenant, key: str) -> ZRAClient:
        async with tenant.turn:
            if tenant.client is None:
                made = self._factory(key)
                client = await made if inspect.isawaitable(made) else made
                await client.__aenter__()
                if not self._open:
                    await client.aclose()
                    raise ClientNotOpen("these accounts were closed meanwhile")
                tenant.client = client
            return tenant.client

    def _retire_later(self, key: str, tenant: _Tenant) -> None:
        if self._tenants.get(key) is not tenant:
            return  # all accounts were closed
        if tenant.client is None:
            del self._tenants[key]
        else:
            tenant.timer = asyncio.get_running_loop().call_later(self._idle, self._retire, key, tenant)

    def _retire(self, key: str, tenant: _Tenant) -> None:
        if not tenant.users and self._tenants.get(key) is tenant:
            del self._tenants[key]
            self._close(tenant)

    def _close(self, tenant: _Tenant) -> None:
        client, tenant.client = tenant.client, None
        if client is not None:
            task = asyncio.get_running_loop().create_task(_closed(client))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)


async def _closed(client: ZRAClient) -> None:
    try:
        await client.aclose()
    except Exception:
        logger.exception("a client could not be closed")
