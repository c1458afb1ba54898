"""What a journal says, and uploads that stop and leave one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.files.conftest import PART, Desk
from zra_async import ZRAClient
from zra_async.errors import UploadInterrupted
from zra_async.files import Progress, UploadState
from zra_async.sandbox import Fault


def read(journal: Path) -> UploadState:
    """What a journal says."""
    return msgspec.json.decode(journal.read_bytes(), type=UploadState)


async def interrupted(desk: Desk, zra: ZRAClient, path: Path, journal: Path | None, after: int) -> UploadInterrupted:
    """Upload ``path`` part by part until the service refuses one."""
    fault = Fault(operation="POST /files/multipart", status=403, times=1)

    def strike(progress: Any) -> None:
        if progress.parts_done == after:
            desk.sandbox.faults.add(fault)

    if not after:
        desk.sandbox.faults.add(fault)
    with pytest.raises(UploadInterrupted) as caught:
        await zra.files.upload(path, part_size=PART, concurrency=1, journal=journal, on_progress=strike)
    desk.sandbox.faults.clear()
    return caught.value


def at_the_end(desk: Desk, *faults: Fault) -> Callable[[Progress], None]:
    """Arm faults once all parts are stored, so that they strike the completion and not the creation."""
    armed: list[bool] = []

    def on_progress(progress: Progress) -> None:
        if progress.parts_done == progress.parts_total and not armed:
            armed.append(True)
            desk.sandbox.faults.add(*faults)

    return on_progress
