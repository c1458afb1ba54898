"""Exports that are killed with SIGKILL, from outside at any instant and from inside at every kind of step."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import random
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tests.bulk import export_child
from tests.bulk.export_truth import EVERY_STREAM, Truth, compare_folder
from zra_async.sandbox import Sandbox

KILLS = 20
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["pytest", "tests.bulk.export_child"])


def _start(sandbox: Sandbox, folder: Path, streams: str, die: tuple[str, int, str] | None = None) -> Any:
    process = _CONTEXT.Process(
        target=export_child.run, args=(sandbox.environment(), str(folder), streams, die), daemon=True
    )
    process.start()
    return process


async def _ended(process: Any) -> int:
    await asyncio.to_thread(process.join)
    code: int = process.exitcode
    process.close()
    return code


async def _export(sandbox: Sandbox, folder: Path, streams: str) -> float:
    started = time.monotonic()
    assert await _ended(_start(sandbox, folder, streams)) == 0
    return time.monotonic() - started


@pytest.mark.timeout(180)
async def test_killed_at_random_and_continued(tmp_path: Path) -> None:
    """However often it is killed, the same command goes on, and in the end all is there once."""
    chance = random.Random()
    async with Sandbox(conversations=100, limits=False) as sandbox:
        whole = await _export(sandbox, tmp_path / "whole", "all")
        folders = [tmp_path / "0"]
        kills = 0
        while kills < KILLS:
            process = _start(sandbox, folders[-1], "all")
            await asyncio.sleep(chance.uniform(0, whole / 8))
            process.kill()
            if await _ended(process) == -signal.SIGKILL:
                kills += 1
            else:  # it was done before: the rest of the kills goes to another export
                folders.append(tmp_path / str(len(folders)))
        truth = Truth(sandbox)
        expected = compare_folder(truth, tmp_path / "whole")
        for folder in folders:
            await _export(sandbox, folder, "all")
            assert compare_folder(truth, folder) == expected
    assert set(expected) == set(EVERY_STREAM)


@pytest.mark.parametrize(
    "die",
    [
        ("fsync", 1, "before"),  # the first group is written, and nothing of it noted
        ("fsync", 5, "after"),
        ("write", 3, "after"),  # in the middle of a group
        ("write", 5, "before"),
        ("replace", 1, "before"),  # all is exported, the manifest is not written
        ("replace", 2, "before"),
        ("replace", 2, "after"),  # the manifest is there, the run is not closed
    ],
)
async def test_killed_at_a_step(tmp_path: Path, die: tuple[str, int, str]) -> None:
    """Killed right before or after a step that matters, it goes on without loss and without doubles."""
    streams = "conversations,participants,deals,indicators"
    async with Sandbox(conversations=8, limits=False) as sandbox:
        assert await _ended(_start(sandbox, tmp_path, streams, die)) == -signal.SIGKILL
        await _export(sandbox, tmp_path, streams)
        compare_folder(Truth(sandbox), tmp_path, streams.split(","))
    assert json.loads((tmp_path / "manifest.json").read_bytes())["run"] == 1
