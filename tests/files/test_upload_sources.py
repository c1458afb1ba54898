"""Uploads from paths, files, bytes and iterators, and from what is none of these."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import tempfile
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.files.conftest import MIB, PART, Desk, Video, part_hashes, sha256
from zra_async import ZRAClient
from zra_async.errors import InvalidArgument, SourceError
from zra_async.files import Progress

pytestmark = pytest.mark.slow


async def _pieces(data: bytes, size: int = 70_001) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


class _Arriving:
    """What a web framework hands over: it is read with ``await``."""

    def __init__(self) -> None:
        self.filename = "call.mp4"

    async def read(self, size: int = -1) -> bytes:
        raise AssertionError(size)


class _OnlyRead:
    """The least that can be read."""

    def __init__(self, data: bytes) -> None:
        self._inner = io.BytesIO(data)

    def read(self, size: int = -1) -> bytes:
        return self._inner.read(size)


class _Seekable(io.RawIOBase):
    """A file object of somebody's own, without a descriptor."""

    def __init__(self, data: bytes) -> None:
        self._inner = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self._inner.read(min(size, 3_000) if size > 0 else size)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._inner.seek(offset, whence)

    def tell(self) -> int:
        return self._inner.tell()


def _pipe(data: bytes) -> Any:
    reading, writing = os.pipe()
    os.set_blocking(writing, True)

    def write() -> None:
        with os.fdopen(writing, "wb") as file:
            file.write(data)

    threading.Thread(target=write).start()
    return os.fdopen(reading, "rb")


def _gzip(data: bytes) -> Any:
    return gzip.GzipFile(fileobj=io.BytesIO(gzip.compress(data, 1)))


def _named_temporary(data: bytes) -> Any:
    file = tempfile.NamedTemporaryFile("w+b")  # noqa: SIM115 (closed by the test)
    file.write(data)
    file.seek(0)
    return file


SOURCES: dict[str, Callable[[bytes, Path], Any]] = {
    "path": lambda data, path: path,
    "text path": lambda data, path: str(path),
    "file": lambda data, path: path.open("rb"),
    "unbuffered file": lambda data, path: path.open("rb", buffering=0),
    "file for update": lambda data, path: path.open("r+b"),
    "bytes": lambda data, path: data,
    "bytearray": lambda data, path: bytearray(data),
    "memoryview of integers": lambda data, path: memoryview(data).cast("H"),
    "BytesIO": lambda data, path: io.BytesIO(data),
    "object": lambda data, path: _Seekable(data),
    "object that can do nothing but read": lambda data, path: _OnlyRead(data),
    "gzip": lambda data, path: _gzip(data),
    "temporary file": lambda data, path: _named_temporary(data),
    "pipe": lambda data, path: _pipe(data),
    "async iterator": lambda data, path: _pieces(data),
    "async iterator of tiny chunks": lambda data, path: _pieces(data, 1_009),
}


@pytest.mark.parametrize("kind", SOURCES)
@pytest.mark.parametrize("part_size", [None, PART])
async def test_every_source_arrives_whole(
    desk: Desk, zra: ZRAClient, video: Video, kind: str, part_size: int | None
) -> None:
    """Paths, files, bytes, and what has to be spooled first: the server gets the same bytes."""
    path = video(PART + 123_456)
    source = SOURCES[kind](path.read_bytes(), path)
    file = await zra.files.upload(source, file_name="call.mp4", part_size=part_size)
    stored = desk.stored(file.file_id)
    wanted = part_hashes(path, PART) if part_size else [sha256(path)]
    assert [part.sha256 for part in stored.parts] == wanted
    if hasattr(source, "close"):
        assert not source.closed
        source.close()


@pytest.mark.parametrize("kind", ["file", "BytesIO", "object"])
async def test_a_file_object_is_read_from_its_position(desk: Desk, zra: ZRAClient, video: Video, kind: str) -> None:
    """A file object is sent from where it stands to its end, and stands there again afterwards."""
    path = video(100_000)
    with SOURCES[kind](path.read_bytes(), path) as source:
        source.seek(999)
        file = await zra.files.upload(source, file_name="call.mp4")
        assert source.tell() == 999
    assert desk.stored(file.file_id).sha256 == sha256(path, 999)


