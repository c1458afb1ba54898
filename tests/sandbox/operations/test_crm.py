"""The custom CRM of the sandbox: registration, import tasks, record checks and lookups."""

from __future__ import annotations

import resource
import time
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from zra_async.sandbox.api_error import ApiError
from zra_async.sandbox.clock import Clock
from zra_async.sandbox.operations.route import HANDLERS, Call
from zra_async.sandbox.options import Options
from zra_async.sandbox.world.crm_store import Crm

STAGES = [
    {"stage_name": "Prospecting", "stage_type": "OPEN"},
    {"stage_name": "Won", "stage_type": "CLOSED_WON"},
    {"stage_name": "Lost", "stage_type": "CLOSED_LOST"},
]
REGISTRATION = {"crm_type": "oracle", "deal_stages": STAGES}
NOON = "2025-11-20T12:00:00Z"
ACCOUNT = {"crm_account_id": "a1", "account_name": "Some Company", "modify_time": NOON}
CONTACT = {"crm_contact_id": "c1", "contact_name": "Jill Chill", "crm_account_id": "a1", "modify_time": NOON}
DEAL = {
    "crm_deal_id": "d1",
    "crm_account_id": "a1",
    "owner_email": "owner@example.com",
    "deal_name": "Deal",
    "stage": "Prospecting",
    "modify_time": NOON,
}
LEAD = {"crm_lead_id": "l1", "lead_name": "Jill Chill", "modify_time": NOON}


class Caller:
    """Calls the handlers of one account, whose clock stands still."""

    def __init__(self) -> None:
        self.clock = Clock(datetime(2026, 1, 5, tzinfo=UTC), frozen=True)
        self.crm = Crm(Options(task_seconds=10), self.clock)

    async def __call__(self, method: str, template: str, body: Any = None, **query: str) -> tuple[int, Any]:
        account: Any = SimpleNamespace(crm=self.crm)
        path = {"taskId": query.pop("taskId", "")}
        request: Any = None
        call = Call(account, method, template, path, query, body, False, "user", request)
        try:
            answer = await HANDLERS[method, template](call)
        except ApiError as error:
            return error.status, error.message
        return answer.status, answer.body

    async def status(self, task_id: str) -> dict[str, Any]:
        status, body = await self("GET", "/crm/tasks/{taskId}", taskId=task_id)
        assert status == 200, body
        return body

    async def submit(self, kind: str, *records: Any) -> str:
        status, body = await self("POST", f"/crm/{kind}", {"data": list(records)})
        assert status == 202, body
        return body["task_id"]

    async def load(self, kind: str, *records: Any) -> dict[str, Any]:
        """Import records and give the finished task."""
        task_id = await self.submit(kind, *records)
        self.clock.advance(20)
        return await self.status(task_id)

    async def reason(self, kind: str, record: Any) -> str | None:
        """Import one record and give the reason of its failure."""
        task = await self.load(kind, record)
        return task["errors"][0]["detail"] if task["errors"] else None


@pytest.fixture
async def api() -> Caller:
    """An account with a registered CRM."""
    caller = Caller()
    await caller("POST", "/crm/settings", REGISTRATION)
    return caller


# Registration


async def test_registration_is_answered_with_its_defaults() -> None:
    """Registering answers 201 with defaults filled in, and reading answers the same."""
    api = Caller()
    assert await api("GET", "/crm/settings") == (404, "Not connected to a CRM API.")
    status, body = await api("POST", "/crm/settings", {**REGISTRATION, "url_pattern_deal": "https://x/{id}"})
    assert status == 201
    assert body == {
        "crm_type": "oracle",
        "crm_name": "oracle",
        "currency_type": "USD",
        "deal_stages": STAGES,
        "url_pattern_deal": "https://x/{id}",
        "create_time": "2026-01-05T00:00:00Z",
        "modify_time": "2026-01-05T00:00:00Z",
    }
    assert await api("GET", "/crm/settings") == (200, body)
    assert await api("POST", "/crm/settings", REGISTRATION) == (409, "Already connected to a CRM or CRM API.")


@pytest.mark.parametrize(
    "change",
    [
        {"crm_type": ""},
        {"crm_type": "a" * 17},
        {"crm_type": "1crm"},
        {"crm_type": "_crm"},
        {"crm_type": "my-crm"},
        {"crm_type": "crm\n"},
        {"crm_type": None},
        {"deal_stages": []},
        {"deal_stages": STAGES[:2]},
        {"deal_stages": [*STAGES, STAGES[0]]},
        {"deal_stages": [*STAGES, {"stage_name": "Other", "stage_type": "MAYBE"}]},
        {"deal_stages": [*STAGES, {"stage_name": ""}]},
        {"currency_type": 5},
    ],
)
async def test_bad_registrations_are_refused(change: dict[str, Any]) -> None:
    """A crm_type out of its pattern, doubled stages and a missing stage type are 400."""
    api = Caller()
    assert await api("POST", "/crm/settings", {**REGISTRATION, **change}) == (400, "Bad CRM registration information.")
    assert (await api("GET", "/crm/settings"))[0] == 404


