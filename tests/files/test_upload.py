"""Whole files of every size, from every source and of every name, byte for byte."""

from __future__ import annotations

import asyncio
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

from tests.files.conftest import MIB, PART, Desk, part_hashes, quick_transfers, sha256
from zra_async import ZRAClient
from zra_async.core.events import PartDone, Redirected
from zra_async.errors import ClientNotOpen, InvalidArgument, NotFound, PartlyDone, SourceError
from zra_async.files import Progress
from zra_async.files.body import PartBody
from zra_async.sandbox import Fault

Video = Callable[..., Path]


# Sizes


@pytest.mark.parametrize("size", [1, PART - 1, PART, PART + 1])
async def test_small_files_go_in_one_request(desk: Desk, zra: ZRAClient, video: Video, size: int) -> None:
    """A file up to the threshold takes one request and arrives byte for byte."""
    path = video(size)
    file = await zra.files.upload(path)
    stored = desk.stored(file.file_id)
    assert (stored.size, stored.sha256, stored.name) == (size, sha256(path), "call.mp4")
    assert (file.size, file.parts, file.file_name) == (size, 1, "call.mp4")
    assert (desk.calls(""), desk.calls("/multipart")) == (1, 0)


@pytest.mark.parametrize(("size", "parts"), [(1, 1), (PART - 1, 1), (PART, 1), (PART + 1, 2), (3 * PART + 7, 4)])
async def test_the_same_sizes_in_parts(desk: Desk, zra: ZRAClient, video: Video, size: int, parts: int) -> None:
    """A part size asks for parts, whatever the size, and each arrives byte for byte."""
    path = video(size)
    file = await zra.files.upload(path, part_size=PART)
    stored = desk.stored(file.file_id)
    assert [part.sha256 for part in stored.parts] == part_hashes(path, PART)
    assert (file.parts, stored.size, desk.calls("/multipart/upload_events")) == (parts, size, 2)


@pytest.mark.parametrize(("size", "parts"), [(99_999_999, 1), (100_000_000, 1), (100_000_001, 4)])
async def test_the_threshold_is_100_mb(desk: Desk, zra: ZRAClient, video: Video, size: int, parts: int) -> None:
    """Up to 100 MB a file goes in one request, from the next byte on in parts."""
    path = video(size, sparse=True)
    file = await zra.files.upload(path)
    assert (file.parts, desk.stored(file.file_id).size) == (parts, size)
    assert desk.calls("") == (parts == 1)


async def test_exactly_100_parts(desk: Desk, zra: ZRAClient, video: Video) -> None:
    """The most parts that the service takes are sent, complete and in order."""
    path = video(100 * PART, sparse=True)
    with path.open("r+b") as file:
        for number in range(100):
            file.seek(number * PART)
            file.write(os.urandom(64))
    done = await zra.files.upload(path, part_size=PART)
    stored = desk.stored(done.file_id)
    assert [part.number for part in stored.parts] == list(range(1, 101))
    assert [part.sha256 for part in stored.parts] == part_hashes(path, PART)


@pytest.mark.parametrize(
    ("size", "message"), [(0, "is empty"), (10_000_000_001, "larger than the service takes: 10000000000 bytes")]
)
async def test_sizes_that_the_service_does_not_take(
    desk: Desk, zra: ZRAClient, video: Video, size: int, message: str
) -> None:
    """An empty file and one over 100 times 100 MB are refused before anything is sent."""
    with pytest.raises(InvalidArgument, match=message):
        await zra.files.upload(video(size, sparse=True))
    assert not desk.sandbox.stats.operations


# Sources


async def _pieces(data: bytes, size: int = 70_001) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


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


# Names

HOSTILE = [
    'we"ird.mp4',
    "two\r\nContent-Disposition: form-data; name=lines.mp4",
    "Übersicht – Zürich ✓ 日本語.mp4",
    "..mp4.mp4",
    "a;b=c.mp4",
    "%22percent.mp4",
    " spaces .mp4",
    "x" * 240 + ".mp4",
]


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("part_size", [None, PART])
async def test_hostile_names_stay_names(desk: Desk, zra: ZRAClient, name: str, part_size: int | None) -> None:
    """Quotes, line breaks and other scripts in a name do not break the request, and arrive where that is possible."""
    file = await zra.files.upload(b"video", file_name=name, part_size=part_size)
    stored = desk.stored(file.file_id)
    assert stored.sha256 == hashlib.sha256(b"video").hexdigest()
    if part_size or "%22" not in name:  # in a form nobody can tell a quoted quote from one that was always escaped
        assert stored.name == name


