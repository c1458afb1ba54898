"""An ingest whose machine and service do not agree on the time: no item is added twice, and none is lost."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.bulk.ingest import data as ingest_data
from tests.bulk.ingest.data import fields, video
from tests.bulk.ingest.service import run, service
from zra_async import Label, Rate
from zra_async.bulk import IngestItem, ingest_status
from zra_async.bulk.polling import Polling
from zra_async.errors import LedgerError
from zra_async.sandbox import Clock, Fault

YEAR = 365 * 86_400.0
APART = [-20 * YEAR, -2 * 86_400.0, -400.0, 400.0, 2 * 86_400.0, 20 * YEAR]


def clock(apart: float) -> Clock:
    """The clock of a service that differs from this machine's."""
    return Clock(datetime.now(UTC) + timedelta(seconds=apart))


def linked(key: str = "a") -> IngestItem:
    """An item that the service fetches itself, so that nothing is sent before its addition."""
    return IngestItem(key, "https://example.com/a.mp4", conversation=fields(0))


@pytest.mark.parametrize("item", [video(), linked()], ids=["uploaded", "linked"])
@pytest.mark.parametrize("apart", APART)
async def test_an_addition_in_doubt_is_found_whatever_the_clocks_say(
    tmp_path: Path, apart: float, item: IngestItem
) -> None:
    """A lost answer, an analysis that has ended at once, and a second run: one POST, one conversation."""
    async with service(clock=clock(apart), processing_seconds=0.0) as (sandbox, zra):
        sandbox.faults.add(Fault(operation="POST /conversations", lose_answer=True, times=1))
        assert (await run(zra, [item], tmp_path / "ledger")).counts == {"added": 1}
        assert (await run(zra, [item], tmp_path / "ledger")).counts == {"skipped": 1}
    assert sandbox.stats.operations["POST /zra/conversations"] == 1
    assert len(ingest_data.added(sandbox)["Call 0"]) == 1


@pytest.mark.parametrize("apart", APART)
async def test_the_next_process_finds_what_this_one_has_added(tmp_path: Path, apart: float) -> None:
    """A run is stopped before it could look; another process with another clock looks up, and sends nothing."""
    async with service(clock=clock(apart), processing_seconds=0.0) as (sandbox, zra):
        sandbox.faults.add(Fault(operation="POST /conversations", lose_answer=True, times=1))
        sandbox.faults.add(Fault(operation="GET /conversations", status=400))
        await run(zra, [video()], tmp_path / "ledger")
        sandbox.faults.clear()
        async with sandbox.client() as other:
            assert (await run(other, [video()], tmp_path / "ledger")).counts == {"added": 1}
        assert sandbox.stats.operations["POST /zra/conversations"] == 1
        assert len(ingest_data.added(sandbox)["Call 0"]) == 1


@pytest.mark.parametrize("apart", APART)
async def test_an_old_conversation_is_not_taken_for_a_new_one(tmp_path: Path, apart: float) -> None:
    """One that looks the same and was analysed an hour before is another one, so that the lost item is sent again."""
    async with service(clock=clock(apart)) as (sandbox, zra):
        assert (await run(zra, [video("old")], tmp_path / "first")).counts == {"added": 1}
        [old] = [c for c in sandbox.world.newest_first() if c.number < 0]
        sandbox.world.delete(old)
        sandbox.world.add(old._replace(ready_at=1.0, processed=int(sandbox.clock.time()) - 3_600))
        sandbox.faults.add(Fault(operation="POST /conversations", reset="after", times=1))
        assert (await run(zra, [linked("new")], tmp_path / "second")).counts == {"added": 1}
        assert len(ingest_data.added(sandbox)["Call 0"]) == 2


@pytest.mark.parametrize("jump", [-YEAR, -3_600.0, 3_600.0, YEAR])
async def test_a_clock_that_jumps_under_way_changes_nothing(
    tmp_path: Path, jump: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This machine's clock is set after the addition, before its look-up and during the wait for the analysis."""
    shift = 0.0
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + shift)
    async with service(processing_seconds=0.0) as (sandbox, zra):
        sandbox.faults.add(Fault(operation="POST /conversations", lose_answer=True, times=1))

        def set_clock(_: Any) -> None:
            nonlocal shift
            shift = jump

        report = await run(
            zra,
            [video(), linked("b")],
            tmp_path / "ledger",
            concurrency=1,
            wait_for_analysis=True,
            on_outcome=set_clock,
        )
        assert report.counts == {"added": 2}
        assert sandbox.stats.operations["POST /zra/conversations"] == 2


async def test_an_analysis_that_an_earlier_clock_put_off_is_asked_after_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that ended with its items waiting leaves no time to the next, whose clock began anew."""
    never = Polling(first=3_600.0, longest=3_600.0, limit=7_200.0)
    async with service(processing_seconds=0.0) as (_, zra):
        first = asyncio.ensure_future(run(zra, [video()], tmp_path / "ledger", wait_for_analysis=True, analysis=never))
        while (await _counts(tmp_path / "ledger")).get("waiting") != 1:
            await asyncio.sleep(0.01)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        report = await run(zra, [video()], tmp_path / "ledger", wait_for_analysis=True)
        assert report.counts == {"added": 1}


@pytest.mark.parametrize("fit", [True, False], ids=["fit", "unfit by now"])
async def test_an_item_whose_analysis_ends_before_its_turn_has_one_outcome(tmp_path: Path, fit: bool) -> None:
    """The analysis of an item from an earlier run may end before the item is taken: it is told once."""
    never = Polling(first=3_600.0, longest=3_600.0, limit=7_200.0)
    async with service(processing_seconds=0.0) as (_, zra):
        first = asyncio.ensure_future(run(zra, [video()], tmp_path / "ledger", wait_for_analysis=True, analysis=never))
        while (await _counts(tmp_path / "ledger")).get("waiting") != 1:
            await asyncio.sleep(0.01)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first

        async def late() -> AsyncIterator[IngestItem]:
            while (await _counts(tmp_path / "ledger")).get("done") != 1:
                await asyncio.sleep(0.01)
            yield video() if fit else replace(video(), recording=str(tmp_path / "gone.mp4"))

        report = await run(zra, late(), tmp_path / "ledger", wait_for_analysis=True)
        assert report.counts == {"added": 1}


async def _counts(ledger: Path) -> dict[Any, int]:
    with contextlib.suppress(LedgerError):  # which it is while it is being made
        return dict((await ingest_status(ledger)).counts)
    return {}


@pytest.mark.parametrize("year", [2021, 2036])
async def test_the_day_of_the_budget_is_the_services(tmp_path: Path, year: int) -> None:
    """What earlier runs have planned counts for the service's day, and the report names its midnight."""
    tight = ingest_data.FAST | {Label.FILES: Rate(100, per_day=2)}
    given = [video(f"k{n}", n) for n in range(4)]
    noon = Clock(datetime(year, 5, 5, 12, tzinfo=UTC))
    async with service(clock=noon, limits=tight, redirect_status=0) as (sandbox, zra):
        report = await run(zra, given, tmp_path / "ledger")
        assert report.counts == {"added": 2, "deferred": 2}
        assert report.resets_at == datetime(year, 5, 6, tzinfo=UTC)
        async with sandbox.client(limits=tight) as other:
            assert (await run(other, given, tmp_path / "ledger")).counts == {"skipped": 2, "deferred": 2}