@pytest.mark.parametrize("crm_type", ["a", "A" * 16, "my_crm_2"])
async def test_crm_types_in_their_pattern_are_taken(crm_type: str) -> None:
    """A crm_type is 1 to 16 characters, a letter first."""
    assert (await Caller()("POST", "/crm/settings", {**REGISTRATION, "crm_type": crm_type}))[0] == 201


async def test_stage_type_defaults_to_open() -> None:
    """A stage without a type is open."""
    stages = [{"stage_name": "New"}, *STAGES[1:]]
    status, body = await Caller()("POST", "/crm/settings", {**REGISTRATION, "deal_stages": stages})
    assert (status, body["deal_stages"][0]["stage_type"]) == (201, "OPEN")


async def test_unregistering_keeps_records_unless_told(api: Caller) -> None:
    """Without remove_all the records are there again after the next registration; with it they are gone."""
    await api.load("leads", LEAD)
    assert await api("DELETE", "/crm/settings") == (204, None)
    assert await api("DELETE", "/crm/settings") == (404, "Not connected to a CRM API.")
    assert await api("GET", "/crm/leads", crm_lead_ids="l1") == (409, "Not connected to CRM API.")
    await api("POST", "/crm/settings", REGISTRATION)
    assert api.crm.count("leads") == 1
    assert await api("DELETE", "/crm/settings", remove_all="true") == (204, None)
    assert api.crm.count("leads") == 0


async def test_a_task_of_a_lost_connection_fails(api: Caller) -> None:
    """A task that ends after the CRM was disconnected applies nothing."""
    task_id = await api.submit("leads", LEAD)
    await api("DELETE", "/crm/settings")
    api.clock.advance(20)
    task = await api.status(task_id)
    assert (task["task_status"], task["failed_count"]) == ("FAILED", 1)
    assert api.crm.count("leads") == 0


# Tasks


async def test_a_task_waits_runs_and_ends_by_the_clock(api: Caller) -> None:
    """PENDING, RUNNING, SUCCESS, each after task_seconds; records can be read only then, errors are shown only then."""
    task_id = await api.submit("leads", LEAD, {})
    pending = {
        "task_id": task_id,
        "task_type": "IMPORT_LEADS",
        "task_status": "PENDING",
        "total_count": 2,
        "success_count": 0,
        "failed_count": 0,
        "create_time": "2026-01-05T00:00:00Z",
        "modify_time": "2026-01-05T00:00:00Z",
    }
    assert await api.status(task_id) == pending
    api.clock.advance(10)
    started = {"start_time": "2026-01-05T00:00:10Z", "modify_time": "2026-01-05T00:00:10Z"}
    running = {**pending, **started, "task_status": "RUNNING"}
    assert await api.status(task_id) == running
    assert await api("GET", "/crm/leads", crm_lead_ids="l1") == (200, {"data": []})
    api.clock.advance(10)
    assert await api.status(task_id) == {
        **running,
        "task_status": "SUCCESS",
        "success_count": 1,
        "failed_count": 1,
        "end_time": "2026-01-05T00:00:20Z",
        "modify_time": "2026-01-05T00:00:20Z",
        "errors": [{"record_index": 1, "record_id": "", "detail": "missing required field 'crm_lead_id'"}],
    }


async def test_a_task_fails_when_every_record_does(api: Caller) -> None:
    """SUCCESS with some failed records, FAILED with all of them, SUCCESS with none at all."""
    assert (await api.load("leads", {}, {}))["task_status"] == "FAILED"
    assert (await api.load("leads", LEAD, {}))["task_status"] == "SUCCESS"
    assert (await api.load("leads"))["task_status"] == "SUCCESS"


async def test_a_task_is_known_for_a_day(api: Caller) -> None:
    """A task can be read for a day; then it is 404 like one that never was."""
    task_id = await api.submit("leads", LEAD)
    api.clock.advance(86_400)
    assert (await api.status(task_id))["task_status"] == "SUCCESS"
    api.clock.advance(1)
    gone = (404, "Task does not exist or has expired.")
    assert await api("GET", "/crm/tasks/{taskId}", taskId=task_id) == gone
    assert await api("GET", "/crm/tasks/{taskId}", taskId="never") == gone
    assert api.crm.count("leads") == 1


