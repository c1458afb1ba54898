"""Exports that are killed with SIGKILL at every kind of step, and continued."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.bulk.export import child as export_child
from tests.bulk.export.truth import EVERY_STREAM, Truth, compare_folder
from tests.children import Arrival, Step, die, finish
from zra_async.sandbox import Sandbox

pytestmark = pytest.mark.slow

#: one after the other in the same folder, so that each finds what the ones before it have left
INSTANTS = [
    Arrival("GET /teams", 2),
    Arrival("GET /conversations", 1),
    Step("statement", 1),
    Step("statement", 9),
    Step("answer", 1),
    Arrival("GET /deals/{dealId}/activities", 1),
    Step("write", 1),
    Step("fsync", 1),
    Step("write", 1, "after"),
    Step("statement", 30),
    Step("fsync", 1, "after"),
    Step("write", 2),
    Arrival("GET /conversations/{conversationId}", 9),
    Step("answer", 25),
    Step("write", 2, "after"),
    Arrival("GET /conversations/{conversationId}/interactions", 10),
    Step("statement", 80),
    Arrival("GET /conversations/{conversationId}/content_analysis", 7),
    Step("fsync", 2),
    Step("answer", 60),
    Step("fsync", 2, "after"),
    Step("statement", 150),
    Arrival("GET /conversations/{conversationId}/comments", 5),
    Step("write", 3),
]


async def test_killed_again_and_again_and_continued(tmp_path: Path) -> None:
    """However often and wherever it is killed, the same command goes on, and in the end all is there once."""
    async with Sandbox(conversations=100, limits=False) as sandbox:
        await finish(sandbox, export_child.run, str(tmp_path / "whole"), "all")
        folder = tmp_path / "killed"
        for instant in INSTANTS:
            await die(instant, sandbox, export_child.run, str(folder), "all")
        await finish(sandbox, export_child.run, str(folder), "all")
        truth = Truth(sandbox)
        expected = compare_folder(truth, tmp_path / "whole")
        assert compare_folder(truth, folder) == expected
    assert set(expected) == set(EVERY_STREAM)


@pytest.mark.parametrize(
    "step",
    [
        Step("fsync", 1),  # the first group is written, and nothing of it noted
        Step("fsync", 5, "after"),
        Step("write", 3, "after"),  # in the middle of a group
        Step("write", 5),
        Step("replace", 1),  # all is exported, the manifest is not written
        Step("replace", 2),
        Step("replace", 2, "after"),  # the manifest is there, the run is not closed
    ],
)
async def test_killed_at_a_step(tmp_path: Path, step: Step) -> None:
    """Killed right before or after a step that matters, it goes on without loss and without doubles."""
    streams = "conversations,participants,deals,indicators"
    async with Sandbox(conversations=8, limits=False) as sandbox:
        await die(step, sandbox, export_child.run, str(tmp_path), streams)
        await finish(sandbox, export_child.run, str(tmp_path), streams)
        compare_folder(Truth(sandbox), tmp_path, streams.split(","))
    assert json.loads((tmp_path / "manifest.json").read_bytes())["run"] == 1