async def test_what_was_written_to_a_buffered_file_is_sent(desk: Desk, zra: ZRAClient, tmp_path: Path) -> None:
    """Bytes that are still in the buffer of a file object are part of it."""
    with (tmp_path / "call.mp4").open("w+b") as source:
        source.write(b"new bytes")
        source.seek(0)
        file = await zra.files.upload(source)
    assert desk.stored(file.file_id).sha256 == hashlib.sha256(b"new bytes").hexdigest()


async def test_a_spool_leaves_nothing(
    desk: Desk, zra: ZRAClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What can be read only once is spooled to a file that has no name, and is gone even if the process is killed."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    seen: list[list[Path]] = []

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(30):
            yield os.urandom(100_000)
            seen.append(list(tmp_path.iterdir()))

    await zra.files.upload(pieces(), file_name="call.mp4")
    assert seen == [[]] * 30
    assert list(tmp_path.iterdir()) == []


async def test_a_length_that_is_known_is_checked(desk: Desk, zra: ZRAClient) -> None:
    """An iterator that gives less or more than was announced is refused, and so is a length that nobody takes."""
    for size in (999, 1001):
        with pytest.raises(InvalidArgument, match="announced"):
            await zra.files.upload(_pieces(b"x" * 1000), file_name="call.mp4", size=size)
    with pytest.raises(InvalidArgument, match="larger"):
        await zra.files.upload(_pieces(b"x"), file_name="call.mp4", size=10**11)
    file = await zra.files.upload(_pieces(b"x" * 1000), file_name="call.mp4", size=1000)
    assert desk.stored(file.file_id).size == 1000
    assert desk.calls("") == 1


async def test_an_iterator_that_fails_is_no_upload(desk: Desk, zra: ZRAClient) -> None:
    """The error of the iterator is the caller's own; nothing is sent."""

    async def pieces() -> AsyncIterator[bytes]:
        yield b"x" * 2_000_000
        raise LookupError("the source is gone")

    with pytest.raises(LookupError, match="gone"):
        await zra.files.upload(pieces(), file_name="call.mp4")
    assert not desk.sandbox.stats.operations


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: folder, "is a directory"),
        (lambda folder: folder / "missing.mp4", "cannot be read: No such file"),
        (lambda folder: os.mkfifo(folder / "pipe.mp4") or folder / "pipe.mp4", "not a regular file"),
        (lambda folder: io.StringIO("text"), "open as text"),
        (lambda folder: 7, "not int"),
        (lambda folder: ["list"], "not list"),
        (lambda folder: memoryview(b"abcd")[::2], "contiguous"),
        (lambda folder: _Arriving(), "give its .file, or an async iterator of what it reads"),
    ],
)
async def test_what_cannot_be_uploaded(
    desk: Desk, zra: ZRAClient, tmp_path: Path, make: Callable[[Path], Any], message: str
) -> None:
    """A directory, a missing file, a pipe by its path, a text and other things each get a clear error."""
    with pytest.raises(InvalidArgument, match=message):
        await zra.files.upload(make(tmp_path), file_name="call.mp4")
    assert not desk.sandbox.stats.operations


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
async def test_a_file_that_may_not_be_read(zra: ZRAClient, video: Video) -> None:
    """Missing permission is said before anything is sent."""
    path = video(10)
    path.chmod(0)
    with pytest.raises(InvalidArgument, match="Permission denied"):
        await zra.files.upload(path)


async def test_a_file_that_shrinks_ends_the_upload_at_once(desk: Desk, zra: ZRAClient, video: Video) -> None:
    """Bytes that are no longer there are no trouble of the network: nothing is repeated."""
    path = video(3 * MIB)

    def shrink(progress: Progress) -> None:
        os.truncate(path, 1000)

    with pytest.raises(SourceError, match="shorter than it was"):
        await zra.files.upload(path, on_progress=shrink)
    assert desk.calls("") == 1
