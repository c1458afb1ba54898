"""An ingest in a process of its own: killed at any instant, again and again, and measured."""

from __future__ import annotations

import asyncio
import os
import random
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.bulk import ingest_data
from zra_async.bulk import ingest_status
from zra_async.sandbox import Sandbox

COUNT, LARGE, KILLS = 1_000, (50, 400, 730), 20


async def child(sandbox: Sandbox, manifest: Path, ledger: Path) -> asyncio.subprocess.Process:
    env = os.environ | sandbox.environment() | {"PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-m", "tests.bulk.ingest_child", str(manifest), str(ledger)]
    return await asyncio.create_subprocess_exec(*command, env=env, stdout=asyncio.subprocess.PIPE)


async def finished(process: asyncio.subprocess.Process) -> dict[str, Any]:
    output, _ = await process.communicate()
    assert process.returncode == 0
    return msgspec.json.decode(output)  # type: ignore[no-any-return]


@pytest.mark.timeout(180)  # twenty interpreters start
async def test_killed_at_twenty_random_instants(tmp_path: Path) -> None:
    """A thousand items, some in parts: each is exactly one conversation, byte by byte, attachments in order."""
    rows = ingest_data.write_rows(tmp_path, COUNT, large=LARGE, large_size=33_000_000)
    manifest, ledger = ingest_data.write_manifest(tmp_path, rows), tmp_path / "ledger"
    draw = random.Random(20)
    killed = under_way = 0
    async with Sandbox(conversations=10, limits=False, latency=0.004) as sandbox:
        for _ in range(KILLS):
            process = await child(sandbox, manifest, ledger)
            while not ledger.exists() and process.returncode is None:
                await asyncio.sleep(0.02)
            await asyncio.sleep(0.3 + draw.random() * 0.5)
            if process.returncode is None:
                process.kill()
                killed += 1
            await process.wait()
            status = await ingest_status(ledger)
            under_way += sum(item.begun for item in status.items)
        report = await finished(await child(sandbox, manifest, ledger))
        assert (killed, report["problems"]) == (KILLS, [])
        assert under_way >= KILLS  # the kills struck in the middle of steps
        assert sum(report["counts"].values()) == COUNT
        ingest_data.check(sandbox, tmp_path, rows)
        assert not (tmp_path / "ledger.uploads").exists()
        again = await finished(await child(sandbox, manifest, ledger))
        assert again["counts"] == {"skipped": COUNT}
        assert again["sent"] == 0


@pytest.mark.timeout(120)
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
