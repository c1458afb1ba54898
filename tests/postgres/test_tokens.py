"""One grant for all processes of a user: renewed once, stored encrypted, never lost."""

from __future__ import annotations

import asyncio

import pytest

from tests.core.clients import client_of, get
from tests.core.server import Server
from tests.core.test_user_oauth import SECRET, SEED, Zoom
from zra_async import Hosts, ServerToServer, StoredGrant, UserOAuth, ZRAClient, errors
from zra_async.core.secret import Secret
from zra_async.postgres import PostgresTokenStore
from zra_async.sandbox import Sandbox


def grant(text: str) -> StoredGrant:
    return StoredGrant(access_token=f"access {text}", expires_at=1e10, lifetime=60.0, refresh_token=text)


async def test_one_renewal_serves_all_processes(dsn: str, account: str) -> None:
    """Eight clients with stores of their own use one refresh token once, and share its access token."""
    zoom = Zoom()
    async with Server(zoom) as server:

        async def use() -> None:
            store = PostgresTokenStore(dsn, account=account, user="jo")
            auth = UserOAuth("client", SECRET, refresh_token=SEED, store=store)
            async with client_of(server, auth) as zra:
                await asyncio.gather(*(get(zra) for _ in range(3)))

        await asyncio.gather(*(use() for _ in range(8)))
    assert len(zoom.granted) == 1


async def test_server_to_server_tokens_are_shared(dsn: str, account: str) -> None:
    """Three clients of a server-to-server app ask for one token, and for another one when that is refused."""
    async with Sandbox(conversations=1, plan="business") as sandbox:

        async def use() -> None:
            store = PostgresTokenStore(dsn, account=account)
            auth = ServerToServer(sandbox.account_id, sandbox.client_id, sandbox.client_secret, store=store)
            hosts = Hosts(api=sandbox.api_url, file=sandbox.file_url, token=sandbox.token_url)
            async with ZRAClient(auth, plan="business", hosts=hosts) as zra:
                await zra.deals.list(page_size=1)

        await asyncio.gather(*(use() for _ in range(3)))
        assert sandbox.stats.tokens_issued == 1


async def test_a_grant_is_stored_encrypted(dsn: str, account: str) -> None:
    """What lies in the database went through `encrypt`, and is read through `decrypt`."""
    import psycopg

    def turned(content: bytes) -> bytes:
        return content[::-1]

    store = PostgresTokenStore(dsn, account=account, encrypt=turned, decrypt=turned)
    async with store.lock():
        assert await store.load() is None
        await store.save_grant(grant("refresh-1"))
    assert await store.load() == "refresh-1"
    with psycopg.connect(dsn) as connection:
        [[content]] = connection.execute("select content from zra_token where account = %s", (account,)).fetchall()
    assert b"refresh-1" not in bytes(content)
    with pytest.raises(errors.TokenError, match="another key"):
        await PostgresTokenStore(dsn, account=account).load()


async def test_a_process_that_was_overtaken_does_not_overwrite(dsn: str, account: str) -> None:
    """A grant that another process has stored meanwhile stays."""
    one, two = PostgresTokenStore(dsn, account=account), PostgresTokenStore(dsn, account=account)
    assert await one.load_grant() is None
    await two.save(Secret("second"))
    with pytest.raises(errors.TokenError, match="meanwhile"):
        await one.save_grant(grant("first"))
    assert await one.load() == "second"


async def test_a_store_that_is_away_is_a_token_error() -> None:
    """Nothing is asked of the token endpoint when the new token could not be stored."""
    with pytest.raises(errors.TokenError, match="cannot be used") as away:
        async with PostgresTokenStore("host=/nowhere dbname=x user=x", account="acme").lock():
            pass
    assert away.value.passing


async def test_a_store_that_is_away_costs_a_server_to_server_app_no_call() -> None:
    """Without its database, a client asks for a token of its own."""
    async with Sandbox(conversations=1, plan="business") as sandbox:
        store = PostgresTokenStore("host=/nowhere dbname=x user=x", account="acme")
        auth = ServerToServer(sandbox.account_id, sandbox.client_id, sandbox.client_secret, store=store)
        hosts = Hosts(api=sandbox.api_url, file=sandbox.file_url, token=sandbox.token_url)
        async with ZRAClient(auth, plan="business", hosts=hosts) as zra:
            await zra.deals.list(page_size=1)
