"""A sandbox whose rates do not matter, clients that repeat at once, and files to send."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.leap import outlast_stalls
from zra_async import Hosts, Label, Network, Pool, Rate, RetryPolicy, ZRAClient
from zra_async.config import Transfers
from zra_async.core.events import Event, PartDone
from zra_async.files import progress as progress_module
from zra_async.sandbox import Sandbox
from zra_async.sandbox.world.stored import StoredFile

MIB = 1024**2
PART = 5 * MIB
Video = Callable[..., Path]


class Desk:
    """One sandbox, and clients of it; `events` is what they told."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.events: list[Event] = []

    def client(self, *, silence: float = 30.0, **options: Any) -> ZRAClient:
        """A client that may do a lot, and repeats without waiting."""
        settings: dict[str, Any] = {
            "limits": {label: Rate(100_000) for label in Label},
            "retry": RetryPolicy(base=0.0),
            "network": Network(file=Pool(connections=32, read_timeout=silence)),
            "observer": self.events.append,
        }
        return self.sandbox.client(**settings | options)

    @property
    def files(self) -> Any:
        """What the file host holds."""
        return self.sandbox.account.files

    def stored(self, file_id: str) -> StoredFile:
        """The file of this id."""
        return self.files.find(file_id)

    def calls(self, name: str) -> int:
        """How many requests of an operation the upload host has seen."""
        return self.sandbox.stats.operations[f"POST /zra/files{name}"]


@pytest.fixture
def sandbox_options() -> dict[str, Any]:
    """Options of the sandbox; a module may override them."""
    return {}


@pytest.fixture
async def desk(sandbox_options: dict[str, Any]) -> AsyncIterator[Desk]:
    """A small account."""
    async with Sandbox(**{"conversations": 4, "limits": False, "awkward": 0.0} | sandbox_options) as sandbox:
        yield Desk(sandbox)


@pytest.fixture
async def zra(desk: Desk) -> AsyncIterator[ZRAClient]:
    """An open client of the sandbox."""
    async with desk.client() as client:
        yield client


StallsPass = Callable[..., None]


@pytest.fixture
async def stalls_pass(desk: Desk) -> AsyncIterator[StallsPass]:
    """Let time pass for answers that stall, once so many parts are stored; nothing waits for a timeout."""
    tasks = []

    def start(stored: int = 0) -> None:
        def ready() -> bool:
            return sum(isinstance(event, PartDone) for event in desk.events) >= stored

        tasks.append(asyncio.create_task(outlast_stalls(desk.sandbox, ready)))

    yield start
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


@pytest.fixture
def video(tmp_path: Path) -> Video:
    """Makes a video of some size: of random bytes, or of nothing but a hole."""

    def make(size: int, name: str = "call.mp4", *, sparse: bool = False) -> Path:
        path = tmp_path / name
        with path.open("wb") as file:
            if sparse:
                file.truncate(size)
            else:
                file.write(os.urandom(size))
        return path

    return make


@pytest.fixture
def every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Progress is told at each step, and not every 50 ms."""
    monkeypatch.setattr(progress_module, "_EVERY", 0.0)


@pytest.fixture(autouse=True)
def nothing_stays() -> Iterator[None]:
    """Every test leaves as many open files as it found."""
    before = _open_files()
    yield
    assert _open_files() <= before


@pytest.fixture
async def no_task_stays() -> AsyncIterator[None]:
    """A test leaves no task of its own behind."""
    before = asyncio.all_tasks()
    yield
    await asyncio.sleep(0)
    left = {task for task in asyncio.all_tasks() - before if "zra_async/files" in repr(task)}
    assert not left


def _open_files() -> set[str]:
    """The regular files that are open in this process; sockets and pipes belong to the event loop."""
    folder = Path("/proc/self/fd")
    if not folder.is_dir():
        return set()
    targets = set()
    for link in folder.iterdir():
        try:
            target = str(link.readlink())
        except OSError:
            continue
        if target.startswith("/") and not target.startswith(("/proc", "/dev", "/sys")):
            targets.add(target)
    return targets


def sha256(path: Path, offset: int = 0, size: int = -1) -> str:
    """The hash of a piece of a file."""
    with path.open("rb") as file:
        file.seek(offset)
        return hashlib.sha256(file.read(size)).hexdigest()


def part_hashes(path: Path, part_size: int) -> list[str]:
    """The hash of every part of a file."""
    return [sha256(path, offset, part_size) for offset in range(0, path.stat().st_size, part_size)]


def quick_transfers(**options: Any) -> Transfers:
    """Transfers with a low threshold, so that small files go in parts."""
    return Transfers(**{"single_upload_limit": MIB} | options)


__all__ = ["MIB", "PART", "Desk", "Hosts", "StallsPass", "Video", "part_hashes", "quick_transfers", "sha256"]
