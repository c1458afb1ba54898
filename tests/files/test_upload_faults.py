"""All that can go wrong on the way, at each step of an upload: what is repaired, and what is said of the rest."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.files.conftest import PART, Desk, StallsPass, Video, part_hashes, sha256
from tests.files.journals import at_the_end, read
from zra_async import RetryPolicy, ZRAClient, errors
from zra_async.api.files.operations import FileOperations
from zra_async.errors import AmbiguousWrite, UploadInterrupted, UploadUncertain
from zra_async.files import Progress
from zra_async.files.journal import JournalFile
from zra_async.files.multipart import MultipartUpload
from zra_async.sandbox import Fault

pytestmark = pytest.mark.slow

CREATE = COMPLETE = "POST /files/multipart/upload_events"
PART_CALL = "POST /files/multipart"
SINGLE = "POST /files"

#: each way to go wrong, how often, and whether a step can have been done although it failed
FAULTS: dict[str, tuple[dict[str, Any], bool]] = {
    "500": ({"status": 500}, True),
    "502 as a page": ({"status": 502, "body": "<html>bad gateway</html>", "content_type": "text/html"}, True),
    "503": ({"status": 503}, False),
    "429, later": ({"status": 429, "retry_after": "seconds", "retry_seconds": 0.01}, False),
    "429, some time": ({"status": 429, "retry_after": "garbage"}, False),
    "refused token": ({"revoke_token": True}, False),
    "reset before the body": ({"reset": "before"}, False),
    "reset after the body": ({"reset": "after"}, True),
    "answer lost": ({"lose_answer": True}, True),
    "answer cut": ({"truncate": 5}, True),
    "answer stalls": ({"stall": True}, True),
    "answer drips": ({"drip": 400.0}, False),
    "answer late": ({"delay": 0.05}, False),
    "another content type": ({"content_type": "text/plain"}, False),
}
#: what no repeat helps against
REFUSALS = {
    "400": ({"status": 400, "body": {"code": 300, "message": "Invalid File type."}}, errors.BadRequest),
    "403": ({"status": 403}, errors.PermissionDenied),
    "404": ({"status": 404, "body": {"code": 1005, "message": "Upload context x not exist."}}, errors.NotFound),
    "413": ({"status": 413}, errors.PayloadTooLarge),
    "no scopes": (
        {"status": 400, "body": {"code": 4711, "message": "Invalid access token, does not contain scopes:[a, b]."}},
        errors.MissingScopes,
    ),
    "no JSON": ({"status": 201, "body": "<html>fine</html>"}, errors.UnexpectedAnswer),
    "an empty answer": ({"status": 201, "body": {}}, errors.UnexpectedAnswer),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_creation_is_repeated(desk: Desk, video: Video, fault: str, stalls_pass: StallsPass) -> None:
    """An upload that was begun twice costs nothing, so whatever happens to a creation is repaired."""
    fields, _ = FAULTS[fault]
    desk.sandbox.faults.add(Fault(operation=CREATE, times=1, **fields))
    path = video(PART + 1)
    async with desk.client() as zra:
        stalls_pass()
        file = await zra.files.upload(path, part_size=PART)
    assert [part.sha256 for part in desk.stored(file.file_id).parts] == part_hashes(path, PART)


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_part_is_repeated_alone(desk: Desk, video: Video, fault: str, stalls_pass: StallsPass) -> None:
    """Whatever happens to one part, it alone is sent again, with the same bytes."""
    fields, _ = FAULTS[fault]
    desk.sandbox.faults.add(Fault(operation=PART_CALL, times=1, **fields))
    path = video(3 * PART)
    async with desk.client() as zra:
        stalls_pass(stored=2)
        file = await zra.files.upload(path, part_size=PART)
    stored = desk.stored(file.file_id)
    assert [part.sha256 for part in stored.parts] == part_hashes(path, PART)
    repeated = fault not in {"answer drips", "answer late", "another content type"}
    most = 6 if fault == "refused token" else 3 + repeated  # a token is refused to all that use it
    assert 3 + repeated <= desk.calls("/multipart") <= most


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_completion_is_resolved(desk: Desk, video: Video, fault: str, stalls_pass: StallsPass) -> None:
    """However the completion fails, one file comes of it, under the id that is returned."""
    fields, _ = FAULTS[fault]
    strike = at_the_end(desk, Fault(operation=COMPLETE, times=1, **fields))
    path = video(2 * PART)
    async with desk.client() as zra:
        stalls_pass()
        file = await zra.files.upload(path, part_size=PART, on_progress=strike)
    assert [f.file_id for f in desk.files.all()] == [file.file_id]
    assert desk.calls("/multipart") == 2


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_single_upload_is_repeated_only_when_it_cannot_have_been_done(
    desk: Desk, video: Video, fault: str, stalls_pass: StallsPass
) -> None:
    """A whole file in one request is never stored twice: a lost answer is said, everything else is repaired."""
    fields, done = FAULTS[fault]
    desk.sandbox.faults.add(Fault(operation=SINGLE, times=1, **fields))
    path = video(3_000_000)
    async with desk.client() as zra:
        stalls_pass()
        if done:
            with pytest.raises(AmbiguousWrite):
                await zra.files.upload(path)
        else:
            await zra.files.upload(path)
    assert len(desk.files.all()) <= 1
    assert all(stored.sha256 == sha256(path) for stored in desk.files.all())


@pytest.mark.parametrize("refusal", REFUSALS)
@pytest.mark.parametrize("step", ["create", "part", "complete"])
async def test_a_refusal_is_said_and_can_be_gone_on_with(
    desk: Desk, video: Video, tmp_path: Path, refusal: str, step: str
) -> None:
    """What no repeat helps against ends the upload with its reason; once it is gone, the upload goes on."""
    fields, kind = REFUSALS[refusal]
    fault = Fault(operation=PART_CALL if step == "part" else CREATE, times=1, **fields)
    journal, strike = tmp_path / "journal", None
    if step == "complete":
        strike = at_the_end(desk, fault)
    else:
        desk.sandbox.faults.add(fault)
    path = video(2 * PART)
    async with desk.client() as zra:
        with pytest.raises(kind if step == "create" else UploadInterrupted) as caught:
            await zra.files.upload(path, part_size=PART, journal=journal, concurrency=1, on_progress=strike)
        if isinstance(caught.value, UploadInterrupted):
            assert isinstance(caught.value.reason, kind)
            assert caught.value.__cause__ is caught.value.reason
            assert caught.value.journal == journal
            assert repr(str(journal)) in str(caught.value)
        file = await zra.files.upload(path, part_size=PART, journal=journal)
    assert [part.sha256 for part in desk.stored(file.file_id).parts] == part_hashes(path, PART)
    assert file.reused == {"create": 0, "part": 0, "complete": 2}[step]


async def test_all_parts_failing_end_the_upload_at_once(desk: Desk, video: Video, tmp_path: Path) -> None:
    """When nothing works any more no part is sent twice, and no sibling is left behind."""
    desk.sandbox.faults.add(Fault(operation=PART_CALL, status=403))
    path, journal = video(8 * PART), tmp_path / "journal"
    async with desk.client(retry=RetryPolicy()) as zra:
        with pytest.raises(UploadInterrupted) as caught:
            await zra.files.upload(path, part_size=PART, concurrency=8, journal=journal)
    assert desk.calls("/multipart") <= 8
    assert caught.value.state.parts == ()
    assert read(tmp_path / "journal").upload_context


async def test_siblings_that_wait_to_repeat_stop_when_one_fails_for_good(desk: Desk, video: Video) -> None:
    """A long pause before a repeat does not hold up an upload that has failed already."""
    desk.sandbox.faults.add(
        Fault(operation=PART_CALL, status=503, times=3), Fault(operation=PART_CALL, status=403, delay=0.05)
    )
    days = RetryPolicy(base=1e6, longest=1e6, random=lambda: 1.0)
    async with desk.client(retry=days) as zra:
        with pytest.raises(UploadInterrupted, match="PermissionDenied"):
            await zra.files.upload(video(6 * PART), part_size=PART)


async def test_a_daily_limit_says_when_to_come_back(desk: Desk, video: Video) -> None:
    """A day's requests that are used up end the upload with the time at which it can go on."""
    body = {"code": 429, "message": "You have reached the maximum daily rate limit for this API."}
    daily = Fault(
        operation=PART_CALL,
        status=429,
        body=body,
        retry_after="iso",
        retry_seconds=3600,
        headers={"X-RateLimit-Type": "Daily-limit"},
    )
    desk.sandbox.faults.add(daily)
    async with desk.client() as zra:
        with pytest.raises(UploadInterrupted, match="come back at") as caught:
            await zra.files.upload(video(3 * PART), part_size=PART)
    assert isinstance(caught.value.reason, errors.RateLimited)
    assert caught.value.reason.resets_at is not None