async def test_imports_need_a_connection_and_have_a_bound() -> None:
    """Importing without a CRM is 409; more than 2,000 records are 413; a body without data is 400."""
    api = Caller()
    assert await api("POST", "/crm/leads", {"data": [LEAD]}) == (409, "Not connected to CRM API.")
    await api("POST", "/crm/settings", REGISTRATION)
    assert await api("POST", "/crm/leads", {"data": [LEAD] * 2001}) == (413, "Too many import items.")
    assert (await api("POST", "/crm/leads", {"data": [LEAD] * 2000}))[0] == 202
    for body in (None, {}, [LEAD], {"data": LEAD}):
        assert (await api("POST", "/crm/leads", body))[0] == 400


async def test_imports_are_applied_in_their_order(api: Caller) -> None:
    """Account, contact and deal sent one after the other refer to each other, though nobody polled in between."""
    tasks = [await api.submit("accounts", ACCOUNT), await api.submit("contacts", CONTACT)]
    tasks.append(await api.submit("deals", {**DEAL, "contacts": [{"crm_contact_id": "c1"}]}))
    api.clock.advance(20)
    assert [(await api.status(task_id))["success_count"] for task_id in reversed(tasks)] == [1, 1, 1]


# Records


@pytest.mark.parametrize(
    ("kind", "record"), [("accounts", ACCOUNT), ("contacts", CONTACT), ("deals", DEAL), ("leads", LEAD)]
)
async def test_every_required_field_is_missed(api: Caller, kind: str, record: dict[str, Any]) -> None:
    """A record without one of its required fields fails with the field's name, and so does an empty or null one."""
    await api.load("accounts", ACCOUNT)
    required = [name for name in record if not (kind == "contacts" and name == "crm_account_id")]
    for name in required:
        for broken in ({k: v for k, v in record.items() if k != name}, {**record, name: ""}, {**record, name: None}):
            assert await api.reason(kind, broken) == f"missing required field '{name}'"
    assert await api.reason(kind, record) is None


@pytest.mark.parametrize(
    ("kind", "field", "value", "expected"),
    [
        ("accounts", "account_name", 5, "a string"),
        ("accounts", "annual_revenue", "750000", "a number"),
        ("accounts", "annual_revenue", True, "a number"),
        ("accounts", "employees", 30.5, "an integer"),
        ("accounts", "employees", True, "an integer"),
        ("accounts", "owner_email", "[email protected]", "an email address"),
        ("accounts", "modify_time", "2025-11-20", "a date-time such as 2025-11-20T12:00:00Z"),
        ("accounts", "modify_time", "2025-11-20T12:00:00", "a date-time such as 2025-11-20T12:00:00Z"),
        ("accounts", "modify_time", "2025-13-20T12:00:00Z", "a date-time such as 2025-11-20T12:00:00Z"),
        ("accounts", "create_time", 1763640000, "a date-time such as 2025-11-20T12:00:00Z"),
        ("accounts", "deletion", "true", "a boolean"),
        ("contacts", "contact_email", "nobody", "an email address"),
        ("deals", "close_date", "2025-11-31", "a date such as 2025-11-20"),
        ("deals", "close_date", "20251120", "a date such as 2025-11-20"),
        ("deals", "is_private", "no", "a boolean"),
        ("deals", "team_member_emails", "a@b", "a list of email addresses"),
        ("deals", "team_member_emails", ["a@b", "c"], "a list of email addresses"),
        ("leads", "phone", 5550100, "a string"),
    ],
)
async def test_wrong_values_are_told(api: Caller, kind: str, field: str, value: Any, expected: str) -> None:
    """A value of the wrong type or form fails its record with the field's name and what was expected."""
    record = {"accounts": ACCOUNT, "contacts": CONTACT, "deals": DEAL, "leads": LEAD}[kind]
    assert await api.reason(kind, {**record, field: value}) == f"field '{field}' must be {expected}"


@pytest.mark.parametrize(
    "contacts", [{}, ["c1"], [{}], [{"crm_contact_id": 1}], [{"crm_contact_id": "c1", "phone": 1}]]
)
async def test_contacts_of_a_deal_are_checked(api: Caller, contacts: Any) -> None:
    """The contacts of a deal are references with an id and texts."""
    await api.load("accounts", ACCOUNT)
    reason = await api.reason("deals", {**DEAL, "contacts": contacts})
    assert reason is not None
    assert reason.startswith("field 'contacts' must be a list of references")


async def test_references_must_exist(api: Caller) -> None:
    """Contacts and deals refer to imported accounts and contacts, deals to a registered stage."""
    assert await api.reason("contacts", CONTACT) == "crm_account_id 'a1' does not exist"
    assert await api.reason("deals", DEAL) == "crm_account_id 'a1' does not exist"
    await api.load("accounts", ACCOUNT)
    with_contact = {**DEAL, "contacts": [{"crm_contact_id": "c1", "phone": None}]}
    assert await api.reason("deals", with_contact) == "crm_contact_id 'c1' does not exist"
    assert await api.reason("deals", {**DEAL, "stage": "won"}) == "deal stage 'won' is not registered"
    assert await api.reason("contacts", CONTACT) is None
    assert await api.reason("deals", with_contact) is None


