"""Manifests are checked completely, and every bad row is named by its line, before the first byte is sent."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from tests.bulk.ingest import data as ingest_data
from zra_async.bulk import CloudRecording, IngestItem, Manifest, check_manifest
from zra_async.bulk.ingest.manifest import COLUMNS
from zra_async.errors import InvalidArgument

GOOD: dict[str, Any] = {"key": "a", "recording": "a.mp4", **ingest_data.fields(0)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.mp4", "b.MOV", "a.json", "a.metadata.json", "a.vtt"):
        (tmp_path / name).write_bytes(b"content of " + name.encode())
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "notes.txt").write_bytes(b"text")
    return tmp_path


async def given_out(manifest: Manifest) -> list[Any]:
    return [item async for item in manifest]


async def test_a_good_manifest_gives_its_items(folder: Path) -> None:
    """Paths begin at the manifest's folder, addresses and cloud recordings are taken as they are."""
    rows = [
        GOOD | {"transcript": "a.json", "metadata": "a.metadata.json", "source": "chorus", "file_name": None},
        {"key": "b", "recording": str(folder / "b.MOV"), "transcript": "a.vtt", **ingest_data.fields(1)},
        {"key": "c", "recording": "HTTPS://files.example/c.mp4?s=1", **ingest_data.fields(2)},
        {"key": "d", "user_id": "me", "meeting_uuid": "m=="},
        {"key": "e", "user_id": "me", "recording_link": "https://zoom.example/rec/x"},
    ]
    manifest = await check_manifest(ingest_data.write_manifest(folder, rows))
    assert manifest.problems == ()
    assert (len(manifest), manifest.items, manifest.files) == (5, 5, 5)
    assert manifest.bytes == sum(
        (folder / n).stat().st_size for n in ("a.mp4", "a.json", "a.metadata.json", "b.MOV", "a.vtt")
    )
    first, second, third, fourth, fifth = await given_out(manifest)
    assert first == IngestItem(
        "a", str(folder / "a.mp4"), str(folder / "a.json"), str(folder / "a.metadata.json"), "chorus",
        conversation=ingest_data.fields(0),
    )  # fmt: skip
    assert second.recording == str(folder / "b.MOV")
    assert third.recording == "HTTPS://files.example/c.mp4?s=1"
    assert fourth == CloudRecording("d", "me", meeting_uuid="m==")
    assert fifth == CloudRecording("e", "me", recording_link="https://zoom.example/rec/x")
    assert await given_out(manifest) == [first, second, third, fourth, fifth]  # as often as you like


async def test_csv_and_jsonl_are_the_same_manifest(folder: Path) -> None:
    """Participants in a cell become people, a timeline is JSON, and empty cells are not there."""
    people = [{"display_name": "Ann Ö", "email": "ann@x.example"}, {"display_name": "Bob"}]
    timeline = [{"start_time_in_recording": "00:00:01.000", "participants": [{"display_name": "Bob"}]}]
    row = GOOD | {"participants": people, "timeline": timeline, "primary_language": "de"}
    jsonl = await check_manifest(ingest_data.write_manifest(folder, [row]))
    with (folder / "m.csv").open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        cell = '[{"start_time_in_recording":"00:00:01.000","participants":[{"display_name":"Bob"}]}]'
        writer.writerow(row | {"participants": "Ann Ö <ann@x.example>; Bob", "timeline": cell})
    from_csv = await check_manifest(folder / "m.csv")
    assert jsonl.problems == from_csv.problems == ()
    assert await given_out(jsonl) == await given_out(from_csv)


