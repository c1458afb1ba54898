"""Cells of a table become what the field wants, in the notations of spreadsheets, or a problem of their line."""

from __future__ import annotations

import csv
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bulk.ingest import data as ingest_data
from zra_async.api.crm.records import AccountRecord, DealRecord
from zra_async.bulk import IngestItem, check_manifest
from zra_async.bulk.crm.kinds import ACCOUNTS, DEALS, checked
from zra_async.bulk.ingest.manifest import COLUMNS
from zra_async.bulk.tables.cells import boolean, day, entries, moment, number, whole_number
from zra_async.bulk.tables.record_files import TableRow
from zra_async.errors import InvalidArgument

NINE = datetime(2025, 1, 31, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    ["2025-01-31T09:00:00Z", "2025-01-31 09:00:00Z", "2025-01-31t09:00:00.000z", "2025-01-31T09:00Z",
     "2025-01-31 10:00 +01:00", "2025-01-31T10:00:00+0100", "2025-01-31 09:00 UTC", "2025-01-31 09:00:00 GMT"],
)  # fmt: skip
def test_a_time_may_be_written_in_several_ways(text: str) -> None:
    """With a blank or a T, without seconds, and with any notation of the offset."""
    assert moment("at", text) == NINE


@pytest.mark.parametrize(
    ("text", "words"),
    [("2025-01-31 09:00", "offset"), ("2025-01-31", "must look like"), ("31.01.2025 09:00", "must look like"),
     ("1738314000", "must look like"), ("2025-13-31T09:00Z", "must look like"), ("09:00", "must look like"),
     ("2025-01-31T09:00:00 Europe/Rome", "must look like")],
)  # fmt: skip
def test_a_time_that_may_mean_several_is_told(text: str, words: str) -> None:
    """Without an offset, a bare number, and a date in the order of one country are no times."""
    with pytest.raises(InvalidArgument, match=words):
        moment("at", text)


def test_days_and_numbers_and_booleans() -> None:
    """What spreadsheets and data frames write is understood."""
    assert {day("d", text) for text in ("2025-11-20", "2025-11-20 00:00:00", "2025-11-20T00:00:00Z")} == {
        date(2025, 11, 20)
    }
    assert [number("n", text) for text in ("1000000.75", "-3", "1e3", ".5", "+7.")] == [1000000.75, -3, 1000, 0.5, 7]
    assert [whole_number("n", text) for text in ("250", "250.0", "2.5e2", "-0")] == [250, 250, 250, 0]
    assert whole_number("n", "9007199254740993") == 9007199254740993
    assert all(boolean("b", text) for text in ("TRUE", "true", "Yes", "y", "1", "1.0", "T"))
    assert not any(boolean("b", text) for text in ("FALSE", "no", "N", "0", "0.0", "f"))


@pytest.mark.parametrize(
    ("read", "text"),
    [(number, "1,234.5"), (number, "1.234,5"), (number, "$10"), (number, "10 %"), (number, "nan"), (number, "inf"),
     (number, "1_000"), (number, "0x10"), (number, "٣"), (whole_number, "2.5"), (whole_number, "1e9999"),
     (whole_number, "1e99"), (boolean, "x"), (boolean, "2"), (boolean, "maybe"), (day, "20.11.2025"),
     (day, "2025-02-30"), (day, "2025-11-20T09:00:00Z")],
)  # fmt: skip
def test_a_cell_that_may_mean_several_is_told(read: Any, text: str) -> None:
    """Separators of thousands, currencies and unknown words are problems that name the column and the text."""
    with pytest.raises(InvalidArgument, match="column"):
        read("column", text)


@given(st.text(max_size=40), st.sampled_from([moment, day, number, whole_number, boolean]))
def test_any_text_is_read_or_refused(text: str, read: Any) -> None:
    """No cell raises anything else."""
    try:
        read("column", text)
    except InvalidArgument as problem:
        assert "column" in str(problem)


@given(st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=-9, minutes=-30))])))
def test_every_time_that_is_written_is_read(at: datetime) -> None:
    """What ``isoformat`` and ``str`` write comes back."""
    assert moment("at", at.isoformat()) == moment("at", str(at)) == at


def test_ids_in_a_cell() -> None:
    """Semicolons, line breaks or commas separate ids; a comma beside the others belongs to an id."""
    assert entries("a;b ; c\nd") == ["a", "b", "c", "d"]
    assert entries("a, b,c,") == ["a", "b", "c"]
    assert entries("cn=a,dc=b;cn=c") == ["cn=a,dc=b", "cn=c"]


