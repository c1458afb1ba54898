"""A folder that version 0.1.0 has written is gone on with."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

from tests.bulk.export.account import account, quick_disk  # noqa: F401
from tests.bulk.export.truth import Truth, current
from zra_async.bulk import read_stream

OLD = Path(__file__).parents[2] / "data" / "export-0.1.0"
STREAMS = "conversations,participants,comments"


async def test_a_folder_of_an_earlier_version(tmp_path: Path) -> None:
    """Its present records can be read before and after a run, which makes the folder equal to the account."""
    folder = tmp_path / "folder"
    shutil.copytree(OLD, folder)
    before = {stream: list(read_stream(folder, stream)) for stream in STREAMS.split(",")}
    counts = Counter(row["conversation_id"] for row in before["conversations"])
    assert sorted(counts.values()) == [1, 1, 1]  # one of four was deleted
    assert sum(row["comment"] == "Written later" for row in before["comments"]) == 1
    async with account(4) as (sandbox, zra):
        report = await zra.export(folder, streams=STREAMS, adopt=True)
        assert not report.partial
        current(Truth(sandbox), folder, "conversations,participants")
        assert len(list(read_stream(folder, "comments"))) >= len(before["comments"])
        await zra.export(folder, streams=STREAMS, incremental=False)  # no list shows that a comment is gone
        current(Truth(sandbox), folder, STREAMS)
