"""The journal of an upload: what it survives, what it refuses, and what it lets an upload go on with."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from tests.files.conftest import PART, Desk, part_hashes
from zra_async import ZRAClient
from zra_async.errors import (
    InUse,
    InvalidArgument,
    JournalError,
    SourceChanged,
    UploadInterrupted,
    UploadUncertain,
)
from zra_async.files import Progress, UploadState
from zra_async.files.journal import Fingerprint, JournalFile
from zra_async.sandbox import Fault

Video = Callable[..., Path]


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


async def test_a_journal_holds_each_part_and_then_the_file(zra: ZRAClient, video: Video, tmp_path: Path) -> None:
    """After each part the journal on disk has its etag, and at the end the id of the file; only its owner reads it."""
    journal = tmp_path / "journal.json"
    counts: list[int] = []
    file = await zra.files.upload(
        video(3 * PART),
        part_size=PART,
        concurrency=1,
        journal=journal,
        on_progress=lambda p: counts.append(len(read(journal).parts) - p.parts_done),
    )
    state = read(journal)
    assert set(counts) <= {0}
    assert state.file_id == file.file_id
    assert [part.number for part in state.parts] == [1, 2, 3]
    assert stat.S_IMODE(journal.stat().st_mode) == 0o600
    assert sorted(p.name for p in tmp_path.iterdir()) == ["call.mp4", "journal.json"]


async def test_a_journal_holds_no_secret_but_the_context(
    desk: Desk, zra: ZRAClient, video: Video, tmp_path: Path
) -> None:
    """No token is in the journal, and no text of an error or a state shows the upload context."""
    journal = tmp_path / "journal.json"
    error = await interrupted(desk, zra, video(2 * PART), journal, 1)
    context = error.state.upload_context
    assert context in journal.read_text()
    for text in (str(error), repr(error), repr(error.state), str(error.state)):
        assert context not in text
    for token in desk.sandbox._tokens._access:
        assert token not in journal.read_text()


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


# One at a time


async def test_two_tasks_on_one_journal(desk: Desk, zra: ZRAClient, video: Video, tmp_path: Path) -> None:
    """The second is refused, whether it uploads or resumes, and the first is not disturbed."""
    path, journal = video(2 * PART), tmp_path / "journal"
    held = JournalFile(journal)
    try:
        for again in (lambda: zra.files.upload(path, journal=journal), lambda: zra.files.resume(journal)):
            with pytest.raises(InUse, match="another task or process works with the journal"):
                await again()
    finally:
        held.close()
    assert (await zra.files.upload(path, part_size=PART, journal=journal)).parts == 2


async def test_two_processes_on_one_journal(zra: ZRAClient, video: Video, tmp_path: Path) -> None:
    """The lock holds between processes, and ends with the process that has it, however that ends."""
    journal = tmp_path / "journal"
    code = (
        "import sys\nfrom zra_async.files.journal import Fingerprint, JournalFile\n"
        "kept = JournalFile(sys.argv[1])\nprint(flush=True)\nsys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(journal)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(InUse):
            await zra.files.upload(video(10), journal=journal)
        other.kill()
    assert (await zra.files.upload(video(10), journal=journal)).file_id


def test_a_lock_file_that_was_removed_meanwhile_is_not_the_lock(tmp_path: Path) -> None:
    """Somebody who tidies up lock files lets a second one in, but never a third."""
    first = JournalFile(tmp_path / "journal")
    (tmp_path / "journal.lock").unlink()
    second = JournalFile(tmp_path / "journal")
    first.close()  # leaves the lock file alone, which is the second's by now
    with pytest.raises(InUse):
        JournalFile(tmp_path / "journal")
    second.close()
    JournalFile(tmp_path / "journal").close()


# The file itself


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"not json", "is not the journal"),
        (b"{}", "is not the journal"),
        (b"\xff\xfe", "is not the journal"),
        (b'{"version": 2}', "another version"),
    ],
)
async def test_a_file_that_is_no_journal(
    zra: ZRAClient, video: Video, tmp_path: Path, content: bytes, message: str
) -> None:
    """Something else at the journal's path is neither used nor overwritten."""
    journal = tmp_path / "journal"
    journal.write_bytes(content)
    with pytest.raises(JournalError, match=message):
        await zra.files.upload(video(10), journal=journal)
    assert journal.read_bytes() == content


@pytest.mark.parametrize("field", ["part_size", "parts", "size"])
async def test_a_journal_that_contradicts_itself(
    desk: Desk, zra: ZRAClient, video: Video, tmp_path: Path, field: str
) -> None:
    """A journal that was edited into nonsense is refused before it does harm."""
    path, journal = video(2 * PART), tmp_path / "journal"
    await interrupted(desk, zra, path, journal, 1)
    state = read(journal)
    if field == "size":
        state = replace(state, fingerprint=replace(state.fingerprint, size=0))
    else:
        state = replace(state, **({"part_size": 1} if field == "part_size" else {"parts": state.parts * 2}))
    journal.write_bytes(msgspec.json.encode(state))
    with pytest.raises(JournalError, match="contradicts itself"):
        await zra.files.resume(journal)


async def test_an_empty_file_is_a_new_journal(zra: ZRAClient, video: Video, tmp_path: Path) -> None:
    """A path from ``mkstemp`` can be a journal."""
    journal = tmp_path / "journal"
    journal.touch()
    assert (await zra.files.upload(video(10), part_size=PART, journal=journal)).file_id == read(journal).file_id