def test_a_crm_row_in_the_hand_of_a_spreadsheet() -> None:
    """Numbers with a decimal point, yes and no, addresses with names, ids with commas, days with midnight."""
    cells = {
        "crm_deal_id": "D1", "crm_account_id": "A1", "deal_name": "Big", "stage": "Won", "amount": "1000000.75",
        "owner_email": "Doe, Jane <jane@x.com>", "modify_time": "2025-01-31 09:00 UTC", "is_private": "No",
        "close_date": "2025-11-20 00:00:00", "contacts": "C1, C2", "probability": "50.0",
        "team_member_emails": '"Roe, Rick" <rick@x.com>, bob@x.com\nmailto:ann@x.com',
    }  # fmt: skip
    deal = checked(DEALS, TableRow(0, 2, cells, cells=True))
    assert isinstance(deal, DealRecord)
    assert (deal.amount, deal.is_private, deal.close_date) == (1000000.75, False, date(2025, 11, 20))
    assert (deal.owner_email, deal.modify_time) == ("jane@x.com", NINE)
    assert deal.team_member_emails == ("rick@x.com", "bob@x.com", "ann@x.com")
    assert [one.crm_contact_id for one in deal.contacts] == ["C1", "C2"]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("column", "cell"),
    [("annual_revenue", "1,000"), ("employees", "12.5"), ("deletion", "perhaps"), ("modify_time", "2025-01-31"),
     ("owner_email", "Jane Doe"), ("owner_email", "a@x.com; b@x.com"), ("owner_email", "Jane <jane>")],
)  # fmt: skip
def test_a_wrong_crm_cell_names_its_column(column: str, cell: str) -> None:
    """The problem of a row says which column it is."""
    row = {"crm_account_id": "A", "account_name": "n", "modify_time": "2025-01-31T09:00:00Z", column: cell}
    with pytest.raises(InvalidArgument, match=column):
        checked(ACCOUNTS, TableRow(0, 2, row, cells=True))
    good = checked(ACCOUNTS, TableRow(0, 2, row | {column: ""} | {"modify_time": "2025-01-31T09:00Z"}, cells=True))
    assert isinstance(good, AccountRecord)


async def manifest_of(folder: Path, **cells: str) -> Any:
    """A CSV manifest of one row, looked through."""
    (folder / "a.mp4").write_bytes(b"video")
    row = {"key": "a", "recording": "a.mp4", **ingest_data.fields(0)} | cells
    with (folder / "m.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerow(row)
    return await check_manifest(folder / "m.csv")


async def test_participants_in_a_manifest_keep_their_addresses(tmp_path: Path) -> None:
    """An address alone is an address and not only a name, and a host may be written with a name."""
    manifest = await manifest_of(
        tmp_path,
        participants="jane@x.com, Doe, Rick <rick@x.com>; Ann",
        host_id="Jane <jane@x.com>",
        conversation_type="Meeting",
        primary_language="EN",
        meeting_start_time="2025-01-31 10:00 +01:00",
    )
    assert manifest.problems == ()
    [item] = [one async for one in manifest]
    assert isinstance(item, IngestItem)
    assert isinstance(item.conversation, dict)
    assert item.conversation["participants"] == [
        {"display_name": "jane@x.com", "email": "jane@x.com"},
        {"display_name": "Doe, Rick", "email": "rick@x.com"},
        {"display_name": "Ann"},
    ]
    assert item.conversation["host_id"] == "jane@x.com"
    assert item.conversation["primary_language"] == "en"
    assert datetime.fromisoformat(item.conversation["meeting_start_time"]) == NINE


@pytest.mark.parametrize(
    "cell",
    ['[{"display_name": "Ann", "email": "a@x.com"}]', '{"display_name": "Ann", "email": "a@x.com"}',
     '["Ann <a@x.com>"]', "Ann <a@x.com>"],
)  # fmt: skip
async def test_participants_as_json(tmp_path: Path, cell: str) -> None:
    """A list, a single object, and texts in a list are people as well."""
    manifest = await manifest_of(tmp_path, participants=cell)
    assert manifest.problems == ()
    [item] = [one async for one in manifest]
    assert item.conversation["participants"] == [{"display_name": "Ann", "email": "a@x.com"}]


@pytest.mark.parametrize(
    ("column", "cell"),
    [("participants", "Ann <ann>"), ("participants", "[1]"), ("participants", "[oops"), ("participants", "Ann, Bob"),
     ("timeline", "Ann at 00:01"), ("timeline", '{"a": 1}'), ("host_id", "Jane Doe"), ("host_id", "a@x.com, b@x.com"),
     ("meeting_start_time", "2025-01-31 09:00"), ("meeting_end_time", "31.01.2025"), ("conversation_type", "email")],
)  # fmt: skip
async def test_a_cell_that_cannot_be_read_is_a_problem_of_its_line(tmp_path: Path, column: str, cell: str) -> None:
    """`check_manifest` names the line and the column, and no item is given out."""
    manifest = await manifest_of(tmp_path, **{column: cell})
    [(line, reason)] = manifest.problems
    assert line == 2
    assert column in reason
    with pytest.raises(InvalidArgument):
        [one async for one in manifest]


def test_a_list_of_contacts_may_be_json() -> None:
    """Objects with the fields of a contact, as before."""
    cells = {"crm_deal_id": "D", "deletion": "yes", "contacts": msgspec.json.encode([{"crm_contact_id": "C"}]).decode()}
    assert checked(DEALS, TableRow(0, 2, cells, cells=True)).deletion is True
