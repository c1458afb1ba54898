"""The custom CRM: what goes over the wire, what is refused before it, and how long lists of ids are split."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zra_async.api.crm.models import Task, TaskStatus, TaskType
from zra_async.api.crm.operations import CrmOperations
from zra_async.api.crm.records import (
    AccountRecord,
    ContactRecord,
    CrmRecord,
    DealContact,
    DealRecord,
    DealStage,
    LeadRecord,
)
from zra_async.core import wire
from zra_async.errors import InvalidArgument, PartlyDone, ServerError

from .conftest import RecordingCaller

NOON = datetime(2025, 11, 20, 12, tzinfo=UTC)
STAGES = (
    DealStage(stage_name="Prospecting"),
    DealStage(stage_name="Won", stage_type="CLOSED_WON"),
    DealStage(stage_name="Lost", stage_type="CLOSED_LOST"),
)
RECORDS: dict[str, CrmRecord] = {
    "accounts": AccountRecord(crm_account_id="a1", account_name="Some Company", modify_time=NOON),
    "contacts": ContactRecord(crm_contact_id="c1", contact_name="Jill", modify_time=NOON),
    "deals": DealRecord(
        crm_deal_id="d1",
        crm_account_id="a1",
        owner_email="o@example.com",
        deal_name="Big",
        stage="Prospecting",
        modify_time=NOON,
    ),
    "leads": LeadRecord(crm_lead_id="l1", lead_name="Jo", modify_time=NOON),
}
KINDS = tuple(RECORDS)


def target(request: wire.Request) -> str:
    """Method and target of a request."""
    return f"{request.operation.method} {request.target}"


# --------------------------------------------------------------------------- registration and tasks


async def test_register_sends_its_fields(caller: RecordingCaller) -> None:
    """A registration sends every field that was given, and no other."""
    await CrmOperations(caller).register(
        "oracle", deal_stages=STAGES, crm_name="Oracle", url_pattern_deal="https://crm.example.com/deal/{id}"
    )
    assert target(caller.sent) == "POST /zra/crm/settings"
    assert caller.body == {
        "crm_type": "oracle",
        "deal_stages": [
            {"stage_name": "Prospecting"},
            {"stage_name": "Won", "stage_type": "CLOSED_WON"},
            {"stage_name": "Lost", "stage_type": "CLOSED_LOST"},
        ],
        "crm_name": "Oracle",
        "url_pattern_deal": "https://crm.example.com/deal/{id}",
    }


async def test_register_takes_stages_as_mappings(caller: RecordingCaller) -> None:
    """Stages may be plain mappings."""
    stages = [{"stage_name": kind, "stage_type": kind} for kind in ("OPEN", "CLOSED_WON", "CLOSED_LOST")]
    await CrmOperations(caller).register("a", deal_stages=stages)
    assert caller.body["deal_stages"] == stages


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"crm_type": ""}, "crm_type"),
        ({"crm_type": "1st"}, "crm_type"),
        ({"crm_type": "_x"}, "crm_type"),
        ({"crm_type": "a" * 17}, "crm_type"),
        ({"crm_type": "a-b"}, "crm_type"),
        ({"crm_type": "oracle\n"}, "crm_type"),
        ({"crm_name": " "}, "crm_name"),
        ({"currency_type": ""}, "currency_type"),
        ({"url_pattern_deal": "https://crm.example.com/deal"}, "{id}"),
        ({"url_pattern_lead": "ftp://crm.example.com/{id}"}, "url_pattern_lead"),
        ({"url_pattern_account": "{id}"}, "url_pattern_account"),
        ({"url_pattern_contact": ""}, "url_pattern_contact"),
        ({"deal_stages": []}, "deal_stages"),
        ({"deal_stages": STAGES[:2]}, "CLOSED_LOST"),
        ({"deal_stages": STAGES[1:]}, "OPEN"),
        ({"deal_stages": (*STAGES, STAGES[0])}, "Prospecting"),
        ({"deal_stages": [*STAGES, {"stage_name": "x", "stage_type": "WON"}]}, "deal_stages[3]"),
        ({"deal_stages": [*STAGES, {"stage_name": " "}]}, "deal_stages[3]"),
        ({"deal_stages": [*STAGES, {"stage": "x"}]}, "deal_stages[3]"),
        ({"deal_stages": "OPEN"}, "deal_stages"),
    ],
)
async def test_register_refuses(caller: RecordingCaller, changes: dict[str, Any], named: str) -> None:
    """A registration that breaks a documented rule is refused before the wire, and the error says which."""
    arguments = {"crm_type": "oracle", "deal_stages": STAGES, **changes}
    with pytest.raises(InvalidArgument) as refused:
        await CrmOperations(caller).register(**arguments)
    assert named in str(refused.value)
    assert not caller.requests


@pytest.mark.parametrize("crm_type", ["a", "Oracle_12", "a" * 16])
async def test_register_accepts_types_at_the_limits(caller: RecordingCaller, crm_type: str) -> None:
    """The shortest and longest allowed types pass."""
    await CrmOperations(caller).register(crm_type, deal_stages=STAGES)
    assert caller.body["crm_type"] == crm_type


async def test_registration_and_task_are_read(caller: RecordingCaller) -> None:
    """Registration and task are one GET each, and decode to their Structs."""
    registration = await CrmOperations(caller).registration()
    task = await CrmOperations(caller).task("t/1")
    assert [target(r) for r in caller.requests] == ["GET /zra/crm/settings", "GET /zra/crm/tasks/t%252F1"]
    assert registration.create_time == NOON
    assert registration.deal_stages[0].stage_name == "Prospecting"
    assert (task.task_status, task.task_type) == (TaskStatus.SUCCESS, TaskType.IMPORT_DEALS)
    assert task.errors[0].record_index == 101


@pytest.mark.parametrize(
    ("status", "ended"),
    [("PENDING", False), ("RUNNING", False), ("SUCCESS", True), ("FAILED", True), ("PAUSED", False), (None, False)],
)
def test_a_task_knows_when_it_has_ended(status: str | None, ended: bool) -> None:
    """Only success and failure are ends; a status of the future is not taken for one."""
    assert Task(task_status=None if status is None else TaskStatus(status)).ended is ended


@pytest.mark.parametrize(("given_value", "on_the_wire"), [(False, "false"), (True, "true")])
async def test_unregister_says_whether_records_go(caller: RecordingCaller, given_value: bool, on_the_wire: str) -> None:
    """``remove_all`` reaches the wire either way, so that the default of the service does not matter."""
    await CrmOperations(caller).unregister(given_value)
    assert target(caller.sent) == f"DELETE /zra/crm/settings?remove_all={on_the_wire}"


@pytest.mark.parametrize("value", ["false", 1, 0, None])
async def test_unregister_takes_no_near_booleans(caller: RecordingCaller, value: Any) -> None:
    """What only looks like a boolean never decides whether all records are removed."""
    with pytest.raises(InvalidArgument, match="remove_all"):
        await CrmOperations(caller).unregister(remove_all=value)
    assert not caller.requests


async def test_task_refuses_a_blank_id(caller: RecordingCaller) -> None:
    """A blank task id is refused before the wire."""
    with pytest.raises(InvalidArgument, match="task_id"):
        await CrmOperations(caller).task(" ")
    assert not caller.requests


# --------------------------------------------------------------------------- get


@pytest.mark.parametrize("kind", KINDS)
async def test_get_asks_by_crm_id(caller: RecordingCaller, kind: str) -> None:
    """Ids travel as one comma-separated value under the name of their kind."""
    found = await getattr(CrmOperations(caller), kind).get(["1", "2", "1"])
    assert target(caller.sent) == f"GET /zra/crm/{kind}?crm_{kind[:-1]}_ids=1%2C2"
    assert len(found) == 1
    assert found[0].modify_time == NOON


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("ids", [[], ["1", ""], ["1", " "], ["1,2"], "12", [1]])
async def test_get_refuses(caller: RecordingCaller, kind: str, ids: Any) -> None:
    """No ids, blank ones, and ids that a comma would split are refused before the wire."""
    with pytest.raises(InvalidArgument, match="ids"):
        await getattr(CrmOperations(caller), kind).get(ids)
    assert not caller.requests


@given(st.integers(1, 350), st.integers(1, 5))
async def test_get_splits_and_merges(count: int, failing: int) -> None:
    """Whatever the number of ids: each is asked for once, in order, at most 100 a call; a failed call names its ids."""
    ids = [f"id{n}" for n in range(count)]
    pieces = [ids[start : start + 100] for start in range(0, count, 100)]
    answers: list[Any] = [{"data": [{"crm_account_id": i} for i in piece]} for piece in pieces]
    caller = RecordingCaller(list(answers))
    found = await CrmOperations(caller).accounts.get(ids)
    assert [record.crm_account_id for record in found] == ids
    assert [r.query["crm_account_ids"].split(",") for r in caller.requests] == pieces

    if failing <= len(pieces):
        answers[failing - 1] = ServerError("crm.accounts.get", status=500)
        with pytest.raises((PartlyDone, ServerError)) as failed:
            await CrmOperations(RecordingCaller(answers)).accounts.get(ids)
        if len(pieces) == 1:
            assert failed.type is ServerError
        else:
            error = failed.value
            assert isinstance(error, PartlyDone)
            assert error.done == tuple(ids[: (failing - 1) * 100])
            assert error.failed == tuple(pieces[failing - 1])
            assert error.pending == tuple(ids[failing * 100 :])


# --------------------------------------------------------------------------- imports


@pytest.mark.parametrize("kind", KINDS)
async def test_import_takes_structs_and_mappings_alike(caller: RecordingCaller, kind: str) -> None:
    """A record may be a Struct or a mapping of the same fields; both go out the same."""
    struct = RECORDS[kind]
    mapping = {
        name: value for name in struct.__struct_fields__ if isinstance(value := getattr(struct, name), (str, datetime))
    }
    queued = await getattr(CrmOperations(caller), kind).import_records([struct, mapping])
    assert target(caller.sent) == f"POST /zra/crm/{kind}"
    first, second = caller.body["data"]
    assert first == second
    assert first["modify_time"] == "2025-11-20T12:00:00Z"
    assert queued.task_id == "HlqrLAsuS4OrbY8ablyOvg"


async def test_import_sends_every_field_of_a_deal(caller: RecordingCaller) -> None:
    """Numbers, dates, times and nested contacts reach the wire in the documented formats."""
    east = timezone(timedelta(hours=2))
    await CrmOperations(caller).deals.import_records(
        [
            DealRecord(
                crm_deal_id="d1",
                crm_account_id="a1",
                owner_email="o@example.com",
                deal_name="Big",
                stage="Prospecting",
                modify_time=datetime(2025, 11, 20, 14, 0, 0, 999_999, tzinfo=east),
                close_date=date(2025, 12, 31),
                amount=12300.5,
                is_private=False,
                contacts=(DealContact(crm_contact_id="c1", contact_email="j@example.com"),),
                team_member_emails=("t@example.com",),
            )
        ]
    )
    assert caller.body["data"] == [
        {
            "crm_deal_id": "d1",
            "crm_account_id": "a1",
            "owner_email": "o@example.com",
            "deal_name": "Big",
            "stage": "Prospecting",
            "modify_time": "2025-11-20T12:00:00Z",
            "close_date": "2025-12-31",
            "amount": 12300.5,
            "is_private": False,
            "contacts": [{"crm_contact_id": "c1", "contact_email": "j@example.com"}],
            "team_member_emails": ["t@example.com"],
        }
    ]


@pytest.mark.parametrize(
    ("kind", "record"),
    [
        ("accounts", AccountRecord.delete("x")),
        ("contacts", ContactRecord.delete("x")),
        ("deals", DealRecord.delete("x")),
        ("leads", LeadRecord.delete("x")),
    ],
)
async def test_a_deletion_needs_its_id_alone(caller: RecordingCaller, kind: str, record: CrmRecord) -> None:
    """A record that deletes carries its CRM id and the mark, nothing else; a mapping may do the same."""
    mapping = {f"crm_{kind[:-1]}_id": "x", "deletion": True}
    await getattr(CrmOperations(caller), kind).import_records([record, mapping])
    assert caller.body["data"] == [mapping, mapping]


def missing_fields() -> list[Any]:
    """Every required field of every kind, by itself."""
    return [pytest.param(k, name, id=f"{k}-{name}") for k, r in RECORDS.items() for name in (r.ID, *r.REQUIRED)]


@pytest.mark.parametrize(("kind", "name"), missing_fields())
async def test_import_names_the_record_that_lacks_a_field(caller: RecordingCaller, kind: str, name: str) -> None:
    """A mapping without a required field is refused with its index and the name of the field."""
    struct = RECORDS[kind]
    good = {n: value for n in struct.__struct_fields__ if isinstance(value := getattr(struct, n), (str, datetime))}
    for bad in ({n: v for n, v in good.items() if n != name}, {**good, name: ""}):
        with pytest.raises(InvalidArgument, match=rf"records\[1\].*{name}"):
            await getattr(CrmOperations(caller), kind).import_records([good, bad])
    assert not caller.requests


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("account_name", 5),
        ("account_name", None),
        ("domain", None),
        ("employees", 1.5),
        ("employees", True),
        ("annual_revenue", "750000"),
        ("annual_revenue", float("nan")),
        ("annual_revenue", float("inf")),
        ("owner_email", "nobody"),
        ("owner_email", "a b@example.com"),
        ("modify_time", datetime(2025, 11, 20, 12)),
        ("modify_time", "2025-11-20T12:00:00"),
        ("modify_time", "yesterday"),
        ("create_time", date(2025, 11, 20)),
        ("deletion", "false"),
        ("acount_name", "misspelt"),
    ],
)
async def test_import_refuses_wrong_values(caller: RecordingCaller, field: str, value: Any) -> None:
    """A value of the wrong type or shape, a naive time and an unknown field are refused, with index and field."""
    good = {"crm_account_id": "a1", "account_name": "A", "modify_time": NOON}
    with pytest.raises(InvalidArgument, match=rf"records\[2\].*{field}"):
        await CrmOperations(caller).accounts.import_records([good, good, {**good, field: value}])
    assert not caller.requests


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("close_date", NOON),
        ("close_date", "31.12.2025"),
        ("team_member_emails", ["t@example.com", "t"]),
        ("team_member_emails", "t@example.com"),
        ("contacts", [{"contact_name": "no id"}]),
        ("contacts", [{"crm_contact_id": "c", "contact_email": "c"}]),
        ("contacts", [{"crm_contact_id": " "}]),
        ("stage", ""),
    ],
)
async def test_import_refuses_wrong_deals(caller: RecordingCaller, field: str, value: Any) -> None:
    """The nested parts of a deal are checked as well."""
    deal = {"crm_deal_id": "d", "crm_account_id": "a", "owner_email": "o@x", "deal_name": "n", "stage": "s"}
    with pytest.raises(InvalidArgument, match=rf"records\[0\].*{field}"):
        await CrmOperations(caller).deals.import_records([{**deal, "modify_time": NOON, field: value}])
    assert not caller.requests


async def test_import_checks_the_types_inside_a_struct(caller: RecordingCaller) -> None:
    """A Struct made with a value of the wrong type does not slip through, since making one checks no types."""
    wrong: Any = 5
    record = AccountRecord(crm_account_id="a", account_name="A", modify_time=NOON, domain=wrong)
    with pytest.raises(InvalidArgument, match=r"records\[0\]: domain"):
        await CrmOperations(caller).accounts.import_records([record])
    assert not caller.requests


@pytest.mark.parametrize("make", [lambda: AccountRecord(crm_account_id="a"), lambda: LeadRecord.delete(" ")])
def test_a_struct_refuses_at_once(make: Any) -> None:
    """A record without what it needs cannot even be made."""
    with pytest.raises(InvalidArgument):
        make()


@pytest.mark.parametrize(
    "records",
    [
        [],
        ["a1"],
        "a1",
        {"crm_account_id": "a1"},
        None,
        [RECORDS["leads"]],
        [AccountRecord.delete(str(n)) for n in range(2001)],
    ],
    ids=["none", "text in a list", "text", "mapping", "nothing", "another kind", "2001"],
)
async def test_import_refuses_other_lists(caller: RecordingCaller, records: Any) -> None:
    """An empty list, a list of something else, and more than 2 000 records are refused before the wire."""
    with pytest.raises(InvalidArgument, match="records"):
        await CrmOperations(caller).accounts.import_records(records)
    assert not caller.requests


async def test_import_takes_2000_from_a_generator(caller: RecordingCaller) -> None:
    """2 000 records are one call, from whatever iterable they come."""
    await CrmOperations(caller).leads.import_records(LeadRecord.delete(str(n)) for n in range(2000))
    assert [record["crm_lead_id"] for record in caller.body["data"]] == [str(n) for n in range(2000)]


async def test_amounts_may_be_decimals(caller: RecordingCaller) -> None:
    """An amount from a database, a Decimal, goes out as a number."""
    record = {"crm_account_id": "a", "account_name": "A", "modify_time": NOON, "annual_revenue": Decimal("1.25")}
    await CrmOperations(caller).accounts.import_records([record])
    assert caller.body["data"][0]["annual_revenue"] == 1.25


def test_errors_do_not_repeat_mail_addresses() -> None:
    """A refused address is somebody's: the error does not show it."""
    with pytest.raises(InvalidArgument) as refused:
        AccountRecord(crm_account_id="a", account_name="A", modify_time=NOON, owner_email="jill chill@example.com")
    assert "jill" not in str(refused.value)


@given(st.text(min_size=1).filter(lambda text: bool(text.strip())))
async def test_any_text_survives_the_wire(name: str) -> None:
    """Any text that JSON can hold arrives as it was given."""
    caller = RecordingCaller()
    record = AccountRecord(crm_account_id="a", account_name=name, modify_time=NOON)
    await CrmOperations(caller).accounts.import_records([record])
    assert isinstance(caller.sent.body, bytes)
    assert json.loads(caller.sent.body)["data"][0]["account_name"] == name


async def test_the_crm_has_no_deprecated_twin(caller: RecordingCaller) -> None:
    """The legacy namespace refuses what the deprecated prefix never had."""
    with pytest.raises(InvalidArgument, match="no deprecated twin"):
        await CrmOperations(caller, legacy=True).accounts.get(["1"])
    assert not caller.requests