# Damage


async def test_a_part_that_arrives_damaged_is_sent_again(
    desk: Desk, zra: ZRAClient, video: Video, caplog: pytest.LogCaptureFixture
) -> None:
    """Where the etags are md5s, one that is not that of the part tells of damage, and the part is sent again."""
    wrong = {"part_number_etag": {"part_number": 1, "etag": "0" * 32}}
    desk.sandbox.faults.add(Fault(operation=PART_CALL, status=201, body=wrong, times=1))
    path = video(3 * PART)
    seen: list[Progress] = []
    file = await zra.files.upload(path, part_size=PART, concurrency=1, on_progress=seen.append)
    assert [part.sha256 for part in desk.stored(file.file_id).parts] == part_hashes(path, PART)
    assert desk.calls("/multipart") == 4
    assert "parts [1] arrived damaged" in caplog.text
    assert (max(p.sent for p in seen), seen[-1].parts_done) == (3 * PART, 3)


async def test_a_part_that_always_arrives_damaged_is_said(desk: Desk, zra: ZRAClient, video: Video) -> None:
    """A part is sent three times at most."""
    wrong = {"part_number_etag": {"part_number": 1, "etag": "0" * 32}}
    damage = Fault(operation=PART_CALL, status=201, body=wrong)

    def strike(progress: Progress) -> None:
        if progress.parts_done == 1:
            desk.sandbox.faults.add(damage)

    with pytest.raises(UploadInterrupted, match="damaged on its way"):
        await zra.files.upload(video(2 * PART), part_size=PART, concurrency=1, on_progress=strike)
    assert desk.calls("/multipart") == 4


