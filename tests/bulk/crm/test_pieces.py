"""The pure pieces of an import: records checked, cut into chunks, and task errors brought back."""

from __future__ import annotations

import os
import stat
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zra_async import errors
from zra_async.api.crm.models import Task, TaskError, TaskStatus
from zra_async.api.crm.records import AccountRecord, DealRecord
from zra_async.bulk.crm.chunks import Chunk, ChunkEntry, Cutter
from zra_async.bulk.crm.kinds import ACCOUNTS, CONTACTS, DEALS, LEADS, checked
from zra_async.bulk.crm.report import Failures, failed_row
from zra_async.bulk.crm.task import outcome_of
from zra_async.bulk.polling import Polling
from zra_async.bulk.tables.record_files import TableRow
from zra_async.errors import InvalidArgument

TIME = "2025-06-01T00:00:00Z"


def row(value: object, *, cells: bool = False) -> TableRow:
    return TableRow(0, None, value, cells=cells)


def test_a_csv_row_becomes_the_record_that_json_would_give() -> None:
    """Numbers, booleans, times, days and lists come out of cells; empty cells and nulls are not sent."""
    fields: dict[str, Any] = {
        "crm_deal_id": "D1",
        "crm_account_id": "A1",
        "owner_email": "o@example.com",
        "deal_name": "Grün",
        "stage": "Open",
        "modify_time": TIME,
        "amount": 12.5,
        "close_date": "2025-12-31",
        "is_private": True,
        "contacts": [{"crm_contact_id": "C1"}, {"crm_contact_id": "C2"}],
        "team_member_emails": ["a@example.com", "b@example.com"],
    }
    cells = fields | {
        "amount": " 12.5 ",
        "is_private": "true",
        "contacts": "C1; C2",
        "team_member_emails": "a@example.com;b@example.com;",
        "next_step": " ",
    }
    record = checked(DEALS, row(fields | {"next_step": None}))
    assert isinstance(record, DealRecord)
    assert record.next_step is msgspec.UNSET
    assert checked(DEALS, row(cells, cells=True)) == record
    assert (
        checked(DEALS, row(cells | {"contacts": '[{"crm_contact_id":"C1"},{"crm_contact_id":"C2"}]'}, cells=True))
        == record
    )
    assert checked(DEALS, row(record)) == record


@pytest.mark.parametrize(
    ("value", "cells", "words"),
    [
        ({"crm_account_id": "A", "account_name": "N"}, False, "modify_time is required"),
        ({"crm_account_id": "A", "account_name": "N", "modify_time": "2025-06-01T00:00:00"}, False, "aware"),
        ({"crm_account_id": "A", "account_name": "N", "modify_time": TIME, "employees": "many"}, False, "employees: "),
        ({"crm_account_id": "A", "account_name": "N", "modify_time": "20250601"}, True, "modify_time must look like"),
        ({"crm_account_id": "A", "account_name": "N", "modify_time": TIME, "shoe_size": 4}, False, "shoe_size"),
        ({"crm_account_id": " ", "deletion": True}, False, "crm_account_id"),
        ({"crm_account_id": "A", "deletion": "perhaps"}, True, "deletion"),
        ([1], False, "AccountRecord or a mapping"),
        ({"crm_account_id": "A", "deletion": True, 5: 1}, False, "key"),
    ],
)
def test_a_wrong_record_says_what_is_wrong(value: object, cells: bool, words: str) -> None:
    """Each way to be wrong has its own words, with the field in front."""
    with pytest.raises(InvalidArgument, match=words):
        checked(ACCOUNTS, row(value, cells=cells))


def test_a_structure_is_checked_like_a_mapping() -> None:
    """A structure checks no types when it is made, so it is checked here; one of another kind is refused."""
    wrong = AccountRecord(crm_account_id="A", account_name=5, modify_time=datetime(2025, 1, 1, tzinfo=UTC))  # type: ignore[arg-type]
    with pytest.raises(InvalidArgument, match="account_name: "):
        checked(ACCOUNTS, row(wrong))
    with pytest.raises(InvalidArgument, match="ContactRecord or a mapping is wanted, not AccountRecord"):
        checked(CONTACTS, row(AccountRecord.delete("A")))


@given(
    st.lists(st.integers(0, 400), max_size=120),
    st.integers(1, 30),
    st.lists(st.integers(1, 40), min_size=1, max_size=10),
)
def test_chunks_keep_their_bounds_and_their_order(sizes: list[int], most: int, steps: list[int]) -> None:
    """Chunks hold all good records in order, within both bounds, and do not depend on how the rows came in."""
    rows = [
        TableRow(n, None, {"crm_lead_id": f"L{n}", "lead_name": "x" * (size + 1), "modify_time": TIME} if size else {})
        for n, size in enumerate(sizes)
    ]

    def cut(step_of: list[int]) -> list[Chunk]:
        cutter, chunks, start, turn = Cutter(LEADS, most, 10_000), [], 0, 0
        while start < len(rows):
            step = step_of[turn % len(step_of)]
            full, refused = cutter.add(rows[start : start + step])
            assert [refusal.row for refusal in refused] == [r for r in rows[start : start + step] if not r.value]
            chunks += full
            start, turn = start + step, turn + 1
        chunks += cutter.rest()
        assert cutter.count == len(chunks)
        return chunks

    chunks = cut(steps)
    assert [entry.row for chunk in chunks for entry in chunk.entries] == [r for r in rows if r.value]
    for number, chunk in enumerate(chunks):
        assert chunk.number == number
        assert 1 <= len(chunk.entries) <= most
        assert len(msgspec.json.encode(chunk.body)) <= 10_020 or len(chunk.entries) == 1
    assert [chunk.fingerprint() for chunk in cut([1])] == [chunk.fingerprint() for chunk in chunks]


