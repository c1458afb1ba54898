"""Clients and the command line with a shared limiter, and what is refused."""

from __future__ import annotations

import asyncio

import pytest

from tests.postgres.server import PostgresServer
from zra_async import ConfigurationError, LocalRateLimiter, ServerToServer, ZRAClient
from zra_async.core.operation import Label
from zra_async.postgres import PostgresRateLimiter
from zra_async.postgres.schema import prepare
from zra_async.sandbox import Sandbox


async def test_clients_share_the_limits_of_the_environment(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With ZRA_DATABASE_URL, two clients of one account send no more together than one may, and nobody is refused."""
    async with Sandbox(conversations=2, plan="free") as sandbox:
        for name, value in sandbox.environment().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("ZRA_DATABASE_URL", dsn)
        async with ZRAClient.from_env(plan="free") as one, ZRAClient.from_env(plan="free") as two:
            await asyncio.gather(*(zra.deals.list(page_size=1) for zra in (one, two) for _ in range(2)))
        assert sum(label.rejected for label in sandbox.stats.labels.values()) == 0


async def test_team_operations_of_two_clients_do_not_overlap(dsn: str, account: str) -> None:
    """Two processes' team operations are made one after the other: the lease is held during the call."""
    import psycopg

    async with Sandbox(conversations=1, plan="business") as sandbox:
        limiter = PostgresRateLimiter(dsn, account=account, plan="business")
        async with sandbox.client(limiter=limiter) as zra:
            other = PostgresRateLimiter(dsn, account=account, plan="business")
            async with other, other.exclusive("teams"):
                creating = asyncio.ensure_future(zra.teams.create("Nobody else"))
                async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
                    while limiter._link.statements < 12:
                        await connection.execute("select 1")
                assert sandbox.stats.operations.total() == 0
            await creating


async def test_a_limiter_serves_several_clients_and_closes_with_the_last(dsn: str, account: str) -> None:
    """The first client that closes leaves the limiter to the others."""
    limiter = PostgresRateLimiter(dsn, account=account, plan="business")
    async with Sandbox(conversations=1, plan="business") as sandbox, sandbox.client(limiter=limiter) as one:
        async with sandbox.client(limiter=limiter) as two:
            await two.deals.list(page_size=1)
        await one.deals.list(page_size=1)
        assert one.limits.snapshot()[Label.MEDIUM].limit == 60
    assert not limiter._link.is_open


def test_a_limiter_goes_with_no_other_limits() -> None:
    """Two words about the rates of one client would contradict each other."""
    with pytest.raises(ConfigurationError, match="rates of its own"):
        ZRAClient(ServerToServer("a", "b", "c"), limiter=LocalRateLimiter(), share=0.5)


async def test_processes_that_open_together_create_one_schema(empty_dsn: str) -> None:
    """The schema is created once, however many begin at the same time, and found again later."""
    assert sorted(await asyncio.gather(*(prepare(empty_dsn) for _ in range(4)))) == [False, False, False, True]
    assert await prepare(empty_dsn) is False


@pytest.mark.parametrize(("version", "advice"), [(0, "zra database init"), (99, "update the package")])
async def test_a_schema_of_another_version_is_refused(empty_dsn: str, version: int, advice: str) -> None:
    """An application that is older or newer than the schema does not touch it."""
    import psycopg

    await prepare(empty_dsn)
    with psycopg.connect(empty_dsn) as connection:
        connection.execute("update zra_schema set version = %s", (version,))
    with pytest.raises(ConfigurationError, match=advice):
        await PostgresRateLimiter(empty_dsn, account="acme").open()


async def test_a_user_without_rights_is_told_what_to_do(empty_dsn: str, postgres_server: PostgresServer) -> None:
    """Neither tables that cannot be created nor those that cannot be used are a riddle."""
    import psycopg

    with psycopg.connect(empty_dsn, autocommit=True) as connection:
        connection.execute("drop role if exists nobody_much")
        connection.execute("create role nobody_much login")
    poor = empty_dsn.replace("user=tester", "user=nobody_much")
    with pytest.raises(ConfigurationError, match="zra database init"):
        await PostgresRateLimiter(poor, account="acme").open()
    await prepare(empty_dsn)
    with pytest.raises(ConfigurationError, match="grant"):
        await PostgresRateLimiter(poor, account="acme").open()
    with psycopg.connect(postgres_server.dsn(), autocommit=True) as connection:
        connection.execute("drop role nobody_much")


async def test_the_command_creates_the_schema(empty_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """``zra database init`` does once what an application's user may not."""
    import subprocess
    import sys

    for words in ("was created", "is there"):
        command = [sys.executable, "-m", "zra_async.cli", "database", "init", "--dsn", empty_dsn]
        ended = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True)
        assert (ended.returncode, words in ended.stderr) == (0, True)
