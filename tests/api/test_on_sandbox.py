"""The CRM, the teams and the file host over real sockets, as a caller would use them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from zra_async import ZRAClient, errors
from zra_async.api.crm.records import AccountRecord, ContactRecord, DealContact, DealRecord, DealStage, LeadRecord
from zra_async.sandbox import Sandbox

NOON = datetime(2025, 11, 20, 12, tzinfo=UTC)
STAGES = [
    DealStage(stage_name="Prospecting"),
    DealStage(stage_name="Won", stage_type="CLOSED_WON"),
    DealStage(stage_name="Lost", stage_type="CLOSED_LOST"),
]


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    """A small account."""
    async with Sandbox(plan="business") as sandbox:
        yield sandbox


@pytest.fixture
async def zra(sandbox: Sandbox) -> AsyncIterator[ZRAClient]:
    """A client of the sandbox."""
    async with sandbox.client(plan="business") as client:
        yield client


async def ended(zra: ZRAClient, sandbox: Sandbox, task_id: str) -> Any:
    """The task of an import, once it has ended; the sandbox's clock is moved instead of waiting."""
    for _ in range(20):
        task = await zra.crm.task(task_id)
        if task.ended:
            return task
        sandbox.clock.advance(5)
    raise AssertionError("the import never ended")


async def test_a_crm_from_registration_to_removal(zra: ZRAClient, sandbox: Sandbox) -> None:
    """A CRM is registered, records of all kinds are imported, read, partly deleted, and the CRM is removed."""
    with pytest.raises(errors.NotFound):
        await zra.crm.registration()
    registered = await zra.crm.register("acme_crm", deal_stages=STAGES, url_pattern_deal="https://crm.example.com/{id}")
    assert (await zra.crm.registration()) == registered
    assert [stage.stage_name for stage in registered.deal_stages] == ["Prospecting", "Won", "Lost"]

    owner = (await zra.teams.unassigned_users()).items[0]
    accounts = [AccountRecord(crm_account_id=f"a{n}", account_name=f"A {n}", modify_time=NOON) for n in range(150)]
    contact = ContactRecord(crm_contact_id="c", contact_name="Jill", crm_account_id="a0", modify_time=NOON)
    deal = DealRecord(
        crm_deal_id="d",
        crm_account_id="a0",
        owner_email=owner.email or "",
        deal_name="Big",
        stage="Prospecting",
        modify_time=NOON,
        amount=12.5,
        contacts=(DealContact(crm_contact_id="c"),),
    )
    lead = LeadRecord(crm_lead_id="l", lead_name="Jo", modify_time=NOON)
    imports = (
        (zra.crm.accounts, accounts),
        (zra.crm.contacts, [contact]),
        (zra.crm.deals, [deal]),
        (zra.crm.leads, [lead]),
    )
    for kind, records in imports:
        queued = await kind.import_records(records)
        task = await ended(zra, sandbox, queued.task_id)
        assert (task.failed_count, task.success_count, task.errors) == (0, len(records), ())

    found = await zra.crm.accounts.get([record.crm_account_id for record in accounts])
    assert {account.crm_account_id for account in found} == {record.crm_account_id for record in accounts}
    assert found[0].modify_time == NOON
    assert sandbox.stats.operations["GET /zra/crm/accounts"] == 2
    assert (await zra.crm.deals.get(["d"]))[0].amount == 12.5
    assert (await zra.crm.contacts.get(["c"]))[0].crm_account_id == "a0"
    assert (await zra.crm.leads.get(["l"]))[0].lead_name == "Jo"

    queued = await zra.crm.leads.import_records([LeadRecord.delete("l")])
    await ended(zra, sandbox, queued.task_id)
    assert await zra.crm.leads.get(["l"]) == ()
    await zra.crm.unregister(remove_all=True)
    with pytest.raises(errors.Conflict):
        await zra.crm.accounts.get(["a0"])


async def test_a_team_from_creation_to_deletion(zra: ZRAClient) -> None:
    """A team is created, renamed, moved, filled, given access, emptied and deleted."""
    root = (await zra.teams.create("Root of the test")).added_team_id
    other = (await zra.teams.create("Other root")).added_team_id
    team = (await zra.teams.create("Team of the test", parent_team_id=root)).added_team_id
    await zra.teams.rename(team, "Renamed team of the test")
    await zra.teams.move(team, other)
    assert (await zra.teams.get(team)).name == "Renamed team of the test"
    assert team in [t.team_id for t in (await zra.teams.list(parent_team_id=other)).items]

    people = [user.user_id async for user in zra.teams.unassigned_users()][:4]
    assert people
    added = await zra.teams.members.add(team, people)
    assert added.users == tuple(people)
    assert {user.user_id async for user in zra.teams.members.list(team)} == set(people)
    await zra.teams.members.remove(team, people)
    assert [user async for user in zra.teams.members.list(team)] == []
    assert (await zra.teams.managers.add(team, people)).users == tuple(people)
    assert {user.user_id async for user in zra.teams.managers.list(team)} == set(people)
    await zra.teams.managers.remove(team, people)

    assert (await zra.teams.access.grant_from(team, [root])).added_at is not None
    assert (await zra.teams.access.grant_to(team, [root])).added_at is not None
    await zra.teams.access.revoke_from(team, [root])
    await zra.teams.access.revoke_to(team, [root])
    for team_id in (team, root, other):
        await zra.teams.delete(team_id)
    with pytest.raises(errors.NotFound):
        await zra.teams.get(team)


async def test_a_recording_and_its_transcript(zra: ZRAClient, sandbox: Sandbox) -> None:
    """A file goes up in parts, its transcript in one request, both as they were."""
    begun = await zra.files.create_multipart_upload("call.mp4")
    parts = [b"\0\1" * 2_621_440, b"the end"]
    receipts = []
    for number, content in enumerate(parts, start=1):
        uploaded = await zra.files.upload_part(content, upload_context=begun.upload_context, part_number=number)
        assert uploaded.part_number_etag is not None
        receipts.append(uploaded.part_number_etag)
    main = await zra.files.complete_multipart_upload(begun.upload_context, reversed(receipts))
    transcript = await zra.files.upload_single(
        b"{}", file_name="call.transcript.json", main_file_id=main.file_id, source=2
    )
    assert main.file_id
    assert transcript.file_id
    with pytest.raises(errors.NotFound):
        await zra.files.upload_single(b"{}", file_name="x.transcript.json", main_file_id="unknown")


async def test_calls_by_name(zra: ZRAClient) -> None:
    """Every namespace can be called by name, with the arguments of its method."""
    page = await zra.call_named("teams.list", page_size=1)
    assert len(page.items) == 1
    with pytest.raises(errors.NotFound):
        await zra.call_named("crm.registration")
    begun = await zra.call_named("files.upload_events", method="CreateMultipartUpload", file_name="call.mp4")
    assert begun.upload_context
    with pytest.raises(errors.InvalidArgument, match="no_such"):
        await zra.call_named("crm.accounts.get", no_such=1)
