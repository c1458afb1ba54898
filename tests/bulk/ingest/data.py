"""Recordings to ingest, and the truth about what became of them in the sandbox."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from zra_async import Label, Rate
from zra_async.bulk import IngestItem, Polling

if TYPE_CHECKING:
    from zra_async.sandbox import Sandbox  # which a killed child does not need

FAST = {label: Rate(100_000) for label in Label}
START = datetime(2025, 3, 1, 9, tzinfo=UTC)
#: waits that suit a service on the same machine
SOON: dict[str, Polling] = {
    "analysis": Polling(first=0.05, longest=0.2, limit=500.0),
    "settle": Polling(first=0.05, factor=2.0, longest=0.2, limit=0.4),
    "patience": Polling(first=0.02, factor=2.0, longest=0.5),
}


def fields(number: int, **more: Any) -> dict[str, Any]:
    """The fields of a conversation: each has a topic and a start of its own."""
    start = START + timedelta(minutes=number)
    return {
        "conversation_type": "meeting",
        "meeting_start_time": start.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "conversation_topic": f"Call {number}",
        **more,
    }


def video(key: str = "a", number: int = 0, **more: Any) -> IngestItem:
    """An item of a few bytes, with the fields of the conversation ``number``."""
    return IngestItem(key, b"video " + key.encode(), file_name="a.mp4", conversation=fields(number, **more))


def write_rows(
    folder: Path, count: int, *, large: Iterable[int] = (), large_size: int = 12_000_000
) -> list[dict[str, Any]]:
    """Write the files of ``count`` items into ``folder`` and give the rows of their manifest.

    Sizes are mixed; every second item has a transcript, every third metadata.
    """
    draw = random.Random(11)
    big = set(large)
    rows = []
    for number in range(count):
        size = large_size if number in big else draw.choice([1, 300, 5_000, 70_000])
        row = {"key": f"item-{number}", "recording": f"{number}.mp4", **fields(number)}
        (folder / row["recording"]).write_bytes(draw.randbytes(size))
        if number % 2 == 0:
            row["transcript"] = f"{number}.json"
            (folder / row["transcript"]).write_bytes(msgspec.json.encode({"text": f"said {number}"}))
            row["source"] = ("gong", "chorus")[number % 4 // 2]
        if number % 3 == 0:
            row["metadata"] = f"{number}.metadata.json"
            (folder / row["metadata"]).write_bytes(msgspec.json.encode({"number": number}))
        rows.append(row)
    return rows


def write_manifest(folder: Path, rows: Sequence[dict[str, Any]], name: str = "manifest.jsonl") -> Path:
    """Write rows as JSONL."""
    path = folder / name
    path.write_bytes(b"".join(msgspec.json.encode(row) + b"\n" for row in rows))
    return path


def items(folder: Path, count: int) -> list[IngestItem]:
    """The items of ``write_rows``, by way of Python."""
    conversation = set(fields(0))
    return [
        IngestItem(
            row["key"],
            folder / row["recording"],
            folder / row["transcript"] if "transcript" in row else None,
            folder / row["metadata"] if "metadata" in row else None,
            row.get("source"),
            conversation={name: row[name] for name in conversation},
        )
        for row in write_rows(folder, count)
    ]


def added(sandbox: Sandbox) -> dict[str, list[str]]:
    """The file ids of all conversations that were added, by topic."""
    found: dict[str, list[str]] = {}
    for conversation in sandbox.world.newest_first():
        if conversation.number < 0:
            found.setdefault(conversation.topic, []).append(conversation.file_id)
    return found


def check(sandbox: Sandbox, folder: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Each row is exactly one conversation, with the bytes of its files and its attachments in their order."""
    found = added(sandbox)
    assert sorted(found) == sorted(row["conversation_topic"] for row in rows)
    for row in rows:
        file_ids = found[row["conversation_topic"]]
        assert len(file_ids) == 1, f"{row['key']} is {len(file_ids)} conversations"
        main = sandbox.account.files.find(file_ids[0])
        assert main is not None
        assert same(main, folder / row["recording"]), row["key"]
        attached = [sandbox.account.files.find(file_id) for file_id in main.attachments]
        wanted = [kind for kind in ("transcript", "metadata") if kind in row]
        assert [one and one.kind for one in attached] == wanted, row["key"]
        for kind, one in zip(wanted, attached, strict=True):
            assert one is not None
            assert same(one, folder / row[kind])
            assert one.source == (2 if row.get("source") == "chorus" else 1)


def same(stored: Any, path: Path) -> bool:
    """Whether the sandbox has the bytes of a file, part by part."""
    data, position = path.read_bytes(), 0
    for part in stored.parts:
        piece = data[position : position + part.size]
        position += part.size
        if hashlib.sha256(piece).hexdigest() != part.sha256:
            return False
    return position == len(data) == stored.size
