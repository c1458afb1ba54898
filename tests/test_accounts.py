"""Many accounts in one process: clients come and go, and none costs another."""

from __future__ import annotations

import asyncio

import pytest

from tests.leap import leap, turns
from zra_async import Accounts, ClientNotOpen, ConfigurationError, ServerToServer, ZRAClient


def client(key: str) -> ZRAClient:
    return ZRAClient(ServerToServer(key, "client", "secret-of-accounts"))


async def test_tasks_of_one_account_share_one_client() -> None:
    """However many ask at the same time, the factory is called once for each account."""
    made: list[str] = []

    async def factory(key: str) -> ZRAClient:
        made.append(key)
        await asyncio.sleep(0)
        return client(key)

    async def use(accounts: Accounts, key: str) -> ZRAClient:
        async with accounts.client(key) as zra:
            await asyncio.sleep(0)
            return zra

    async with Accounts(factory) as accounts:
        found = await asyncio.gather(*(use(accounts, key) for key in "abab"))
        assert (len(accounts), sorted(made)) == (2, ["a", "b"])
        assert found[0] is found[2]
        assert found[0] is not found[1]
    assert len(accounts) == 0
    with pytest.raises(ClientNotOpen):
        await use(accounts, "a")


async def test_idle_clients_are_closed_and_opened_again() -> None:
    """A client that is in use stays; one that nobody has used for a while is closed."""
    async with Accounts(client, idle=60.0) as accounts, accounts.client("busy") as busy:
        async with accounts.client("idle") as idle:
            pass
        leap(61)
        while len(accounts) > 1:
            await turns()
        async with accounts.client("idle") as again:
            assert again is not idle
        async with accounts.client("busy") as same:
            assert same is busy


async def test_an_account_that_fails_costs_no_other() -> None:
    """An error is raised to those who ask for that account, who may try again; a slow one delays nobody."""
    gate = asyncio.Event()
    wrong = {"wrong"}

    async def factory(key: str) -> ZRAClient:
        if key == "slow":
            await gate.wait()
        if key in wrong:
            raise ConfigurationError("no such tenant")
        return client(key)

    async with Accounts(factory) as accounts:

        async def slow() -> None:
            async with accounts.client("slow"):
                pass

        waiting = asyncio.ensure_future(slow())
        with pytest.raises(ConfigurationError):
            async with accounts.client("wrong"):
                pass
        async with accounts.client("good"):
            assert not waiting.done()
        wrong.clear()
        async with accounts.client("wrong"):
            pass
        gate.set()
        await waiting
