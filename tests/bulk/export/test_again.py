"""Exports into a folder that holds one: what is new, what has changed, what is gone, and what had failed."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.bulk.export.account import account, add_conversation, quick_disk  # noqa: F401
from tests.bulk.export.truth import EVERY_STREAM, Record, Truth, compare, compare_folder, current, lines
from zra_async import RetryPolicy, ZRAClient, errors
from zra_async.bulk import UnitCounts, read_stream
from zra_async.bulk.export.windows import OVERLAP
from zra_async.core.events import JobProgress
from zra_async.sandbox import Clock, Fault, Sandbox

STREAMS = "conversations,participants,transcripts,comments"


def failed(folder: Path) -> list[Record]:
    """What ``failed.jsonl`` says."""
    return [json.loads(line) for line in (folder / "failed.jsonl").read_text().splitlines()]


async def test_nothing_new(tmp_path: Path) -> None:
    """A second run of an account at rest writes not one line, and reads no conversation again."""
    async with account(40) as (sandbox, zra):
        await zra.export(tmp_path, streams="all")
        before = sandbox.stats.operations.copy()
        report = await zra.export(tmp_path, streams="all")
        again = sandbox.stats.operations - before
        compare_folder(Truth(sandbox), tmp_path)
    assert report.records == {}
    assert (report.run, report.resumed) == (2, False)
    assert again["GET /zra/conversations/{conversationId}"] == 0
    assert again["GET /zra/deals/{dealId}"] == 0
    assert report.units["team"].unchanged == report.units["team"].done > 0


async def test_what_is_in_processing_is_left_for_the_next_run(tmp_path: Path) -> None:
    """A conversation that is not analysed yet is counted, not exported, and comes with the run after."""
    async with account(20, processing_seconds=60) as (sandbox, zra):
        name = await add_conversation(sandbox, zra)
        first = await zra.export(tmp_path, streams=STREAMS)
        assert first.units["conversation"] == UnitCounts(done=20, in_processing=1)
        assert not first.partial
        assert name not in {row["conversation_id"] for row in lines(tmp_path, "conversations")}
        second = await zra.export(tmp_path, streams=STREAMS)
        assert second.units["conversation"].in_processing == 1
        sandbox.clock.advance(61)
        third = await zra.export(tmp_path, streams=STREAMS)
        assert (third.units["conversation"].done, third.units["conversation"].in_processing) == (1, 0)
        assert third.records["conversations"] == 1
        compare_folder(Truth(sandbox), tmp_path, STREAMS.split(","))


async def test_content_that_is_not_ready(tmp_path: Path) -> None:
    """A conversation whose list row says it is ready, but whose content is refused as in processing, is left too."""
    refusal = {"code": 5004, "message": "available after the processing analysis is completed"}
    fault = Fault(operation="GET /conversations/{conversationId}/interactions", status=403, body=refusal, times=1)
    async with account(10, faults=[fault]) as (sandbox, zra):
        first = await zra.export(tmp_path, streams=STREAMS)
        assert first.units["conversation"] == UnitCounts(done=9, in_processing=1)
        second = await zra.export(tmp_path, streams=STREAMS, incremental=False)
        assert (second.units["conversation"].in_processing, second.units["conversation"].unchanged) == (0, 9)
        compare_folder(Truth(sandbox), tmp_path, STREAMS.split(","))


async def test_a_unit_that_fails_is_told_and_tried_again(tmp_path: Path) -> None:
    """What cannot be read goes to failed.jsonl with its reason, makes the run partial, and comes with the next."""
    fault = Fault(operation="GET /conversations/{conversationId}/comments", status=500, times=6)
    async with account(20, faults=[fault], client={"retry": RetryPolicy.none()}) as (sandbox, zra):
        report = await zra.export(tmp_path, streams=STREAMS)
        assert report.partial
        assert report.failed == len(report.failures) == len(failed(tmp_path)) == 6
        assert {row["id"] for row in failed(tmp_path)} == {failure.id for failure in report.failures}
        assert all("comments.list" in row["reason"] and row["kind"] == "conversation" for row in failed(tmp_path))
        written = {row["conversation_id"] for row in lines(tmp_path, "conversations")}
        assert not written & {failure.id for failure in report.failures}  # all of a unit, or nothing
        second = await zra.export(tmp_path, streams=STREAMS)
        assert second.units["conversation"].done == report.failed
        assert not second.partial
        assert failed(tmp_path) == []
        compare_folder(Truth(sandbox), tmp_path, STREAMS.split(","))


async def test_a_failure_keeps_what_was_there(tmp_path: Path) -> None:
    """When a unit cannot be read again, its older content stays, and the unit stays on the list of failures."""
    async with account(10) as (sandbox, zra):
        await zra.export(tmp_path, streams=STREAMS)
        sandbox.faults.add(Fault(operation="GET /conversations/{conversationId}/comments", status=500))
        report = await zra.export(tmp_path, streams=STREAMS, incremental=False)
        assert report.failed == 10
        current(Truth(sandbox), tmp_path, STREAMS)


async def test_gone_between_list_and_detail(tmp_path: Path) -> None:
    """A 404 on a conversation that was just listed means that it was deleted: no failure, no record."""
    body = {"code": 1005, "message": "Conversation does not exist"}
    fault = Fault(operation="GET /conversations/{conversationId}", status=404, body=body, times=3)
    async with account(20, faults=[fault]) as (_, zra):
        report = await zra.export(tmp_path, streams=STREAMS)
    assert report.units["conversation"] == UnitCounts(done=17, deleted=3)
    assert not report.partial
    assert len(list(lines(tmp_path, "conversations"))) == 17
    assert {row["state"] for row in lines(tmp_path, "units")} == {"exported"}  # there was nothing to take back


async def test_a_part_that_is_missing_is_a_failure(tmp_path: Path) -> None:
    """A 404 on a part of a conversation that is still there is told as a failure, not taken for a deletion."""
    body = {"code": 1005, "message": "Conversation does not exist"}
    fault = Fault(operation="GET /conversations/{conversationId}/comments", status=404, body=body, times=1)
    async with account(5, faults=[fault]) as (_, zra):
        report = await zra.export(tmp_path, streams=STREAMS)
    assert report.units["conversation"] == UnitCounts(done=4, failed=1)


async def test_a_path_that_does_not_exist_deletes_nothing(tmp_path: Path) -> None:
    """A 404 that speaks of the path and not of the thing is a failure, for every kind of unit."""
    body = {"code": 0, "message": "404 Route Not Found"}
    paths = ["conversations/{conversationId}", "deals/{dealId}", "team/{teamId}/team_members"]
    faults = [Fault(operation=f"GET /{path}", status=404, body=body) for path in paths]
    faults.append(Fault(operation="GET /users/{userId}/conversations/playlists", status=404, body=body))
    async with account(5, faults=faults) as (_, zra):
        report = await zra.export(tmp_path, streams="conversations,deals,team_members,playlists")
    for kind in ("conversation", "deal", "team", "user"):
        assert (report.units[kind].deleted, report.units[kind].done) == (0, 0)  # type: ignore[index]
        assert report.units[kind].failed > 0  # type: ignore[index]


async def test_what_was_deleted_since(tmp_path: Path) -> None:
    """A full run finds what is gone: its lines do not count any more, and the units stream says so."""
    async with account(20) as (sandbox, zra):
        await zra.export(tmp_path, streams=STREAMS)
        gone = next(iter(lines(tmp_path, "conversations")))["conversation_id"]
        await zra.conversations.delete(gone)
        report = await zra.export(tmp_path, streams=STREAMS, incremental=False)
        assert report.units["conversation"] == UnitCounts(done=19, unchanged=19, deleted=1)
        current(Truth(sandbox), tmp_path, STREAMS)
        assert [row["id"] for row in lines(tmp_path, "units") if row["state"] == "deleted"] == [gone]
        assert {row["_run"] for row in lines(tmp_path, "units") if row["id"] == gone} == {1, 2}
        third = await zra.export(tmp_path, streams=STREAMS, incremental=False)
        assert third.units["conversation"] == UnitCounts(done=19, unchanged=19)


async def test_what_was_changed_since(tmp_path: Path) -> None:
    """A full run writes what has changed again, as a whole and with its own number, and nothing else."""
    async with account(20) as (sandbox, zra):
        await zra.export(tmp_path, streams=STREAMS)
        changed = [row["conversation_id"] for row in lines(tmp_path, "conversations")][:3]
        hosts = [user.user_id for user in sandbox.world.users if user.licensed]
        for name in changed:
            host = next(user for user in hosts if user != sandbox.world.find(name).host.user_id)  # type: ignore[union-attr]
            await zra.conversations.update_host(name, new_host_id=host)
        report = await zra.export(tmp_path, streams=STREAMS, incremental=False)
        assert report.units["conversation"] == UnitCounts(done=20, unchanged=17)
        assert report.records["conversations"] == 3
        assert {row["conversation_id"] for row in lines(tmp_path, "transcripts") if row["_run"] == 2} == set(changed)
        current(Truth(sandbox), tmp_path, STREAMS)


async def test_an_interrupted_run_of_another_kind_leaves_no_doubles(tmp_path: Path) -> None:
    """After a run that stopped half way, one with other parameters begins anew and doubles nothing."""
    told: list[JobProgress] = []
    async with account(60) as (sandbox, zra):
        first = asyncio.ensure_future(zra.export(tmp_path, streams=STREAMS, concurrency=4, on_event=told.append))
        while not any(event.done >= 10 for event in told):
            await asyncio.sleep(0.001)
        first.cancel()
        await asyncio.wait([first])
        report = await zra.export(tmp_path, streams=STREAMS, until=sandbox.clock.now() + timedelta(days=1))
        assert (report.run, report.resumed) == (2, False)
        assert report.units["conversation"].skipped >= 10
        compare_folder(Truth(sandbox), tmp_path, STREAMS.split(","))


async def test_a_deal_with_new_activities_is_written_again(tmp_path: Path) -> None:
    """A deal whose row in the list has changed is read again, the others are not."""
    async with account(30, processing_seconds=0) as (sandbox, zra):
        await zra.export(tmp_path, streams="deals,deal_activities")
        deal = next(iter(lines(tmp_path, "deals")))["deal_id"]
        await zra.conversations.add(
            conversation_type="meeting",
            meeting_start_time=sandbox.clock.now(),
            download_url="https://example.com/recording.mp4",
            deal_id=deal,
        )
        report = await zra.export(tmp_path, streams="deals,deal_activities")
        assert (report.units["deal"].done, report.records["deals"]) == (1, 1)
        current(Truth(sandbox), tmp_path, "deals,deal_activities")


async def test_people_who_leave_a_team(tmp_path: Path) -> None:
    """Teams are read in every run, since no list tells that their people have changed."""
    streams = "teams,team_members,team_managers"
    async with account(10) as (sandbox, zra):
        await zra.export(tmp_path, streams=streams)
        row = next(iter(lines(tmp_path, "team_members")))
        await zra.teams.members.remove(row["team_id"], [row["user_id"]])
        report = await zra.export(tmp_path, streams=streams)
        assert report.units["team"].done - report.units["team"].unchanged == 1
        current(Truth(sandbox), tmp_path, streams)


async def test_since_and_until_are_about_the_analysis(tmp_path: Path) -> None:
    """A period holds the conversations that were analysed in it, and later runs fill in what lies around it."""
    async with account(60) as (sandbox, zra):
        times = sorted(row["iq_processed_time"] for row in sandbox.truth.conversations() if row["iq_processed_time"])
        since, until = _read(times[20]), _read(times[40])
        await zra.export(tmp_path, streams="conversations", since=since, until=until)
        found = [row["iq_processed_time"] for row in lines(tmp_path, "conversations")]
        assert sorted(time for time in found if time) == times[20:41]
        await zra.export(tmp_path, streams="conversations", since=until)
        found = [row["iq_processed_time"] for row in lines(tmp_path, "conversations")]
        assert sorted(time for time in found if time) == times[20:]
        report = await zra.export(tmp_path, streams="conversations")
        assert report.units["conversation"].skipped >= 39
        compare_folder(Truth(sandbox), tmp_path, ["conversations"])


def _read(text: str) -> datetime:
    return datetime.fromisoformat(text)


async def test_an_incremental_run_lists_little(tmp_path: Path) -> None:
    """Without a sweep, only what was analysed since the last run, and an overlap, is listed."""
    async with account(900) as (sandbox, zra):
        first = await zra.export(tmp_path, streams="conversations")
        assert first.watermark is not None
        assert sandbox.stats.operations["GET /zra/conversations"] == 3
        second = await zra.export(tmp_path, streams="conversations", sweep="never")
        assert sandbox.stats.operations["GET /zra/conversations"] == 4
        processed = [row["iq_processed_time"] for row in sandbox.truth.conversations()]
        recent = [time for time in processed if time and _read(time) >= first.watermark - OVERLAP]
        assert second.units["conversation"].skipped == len(recent)


@pytest.mark.parametrize("days", [-7_000, -3, 3, 7_000])
async def test_the_watermark_is_the_services_time(tmp_path: Path, days: int) -> None:
    """A machine whose clock is days behind or ahead lists as little as any other, and notes no time of its own."""
    service = Clock(datetime.now(UTC) + timedelta(days=days))
    async with account(900, clock=service) as (sandbox, zra):
        before = sandbox.clock.now().replace(microsecond=0) - timedelta(seconds=1)
        first = await zra.export(tmp_path, streams="conversations")
        with closing(sqlite3.connect(tmp_path / "ledger.sqlite")) as ledger:
            [begun] = ledger.execute("SELECT begun FROM run").fetchone()
        assert before <= datetime.fromisoformat(begun) <= sandbox.clock.now()
        processed = [row["iq_processed_time"] for row in sandbox.truth.conversations()]
        assert first.watermark == max(_read(time) for time in processed if time)
        await zra.export(tmp_path, streams="conversations", sweep="never")
        assert sandbox.stats.operations["GET /zra/conversations"] == 4


async def test_streams_may_be_added_but_not_left_out(tmp_path: Path) -> None:
    """A folder takes more streams, for what it holds already too; asking for fewer is refused with their names."""
    async with account(15) as (sandbox, zra):
        await zra.export(tmp_path, streams="conversations")
        await zra.export(tmp_path, streams="conversations,comments,indicators")
        current(Truth(sandbox), tmp_path, "conversations,comments,indicators")
        with pytest.raises(errors.InvalidArgument, match="comments"):
            await zra.export(tmp_path, streams="conversations,indicators")


@pytest.mark.parametrize("damage", ["shorter", "missing", "no ledger", "another ledger", "not a database"])
async def test_a_folder_that_was_meddled_with_is_refused(tmp_path: Path, damage: str) -> None:
    """A segment that lost bytes, or a ledger that is gone or is something else, is told and nothing is overwritten."""
    async with account(10) as (_, zra):
        await zra.export(tmp_path, streams="conversations")
        segment, ledger = tmp_path / "conversations-00001.jsonl", tmp_path / "ledger.sqlite"
        content = segment.read_bytes()
        match damage:
            case "shorter":
                segment.write_bytes(content[:-1])
            case "missing":
                segment.unlink()
            case "no ledger":
                ledger.unlink()
            case "another ledger":
                await _other_ledger(tmp_path / "other")
                (tmp_path / "other").replace(ledger)
            case _:
                ledger.write_bytes(b"this is no database" * 100)
        with pytest.raises(errors.LedgerError):
            await zra.export(tmp_path, streams="conversations")
        if damage in ("no ledger", "another ledger", "not a database"):
            assert segment.read_bytes() == content


async def _other_ledger(path: Path) -> None:
    from zra_async.bulk.database import Database

    database = await Database.open(path, kind=1, schema=("CREATE TABLE t (a)",), purpose="a test")
    await database.aclose()


async def test_what_a_killed_run_left_behind_the_last_commit_is_cut(tmp_path: Path) -> None:
    """Bytes behind the last commit, and segments that the ledger does not know, vanish with the next run."""
    async with account(30) as (sandbox, zra):
        sandbox.faults.add(Fault(operation="GET /conversations/{conversationId}/comments", status=401))
        with pytest.raises(errors.AuthenticationFailed):
            await zra.export(tmp_path, streams=f"{STREAMS},indicators", concurrency=2)
        with (tmp_path / "indicators-00001.jsonl").open("ab") as segment:
            segment.write(b'{"half a line')
        (tmp_path / "topics-00007.jsonl").write_bytes(b'{"topic":"a","_run":1}\n{"top')
        (tmp_path / "notes-00001.jsonl").write_bytes(b"somebody else's\n")
        sandbox.faults.clear()
        async with sandbox.client(observer=lambda _: None) as again:
            await again.export(tmp_path, streams=f"{STREAMS},indicators")
        assert (tmp_path / "notes-00001.jsonl").read_bytes() == b"somebody else's\n"
        (tmp_path / "notes-00001.jsonl").unlink()
        compare_folder(Truth(sandbox), tmp_path, [*STREAMS.split(","), "indicators"])


async def test_a_disk_that_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When a segment cannot be written, that is raised, and once there is room the same call goes on."""
    write, calls = os.write, 0

    def full(fd: int, data: bytes) -> int:
        nonlocal calls
        calls += 1
        if calls > 3:
            write(fd, data[: len(data) // 2])
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(fd, data)

    async with account(60) as (sandbox, zra):
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", full)
            with pytest.raises(errors.LedgerError, match="No space"):
                await zra.export(tmp_path, streams=STREAMS, concurrency=2)
        report = await zra.export(tmp_path, streams=STREAMS)
        assert report.resumed
        compare_folder(Truth(sandbox), tmp_path, STREAMS.split(","))


async def test_everything_again_from_an_empty_account(tmp_path: Path) -> None:
    """An account without conversations exports to an empty folder with a manifest, and grows from there."""
    async with account(0, processing_seconds=0) as (sandbox, zra):
        report = await zra.export(tmp_path, streams="all")
        assert report.units["conversation"] == UnitCounts()
        await _grow(sandbox, zra)
        await zra.export(tmp_path, streams="all")
        for stream in EVERY_STREAM:
            compare(Truth(sandbox), stream, read_stream(tmp_path, stream))


async def _grow(sandbox: Sandbox, zra: ZRAClient) -> None:
    for topic in ("One", "Two"):
        await add_conversation(sandbox, zra, topic)