BAD: list[tuple[Any, str]] = [
    (GOOD | {"key": ""}, "key must not be empty"),
    ({name: value for name, value in GOOD.items() if name != "key"}, "key must not be empty"),
    (GOOD | {"key": 7}, "key must be a text"),
    (GOOD | {"recording": "missing.mp4"}, "No such file"),
    (GOOD | {"recording": "empty.mp4"}, "has 0 bytes"),
    (GOOD | {"recording": "notes.txt"}, "not a video"),
    (GOOD | {"recording": "."}, "not a"),
    (GOOD | {"recording": "http://"}, "with a host"),
    (GOOD | {"transcript": "missing.json"}, "transcript: "),
    (GOOD | {"transcript": "notes.txt"}, "must be a .json file"),
    (GOOD | {"transcript": "a.metadata.json"}, "transcript: 'a.metadata.json' is none"),
    (GOOD | {"transcript": "a.vtt", "source": "gong"}, "one request"),
    (GOOD | {"source": "gong"}, "there is none"),
    (GOOD | {"source": "zoom", "transcript": "a.json"}, "source_system must be one of gong, chorus"),
    (GOOD | {"meeting_start_time": "yesterday"}, "meeting_start_time"),
    (GOOD | {"meeting_start_time": "2025-01-01T10:00:00"}, "aware"),
    (GOOD | {"conversation_type": "email"}, "conversation_type"),
    (GOOD | {"conversation_topic": " "}, "conversation_topic must not be empty"),
    (GOOD | {"participants": "Ann"}, "participants"),
    (GOOD | {"participants": [{"display_name": "A"}] * 201}, "at most 200"),
    (GOOD | {"colour": "red"}, "unknown: colour"),
    (GOOD | {"user_id": "me"}, "cannot go with a recording"),
    ({"key": "a", **ingest_data.fields(0)}, "recording is missing"),
    ({"key": "a", "user_id": "me"}, "give recording_link or meeting_uuid"),
    ({"key": "a", "user_id": "me", "meeting_uuid": "m", "deal_id": "d"}, "nothing else"),
]


@pytest.mark.parametrize(("row", "words"), BAD)
async def test_each_bad_row_is_told_with_its_line(folder: Path, row: Any, words: str) -> None:
    """A bad row between two good ones is the only problem, on its own line, in its own words."""
    rows = [GOOD | {"key": "first"}, row, GOOD | {"key": "last"}]
    manifest = await check_manifest(ingest_data.write_manifest(folder, rows))
    [(line, reason)] = manifest.problems
    assert line == 2
    assert words in reason
    with pytest.raises(InvalidArgument, match="1 bad rows; the first is line 2"):
        await given_out(manifest)


async def test_all_bad_rows_are_told_at_once(folder: Path) -> None:
    """Lines that are not JSON, keys that were there before, and wrong fields: each once, in order."""
    path = ingest_data.write_manifest(folder, [GOOD, GOOD | {"key": "b"}])
    content = path.read_bytes().splitlines()
    path.write_bytes(b"\n".join([content[0], b"{", b"", content[0], b'{"key":"c"}', content[1], content[1]]))
    manifest = await check_manifest(path)
    assert [line for line, _ in manifest.problems] == [2, 4, 5, 7]
    reasons = [reason for _, reason in manifest.problems]
    assert "not JSON" in reasons[0]
    assert reasons[1] == "the key 'a' is that of line 1, too"
    assert reasons[3] == "the key 'b' is that of line 6, too"


async def test_a_manifest_that_cannot_be_read_at_all(folder: Path) -> None:
    """A wrong header, another suffix and a missing file are refused."""
    (folder / "wrong.csv").write_text("key,recording,colour\na,a.mp4,red\n")
    for name in ("wrong.csv", "missing.jsonl", "a.mp4"):
        with pytest.raises(InvalidArgument):
            await check_manifest(folder / name)


async def test_an_empty_manifest_is_a_manifest(folder: Path) -> None:
    """Nothing to do is no problem."""
    (folder / "none.jsonl").write_text("\n\n")
    manifest = await check_manifest(folder / "none.jsonl")
    assert (manifest.items, manifest.problems, await given_out(manifest)) == (0, (), [])
