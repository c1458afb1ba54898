"""Exports where their folder is not as it should be, and units that are in doubt for a while."""

from __future__ import annotations

import sqlite3
import stat
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.bulk.export.account import account, add_conversation, quick_disk  # noqa: F401
from tests.bulk.export.truth import lines
from zra_async import RetryPolicy, errors
from zra_async.bulk import ExportReport, read_stream, to_parquet
from zra_async.bulk.database import Database
from zra_async.bulk.export.folder.ledger import SqliteLedger
from zra_async.bulk.export.folder.tables import KIND, SCHEMA
from zra_async.bulk.export.units import Listed, Outcome
from zra_async.sandbox import Fault

DETAIL = "GET /conversations/{conversationId}"


# --------------------------------------------------------------------------- recordings


async def test_recordings_go_into_no_folder_that_is_a_link(tmp_path: Path) -> None:
    """A linked ``recordings`` is refused before a call is made, and nothing is written where it leads."""
    folder, elsewhere = tmp_path / "export", tmp_path / "elsewhere"
    folder.mkdir()
    elsewhere.mkdir()
    (folder / "recordings").symlink_to(elsewhere, target_is_directory=True)
    async with account(4, store_parts=True) as (sandbox, zra):
        with pytest.raises(errors.LedgerError, match="recordings is a link"):
            await zra.export(folder, streams="conversations,recordings")
        assert not sandbox.stats.operations
    assert not list(elsewhere.iterdir())


async def test_a_recording_goes_into_no_linked_folder_of_its_own(tmp_path: Path) -> None:
    """The folder of a single recording is not followed either."""
    folder, elsewhere = tmp_path / "export", tmp_path / "elsewhere"
    elsewhere.mkdir()
    async with account(4, store_parts=True) as (_, zra):
        await zra.export(folder, streams="conversations,recordings")
        places = list((folder / "recordings").iterdir())
        for place in places:
            for file in place.iterdir():
                file.unlink()
            place.rmdir()
            place.symlink_to(elsewhere, target_is_directory=True)
        with pytest.raises(errors.LedgerError, match="is a link"):
            await zra.export(folder, streams="conversations,recordings", incremental=False)
    assert places
    assert not list(elsewhere.iterdir())


# --------------------------------------------------------------------------- units in doubt


async def test_a_unit_that_is_there_after_all_is_not_failed_for_ever(tmp_path: Path) -> None:
    """One look at a conversation in processing fails; the next one finds it, and nothing is missing any more."""
    async with account(5, processing_seconds=3600, client={"retry": RetryPolicy.none()}) as (sandbox, zra):
        await add_conversation(sandbox, zra)
        await zra.export(tmp_path, streams="conversations")
        sandbox.faults.add(Fault(operation=DETAIL, status=500, times=1))
        second = await zra.export(tmp_path, streams="conversations")
        third = await zra.export(tmp_path, streams="conversations")
    assert second.units["conversation"].failed == 1
    assert (third.partial, third.units["conversation"].in_processing) == (False, 1)


async def test_what_was_not_ready_comes_however_long_ago_it_was_listed(tmp_path: Path) -> None:
    """Conversations that were listed as ready and refused as in processing come later, though no list shows them."""
    refusal = {"code": 5004, "message": "available after the processing analysis is completed"}
    fault = Fault(operation="GET /conversations/{conversationId}/interactions", status=403, body=refusal, times=10)
    async with account(10, faults=[fault]) as (_, zra):
        first = await zra.export(tmp_path, streams="conversations,transcripts")
        second = await zra.export(tmp_path, streams="conversations,transcripts")
    assert first.units["conversation"].in_processing == 10
    assert second.units["conversation"].in_processing == 0
    assert second.records["conversations"] == 10


def listed(version: str) -> Listed:
    """A conversation as the list shows it in one of its versions."""
    return Listed("c", version, version.encode())


async def test_what_had_failed_is_read_as_it_is_listed_now(tmp_path: Path) -> None:
    """A unit that failed and has changed since is read with its new row of the list, not with the old one."""
    async with await Database.open(tmp_path / "l", kind=KIND, schema=SCHEMA, purpose="the test") as database:
        ledger = SqliteLedger(database)
        now = datetime(2026, 1, 1, tzinfo=UTC)
        await ledger.begin("{}", now, {})
        await ledger.offer("conversation", [listed("old")], ["conversations"], unchanged_too=False)
        (unit,) = await ledger.take(["conversation"], 0, 9)
        await ledger.commit([Outcome(unit, "failed", reason="none")])
        report = ExportReport(
            folder=None,
            run=1,
            resumed=False,
            units={},
            records={},
            failures=(),
            calls={},
            refused=0,
            seconds=0,
            watermark=None,
        )
        await ledger.finish(report, None, {})
        again = await ledger.begin("{}", now, {})
        for _ in range(2):  # a list may be read twice
            assert await ledger.offer("conversation", [listed("new")], ["conversations"], unchanged_too=False) == 0
        (unit,) = await ledger.take(["conversation"], 0, 9)
        assert (unit.version, unit.payload) == ("new", b"new")
        assert again.waiting == {"conversation": 1}


