"""Whole files of every size and of every name, byte for byte, with what is attached to them."""

from __future__ import annotations

import asyncio
import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from tests.files.conftest import PART, Desk, StallsPass, Video, part_hashes, quick_transfers, sha256
from zra_async import RetryPolicy, ZRAClient
from zra_async.core.events import PartDone, Redirected
from zra_async.errors import ClientNotOpen, InvalidArgument, NotFound, PartlyDone
from zra_async.files import Progress
from zra_async.files.body import PartBody
from zra_async.sandbox import Fault

pytestmark = pytest.mark.slow

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


@pytest.mark.parametrize(("status", "times"), [(404, 1), (421, 1 + RetryPolicy().server)])
async def test_a_learnt_host_that_does_not_serve_is_left(desk: Desk, video: Video, status: int, times: int) -> None:
    """When the learnt host refuses what the service would take, the call goes by the public host again."""
    desk.sandbox.faults.add(Fault(operation="POST /files/multipart", status=status, body="nothing here", times=times))
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


async def test_bounds_in_time_are_for_calls_and_not_for_files(
    desk: Desk, video: Video, stalls_pass: StallsPass
) -> None:
    """A client that is impatient with its calls still sends a part as slowly as the line is."""
    desk.sandbox.faults.add(
        Fault(operation="POST /files/multipart", delay=25.0), Fault(operation="POST /files", delay=25.0)
    )
    async with desk.client(silence=3600, timeout=20, deadline=20) as zra:
        stalls_pass()
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