async def test_owners_are_checked_on_request(api: Caller) -> None:
    """Where the account's licences are known, the owner of a deal must have one."""
    await api.load("accounts", ACCOUNT)
    api.crm.is_licensed = {"rep@example.com"}.__contains__
    assert await api.reason("deals", DEAL) == "owner_email 'owner@example.com' is not a licensed user"
    assert await api.reason("deals", {**DEAL, "owner_email": "rep@example.com"}) is None


async def test_what_is_no_record_fails_alone(api: Caller) -> None:
    """Something that is no object fails with its index and leaves its neighbours alone."""
    task = await api.load("leads", "lead", LEAD, None, 5, {**LEAD, "crm_lead_id": 7})
    assert [error["record_index"] for error in task["errors"]] == [0, 2, 3, 4]
    assert (task["success_count"], task["failed_count"]) == (1, 4)


async def test_upsert_by_id(api: Caller) -> None:
    """A record is replaced by one with the same id, unless that is older; sending it again changes nothing."""
    newer = {**LEAD, "lead_name": "Newer", "company": "X", "modify_time": "2025-11-20T14:00:00+01:00"}
    older = {**LEAD, "lead_name": "Older", "modify_time": "2025-11-20T12:59:59.999Z"}
    same = {**LEAD, "lead_name": "Same", "modify_time": "2025-11-20T13:00:00Z"}
    names: list[str] = []
    for record in (LEAD, newer, older, newer, same):
        assert await api.reason("leads", record) is None
        names.append(api.crm.records("leads")[0]["lead_name"])
    assert names == ["Jill Chill", "Newer", "Newer", "Newer", "Same"]
    assert "company" not in api.crm.records("leads")[0]
    assert api.crm.count("leads") == 1


async def test_deletion_needs_the_id_alone(api: Caller) -> None:
    """A record marked for deletion is removed by its id, as often as asked; without an id it fails."""
    await api.load("accounts", ACCOUNT)
    for _ in range(2):
        assert await api.reason("accounts", {"crm_account_id": "a1", "deletion": True}) is None
        assert api.crm.count("accounts") == 0
    assert await api.reason("accounts", {"deletion": True}) == "missing required field 'crm_account_id'"
    assert await api.reason("accounts", {**ACCOUNT, "deletion": False}) is None
    assert api.crm.count("accounts") == 1


# Lookups


async def test_lookup_by_ids(api: Caller) -> None:
    """Records come in the order asked for, once each, with their id in Zoom; unknown ids are left out."""
    await api.load("leads", LEAD, {**LEAD, "crm_lead_id": "l2", "unknown": 1, "company": None, "deletion": False})
    status, body = await api("GET", "/crm/leads", crm_lead_ids="l2,nobody,l1,l2")
    assert status == 200
    first, second = body["data"]
    assert second == {**LEAD, "zra_lead_id": second["zra_lead_id"]}
    assert first == {**LEAD, "crm_lead_id": "l2", "zra_lead_id": first["zra_lead_id"]}
    assert first["zra_lead_id"].startswith("OPENAPI")
    assert first["zra_lead_id"].endswith("l2")


async def test_lookups_are_bounded(api: Caller) -> None:
    """One to a hundred ids can be asked for at once."""
    hundred = ",".join(map(str, range(100)))
    assert await api("GET", "/crm/deals", crm_deal_ids=hundred) == (200, {"data": []})
    assert await api("GET", "/crm/deals", crm_deal_ids=f"{hundred},100") == (400, "Too many IDs to query.")
    assert await api("GET", "/crm/deals") == (400, "Missing field: crm_deal_ids")
    assert await api("GET", "/crm/deals", crm_lead_ids="x") == (400, "Missing field: crm_deal_ids")


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads /proc")
async def test_a_hundred_thousand_records(api: Caller) -> None:
    """100,000 deals are imported in 50 tasks, at less than 0.2 ms and 1 kB each."""
    await api.load("accounts", ACCOUNT)
    before, began = resident(), time.process_time()
    for start in range(0, 100_000, 2000):
        task = await api.load(
            "deals", *({**DEAL, "crm_deal_id": f"deal-{n}", "amount": n} for n in range(start, start + 2000))
        )
        assert task["success_count"] == 2000
    assert api.crm.count("deals") == 100_000
    assert (await api("GET", "/crm/deals", crm_deal_ids="deal-99999"))[1]["data"][0]["amount"] == 99_999
    assert time.process_time() - began < 20
    assert resident() - before < 100e6
