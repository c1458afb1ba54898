"""Streams that the account may not read cost no other stream, and streams that are added are read alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.bulk.export.account import account, quick_disk  # noqa: F401
from tests.bulk.export.truth import Truth, current
from zra_async import errors
from zra_async.bulk import read_stream
from zra_async.sandbox import Fault

COUNT = 30
SCORECARDS = "GET /conversations/{conversationId}/scorecards"
SCOPES = {"code": 4711, "message": "Invalid access token, does not contain scopes:[zra:read:scorecards:admin]"}


def refusal(operation: str = SCORECARDS, *, scopes: bool = False, **options: Any) -> Fault:
    """Return the refusal of an operation."""
    if scopes:
        return Fault(operation=operation, status=400, body=SCOPES, **options)
    return Fault(operation=operation, status=403, **options)


@pytest.mark.parametrize("scopes", [False, True])
async def test_a_refused_stream_costs_no_other(tmp_path: Path, *, scopes: bool) -> None:
    """All other streams are exported, report and manifest name it, and the next run that may read it reads it alone."""
    async with account(COUNT, faults=[refusal(scopes=scopes)]) as (sandbox, zra):
        calls = sandbox.stats.operations
        report = await zra.export(tmp_path, streams="conversations,scorecards,comments", concurrency=2)
        assert (report.units["conversation"].done, report.failed, report.partial) == (COUNT, 0, True)
        assert [(refused.stream, refused.units) for refused in report.refused_streams] == [("scorecards", COUNT)]
        manifest = json.loads((tmp_path / "manifest.json").read_bytes())
        assert [refused["stream"] for refused in manifest["refused_streams"]] == ["scorecards"]
        assert calls[f"{SCORECARDS[:4]}/zra{SCORECARDS[4:]}"] < 10  # it is closed after a few refusals
        sandbox.faults.clear()
        before = calls.total()
        second = await zra.export(tmp_path, streams="conversations,scorecards,comments")
        assert (second.partial, second.refused_streams) == (False, ())
        assert calls.total() - before <= COUNT + 3
        current(Truth(sandbox), tmp_path, "conversations,scorecards,comments")


async def test_a_list_that_is_refused_costs_no_other(tmp_path: Path) -> None:
    """Without the right to list deals, conversations are exported; without any right the error is raised."""
    async with account(3, faults=[refusal("GET /deals"), refusal("GET /teams")]) as (_, zra):
        report = await zra.export(tmp_path, streams="conversations,deals,deal_activities,playlists")
        assert report.units["conversation"].done == 3
        assert [refused.stream for refused in report.refused_streams] == ["deals", "deal_activities", "playlists"]
        with pytest.raises(errors.PermissionDenied):
            await zra.export(tmp_path / "other", streams="deals")


async def test_records_without_a_refused_stream() -> None:
    """An iterator gives the other streams, and then says which one is missing."""
    async with account(3, faults=[refusal()]) as (_, zra):
        stream = zra.export_records(streams="conversations,scorecards")
        with pytest.raises(errors.ExportIncomplete, match="scorecards"):
            assert [name async for name, _ in stream] == ["conversations"] * 3


async def test_what_was_written_before_a_refusal_stays(tmp_path: Path) -> None:
    """A stream that is refused later keeps its records, also where the rest of the unit is written anew."""
    async with account(COUNT) as (sandbox, zra):
        await zra.export(tmp_path, streams="conversations,scorecards")
        cards = list(read_stream(tmp_path, "scorecards"))
        assert cards
        sandbox.faults.add(refusal())
        report = await zra.export(tmp_path, streams="conversations,scorecards", incremental=False)
        assert report.refused_streams[0].units == COUNT
        assert list(read_stream(tmp_path, "scorecards")) == cards


async def test_a_stream_that_is_added_is_read_alone(tmp_path: Path) -> None:
    """It costs its own calls, the older streams are neither read nor written, and the folder is complete."""
    async with account(COUNT) as (sandbox, zra):
        await zra.export(tmp_path, streams="conversations,transcripts,deals")
        before = sandbox.stats.operations.copy()
        report = await zra.export(tmp_path, streams="conversations,transcripts,deals,comments,deal_activities")
        made = sandbox.stats.operations - before
        assert set(report.records) == {"comments", "deal_activities", "units"}
        assert made["GET /zra/conversations/{conversationId}"] == made["GET /zra/deals/{dealId}"] == 0
        assert made["GET /zra/conversations/{conversationId}/comments"] == COUNT
        current(Truth(sandbox), tmp_path, "conversations,transcripts,deals,comments,deal_activities")
        again = await zra.export(tmp_path, streams="conversations,transcripts,deals,comments,deal_activities")
        assert again.units["conversation"].skipped == COUNT