@pytest.mark.parametrize(
    ("name", "main", "message"),
    [
        ("call.mp3", None, "not a video"),
        ("call", None, "not a video"),
        ("transcript.json", None, "give the main_file_id"),
        ("call.vtt", None, "give the main_file_id"),
        ("words.json", "m", "must end with transcript.json"),
        ("call.mp4", "m", "must end with transcript.json"),
        ("\udcff.mp4", None, "not text"),
        ("", None, "give a file_name"),
    ],
)
async def test_names_that_the_service_does_not_take(
    desk: Desk, zra: ZRAClient, name: str, main: str | None, message: str
) -> None:
    """What the documents say about names is checked before anything is sent."""
    with pytest.raises(InvalidArgument, match=message):
        await zra.files.upload(b"x", file_name=name, main_file_id=main)
    assert not desk.sandbox.stats.operations


async def test_bytes_need_a_name(zra: ZRAClient) -> None:
    """What has no name of its own needs a ``file_name``."""
    with pytest.raises(InvalidArgument, match="give a file_name"):
        await zra.files.upload(b"x")


# Attachments


async def test_a_recording_goes_in_the_required_order(desk: Desk, zra: ZRAClient, video: Video) -> None:
    """Main file, transcript, metadata: each is stored, and attached to the first."""
    done = await zra.files.upload_recording(video(1000), b"[]", b"{}", source_system="chorus")
    assert done.transcript is not None
    assert done.metadata is not None
    main, transcript, metadata = (desk.stored(f.file_id) for f in (done.main, done.transcript, done.metadata))
    assert main.attachments == (transcript.file_id, metadata.file_id)
    assert (transcript.name, transcript.source, metadata.source) == ("transcript.json", 2, 2)
    assert [f.kind for f in desk.files.all()] == ["main", "transcript", "metadata"]


async def test_attachments_are_looked_at_before_the_main_file_is_sent(
    desk: Desk, zra: ZRAClient, video: Video, tmp_path: Path
) -> None:
    """A transcript that is empty, missing or wrongly named stops the recording before it starts."""
    wrong = video(10, "words.json")
    empty = video(0, "transcript.json")
    for transcript, message in ((wrong, "must end with"), (empty, "empty"), (tmp_path / "transcript.json2", "json2")):
        with pytest.raises(InvalidArgument, match=message):
            await zra.files.upload_recording(video(1000), transcript)
    with pytest.raises(InvalidArgument, match="the transcript must be called"):
        await zra.files.upload_recording(video(1000), video(10, "metadata.json"))
    assert not desk.sandbox.stats.operations


async def test_a_recording_whose_transcript_fails_says_what_is_there(
    desk: Desk, zra: ZRAClient, video: Video, tmp_path: Path
) -> None:
    """The id of the main file is in the error; with a journal the same call sends only what is missing."""
    path, journal = video(1000), tmp_path / "journal"
    await zra.files.upload_recording(path, journal=journal)
    desk.sandbox.faults.add(Fault(operation="POST /files", status=403, times=1))
    with pytest.raises(PartlyDone) as failed:
        await zra.files.upload_recording(path, b"[1]", b"{}", journal=journal)
    main = failed.value.done[0]
    assert (failed.value.failed, failed.value.pending) == (("transcript",), ("metadata",))
    before = desk.calls("")
    done = await zra.files.upload_recording(path, b"[1]", b"{}", journal=journal)
    assert done.main.file_id == main.file_id
    assert desk.calls("") == before + 2


async def test_captions_go_in_parts(desk: Desk, zra: ZRAClient, video: Video) -> None:
    """A .vtt transcript is taken in parts only, so that is how it goes, however small."""
    main = await zra.files.upload(video(1000))
    file = await zra.files.upload(b"WEBVTT", file_name="call.vtt", main_file_id=main.file_id)
    assert desk.stored(file.file_id).kind == "transcript"
    assert desk.calls("/multipart") == 1


@pytest.mark.parametrize(
    "options",
    [
        {"source_system": "gong"},
        {"source_system": "other", "main_file_id": "m"},
        {"source_system": "gong", "main_file_id": "m", "part_size": PART},
        {"source_system": "gong", "main_file_id": "m", "file_name": "call.vtt"},
        {"main_file_id": " "},
        {"part_size": PART - 1},
        {"part_size": 100_000_001},
        {"concurrency": 0},
        {"concurrency": 101},
    ],
)
async def test_options_that_make_no_sense(desk: Desk, zra: ZRAClient, options: dict[str, Any]) -> None:
    """Options outside their documented meaning are refused before anything is sent."""
    name = "transcript.json" if "main_file_id" in options else "call.mp4"
    with pytest.raises(InvalidArgument):
        await zra.files.upload(b"x", **{"file_name": name} | options)
    assert not desk.sandbox.stats.operations


# The way


async def test_the_file_host_is_learnt_once(desk: Desk, video: Video) -> None:
    """Only the creation meets the redirect; the parts and the completion go straight to where it led."""
    async with desk.client() as zra:
        await zra.files.upload(video(6 * PART), part_size=PART)
    assert [type(e) for e in desk.events].count(Redirected) == 1
    assert desk.calls("/multipart") == 6


