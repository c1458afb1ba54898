"""The account that a command uses: that of the environment, or one that it serves itself."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncGenerator, Generator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zra_async.cli.checks.proxies import network_for
from zra_async.client import ZRAClient
from zra_async.config import Hosts, database_from_env, settings_from_env
from zra_async.core.auth import Auth, ServerToServer
from zra_async.core.events import Event, Observer
from zra_async.core.limits import Plan, RateLimiter
from zra_async.core.secret import Secret
from zra_async.core.transport import Network

if TYPE_CHECKING:
    from zra_async.sandbox import Sandbox


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """The options that every command has. `sandbox` and `seed` describe the embedded account."""

    sandbox: bool = False
    conversations: int = 200
    seed: int = 7
    latency: float = 0.0
    plan: Plan | None = None
    share: float | None = None
    database: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that a client is made of."""

    auth: ServerToServer
    hosts: Hosts
    plan: Plan
    share: float
    database: Secret = field(default_factory=Secret)
    network: Network = field(default_factory=Network)
    sandbox: Sandbox | None = None

    def client(self, observer: Observer, *, auth: Auth | None = None) -> ZRAClient:
        """Make a client, to be opened with ``async with``; ``auth`` replaces the credentials."""
        return ZRAClient(
            auth or self.auth,
            hosts=self.hosts,
            plan=self.plan,
            share=self.share,
            limiter=self._limiter(),
            network=self.network,
            observer=observer,
        )

    def _limiter(self) -> RateLimiter | None:
        if not self.database:
            return None
        from zra_async.postgres import shared_limiter  # an extra

        return shared_limiter(self.database, self.auth, self.plan)


def silent(event: Event, /) -> None:
    """Keep what the library tells from the screen: a command has its own words for it."""


@asynccontextmanager
async def settings_of(connection: Connection, **sandbox_options: Any) -> AsyncGenerator[Settings]:
    """Read the environment, or serve an account for as long as the block lasts."""
    async with AsyncExitStack() as stack:
        if not connection.sandbox:
            yield _from_environment(connection)
            return
        from zra_async.sandbox import Sandbox  # a whole server: only when asked for

        sandbox = await stack.enter_async_context(
            Sandbox(
                conversations=connection.conversations,
                seed=connection.seed,
                latency=connection.latency,
                plan=connection.plan or "business",
                **sandbox_options,
            )
        )
        yield Settings(
            auth=ServerToServer(sandbox.account_id, sandbox.client_id, sandbox.client_secret),
            hosts=Hosts(api=sandbox.api_url, file=sandbox.file_url, token=sandbox.token_url),
            plan=connection.plan or "business",
            share=connection.share or 1.0,
            database=Secret(connection.database or ""),
            sandbox=sandbox,
        )


@asynccontextmanager
async def opened(connection: Connection, observer: Observer = silent) -> AsyncGenerator[ZRAClient]:
    """An open client of what ``connection`` describes."""
    async with settings_of(connection) as settings, settings.client(observer) as zra:
        yield zra


@contextmanager
def memory(connection: Connection, given: Path | None, default: Path) -> Generator[Path]:
    """Yield the path of a command's ledger or journal: ``given``, or ``default``.

    What was done on an embedded account is gone with it. Its memory goes as well, or the next run on a real account
    would take everything for done.
    """
    if given is not None or not connection.sandbox:
        yield given or default
        return
    with tempfile.TemporaryDirectory(prefix="zra-") as folder:
        yield Path(folder) / default.name


def _from_environment(connection: Connection) -> Settings:
    auth, hosts, plan, share = settings_from_env()
    return Settings(
        auth=auth,
        hosts=hosts,
        plan=connection.plan or plan,
        share=share if connection.share is None else connection.share,
        database=Secret(connection.database) if connection.database else database_from_env(),
        network=network_for(hosts),
    )
