"""Uploads that go on where they stopped, and those that must not or that begin anew."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
import time_machine
from msgspec.structs import replace

from tests.files.conftest import PART, Desk, Video, part_hashes
from tests.files.journals import interrupted, read
from zra_async import ZRAClient
from zra_async.errors import InvalidArgument, SourceChanged, UploadInterrupted
from zra_async.sandbox import Fault


@pytest.mark.parametrize("after", [0, 1, 3])
@pytest.mark.parametrize("way", ["upload", "resume", "state"])
async def test_an_upload_goes_on_where_it_stopped(
    desk: Desk, zra: ZRAClient, video: Video, tmp_path: Path, after: int, way: str
) -> None:
    """The same call, or ``resume`` with the journal or the state of the error, sends only what is missing."""
    path, journal = video(4 * PART), None if way == "state" else tmp_path / "journal"
    error = await interrupted(desk, zra, path, journal, after)
    assert len(error.state.parts) == after
    assert f"{after} of 4 parts" in str(error)
    sent = desk.calls("/multipart")
    async with desk.client() as other:
        if way == "upload":
            file = await other.files.upload(path, part_size=PART, journal=journal)
        else:
            file = await other.files.resume(journal or error.state)
    assert (file.reused, file.parts, file.restarted) == (after, 4, "")
    assert desk.calls("/multipart") == sent + 4 - after
    assert [part.sha256 for part in desk.stored(file.file_id).parts] == part_hashes(path, PART)


async def test_a_finished_journal_gives_the_same_file_again(
    desk: Desk, zra: ZRAClient, video: Video, tmp_path: Path
) -> None:
    """Once all is done the same call asks nothing of the service, in parts or in one request."""
    for part_size in (PART, None):
        path, journal = video(2 * PART), tmp_path / f"journal {part_size}"
        first = await zra.files.upload(path, part_size=part_size, journal=journal)
        before = dict(desk.sandbox.stats.operations)
        again = await zra.files.upload(path, part_size=part_size, journal=journal)
        resumed = await zra.files.resume(journal)
        assert first.file_id == again.file_id == resumed.file_id
        assert again.reused == again.parts
        assert dict(desk.sandbox.stats.operations) == before


async def test_bytes_go_on_when_they_are_given_again(desk: Desk, zra: ZRAClient, video: Video, tmp_path: Path) -> None:
    """A source without a path cannot be resumed by its journal alone, but with its bytes."""
    path, journal = video(3 * PART), tmp_path / "journal"
    data = path.read_bytes()
    desk.sandbox.faults.add(Fault(operation="POST /files/multipart", status=403, times=1))
    with pytest.raises(UploadInterrupted):
        await zra.files.upload(data, file_name="call.mp4", part_size=PART, journal=journal)
    with pytest.raises(InvalidArgument, match="give the source"):
        await zra.files.resume(journal)
    file = await zra.files.resume(journal, source=data)
    assert [part.sha256 for part in desk.stored(file.file_id).parts] == part_hashes(path, PART)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda path: path.write_bytes(path.read_bytes() + b"x"), "size and time of change"),
        (lambda path: os.utime(path, (1, 1)), "time of change"),
        (lambda path: (path.write_bytes(b"y" + path.read_bytes()[1:]), os.utime(path, ns=(0, TIMES[0]))), "content"),
    ],
)
async def test_a_changed_file_is_refused(
    desk: Desk, zra: ZRAClient, video: Video, tmp_path: Path, change: Callable[[Path], Any], what: str
) -> None:
    """Another size, time or content than at the beginning is said, and nothing is sent."""
    path, journal = video(3 * PART), tmp_path / "journal"
    TIMES[:] = [path.stat().st_mtime_ns]
    await interrupted(desk, zra, path, journal, 1)
    before = dict(desk.sandbox.stats.operations)
    content = journal.read_bytes()
    change(path)
    for again in (
        lambda: zra.files.resume(journal),
        lambda: zra.files.upload(path, part_size=PART, journal=journal),
    ):
        with pytest.raises(SourceChanged, match=what):
            await again()
    assert dict(desk.sandbox.stats.operations) == before
    assert journal.read_bytes() == content


TIMES: list[int] = []


async def test_a_file_that_changes_while_it_is_uploaded_is_not_completed(
    desk: Desk, zra: ZRAClient, video: Video, tmp_path: Path
) -> None:
    """Parts of two versions are never put together."""
    path = video(2 * PART)
    with pytest.raises(SourceChanged, match="changed while"):
        await zra.files.upload(path, part_size=PART, on_progress=lambda p: os.utime(path, (p.sent, p.sent)))
    assert desk.calls("/multipart/upload_events") == 1


async def test_another_request_does_not_take_over_a_journal(
    desk: Desk, zra: ZRAClient, video: Video, tmp_path: Path
) -> None:
    """A journal belongs to one name, main file and part size."""
    path, journal = video(3 * PART), tmp_path / "journal"
    await interrupted(desk, zra, path, journal, 1)
    for options, what in (
        ({"file_name": "other.mp4"}, "file_name"),
        ({"part_size": PART + 1}, "part_size"),
        ({"main_file_id": "m", "file_name": "transcript.json"}, "file_name and main_file_id"),
    ):
        with pytest.raises(InvalidArgument, match=f"another {what}"):
            await zra.files.upload(path, journal=journal, **options)


@pytest.mark.parametrize("days", [-7_000, -8, 8, 7_000])
async def test_the_age_of_an_upload_is_counted_by_the_services_clock(
    desk: Desk, zra: ZRAClient, video: Video, tmp_path: Path, days: int
) -> None:
    """A machine whose clock was set meanwhile goes on with an upload of a moment ago."""
    path, journal = video(3 * PART), tmp_path / "journal"
    await interrupted(desk, zra, path, journal, 2)
    with time_machine.travel(datetime.now(UTC) + timedelta(days=days), tick=True):
        async with desk.client() as other:
            file = await other.files.resume(journal)
    assert (file.restarted, file.reused) == ("", 2)


async def test_a_journal_holds_the_services_time(desk: Desk, video: Video, tmp_path: Path) -> None:
    """A machine whose clock is wrong begins an upload, as the first call of its client; another one goes on."""
    path, journal = video(3 * PART), tmp_path / "journal"
    with time_machine.travel(datetime.now(UTC) - timedelta(days=400), tick=True):
        async with desk.client() as zra:
            await interrupted(desk, zra, path, journal, 2)
    assert abs(read(journal).created - desk.sandbox.clock.now()) < timedelta(minutes=5)
    async with desk.client() as other:
        file = await other.files.resume(journal)
    assert (file.restarted, file.reused) == ("", 2)


async def test_an_upload_older_than_seven_days_begins_anew(
    desk: Desk, zra: ZRAClient, video: Video, tmp_path: Path
) -> None:
    """The parts of an upload that the service has forgotten are sent again, and the result says so."""
    path, journal = video(3 * PART), tmp_path / "journal"
    await interrupted(desk, zra, path, journal, 2)
    state = replace(read(journal), created=datetime.now(UTC) - timedelta(days=7))
    journal.write_bytes(msgspec.json.encode(state))
    file = await zra.files.resume(journal)
    assert (file.restarted, file.reused) == ("the upload was begun more than 7 days ago", 0)
    assert read(journal).upload_context != state.upload_context
    assert [part.sha256 for part in desk.stored(file.file_id).parts] == part_hashes(path, PART)


async def test_an_upload_that_the_service_has_forgotten_begins_anew(
    desk: Desk, zra: ZRAClient, video: Video, tmp_path: Path
) -> None:
    """A context that is gone before its time is no reason to fail either; progress begins anew as well."""
    path, journal = video(3 * PART), tmp_path / "journal"
    await interrupted(desk, zra, path, journal, 2)
    desk.sandbox.clock.advance(7 * 86_400)
    seen: list[int] = []
    file = await zra.files.resume(journal, on_progress=lambda p: seen.append(p.sent))
    assert file.restarted == "the service no longer knew the upload"
    assert (max(seen), seen[-1]) == (3 * PART, 3 * PART)
    assert desk.stored(file.file_id).size == 3 * PART


async def test_a_new_upload_whose_context_is_gone_is_interrupted(desk: Desk, zra: ZRAClient, video: Video) -> None:
    """Only what an earlier run left is begun anew: a service that forgets at once would be asked forever."""
    desk.sandbox.faults.add(
        Fault(
            operation="POST /files/multipart", status=404, body={"code": 1005, "message": "Upload context not exist."}
        )
    )
    with pytest.raises(UploadInterrupted, match="not exist"):
        await zra.files.upload(video(PART), part_size=PART)
    assert desk.calls("/multipart/upload_events") == 1


@pytest.mark.skipif(sys.platform in {"win32", "darwin"}, reason="names of files are text there")
async def test_a_folder_whose_name_is_no_text(desk: Desk, zra: ZRAClient, video: Video, tmp_path: Path) -> None:
    """A journal cannot keep such a path, but all the rest; to go on, the source has to be given."""
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    path, journal = video(2 * PART).rename(folder / "call.mp4"), tmp_path / "journal"
    error = await interrupted(desk, zra, path, journal, 1)
    assert len(error.state.parts) == 1
    with pytest.raises(InvalidArgument, match="give the source"):
        await zra.files.resume(journal)
    assert (await zra.files.resume(journal, source=path)).reused == 1


async def test_a_file_that_changes_while_it_goes_in_one_request_is_said(
    desk: Desk, zra: ZRAClient, video: Video, tmp_path: Path
) -> None:
    """What was stored is half of one file and half of another: its id is neither given nor kept."""
    path, journal = video(PART), tmp_path / "journal"

    def change(_: object) -> None:
        os.utime(path, ns=(1, 1))

    with pytest.raises(SourceChanged, match="while it was uploaded: upload it again"):
        await zra.files.upload(path, journal=journal, on_progress=change)
    assert not journal.exists()
