"""Whole ingests into the sandbox: that they end, go on and tell of themselves."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.bulk.ingest import data as ingest_data
from tests.bulk.ingest.data import FAST, items, video
from tests.bulk.ingest.service import LIMIT, run, service
from tests.leap import leap
from zra_async import RetryPolicy, errors
from zra_async.bulk import Polling, check_manifest, ingest_status
from zra_async.config import Transfers
from zra_async.core.events import JobProgress
from zra_async.sandbox import Fault

pytestmark = pytest.mark.slow


async def test_the_client_turns_items_into_conversations(tmp_path: Path) -> None:
    """The plain call does it, tells of its progress, and a second call finds everything done."""
    heard: list[JobProgress] = []
    keys: list[str] = []
    async with service() as (sandbox, zra):
        given = items(tmp_path, 20)
        report = await zra.ingest(
            given, ledger=tmp_path / "ledger", on_event=heard.append, on_outcome=lambda one: keys.append(one.key)
        )
        ingest_data.check(sandbox, tmp_path, ingest_data.write_rows(tmp_path, 20))
        assert (report.counts, report.done, report.partial) == ({"added": 20}, 20, False)
        assert report.sent == sum(
            path.stat().st_size for path in tmp_path.iterdir() if path.suffix in (".mp4", ".json")
        )
        assert heard[-1] == JobProgress("ingest", "items", 20, 0, 20)
        assert sorted(keys) == sorted(item.key for item in given)
        again = await zra.ingest(given, ledger=tmp_path / "ledger")
        assert (again.counts, again.sent) == ({"skipped": 20}, 0)


async def test_an_ingest_goes_on_inside_a_file(tmp_path: Path) -> None:
    """Stopped in the middle of a file, the next run sends only the parts that are missing, and keeps nothing."""
    rows = ingest_data.write_rows(tmp_path, 1, large=(0,), large_size=36_000_000)
    manifest = await check_manifest(ingest_data.write_manifest(tmp_path, rows))
    async with service() as (sandbox, zra):
        sandbox.faults.add(Fault(operation="POST /files/multipart", delay=0.3))
        transfers = Transfers(single_upload_limit=LIMIT, upload_concurrency=1)
        async with sandbox.client(limits=FAST, transfers=transfers) as slow:
            job = asyncio.create_task(run(slow, manifest, tmp_path / "ledger"))
            while not any(b'"etag"' in path.read_bytes() for path in (tmp_path / "ledger.uploads").glob("*.main")):
                await asyncio.sleep(0.005)  # until the first part is on record; the second waits at the service
            job.cancel()
            with pytest.raises(asyncio.CancelledError):
                await job
        sandbox.faults.clear()
        [upload] = sandbox.account.files.uploads()
        stored = len(upload.parts)
        [journal] = [path for path in (tmp_path / "ledger.uploads").iterdir() if path.suffix == ".main"]
        assert journal.stat().st_mode & 0o077 == 0
        report = await run(zra, manifest, tmp_path / "ledger")
        assert report.counts == {"added": 1}
        assert (stored, len(upload.parts)) == (1, 2)
        assert all(part.times_received == 1 for part in upload.parts.values())
        ingest_data.check(sandbox, tmp_path, rows)
        assert not (tmp_path / "ledger.uploads").exists()


async def test_the_folder_of_the_journals_stays_for_the_whole_run(tmp_path: Path) -> None:
    """The end of one file does not take it away from another that is about to begin."""
    rows = ingest_data.write_rows(tmp_path, 2, large=(0, 1), large_size=12_000_000)
    manifest = await check_manifest(ingest_data.write_manifest(tmp_path, rows))
    folder = tmp_path / "ledger.uploads"
    seen: list[bool] = []
    async with service() as (_, zra):
        await run(zra, manifest, tmp_path / "ledger", on_outcome=lambda _: seen.append(folder.exists()))
    assert seen == [True, True]
    assert not folder.exists()


async def test_the_analysis_is_waited_for(tmp_path: Path) -> None:
    """An item is done when its analysis is; what takes too long is told, and waited for again by the next run."""
    async with service(processing_seconds=0.5) as (sandbox, zra):
        given = [video(f"k{n}", n) for n in range(30)]
        report = await run(zra, given, tmp_path / "ledger", wait_for_analysis=True)
        assert report.counts == {"added": 30}
        assert not any(sandbox.world.processing(c) for c in sandbox.world.newest_first())
    async with service(processing_seconds=3600.0) as (sandbox, zra):
        short = Polling(first=0.05, longest=0.1, limit=0.2)
        report = await run(zra, given[:5], tmp_path / "two", wait_for_analysis=True, analysis=short)
        assert report.counts == {"unanalysed": 5}
        assert report.partial
        assert (await ingest_status(tmp_path / "two")).counts == {"unanalysed": 5}
        sandbox.clock.advance(3600)
        report = await run(zra, given[:5], tmp_path / "two", wait_for_analysis=True)
        assert (report.counts, report.sent) == ({"added": 5}, 0)
        assert (await run(zra, given[:5], tmp_path / "two")).counts == {"skipped": 5}


async def test_two_runs_on_one_ledger(tmp_path: Path) -> None:
    """The second run is refused while the first works, and the status can be read meanwhile."""
    async with service() as (sandbox, zra):
        sandbox.faults.add(Fault(operation="POST /conversations", delay=20.0))
        job = asyncio.create_task(run(zra, [video()], tmp_path / "ledger"))
        while not sandbox.faults.struck:
            await asyncio.sleep(0)
        with pytest.raises(errors.InUse):
            await run(zra, [video()], tmp_path / "ledger")
        [item] = (await ingest_status(tmp_path / "ledger")).items
        assert (item.key, item.state, item.step, item.begun) == ("a", "open", "add", True)
        leap(21)
        assert (await job).counts == {"added": 1}


async def test_an_ingest_that_is_cancelled_goes_on_later(tmp_path: Path) -> None:
    """Ctrl-C at any moment leaves a ledger from which the next run goes on, without a duplicate."""
    async with service(latency=0.01) as (sandbox, zra):
        rows = ingest_data.write_rows(tmp_path, 60)
        manifest = await check_manifest(ingest_data.write_manifest(tmp_path, rows))
        for requests in (0, 1, 7, 20, 45):
            before = sandbox.stats.operations.total()
            job = asyncio.create_task(run(zra, manifest, tmp_path / "ledger"))
            while sandbox.stats.operations.total() < before + requests:
                await asyncio.sleep(0)
            job.cancel()
            with pytest.raises(asyncio.CancelledError):
                await job
        assert not (await run(zra, manifest, tmp_path / "ledger")).partial
        ingest_data.check(sandbox, tmp_path, rows)


async def test_a_service_that_cannot_be_reached_ends_the_run_early(tmp_path: Path) -> None:
    """After twenty items in a row that did not get through, the rest is left for the next run."""
    async with service() as (sandbox, zra):
        given = [video(f"k{n}", n) for n in range(100)]
        sandbox.faults.add(Fault(operation="POST /files", status=503))
        async with sandbox.client(limits=FAST, retry=RetryPolicy.none()) as hasty:
            report = await run(hasty, given, tmp_path / "ledger", patience=Polling(first=0.01, longest=0.01))
        assert "20 items in a row" in report.stopped
        assert set(report.counts) == {"interrupted"}
        assert 20 <= report.counts["interrupted"] <= 20 + 16  # and those that were under way
        sandbox.faults.clear()
        report = await run(zra, given, tmp_path / "ledger")
        assert report.counts == {"added": 100}


@pytest.mark.parametrize("fault", [Fault(operation="POST /conversations", status=401), None])
async def test_what_makes_further_items_useless_is_raised(tmp_path: Path, fault: Fault | None) -> None:
    """A refused token, or a missing scope, ends the run at once."""
    scopes = None if fault else ("iq_conversation:read:admin",)
    async with service(scopes=scopes) as (sandbox, zra):
        if fault:
            sandbox.faults.add(fault)
        with pytest.raises(errors.AuthenticationFailed if fault else errors.MissingScopes):
            await run(zra, [video(f"k{n}", n) for n in range(50)], tmp_path / "ledger", concurrency=2)
        assert sandbox.stats.operations["POST /zra/files"] <= 6


async def test_a_failing_callback_costs_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Neither ``on_event`` nor ``on_outcome`` can break the ingest."""

    def deaf(_: object) -> None:
        raise RuntimeError("deaf")

    async with service() as (_, zra):
        given = [video(f"k{n}", n) for n in range(5)]
        report = await zra.ingest(iter(given), ledger=tmp_path / "ledger", on_event=deaf, on_outcome=deaf)
        assert report.counts == {"added": 5}
    assert len([r for r in caplog.records if "it is not called again" in r.message]) == 2


async def test_the_status_of_what_is_no_ledger(tmp_path: Path) -> None:
    """A missing file, another database and a text are refused."""
    (tmp_path / "text").write_text("text" * 1000)
    async with service() as (_, zra):
        await zra.crm.register(
            "x", deal_stages=[{"stage_name": k, "stage_type": k} for k in ("OPEN", "CLOSED_WON", "CLOSED_LOST")]
        )
        await zra.crm.import_all(leads=[], ledger=tmp_path / "crm")
        for name in ("missing", "text", "crm"):
            with pytest.raises(errors.LedgerError):
                await ingest_status(tmp_path / name)
        with pytest.raises(errors.LedgerError, match="something else"):
            await run(zra, [video()], tmp_path / "crm")
