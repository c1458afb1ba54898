"""An upload whose process is killed, without warning and at every kind of step."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.children import Arrival, Step, die
from tests.files import uploader
from tests.files.conftest import PART, Desk, part_hashes
from tests.files.journals import read
from zra_async import ZRAClient

pytestmark = pytest.mark.slow

PARTS = 5
EVENTS, PART_CALL = "POST /files/multipart/upload_events", "POST /files/multipart"
#: the creation, each part, and the completion: as it arrives, and with its answer on the way to the journal
INSTANTS = [
    Arrival(EVENTS, 1),
    *[Arrival(PART_CALL, number) for number in range(1, PARTS + 1)],
    Arrival(EVENTS, 2),
    *[Step("answer", number) for number in range(1, PARTS + 3)],
    Step("replace", 1),
    *[Step("replace", number, "after") for number in range(1, 4)],
    Step("fsync", 2),
    Step("fsync", 3, "after"),
]


async def test_a_killed_upload_goes_on_wherever_it_was(
    desk: Desk, zra: ZRAClient, video: Callable[..., Path], tmp_path: Path
) -> None:
    """Killed at 20 instants, each time the file arrives whole, and no part that was stored is sent again."""
    path = video(PARTS * PART - 1)
    wanted = part_hashes(path, PART)
    seen: list[int] = []
    for number, instant in enumerate(INSTANTS):
        journal = tmp_path / f"journal {number}"
        concurrency = 1 if isinstance(instant, Arrival) else 4  # one part after the other, or all at once
        await die(instant, desk.sandbox, uploader.run, str(path), PART, str(journal), concurrency)
        state = read(journal) if journal.exists() else None
        stored = {part.number for part in state.parts} if state else set()
        before = _received(desk, state)
        # both ways to go on, in turn; without a journal there is only one
        again = zra.files.resume(journal) if state and number % 2 else None
        file = await (again or zra.files.upload(path, part_size=PART, journal=journal))
        assert [part.sha256 for part in desk.stored(file.file_id).parts] == wanted
        after = _received(desk, read(journal))
        assert {part: after[part] for part in stored} == {part: before[part] for part in stored}
        assert file.reused == len(stored)
        seen.append(len(stored))
    assert len(INSTANTS) >= 20
    assert seen[: PARTS + 2] == [0, *range(PARTS + 1)]  # what arrived before is stored, and the journal knows of it


def _received(desk: Desk, state: Any) -> dict[int, int]:
    """How often the sandbox has got each part of an upload."""
    upload = desk.files.upload(state.upload_context) if state else None
    return {number: part.times_received for number, part in upload.parts.items()} if upload else {}