# --------------------------------------------------------------------------- readers


async def test_records_are_read_as_of_one_moment(tmp_path: Path) -> None:
    """A run that replaces a conversation while somebody reads takes none away from the reader."""
    async with account(20) as (sandbox, zra):
        await zra.export(tmp_path, streams="conversations")
        last = list(lines(tmp_path, "conversations"))[-1]["conversation_id"]
        present = sandbox.world.find(last)
        host = next(user for user in sandbox.world.users if user.licensed and present and user is not present.host)
        reading = read_stream(tmp_path, "conversations")
        found = [next(reading)]
        await zra.conversations.update_host(last, new_host_id=host.user_id)
        await zra.export(tmp_path, streams="conversations", incremental=False)
        found += reading
    assert len(found) == 20
    assert host.user_id in {row["host_id"] for row in read_stream(tmp_path, "conversations")}


def as_if_killed(folder: Path, tail: bytes) -> None:
    """Give a folder the state of a run that was killed between the lines and the note of them."""
    connection = sqlite3.connect(folder / "ledger.sqlite")
    with connection:
        connection.execute("UPDATE segment SET sha256 = NULL WHERE stream = 'conversations'")
        connection.execute("UPDATE run SET finished = NULL")
    connection.close()
    with (folder / "conversations-00001.jsonl").open("ab") as file:
        file.write(tail)


@pytest.mark.parametrize("whole", [True, False])
async def test_parquet_leaves_out_what_no_run_has_noted(tmp_path: Path, whole: bool) -> None:
    """Lines that a killed run has written and not noted are no records, be they whole or half ones."""
    pytest.importorskip("duckdb")
    async with account(5) as (_, zra):
        await zra.export(tmp_path, streams="conversations")
    line = (tmp_path / "conversations-00001.jsonl").read_bytes().splitlines(keepends=True)[0]
    as_if_killed(tmp_path, line if whole else line[:100])
    written = await to_parquet(tmp_path)
    import duckdb

    with duckdb.connect() as engine:
        found = engine.execute(f"SELECT count(*) FROM '{written['conversations']}'").fetchall()
    assert found == [(5,)]


async def test_what_parquet_cannot_hold_is_told(tmp_path: Path) -> None:
    """A number that fits into no column, and a segment that is gone, are errors of this library."""
    pytest.importorskip("duckdb")
    async with account(5) as (_, zra):
        await zra.export(tmp_path, streams="conversations")
    segment = tmp_path / "conversations-00001.jsonl"
    line = segment.read_bytes()
    segment.write_bytes(line.replace(b'"meeting_id":', b'"meeting_id":99999999999999999999', 1))
    with closing(sqlite3.connect(tmp_path / "ledger.sqlite", isolation_level=None)) as connection:
        connection.execute("UPDATE segment SET bytes = ? WHERE stream = 'conversations'", (segment.stat().st_size,))
    with pytest.raises(errors.LedgerError, match=r"conversations\.parquet cannot be written"):
        await to_parquet(tmp_path)
    with pytest.raises(errors.LedgerError, match=r"^\S+/manifest\.json cannot be made"):
        await to_parquet(tmp_path, tmp_path / "manifest.json")
    segment.unlink()
    with pytest.raises(errors.LedgerError, match="conversations"):
        await to_parquet(tmp_path)


@pytest.mark.parametrize("name", ["covered", "streams"])
async def test_a_setting_that_somebody_has_changed(tmp_path: Path, name: str) -> None:
    """A ledger whose settings make no sense is an error of the ledger."""
    async with account(2) as (_, zra):
        await zra.export(tmp_path, streams="conversations")
        connection = sqlite3.connect(tmp_path / "ledger.sqlite")
        with connection:
            connection.execute("UPDATE setting SET value = '{' WHERE name = ?", (name,))
        connection.close()
        with pytest.raises(errors.LedgerError, match=r"ledger\.sqlite"):
            await zra.export(tmp_path, streams="conversations")


async def test_a_folder_is_for_its_owner_only(tmp_path: Path) -> None:
    """Nobody else on the machine can read transcripts, recordings or the names of people."""
    async with account(2) as (_, zra):
        await zra.export(tmp_path / "new", streams="conversations,transcripts,recordings")
    found = [tmp_path / "new", *(tmp_path / "new").rglob("*")]
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in found if path.parent.parent.name != "recordings"}
    assert {mode for path, mode in modes.items() if path.is_dir()} == {0o700}
    assert {path.name: mode for path, mode in modes.items() if path.is_file() and mode != 0o600} == {}