@pytest.mark.parametrize("sizes", [(0, 10_000), (2_001, 10_000), (5, 9_999), (True, 10_000)])
def test_impossible_chunk_sizes_are_refused(sizes: tuple[int, int]) -> None:
    """No more records than the service takes, and no less than one; no body that holds nothing."""
    with pytest.raises(InvalidArgument, match="chunk_"):
        Cutter(LEADS, *sizes)


def entries(*ids: str) -> list[ChunkEntry]:
    return [ChunkEntry(TableRow(place, None, {}), name, b"{}") for place, name in enumerate(ids)]


def task(status: TaskStatus, *errors: TaskError, success: int | None = None, failed: int | None = None) -> Task:
    return Task(task_id="T", task_status=status, errors=errors, success_count=success, failed_count=failed)


def error(index: int | None, record_id: str, detail: str | None = "bad") -> TaskError:
    return TaskError(record_index=index, record_id=record_id, detail=detail)


@pytest.mark.parametrize(
    ("of", "failures", "unexplained"),
    [
        (task(TaskStatus.SUCCESS, success=3, failed=0), [], 0),
        (task(TaskStatus.SUCCESS, error(1, "b"), success=2, failed=1), [(1, "bad")], 0),
        (task(TaskStatus.SUCCESS, error(1, "b"), error(1, "b", "worse")), [(1, "bad")], 0),
        # counted from 1, or without a place: the id is right
        (task(TaskStatus.SUCCESS, error(1, "a"), failed=1), [(0, "bad")], 0),
        (task(TaskStatus.SUCCESS, error(None, "c", None), failed=1), [(2, "the service gave no reason")], 0),
        # neither place nor id of anything that was sent
        (task(TaskStatus.SUCCESS, error(7, "x"), failed=1), [], 1),
        (task(TaskStatus.SUCCESS, error(0, "a"), failed=3), [(0, "bad")], 2),
        (task(TaskStatus.SUCCESS, error(0, ""), failed=1), [(0, "bad")], 0),
        (
            task(TaskStatus.FAILED, error(0, "a"), success=0, failed=3),
            [(0, "bad"), (1, "the import task failed as a whole"), (2, "the import task failed as a whole")],
            0,
        ),
        (task(TaskStatus.FAILED, error(0, "a"), success=2, failed=1), [(0, "bad")], 0),
        (task(TaskStatus.SUCCESS, failed=99), [], 3),
    ],
)
def test_task_errors_find_their_records(of: Task, failures: list[tuple[int, str]], unexplained: int) -> None:
    """Every failure that can be placed is, and no failure is lost or counted twice."""
    outcome = outcome_of(entries("a", "b", "c"), of)
    assert (list(outcome.failures), outcome.unexplained) == (failures, unexplained)


def test_polling_grows_and_ends() -> None:
    """The waits grow up to the longest, and their sum stays below the limit."""
    delays = list(Polling(first=1, factor=2, longest=8, limit=40).delays())
    assert delays == [1, 2, 4, 8, 8, 8, 8]
    assert Polling(first=1, factor=10, longest=30).delay(10**9) == 30
    for wrong in ({"first": 0}, {"factor": 0.5}, {"first": 60}, {"limit": 0}):
        with pytest.raises(InvalidArgument):
            Polling(**wrong)


async def test_failures_of_an_earlier_run_outlast_one_that_did_nothing(tmp_path: Path) -> None:
    """An import that fails before its first record leaves the file as it was, and nothing beside it."""
    place = tmp_path / "failed.jsonl"
    place.write_text("earlier\n")
    with pytest.raises(InvalidArgument):
        await _failing(Failures(place, None))
    assert place.read_text() == "earlier\n"
    assert list(tmp_path.iterdir()) == [place]


async def _failing(failures: Failures) -> None:
    async with failures:
        raise InvalidArgument("no")


# --------------------------------------------------------------------------- where the failures are written


@pytest.mark.skipif(sys.platform == "win32", reason="pipes of Unix")
async def test_failures_go_to_a_pipe(tmp_path: Path) -> None:
    """A pipe gets the records that failed, and is still a pipe when the import is over."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    async with Failures(pipe, None) as failures:
        failures.add(failed_row("leads", TableRow(0, 1, {"crm_lead_id": "L"}), "L", "wrong", sent=False))
        await failures.write()
        assert b'"reason":"wrong"' in os.read(reader, 10_000)
        await failures.finish()
    os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)


@pytest.mark.parametrize("kind", ["folder", "pipe without a reader", "socket", "empty"])
async def test_failures_that_cannot_be_written(tmp_path: Path, kind: str) -> None:
    """The place is refused before anything is sent, with the reason."""
    place: Path | str = tmp_path / "failed"
    match kind:
        case "folder":
            (tmp_path / "failed").mkdir()
        case "pipe without a reader":
            os.mkfifo(place)
        case "socket":
            os.mknod(place, 0o600 | stat.S_IFSOCK)
        case _:
            place = ""
    with pytest.raises(errors.InvalidArgument, match=r"failed_to=.* cannot be written: "):
        async with Failures(place, None):
            pass


async def test_failures_that_cannot_be_put_in_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that cannot be renamed in the end is an error, before the import is noted as over; the old one stays."""
    (tmp_path / "failed").write_text("old")

    def broken(*_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "replace", broken)
    with pytest.raises(errors.LedgerError, match="Input/output error"):
        async with Failures(tmp_path / "failed", None) as failures:
            await failures.finish()
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("failed", "old")]