async def test_etags_that_are_no_md5s_are_believed(desk: Desk, zra: ZRAClient, video: Video) -> None:
    """A service may call a part what it likes, 32 digits of something else included."""
    desk.files.etag = "opaque"
    assert (await zra.files.upload(video(2 * PART), part_size=PART)).parts == 2
    desk.files.etag = "md5"
    wrong = {"part_number_etag": {"part_number": 1, "etag": "ab" * 16}}
    desk.sandbox.faults.add(Fault(operation=PART_CALL, status=201, body=wrong, times=2))
    with pytest.raises(UploadInterrupted, match="Invalid part number etags"):  # the sandbox knows better
        await zra.files.upload(video(2 * PART), part_size=PART)
    assert desk.calls("/multipart") == 4


# Cancellation


@pytest.mark.usefixtures("no_task_stays")
@pytest.mark.parametrize("moment", [None, 0.0, 0.2, 0.5, 0.8, 0.99])
async def test_a_cancelled_upload_leaves_a_journal_and_nothing_else(
    desk: Desk, video: Video, tmp_path: Path, moment: float | None
) -> None:
    """Cancelled at any moment, an upload begins no other part, and a later one goes on with what is stored."""
    path, journal = video(8 * PART), tmp_path / "journal"
    sent_before: list[int] = []

    def cancel(progress: Progress) -> None:
        if moment is not None and progress.sent >= moment * 8 * PART and not sent_before:
            sent_before.append(desk.calls("/multipart"))
            task.cancel()

    async with desk.client() as zra:
        upload = zra.files.upload(path, part_size=PART, journal=journal, on_progress=cancel)
        task = asyncio.create_task(upload)
        if moment is None:
            await asyncio.sleep(0)
            sent_before.append(0)
            task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert desk.calls("/multipart") <= sent_before[0] + 4  # as many are on their way at once
        before = read(journal) if journal.exists() else None
        file = await zra.files.upload(path, part_size=PART, journal=journal)
    assert file.reused == (len(before.parts) if before else 0)
    assert [part.sha256 for part in desk.stored(file.file_id).parts] == part_hashes(path, PART)


