"""The journal of an upload: what it holds, who may work with it, and what it refuses."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from tests.files.conftest import PART, Desk, Video
from tests.files.journals import interrupted, read
from zra_async import ZRAClient
from zra_async.errors import InUse, JournalError
from zra_async.files import UploadState
from zra_async.files.journal import JournalFile
from zra_async.results.uploads import Fingerprint


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
        "import sys\nfrom zra_async.files.journal import JournalFile\n"
        "from zra_async.results.uploads import Fingerprint\n"
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


@pytest.mark.parametrize("content", [b"", b" \n"])
async def test_a_journal_that_was_emptied_is_refused(
    desk: Desk, zra: ZRAClient, video: Video, tmp_path: Path, content: bytes
) -> None:
    """An upload whose journal lost its content is not begun a second time without a word."""
    journal = tmp_path / "journal"
    path = video(2 * PART)
    await interrupted(desk, zra, path, journal, 1)
    journal.write_bytes(content)
    for again in (lambda: zra.files.upload(path, part_size=PART, journal=journal), lambda: zra.files.resume(journal)):
        with pytest.raises(JournalError, match=r"is empty.*remove it to upload the file from its beginning"):
            await again()
    assert journal.read_bytes() == content


async def test_a_missing_journal_cannot_be_resumed(zra: ZRAClient, tmp_path: Path) -> None:
    """A mistyped path is said."""
    with pytest.raises(JournalError, match="there is no journal at"):
        await zra.files.resume(tmp_path / "journal")
    with pytest.raises(JournalError, match=r"cannot be locked: .*embedded null"):
        await zra.files.resume(tmp_path / "jour\0nal")
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


def test_a_journal_behind_a_link(tmp_path: Path) -> None:
    """A journal is one under all its names: links are followed and stay, and a planted temporary one leads nowhere."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("folder/journal")
    (tmp_path / "folder" / "journal.tmp").symlink_to(victim)
    journal = JournalFile(tmp_path / "link")
    try:
        with pytest.raises(InUse):
            JournalFile(tmp_path / "folder" / ".." / "folder" / "journal")
        journal.save(a_state())
    finally:
        journal.close()
    assert victim.read_text() == "precious"
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "folder" / "journal.tmp").is_symlink()
    assert read(tmp_path / "folder" / "journal") == a_state()


@pytest.mark.parametrize("kind", ["pipe", "socket", "folder", "hard link"])
def test_what_cannot_be_a_journal(tmp_path: Path, kind: str) -> None:
    """A pipe is not waited for, and nothing is made beside what cannot be a journal or has a second name."""
    journal = tmp_path / "journal"
    match kind:
        case "pipe":
            os.mkfifo(journal)
        case "socket":
            os.mknod(journal, 0o600 | stat.S_IFSOCK)
        case "folder":
            journal.mkdir()
        case _:
            journal.write_bytes(msgspec.json.encode(a_state()))
            (tmp_path / "name").hardlink_to(journal)
    before = sorted(path.name for path in tmp_path.iterdir())
    with pytest.raises(JournalError, match=r"not a regular file|hard links"):
        JournalFile(journal)
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def a_state() -> UploadState:
    """A state at the beginning of an upload."""
    return UploadState(
        file_name="call.mp4",
        fingerprint=Fingerprint(size=1, mtime_ns=0, sample=""),
        part_size=1,
        created=datetime(2026, 1, 5, tzinfo=UTC),
    )
