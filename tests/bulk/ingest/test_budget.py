"""What the file host takes in a day is planned for: what does not fit waits, or is left with a time to go on."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.bulk.ingest import data as ingest_data
from tests.bulk.ingest.data import FAST
from tests.bulk.ingest.service import LIMIT, run
from zra_async import Label, LocalRateLimiter, Rate, RetryPolicy, ZRAClient
from zra_async.api.files.operations import UPLOAD_PART
from zra_async.bulk import IngestItem
from zra_async.bulk.ingest import budget as budgets
from zra_async.bulk.ingest.budget import Budget, requests_of
from zra_async.bulk.ingest.item import FileStep
from zra_async.config import Transfers
from zra_async.core.limits import Lane
from zra_async.files.plan import plan_parts
from zra_async.results.uploads import Fingerprint, StoredPart, UploadState
from zra_async.sandbox import Clock, Fault, Sandbox

NOON = datetime(2025, 5, 5, 12, tzinfo=UTC)


def file(size: int | None, name: str = "a.mp4", step: str = "main", source: Any = None) -> FileStep:
    return FileStep(step, b"", name, source, size, "")


def test_requests_are_counted_by_the_plan_of_the_parts() -> None:
    """One for a small file; for a large one its parts, creation and completion, and one for a redirect."""
    assert requests_of(file(LIMIT), LIMIT, 2_000, None) == {"FILES": 1}
    assert requests_of(file(400_000_000), LIMIT, 2_000, None) == {"MULTIPART": len(plan_parts(400_000_000)) + 3}
    assert requests_of(file(10, "a.vtt", "transcript"), LIMIT, 2_000, None) == {"MULTIPART": 4}
    assert requests_of(file(9_000_000, "transcript.json", "transcript", "gong"), LIMIT, None, None) == {"FILES": 1}
    assert requests_of(file(None), LIMIT, 2_000, None) == {}
    begun = UploadState(
        file_name="a.mp4",
        fingerprint=Fingerprint(size=400_000_000, mtime_ns=0, sample=""),
        part_size=100_000_000,
        upload_context="context",
        created=NOON,
        parts=(StoredPart(number=1, etag="e"),),
    )
    assert requests_of(file(400_000_000), LIMIT, 2_000, begun) == {"MULTIPART": 3 + 2}


async def test_a_day_is_filled_and_not_overdrawn() -> None:
    """What was used, what earlier runs have planned and what is planned now count together, until midnight."""
    now = [NOON]
    limits = LocalRateLimiter(overrides={Label.MULTIPART: Rate(100, per_day=20)}, clock=lambda: now[0])
    budget = Budget(limits, lambda: now[0])
    budget.take_over({"MULTIPART": 5})
    assert budget.take({"FILES": 1}, limits.snapshot()) == {}  # no limit by the day
    assert budget.take({"MULTIPART": 10, "FILES": 1}, limits.snapshot()) == {"MULTIPART": 10}
    assert budget.take({"MULTIPART": 6}, limits.snapshot()) is None
    assert budget.take({"MULTIPART": 5}, limits.snapshot()) == {"MULTIPART": 5}
    assert budget.take({"MULTIPART": 1}, limits.snapshot()) is None
    assert budget.take({}, limits.snapshot()) == {}
    assert budget.resets_at == datetime(2025, 5, 6, tzinfo=UTC)
    assert budget.seconds_until(budget.resets_at) == pytest.approx(12 * 3600, abs=2)
    now[0] += timedelta(days=1)
    assert budget.take({"MULTIPART": 50}, limits.snapshot()) == {
        "MULTIPART": 50
    }  # more than any day has: it begins on a fresh one
    assert budget.take({"MULTIPART": 1}, limits.snapshot()) is None


async def test_what_others_have_used_counts() -> None:
    """Requests that the limiter has seen, of repeats or of other uploads, are not planned over."""
    limits = LocalRateLimiter(overrides={Label.MULTIPART: Rate(100, per_day=10)}, clock=lambda: NOON)
    budget = Budget(limits, lambda: NOON)
    for _ in range(8):
        permit = await limits.acquire(UPLOAD_PART, Lane.BULK, None)
        permit.sent()
        permit.release()
    assert budget.take({"MULTIPART": 3}, limits.snapshot()) is None
    assert budget.take({"MULTIPART": 2}, limits.snapshot()) == {"MULTIPART": 2}


def some(count: int, large: set[int], folder: Path) -> list[IngestItem]:
    rows = ingest_data.write_rows(folder, count, large=large, large_size=7_000_000)
    return [
        IngestItem(row["key"], folder / row["recording"], conversation=ingest_data.fields(n))
        for n, row in enumerate(rows)
    ]


def client(sandbox: Sandbox, limits: Any) -> ZRAClient:
    transfers = Transfers(single_upload_limit=LIMIT)
    return sandbox.client(limits=limits, retry=RetryPolicy(base=0.02), transfers=transfers)


async def test_what_fits_today_is_sent_and_the_rest_left_with_a_time(tmp_path: Path) -> None:
    """Four large files of four requests fit into 17, small ones go on, and the next process knows what was used."""
    given = some(20, set(range(6)), tmp_path)
    async with Sandbox(conversations=10, limits=False) as sandbox:
        tight = FAST | {Label.MULTIPART: Rate(100, per_day=17)}
        for expected in ({"added": 18, "deferred": 2}, {"skipped": 18, "deferred": 2}):
            async with client(sandbox, tight) as zra:
                report = await run(zra, given, tmp_path / "ledger")
            assert report.counts == expected
            assert report.resets_at is not None
            assert timedelta(0) < report.resets_at - datetime.now(UTC) <= timedelta(days=1)
            assert (report.resets_at.hour, report.resets_at.minute, report.partial) == (0, 0, True)
        multipart = sum(n for name, n in sandbox.stats.operations.items() if name.startswith("POST /zra/files/multi"))
        assert multipart == 12
        async with client(sandbox, FAST) as zra:
            assert (await run(zra, given, tmp_path / "ledger")).counts == {"added": 2, "skipped": 18}


async def test_a_run_can_wait_for_the_next_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With ``wait`` what does not fit is sent after midnight, by the same call."""
    monkeypatch.setattr(budgets, "_AFTER_MIDNIGHT", 0.02)
    tight = FAST | {Label.MULTIPART: Rate(100, per_day=9)}
    given = some(8, {0, 1, 2}, tmp_path)
    evening = Clock(datetime(2025, 5, 5, 23, 59, 59, tzinfo=UTC))
    async with Sandbox(conversations=10, limits=False, clock=evening) as sandbox, client(sandbox, tight) as zra:
        report = await run(zra, given, tmp_path / "ledger", daily_budget="wait")
        assert (report.counts, report.partial) == ({"added": 8}, False)
        assert evening.now().date() == date(2025, 5, 6)


