"""How the bytes of an upload are read: in place where they are in memory, in threads where they are not."""

from __future__ import annotations

import asyncio
import errno
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.files.conftest import Video
from zra_async.errors import SourceChanged, SourceError
from zra_async.files import source as source_module
from zra_async.files.body import CHUNK, PartBody
from zra_async.files.chunk_writer import ChunkWriter
from zra_async.files.source import fingerprint, md5_of, open_path
from zra_async.osfiles.threads import to_thread
from zra_async.results.uploads import Part

linux_only = pytest.mark.skipif(not hasattr(os, "RWF_NOWAIT"), reason="only Linux reads without waiting")


class Reads:
    """Takes note of every read of a file and of the thread that it ran in."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, refuse: OSError | None = None) -> None:
        self.in_place = 0
        self.in_threads = 0
        self.refuse = refuse
        self._preadv = os.preadv
        monkeypatch.setattr(os, "preadv", self.preadv)

    def preadv(self, fd: int, buffers: Sequence[memoryview], offset: int, flags: int = 0) -> int:
        """Read, or refuse to read without waiting."""
        if flags:
            assert threading.current_thread() is threading.main_thread()
            if self.refuse is not None:
                raise self.refuse
            self.in_place += 1
        else:
            assert threading.current_thread() is not threading.main_thread(), "the event loop waits for the disk"
            self.in_threads += 1
        return self._preadv(fd, buffers, offset, flags)


async def sent_by(path: Path, part: Part) -> bytes:
    """What the body of a part sends."""
    source = await to_thread(open_path, path)
    pieces: list[bytes] = []

    async def send(chunk: bytes | memoryview) -> None:
        pieces.append(bytes(chunk))
        await asyncio.sleep(0)

    try:
        await PartBody(source, part, on_attempt=lambda: None, on_sent=lambda size: None).write(send)
    finally:
        source.close()
    assert all(len(piece) <= CHUNK for piece in pieces)
    return b"".join(pieces)


@linux_only
async def test_what_is_in_memory_is_read_in_place(video: Video, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that was just written is read without a thread."""
    path = video(3_000_000)
    reads = Reads(monkeypatch)
    assert await sent_by(path, Part(2, 1_000_000, 1_500_000)) == path.read_bytes()[1_000_000:2_500_000]
    assert (reads.in_place, reads.in_threads) == (3, 0)


@linux_only
async def test_what_is_not_in_memory_is_read_in_a_thread(video: Video, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system would have to wait, a thread does."""
    path = video(2_000_000)
    reads = Reads(monkeypatch, refuse=BlockingIOError(errno.EAGAIN, "would wait"))
    assert await sent_by(path, Part(1, 0, 2_000_000)) == path.read_bytes()
    assert (reads.in_place, reads.in_threads) == (0, 4)


@linux_only
async def test_a_file_system_that_cannot_tell_is_not_asked_again(video: Video, monkeypatch: pytest.MonkeyPatch) -> None:
    """After one refusal everything is read in threads."""
    path = video(2_000_000)
    reads = Reads(monkeypatch, refuse=OSError(errno.EOPNOTSUPP, "not supported"))
    source = await to_thread(open_path, path)
    buffer = memoryview(bytearray(1000))
    for _ in range(3):
        await source.chunk(0, 1000, buffer)
    source.close()
    assert (source._in_place, reads.in_threads) == (False, 3)


async def test_a_platform_without_preadv(video: Video, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where positions cannot be read at, reads take turns."""
    path = video(2_000_000)
    monkeypatch.delattr(os, "preadv", raising=False)
    monkeypatch.setattr(source_module, "_NOWAIT", None)
    parts = [Part(number, offset, 500_000) for number, offset in enumerate(range(0, 2_000_000, 500_000), start=1)]
    sent = await asyncio.gather(*(sent_by(path, part) for part in parts))
    assert b"".join(sent) == path.read_bytes()


async def test_errors_of_the_disk(video: Video, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that fails is no trouble of the network: the error says what it is."""
    path = video(1000)

    def broken(*_: Any) -> int:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "preadv", broken)
    with pytest.raises(SourceError, match="can no longer be read: Input/output error"):
        await sent_by(path, Part(1, 0, 1000))


async def test_a_file_that_became_shorter(video: Video) -> None:
    """The end of a file before its time is said."""
    path = video(1000)
    with pytest.raises(SourceChanged, match="ends at byte 1000"):
        await sent_by(path, Part(1, 0, 1001))


def test_fingerprints_tell_files_apart(video: Video) -> None:
    """A byte at the beginning, in the middle or at the end makes another fingerprint."""
    path = video(10_000_000)
    data = bytearray(path.read_bytes())
    seen = set()
    for place in (0, 5_000_000 // 7 * 7, len(data) - 1):
        source = open_path(path)
        seen.add(fingerprint(source).sample)
        source.close()
        data[place] ^= 1
        path.write_bytes(data)
    assert len(seen) == 2  # blocks are sampled: the ends always, the middle only where a block lies


def test_the_md5_of_a_piece(video: Video) -> None:
    """The md5 is that of the piece and of nothing else."""
    import hashlib

    path = video(3_000_000)
    source = open_path(path)
    wanted = hashlib.md5(path.read_bytes()[500_000:2_900_001], usedforsecurity=False).hexdigest()
    assert md5_of(source, 500_000, 2_400_001) == wanted
    source.close()


async def test_a_gatherer_writes_everything_in_order(tmp_path: Path) -> None:
    """Chunks of any size come out as they went in."""
    data = os.urandom(5_000_001)
    with (tmp_path / "file").open("w+b", buffering=0) as file:
        writer = ChunkWriter(file.fileno())
        position = 0
        for size in [1, 70_000, 1_048_575, 1, 2_500_000, 0, 999, 10_000_000]:
            await writer.write(data[position : position + size])
            position += size
        await writer.flush()
        await writer.settle()
    assert (tmp_path / "file").read_bytes() == data


async def test_a_thread_is_waited_for_when_its_caller_is_cancelled() -> None:
    """Nothing is closed under a thread that still works with it; what it opened for nobody is closed."""
    started, release, closed = threading.Event(), threading.Event(), threading.Event()

    class Opened:
        def close(self) -> None:
            closed.set()

    def slow() -> Opened:
        started.set()
        release.wait()
        return Opened()

    task = asyncio.create_task(to_thread(slow))
    await asyncio.to_thread(started.wait, 5)
    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0)
    assert not task.done()
    release.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert closed.is_set()
