"""Whether an upload is complete, when the answer to its completion is lost or is a refusal."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from tests.files.conftest import PART, Desk, Video
from tests.files.journals import at_the_end, read
from zra_async import ZRAClient
from zra_async.api.files.operations import FileOperations
from zra_async.errors import UnexpectedAnswer, UploadInterrupted, UploadUncertain
from zra_async.sandbox import Fault


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


async def test_a_completion_whose_answer_cannot_be_read_may_have_been_done(
    desk: Desk, zra: ZRAClient, video: Video, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A success that makes no sense is one: the next run asks for its file, and sends no part a second time."""
    desk.files.complete_twice = "gone"
    journal, complete = tmp_path / "journal", FileOperations.complete_multipart_upload

    async def unreadable(self: FileOperations, *arguments: Any) -> Any:
        await complete(self, *arguments)
        raise UnexpectedAnswer("files.upload_events", "the answer is not the JSON that was expected", status=201)

    with monkeypatch.context() as patch:
        patch.setattr(FileOperations, "complete_multipart_upload", unreadable)
        with pytest.raises(UploadInterrupted) as caught:
            await zra.files.upload(video(2 * PART), part_size=PART, journal=journal)
    assert isinstance(caught.value.reason, UnexpectedAnswer)
    assert read(journal).completing
    with pytest.raises(UploadUncertain):
        await zra.files.resume(journal)
    assert desk.calls("/multipart") == 2