@pytest.mark.usefixtures("no_task_stays")
async def test_a_timeout_around_an_upload(desk: Desk, video: Video, tmp_path: Path) -> None:
    """``asyncio.timeout`` bounds an upload that stands still, and raises what it always raises."""
    desk.sandbox.faults.add(Fault(operation=PART_CALL, stall=True))

    async def bounded(zra: ZRAClient) -> None:
        async with asyncio.timeout(None) as clock:

            def soon(progress: Progress) -> None:
                if clock.when() is None:
                    clock.reschedule(asyncio.get_running_loop().time() + 0.05)

            await zra.files.upload(video(4 * PART), part_size=PART, journal=tmp_path / "journal", on_progress=soon)

    async with desk.client() as zra:
        with pytest.raises(TimeoutError):
            await bounded(zra)
    assert read(tmp_path / "journal").parts == ()


async def test_parts_that_are_stored_while_the_journal_is_written_are_not_lost(
    desk: Desk, zra: ZRAClient, video: Video, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is known when a cancellation comes is in the journal when it is over."""
    journal, stored = tmp_path / "journal", asyncio.Event()
    save = MultipartUpload._save

    async def slow(self: MultipartUpload, state: Any) -> None:
        if state.parts and not stored.is_set():
            self.state = state
            stored.set()
            await asyncio.Event().wait()
        await save(self, state)

    monkeypatch.setattr(MultipartUpload, "_save", slow)
    task = asyncio.create_task(zra.files.upload(video(2 * PART), part_size=PART, concurrency=1, journal=journal))
    await stored.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(read(journal).parts) == 1


async def test_a_failure_loses_no_part_that_is_stored(
    desk: Desk, zra: ZRAClient, video: Video, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A part that waits for the journal while another one fails is in the journal when the upload has stopped."""
    path, journal, may_save, stored = video(3 * PART), tmp_path / "journal", threading.Event(), list[int]()
    write, save, send = JournalFile.save, MultipartUpload._save, FileOperations.upload_part

    def slow(self: JournalFile, state: Any) -> None:
        assert not state.parts or may_save.wait()
        write(self, state)

    async def noted(self: MultipartUpload, state: Any) -> None:
        stored.append(len(state.parts))
        await save(self, state)

    async def third_fails(self: FileOperations, body: Any, **fields: Any) -> Any:
        if fields["part_number"] < 3:
            return await send(self, body, **fields)
        while 2 not in stored:
            await asyncio.sleep(0.001)
        may_save.set()
        raise errors.PermissionDenied("files.upload_part", status=403)

    monkeypatch.setattr(JournalFile, "save", slow)
    monkeypatch.setattr(MultipartUpload, "_save", noted)
    monkeypatch.setattr(FileOperations, "upload_part", third_fails)
    with pytest.raises(UploadInterrupted) as caught:
        await zra.files.upload(path, part_size=PART, journal=journal)
    assert isinstance(caught.value.reason, errors.PermissionDenied)
    assert read(journal).parts == caught.value.state.parts
    assert len(read(journal).parts) == 2


async def test_a_journal_that_fails_is_the_reason_that_is_told(
    zra: ZRAClient, video: Video, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that is full ends the upload with that as its reason, and with its state in the error."""
    write = JournalFile.save

    def full(self: JournalFile, state: Any) -> None:
        if state.parts:
            raise errors.JournalError("the disk is full")
        write(self, state)

    monkeypatch.setattr(JournalFile, "save", full)
    with pytest.raises(UploadInterrupted, match="the disk is full") as caught:
        await zra.files.upload(video(2 * PART), part_size=PART, journal=tmp_path / "journal", concurrency=1)
    assert len(caught.value.state.parts) == 1


async def test_an_interrupted_upload_is_not_uncertain(desk: Desk, zra: ZRAClient, video: Video) -> None:
    """Only a completion can be in doubt."""
    desk.sandbox.faults.add(Fault(operation=PART_CALL, status=403))
    with pytest.raises(UploadInterrupted) as caught:
        await zra.files.upload(video(2 * PART), part_size=PART)
    assert not isinstance(caught.value, UploadUncertain)
    assert "error.state" in str(caught.value)
