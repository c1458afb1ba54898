"""An upload whose process is killed, without warning and at any instant."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.files.conftest import PART, Desk, part_hashes
from tests.files.journals import read
from zra_async import ZRAClient

INSTANTS = 20
PARTS = 5


class Uploader:
    """The process that is killed, again and again."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def run(self, job: dict[str, Any], kill_after: float | None = None) -> float:
        """Upload, until it is killed after so many seconds; how long it took."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(job | {"kill_after": kill_after}).encode() + b"\n")
        seconds, ended_by = (await self.line()).split()
        assert int(ended_by) in ({0} if kill_after is None else {0, signal.SIGKILL})
        return float(seconds)

    async def line(self) -> bytes:
        """The next line that it prints."""
        assert self._process.stdout is not None
        return (await self._process.stdout.readline()).strip()


@asynccontextmanager
async def uploader(desk: Desk) -> AsyncIterator[Uploader]:
    """A process that uploads to the sandbox."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.files.uploader",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parent.parent.parent,
        env={**os.environ, **desk.sandbox.environment()},
    )
    try:
        worker = Uploader(process)
        assert await worker.line() == b"ready"
        yield worker
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()
        await asyncio.sleep(0)


async def test_a_killed_upload_goes_on_wherever_it_was(
    desk: Desk, zra: ZRAClient, video: Callable[..., Path], tmp_path: Path
) -> None:
    """Killed at 20 random instants, each time the file arrives whole, and no part that was stored is sent again."""
    path = video(PARTS * PART - 1)
    wanted = part_hashes(path, PART)
    chance = random.Random(20)
    seen: list[int] = []
    async with uploader(desk) as process:
        job = {"path": str(path), "part_size": PART, "journal": str(tmp_path / "whole")}
        longest = min([await process.run(job | {"journal": str(tmp_path / f"whole {i}")}) for i in range(2)])
        for instant in range(INSTANTS):
            journal = tmp_path / f"journal {instant}"
            await process.run(job | {"journal": str(journal)}, chance.uniform(0, longest))
            state = read(journal) if journal.exists() else None
            stored = {part.number for part in state.parts} if state else set()
            before = _received(desk, state)
            # both ways to go on, in turn; without a journal there is only one
            again = zra.files.resume(journal) if state and instant % 2 else None
            file = await (again or zra.files.upload(path, part_size=PART, journal=journal))
            assert [part.sha256 for part in desk.stored(file.file_id).parts] == wanted
            after = _received(desk, read(journal))
            assert {number: after[number] for number in stored} == {number: before[number] for number in stored}
            assert file.reused == len(stored)
            seen.append(len(stored))
    assert len(set(seen)) > 2, f"the instants were too much alike to show anything: {seen}"


def _received(desk: Desk, state: Any) -> dict[int, int]:
    """How often the sandbox has got each part of an upload."""
    upload = desk.files.upload(state.upload_context) if state else None
    return {number: part.times_received for number, part in upload.parts.items()} if upload else {}
