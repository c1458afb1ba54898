"""An ingest in a process of its own: killed at every kind of step, again and again, and measured."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.bulk.ingest import child as ingest_child
from tests.bulk.ingest import data as ingest_data
from tests.children import Arrival, Step, die, finish
from zra_async.bulk import ingest_status
from zra_async.sandbox import Sandbox

pytestmark = pytest.mark.slow

COUNT, LARGE = 1_000, (50, 400, 730)


async def child(sandbox: Sandbox, manifest: Path, ledger: Path) -> asyncio.subprocess.Process:
    env = os.environ | sandbox.environment() | {"PYTHONPATH": str(Path(__file__).parents[3])}
    command = [sys.executable, "-m", "tests.bulk.ingest.child", str(manifest), str(ledger)]
    return await asyncio.create_subprocess_exec(*command, env=env, stdout=asyncio.subprocess.PIPE)


async def finished(process: asyncio.subprocess.Process) -> dict[str, Any]:
    output, _ = await process.communicate()
    assert process.returncode == 0
    return msgspec.json.decode(output)  # type: ignore[no-any-return]


#: one after the other with the same ledger; the files of the large items are written and sent in parts
INSTANTS = [
    Step("statement", 1),
    Step("statement", 12),
    Step("answer", 1),
    Arrival("POST /files", 6),
    Step("statement", 60),
    Arrival("POST /conversations", 1),
    Step("answer", 40),
    Step("replace", 1),  # the first large file: its journal is not there yet
    Step("replace", 1, "after"),
    Arrival("POST /files/multipart", 1),
    Step("fsync", 1),
    Step("replace", 1, "after"),
    Arrival("POST /files/multipart/upload_events", 1),
    Step("statement", 200),
    Arrival("POST /files", 90),
    Step("answer", 150),
    Step("fsync", 1, "after"),  # the second one
    Step("replace", 2),
    Arrival("POST /conversations", 70),
    Step("statement", 700),
    Step("replace", 2, "after"),  # the third one
    Step("fsync", 2),
    Arrival("POST /conversations", 30),
]


async def test_killed_at_more_than_twenty_instants(tmp_path: Path) -> None:
    """A thousand items, some in parts: each is exactly one conversation, byte by byte, attachments in order."""
    rows = ingest_data.write_rows(tmp_path, COUNT, large=LARGE, large_size=33_000_000)
    given = str(ingest_data.write_manifest(tmp_path, rows)), str(tmp_path / "ledger")
    under_way = 0
    async with Sandbox(conversations=10, limits=False) as sandbox:
        for instant in INSTANTS:
            await die(instant, sandbox, ingest_child.run, *given)
            if not isinstance(instant, Step) or instant.name != "statement":  # the first of these made the ledger
                status = await ingest_status(tmp_path / "ledger")
                under_way += sum(item.begun for item in status.items)
        report = await finish(sandbox, ingest_child.run, *given)
        assert report["problems"] == []
        assert under_way >= len(INSTANTS)  # the kills struck in the middle of steps
        assert sum(report["counts"].values()) == COUNT
        ingest_data.check(sandbox, tmp_path, rows)
        assert not (tmp_path / "ledger.uploads").exists()
        again = await finish(sandbox, ingest_child.run, *given)
        assert again["counts"] == {"skipped": COUNT}
        assert again["sent"] == 0


async def test_memory_and_handles_do_not_grow_with_the_items(tmp_path: Path) -> None:
    """Ten times as many items need neither more memory nor more open files."""
    reports = []
    for count in (100, 1_000):
        folder = tmp_path / str(count)
        folder.mkdir()
        rows = ingest_data.write_rows(folder, count)
        async with Sandbox(conversations=10, limits=False) as sandbox:
            manifest = ingest_data.write_manifest(folder, rows)
            reports.append(await finished(await child(sandbox, manifest, folder / "ledger")))
            assert reports[-1]["counts"] == {"added": count}
    few, many = reports
    assert many["peak_kib"] < few["peak_kib"] * 1.1
    assert max(few["handles"], many["handles"]) < 64
