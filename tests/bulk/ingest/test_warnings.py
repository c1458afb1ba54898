"""What an ingest warns of: attachments that the service would ignore, and a timeline that discards a transcript."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from tests.bulk.ingest import data as ingest_data
from tests.bulk.ingest.data import fields
from tests.bulk.ingest.service import run, service
from tests.files.test_attachments import GONG, META
from zra_async.bulk import IngestItem, check_manifest
from zra_async.bulk.ingest.manifest import COLUMNS
from zra_async.files.attachments import TIMELINE

SPEAKS = [{"start_time_in_recording": "00:00:01.000", "participants": [{"display_name": "Bob"}]}]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a.mp4").write_bytes(b"video")
    (tmp_path / "good.transcript.json").write_text(json.dumps(GONG))
    (tmp_path / "good.metadata.json").write_text(json.dumps(META))
    (tmp_path / "bad.json").write_bytes(b"hello")
    return tmp_path


def rows() -> list[dict[str, Any]]:
    """One row with nothing odd, one with a bad transcript, one with a timeline beside a good one."""
    base = {"recording": "a.mp4"}
    good = {"transcript": "good.transcript.json", "metadata": "good.metadata.json"}
    return [
        base | good | {"key": "good", **fields(0)},
        base | {"key": "bad", "transcript": "bad.json", **fields(1)},
        base | good | {"key": "timeline", **fields(2), "timeline": SPEAKS},
        base | {"key": "alone", **fields(3), "timeline": SPEAKS},
    ]


def check_warnings(warnings: Any, bad: object, timeline: object) -> None:
    """Just the two of them, each with its reason."""
    [(first, words), (second, timeline_words)] = warnings
    assert (first, second) == (bad, timeline)
    assert "is not JSON" in words
    assert timeline_words == TIMELINE


@pytest.mark.parametrize("name", ["manifest.jsonl", "manifest.csv"])
async def test_a_manifest_is_checked_for_them(folder: Path, name: str) -> None:
    """The warnings come with their lines, and keep nothing from being sent."""
    path = folder / name
    if name.endswith("csv"):
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(r | {"timeline": json.dumps(r["timeline"]) if "timeline" in r else ""} for r in rows())
        manifest = await check_manifest(path)
        check_warnings(manifest.warnings, 3, 4)
    else:
        manifest = await check_manifest(ingest_data.write_manifest(folder, rows(), name))
        check_warnings(manifest.warnings, 2, 3)
    assert manifest.problems == ()
    assert len([item async for item in manifest]) == 4


async def test_the_report_tells_them_by_key(folder: Path) -> None:
    """All items are added; the report has the warnings of those that were sent in this run."""
    manifest = await check_manifest(ingest_data.write_manifest(folder, rows()))
    async with service() as (_, zra):
        report = await run(zra, manifest, folder / "ledger", concurrency=1)
        assert report.counts == {"added": 4}
        assert not report.partial
        check_warnings(report.warnings, "bad", "timeline")
        assert (await run(zra, manifest, folder / "ledger")).warnings == ()


async def test_items_of_other_sources_are_looked_at_as_well(tmp_path: Path) -> None:
    """A transcript in memory is looked at when it is sent."""
    item = IngestItem("a", b"video", b"hello", file_name="a.mp4", conversation=fields(0, timeline=SPEAKS))
    async with service() as (_, zra):
        report = await run(zra, [item], tmp_path / "ledger")
    assert {key for key, _ in report.warnings} == {"a"}
    assert {text == TIMELINE for _, text in report.warnings} == {True, False}