@pytest.mark.parametrize("status", [404, 421])
async def test_a_learnt_host_that_does_not_serve_is_left(desk: Desk, video: Video, status: int) -> None:
    """When the learnt host refuses what the service would take, the call goes by the public host again."""
    desk.sandbox.faults.add(Fault(operation="POST /files/multipart", status=status, body="nothing here", times=1))
    async with desk.client() as zra:
        file = await zra.files.upload(video(2 * PART), part_size=PART, concurrency=1)
    assert desk.stored(file.file_id).size == 2 * PART
    assert [type(e) for e in desk.events].count(Redirected) == 2


async def test_progress_is_absolute_and_ends_at_the_total(desk: Desk, zra: ZRAClient, video: Video) -> None:
    """Numbers count up to the total, in bytes and in parts, and never beyond."""
    seen: list[Progress] = []
    await zra.files.upload(video(4 * PART + 1), part_size=PART, on_progress=seen.append)
    assert [p.sent for p in seen] == sorted(p.sent for p in seen)
    assert all(p.sent <= p.total == 4 * PART + 1 and p.parts_total == 5 for p in seen)
    assert (seen[-1].sent, seen[-1].parts_done) == (4 * PART + 1, 5)


async def test_progress_never_exceeds_the_total_when_parts_are_repeated(
    desk: Desk, zra: ZRAClient, video: Video
) -> None:
    """A part that is sent again counts once."""
    desk.sandbox.faults.add(Fault(operation="POST /files/multipart", status=500, times=5))
    seen: list[Progress] = []
    await zra.files.upload(video(4 * PART), part_size=PART, on_progress=seen.append)
    assert max(p.sent for p in seen) == seen[-1].sent == 4 * PART
    assert desk.calls("/multipart") == 9


async def test_a_callback_that_fails_does_not_stop_the_upload(
    desk: Desk, zra: ZRAClient, video: Video, caplog: pytest.LogCaptureFixture
) -> None:
    """The error of a callback is logged once, and the upload goes on."""

    def fail(progress: Progress) -> None:
        raise ZeroDivisionError

    file = await zra.files.upload(video(3 * PART), part_size=PART, on_progress=fail)
    assert desk.stored(file.file_id).size == 3 * PART
    assert caplog.text.count("the on_progress callback failed") == 1


async def test_parts_of_all_uploads_share_one_limit(desk: Desk, video: Video) -> None:
    """However many uploads run, no more parts are on their way at once than the client allows."""
    running = most = 0
    write = PartBody.write

    async def counted(self: PartBody, send: Any) -> None:
        nonlocal running, most
        running, most = running + 1, max(most, running + 1)
        try:
            await write(self, send)
        finally:
            running -= 1

    path = video(6 * PART)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PartBody, "write", counted)
        async with desk.client(transfers=quick_transfers(upload_concurrency=3)) as zra:
            await asyncio.gather(*(zra.files.upload(path, part_size=PART, concurrency=6) for _ in range(3)))
    assert most == 3
    assert desk.calls("/multipart") == 18


async def test_a_main_file_that_does_not_exist(desk: Desk, zra: ZRAClient) -> None:
    """A refused creation is the error of that call: there is nothing to go on with."""
    with pytest.raises(NotFound):
        await zra.files.upload(b"x", file_name="call.vtt", main_file_id="unknown")
    with pytest.raises(NotFound):
        await zra.files.upload(b"x", file_name="transcript.json", main_file_id="unknown")


async def test_bounds_in_time_are_for_calls_and_not_for_files(desk: Desk, video: Video) -> None:
    """A client that is impatient with its calls still sends a part as slowly as the line is."""
    desk.sandbox.faults.add(
        Fault(operation="POST /files/multipart", delay=0.7), Fault(operation="POST /files", delay=0.7)
    )
    async with desk.client(timeout=0.5, deadline=0.5) as zra:
        await zra.call("conversations.list")  # has its token before the clock matters
        assert (await zra.files.upload(video(PART), part_size=PART)).file_id
        assert (await zra.files.upload(video(10))).file_id


async def test_a_client_that_is_not_open(desk: Desk, video: Video) -> None:
    """Before and after its block a client says that it is not open, in parts as in one request."""
    client = desk.client()
    for part_size in (None, PART):
        with pytest.raises(ClientNotOpen):
            await client.files.upload(video(10), part_size=part_size)
    async with client:
        pass
    for part_size in (None, PART):
        with pytest.raises(ClientNotOpen):
            await client.files.upload(video(10), part_size=part_size)


async def test_each_part_is_told_to_the_observer(desk: Desk, video: Video) -> None:
    """An observer hears of every part that is stored, once."""
    async with desk.client() as zra:
        await zra.files.upload(video(2 * PART + 1), part_size=PART)
    assert sorted((e.part_number, e.size) for e in desk.events if isinstance(e, PartDone)) == [
        (1, PART),
        (2, PART),
        (3, 1),
    ]