async def test_a_day_that_others_have_used_up_puts_a_file_off(tmp_path: Path) -> None:
    """When the service says that the day is over, the item is left with its journal, and small files go on."""
    over = Fault(
        operation="POST /files/multipart",
        status=429,
        body={"code": 429, "message": "You have reached the maximum daily rate limit for this API."},
        headers={"X-RateLimit-Type": "Daily-limit", "X-RateLimit-Limit": "2000", "X-RateLimit-Remaining": "0"},
        retry_after="iso",
        retry_seconds=3_600,
    )
    given = some(6, {1}, tmp_path)
    async with Sandbox(conversations=10, limits=False) as sandbox:
        sandbox.faults.add(over)
        async with client(sandbox, FAST) as zra:
            report = await run(zra, given, tmp_path / "ledger", concurrency=1)
        assert report.counts == {"added": 5, "deferred": 1}
        assert report.resets_at is not None
        assert 3_000 < (report.resets_at - datetime.now(UTC)).total_seconds() <= 3_600
        sandbox.faults.clear()
        async with client(sandbox, FAST) as zra:
            assert (await run(zra, given, tmp_path / "ledger")).counts == {"added": 1, "skipped": 5}
        [upload] = sandbox.account.files.uploads()
        assert upload.file_id


async def test_a_day_without_additions_stops_the_run(tmp_path: Path) -> None:
    """When conversations cannot be added any more, the rest is not even begun."""
    given = some(40, set(), tmp_path)
    async with Sandbox(conversations=10, limits=False) as sandbox:
        async with client(sandbox, FAST | {Label.MEDIUM: Rate(100, per_day=5)}) as zra:
            report = await run(zra, given, tmp_path / "ledger", concurrency=2)
        assert report.counts == {"added": 5, "deferred": report.counts["deferred"]}
        assert report.counts["deferred"] <= 2
        assert "used up" in report.stopped
        assert report.resets_at is not None
        async with client(sandbox, FAST) as zra:
            report = await run(zra, given, tmp_path / "ledger")
        assert report.counts == {"added": 35, "skipped": 5}
        assert sandbox.stats.operations["POST /zra/files"] == 40


async def test_parts_of_all_items_share_the_clients_slots(tmp_path: Path) -> None:
    """However many items are under way, no more parts are sent at once than the client allows."""
    given = some(12, set(range(12)), tmp_path)
    busy, most, several = 0, 0, asyncio.Event()
    async with Sandbox(conversations=10, limits=False) as sandbox, client(sandbox, FAST) as zra:
        files = sandbox.account.files
        add_part = files.add_part

        async def stored(context: str, number: int, received: Any) -> Any:
            nonlocal busy, most
            busy += 1
            most = max(most, busy)
            if most > 1:
                several.set()
            await several.wait()  # the first waits for another
            await asyncio.sleep(0.03)
            busy -= 1
            return await add_part(context, number, received)

        files.add_part = stored  # type: ignore[method-assign]
        report = await run(zra, given, tmp_path / "ledger", concurrency=12)
        assert report.counts == {"added": 12}
        assert 2 <= most <= 4