async def test_a_missing_journal_cannot_be_resumed(zra: ZRAClient, tmp_path: Path) -> None:
    """A mistyped path is said."""
    with pytest.raises(JournalError, match="there is no journal at"):
        await zra.files.resume(tmp_path / "journal")
    with pytest.raises(JournalError, match="cannot be locked"):
        await zra.files.resume(tmp_path / "folder" / "journal")


def test_a_save_that_fails_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk costs the new state, never the old one."""
    journal = JournalFile(tmp_path / "journal")
    try:
        (tmp_path / "journal").write_text("old")

        def full(fd: int) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(JournalError, match="No space left"):
            journal.save(a_state())
        assert (tmp_path / "journal").read_text() == "old"
    finally:
        journal.close()


def test_a_journal_does_not_follow_a_link(tmp_path: Path) -> None:
    """A link that somebody has put where the journal is written is replaced, and what it points to is left alone."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "journal").symlink_to(victim)
    (tmp_path / "journal.tmp").symlink_to(victim)
    journal = JournalFile(tmp_path / "journal")
    try:
        journal.save(a_state())
    finally:
        journal.close()
    assert victim.read_text() == "precious"
    assert read(tmp_path / "journal") == a_state()


def a_state() -> UploadState:
    """A state at the beginning of an upload."""
    return UploadState(
        file_name="call.mp4",
        fingerprint=Fingerprint(size=1, mtime_ns=0, sample=""),
        part_size=1,
        created=datetime(2026, 1, 5, tzinfo=UTC),
    )


# Whether it is complete


def at_the_end(desk: Desk, *faults: Fault) -> Callable[[Progress], None]:
    """Arm faults once all parts are stored, so that they strike the completion and not the creation."""
    armed: list[bool] = []

    def on_progress(progress: Progress) -> None:
        if progress.parts_done == progress.parts_total and not armed:
            armed.append(True)
            desk.sandbox.faults.add(*faults)

    return on_progress


def lost(times: int = 1) -> Fault:
    """Completions that are done, and whose answer is lost."""
    return Fault(operation="POST /files/multipart/upload_events", lose_answer=True, times=times)


@pytest.mark.parametrize("in_memory", [True, False])
async def test_a_completion_whose_answer_is_lost_is_asked_for_once_more(
    desk: Desk, zra: ZRAClient, video: Video, tmp_path: Path, in_memory: bool
) -> None:
    """The second completion gives the id of the first, and there is one file."""
    journal = None if in_memory else tmp_path / "journal"
    strike = at_the_end(desk, lost())
    file = await zra.files.upload(video(2 * PART), part_size=PART, journal=journal, on_progress=strike)
    assert [f.file_id for f in desk.files.all()] == [file.file_id]
    assert desk.calls("/multipart/upload_events") == 3


async def test_a_completion_that_cannot_be_resolved_is_uncertain(
    desk: Desk, zra: ZRAClient, video: Video, tmp_path: Path
) -> None:
    """When the context is gone after a lost answer nobody guesses: the error says that the file may be there."""
    desk.files.complete_twice = "gone"
    journal = tmp_path / "journal"
    with pytest.raises(UploadUncertain, match="may be complete") as caught:
        await zra.files.upload(video(2 * PART), part_size=PART, journal=journal, on_progress=at_the_end(desk, lost()))
    assert len(caught.value.state.parts) == 2
    assert read(journal).completing
    for _ in range(2):  # it stays uncertain, and nothing is sent again
        with pytest.raises(UploadUncertain):
            await zra.files.resume(journal)
    assert desk.calls("/multipart") == 2


async def test_an_uncertain_upload_does_not_begin_anew_when_it_is_old(
    desk: Desk, zra: ZRAClient, video: Video, tmp_path: Path
) -> None:
    """A file that may be there is not sent a second time behind the caller's back, however long ago it was."""
    desk.files.complete_twice = "gone"
    journal = tmp_path / "journal"
    with pytest.raises(UploadUncertain):
        await zra.files.upload(video(2 * PART), part_size=PART, journal=journal, on_progress=at_the_end(desk, lost()))
    journal.write_bytes(msgspec.json.encode(replace(read(journal), created=datetime(2020, 1, 1, tzinfo=UTC))))
    with pytest.raises(UploadUncertain):
        await zra.files.resume(journal)
    assert desk.calls("/multipart") == 2


async def test_two_lost_answers_are_uncertain_and_can_be_resumed(
    desk: Desk, zra: ZRAClient, video: Video, tmp_path: Path
) -> None:
    """A completion is repeated once, not forever; a later run may still find out."""
    journal, strike = tmp_path / "journal", at_the_end(desk, lost(times=2))
    with pytest.raises(UploadUncertain):
        await zra.files.upload(video(2 * PART), part_size=PART, journal=journal, on_progress=strike)
    file = await zra.files.resume(journal)
    assert [f.file_id for f in desk.files.all()] == [file.file_id]
    assert file.reused == 2


async def test_a_completion_that_is_refused_was_not_done(
    desk: Desk, zra: ZRAClient, video: Video, tmp_path: Path
) -> None:
    """A clear refusal leaves no doubt behind: the next run completes."""
    journal = tmp_path / "journal"
    refused = Fault(operation="POST /files/multipart/upload_events", status=403, times=1)
    with pytest.raises(UploadInterrupted) as caught:
        await zra.files.upload(video(2 * PART), part_size=PART, journal=journal, on_progress=at_the_end(desk, refused))
    assert not isinstance(caught.value, UploadUncertain)
    assert not read(journal).completing
    assert (await zra.files.resume(journal)).reused == 2
