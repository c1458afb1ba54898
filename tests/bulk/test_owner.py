"""A ledger belongs to one account, and no other account's run goes on with it."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.bulk.export.account import UNLIMITED, quick_disk  # noqa: F401
from tests.bulk.ingest.data import video
from zra_async import ServerToServer, StaticToken, UserOAuth, ZRAClient, errors
from zra_async.sandbox import Sandbox

Job = Callable[..., Awaitable[Any]]


async def export(zra: ZRAClient, place: Path, **options: Any) -> Any:
    """Export into a folder."""
    return await zra.export(place, streams="conversations", **options)


async def ingest(zra: ZRAClient, place: Path, **options: Any) -> Any:
    """Ingest one item."""
    return await zra.ingest([video()], ledger=place, **options)


async def crm(zra: ZRAClient, place: Path, **options: Any) -> Any:
    """Import nothing, and be interrupted, so that the ledger stays."""

    def broken() -> Any:
        raise ZeroDivisionError
        yield

    with pytest.raises(ZeroDivisionError):
        await zra.crm.import_all(accounts=broken(), ledger=place, **options)


JOBS = pytest.mark.parametrize("job", [export, ingest, crm])


def ledger_of(place: Path) -> Path:
    """Return the file of a ledger."""
    return place / "ledger.sqlite" if place.is_dir() else place


@pytest.fixture
async def sandbox() -> Any:
    """An account with a few conversations and a CRM."""
    async with Sandbox(conversations=3, limits=False) as sandbox:
        async with sandbox.client() as zra:
            await zra.crm.register("sandbox", deal_stages=[
                {"stage_name": "Open"},
                {"stage_name": "Won", "stage_type": "CLOSED_WON"},
                {"stage_name": "Lost", "stage_type": "CLOSED_LOST"},
            ])  # fmt: skip
        yield sandbox


def client(sandbox: Sandbox, account: str = "") -> ZRAClient:
    """Return a client of the sandbox that says that it is that of ``account``."""
    return sandbox.client(limits=UNLIMITED, account=account)


@JOBS
async def test_another_account_is_refused(job: Job, sandbox: Sandbox, tmp_path: Path) -> None:
    """Both accounts are named, nothing changes, and the account that it belongs to goes on."""
    place = tmp_path / "place"
    async with client(sandbox) as zra:
        await job(zra, place)
    before = ledger_of(place).read_bytes()
    async with client(sandbox, "another") as zra:
        for adopt in (False, True):
            with pytest.raises(errors.LedgerError, match=f"that of account {sandbox.account_id}, .* that of another"):
                await job(zra, place, adopt=adopt)
    assert ledger_of(place).read_bytes() == before
    async with client(sandbox) as zra:
        await job(zra, place)


@JOBS
async def test_a_ledger_without_an_account_is_adopted_on_request(job: Job, sandbox: Sandbox, tmp_path: Path) -> None:
    """One of an earlier version says nothing: it is refused, then adopted, then it is the account's own."""
    place = tmp_path / "place"
    async with client(sandbox) as zra:
        await job(zra, place)
        with closing(sqlite3.connect(ledger_of(place))) as connection:
            connection.execute("DROP TABLE ledger_account")
        with pytest.raises(errors.LedgerError, match=r"does not say whose it is.*adopt=True"):
            await job(zra, place)
        await job(zra, place, adopt=True)
        await job(zra, place)
    async with client(sandbox, "another") as zra:
        with pytest.raises(errors.LedgerError, match="that of another"):
            await job(zra, place, adopt=True)


async def test_a_token_does_not_tell_its_account(sandbox: Sandbox, tmp_path: Path) -> None:
    """A client that cannot say whose it is keeps to a ledger of its own, and does not get that of an account."""
    async with client(sandbox) as zra:
        await export(zra, tmp_path / "known")
        token = (await zra._session.authorization()).removeprefix("Bearer ")
    hosts = zra._session.config.hosts
    async with ZRAClient(StaticToken(token), hosts=hosts, limits=UNLIMITED) as unknown:
        assert unknown.account == ""
        await export(unknown, tmp_path / "own")
        await export(unknown, tmp_path / "own")
        with pytest.raises(errors.LedgerError, match=r"does not know its account.*option account"):
            await export(unknown, tmp_path / "known")
    async with client(sandbox) as zra:
        with pytest.raises(errors.LedgerError, match="does not say whose it is"):
            await export(zra, tmp_path / "own")


def test_credentials_name_their_account() -> None:
    """The name comes from the credentials, an option comes before it, and a name is one short line."""
    assert ZRAClient(ServerToServer("ab-1", "client", "secret-secret")).account == "account ab-1"
    assert ZRAClient(UserOAuth("client", "secret-secret", refresh_token="r")).account == "a user of the app client"
    assert ZRAClient(ServerToServer("ab-1", "client", "secret-secret"), account="mine").account == "mine"
    for wrong in ("a\nb", "a" * 201, None):
        with pytest.raises(errors.ConfigurationError, match="account must be"):
            ZRAClient(StaticToken("token"), account=wrong)  # type: ignore[arg-type]
