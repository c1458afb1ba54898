"""Ingests into the sandbox: every item exactly one conversation, every failure an outcome of its item."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.bulk import ingest_data
from tests.bulk.ingest_data import FAST, SOON, fields, items
from zra_async import RetryPolicy, ZRAClient, errors
from zra_async.bulk import (
    CloudRecording,
    ConversationFields,
    IngestItem,
    IngestReport,
    Polling,
    check_manifest,
    ingest_status,
)
from zra_async.bulk.ingest import IngestPlan, ingest
from zra_async.config import Transfers
from zra_async.core.events import JobProgress
from zra_async.sandbox import Fault, Sandbox

LIMIT = 6_000_000


@asynccontextmanager
async def service(*, limits: Any = FAST, **options: Any) -> AsyncIterator[tuple[Sandbox, ZRAClient]]:
    settings: dict[str, Any] = {"conversations": 10, "limits": False, "processing_seconds": 0.2, **options}
    transfers = Transfers(single_upload_limit=LIMIT)
    async with (
        Sandbox(**settings) as sandbox,
        sandbox.client(limits=limits, retry=RetryPolicy(base=0.02), transfers=transfers) as zra,
    ):
        yield sandbox, zra


async def run(zra: ZRAClient, given: Any, ledger: Path, **options: Any) -> IngestReport:
    """``zra.ingest`` with waits that suit a service on the same machine."""
    plan = IngestPlan(ledger=ledger, **{**SOON, **options})
    return await ingest(zra, given, plan, lambda progress: None, LIMIT)


def video(key: str = "a", number: int = 0, **more: Any) -> IngestItem:
    return IngestItem(key, b"video " + key.encode(), file_name="a.mp4", conversation=fields(number, **more))


def outcomes(report: IngestReport) -> dict[str, str]:
    return {one.key: one.outcome for one in report.problems}


async def test_the_client_turns_items_into_conversations(tmp_path: Path) -> None:
    """The plain call does it, tells of its progress, and a second call finds everything done."""
    heard: list[JobProgress] = []
    keys: list[str] = []
    async with service() as (sandbox, zra):
        given = items(tmp_path, 20)
        report = await zra.ingest(
            given, ledger=tmp_path / "ledger", on_event=heard.append, on_outcome=lambda one: keys.append(one.key)
        )
        ingest_data.check(sandbox, tmp_path, ingest_data.write_rows(tmp_path, 20))
        assert (report.counts, report.done, report.partial) == ({"added": 20}, 20, False)
        assert report.sent == sum(
            path.stat().st_size for path in tmp_path.iterdir() if path.suffix in (".mp4", ".json")
        )
        assert heard[-1] == JobProgress("ingest", "items", 20, 0, 20)
        assert sorted(keys) == sorted(item.key for item in given)
        again = await zra.ingest(given, ledger=tmp_path / "ledger")
        assert (again.counts, again.sent) == ({"skipped": 20}, 0)


async def test_lost_answers_on_every_write_and_other_failures(tmp_path: Path) -> None:
    """Under lost answers, 5xx, resets and a revoked token each item still is exactly one conversation."""
    mix = [
        Fault(operation="POST /files", lose_answer=True, probability=0.12),
        Fault(operation="POST /files/multipart", lose_answer=True, times=2),
        Fault(operation="POST /files/multipart/upload_events", lose_answer=True, times=3),
        Fault(operation="POST /conversations", lose_answer=True, probability=0.25),
        Fault(operation="POST /users/{userId}/conversations", lose_answer=True, probability=0.5),
        Fault(operation="* *", status=503, probability=0.05),
        Fault(operation="* *", status=500, probability=0.02),
        Fault(operation="* *", reset="after", probability=0.03),
        Fault(operation="* *", reset="before", probability=0.03),
        Fault(operation="GET /conversations", revoke_token=True, times=1),
    ]
    async with service(awkward=0.0) as (sandbox, zra):
        rows = ingest_data.write_rows(tmp_path, 250, large=(3, 90), large_size=11_000_000)
        manifest = await check_manifest(ingest_data.write_manifest(tmp_path, rows))
        clouds = [CloudRecording(f"cloud-{n}", "me", meeting_uuid=f"meeting{n}==") for n in range(20)]
        sandbox.faults.add(*mix)
        for _ in range(6):
            report = await run(zra, manifest, tmp_path / "ledger")
            cloud_report = await run(zra, clouds, tmp_path / "ledger")
            if not report.partial and not cloud_report.partial:
                break
        sandbox.faults.clear()
        struck = {name for name, fault in sandbox.faults.struck if fault.lose_answer}
        assert struck == {
            "POST /zra/files", "POST /zra/files/multipart", "POST /zra/files/multipart/upload_events",
            "POST /zra/conversations", "POST /zra/users/{userId}/conversations",
        }  # fmt: skip
        assert report.problems == cloud_report.problems == ()
        found = ingest_data.added(sandbox)
        meetings = [c for c in sandbox.world.newest_first() if c.number < 0 and not c.file_id]
        assert len(meetings) == len({c.meeting_uuid for c in meetings}) == 20
        for one in meetings:
            del found[one.topic]
        assert len(found) == 250
        for one in meetings:  # what is left to compare are the uploads
            sandbox.world.delete(one)
        ingest_data.check(sandbox, tmp_path, rows)


async def test_an_addition_in_doubt_is_found_and_not_repeated(tmp_path: Path) -> None:
    """When the answer is lost the conversation is looked up: it was added, so nothing is sent again."""
    async with service() as (sandbox, zra):
        sandbox.faults.add(Fault(operation="POST /conversations", lose_answer=True, times=1))
        host = sandbox.world.users[1].email
        report = await run(zra, [video(host_id=host)], tmp_path / "ledger")
        assert report.counts == {"added": 1}
        assert sandbox.stats.operations["POST /zra/conversations"] == 1
        assert len(ingest_data.added(sandbox)["Call 0"]) == 1
        assert (await ingest_status(tmp_path / "ledger")).counts == {"done": 1}


async def test_an_addition_that_was_not_done_is_repeated(tmp_path: Path) -> None:
    """When the request was lost on its way, nothing is found, and it is sent again."""
    async with service() as (sandbox, zra):
        sandbox.faults.add(Fault(operation="POST /conversations", reset="after", times=1))
        assert (await run(zra, [video()], tmp_path / "ledger")).counts == {"added": 1}
        assert sandbox.stats.operations["POST /zra/conversations"] == 2
        assert len(ingest_data.added(sandbox)["Call 0"]) == 1


async def test_an_old_conversation_that_looks_the_same_is_not_taken_for_a_new_one(tmp_path: Path) -> None:
    """What was analysed long before the addition began is another conversation, though topic and start are equal."""
    async with service() as (sandbox, zra):
        assert (await run(zra, [video("old")], tmp_path / "first")).counts == {"added": 1}
        [old] = [c for c in sandbox.world.newest_first() if c.number < 0]
        sandbox.world.delete(old)
        sandbox.world.add(old._replace(ready_at=1.0, processed=int(sandbox.clock.time()) - 3_600))
        sandbox.faults.add(Fault(operation="POST /conversations", reset="after", times=1))
        assert (await run(zra, [video("new")], tmp_path / "second")).counts == {"added": 1}
        assert len(ingest_data.added(sandbox)["Call 0"]) == 2


async def test_what_cannot_be_told_apart_is_uncertain_and_not_guessed(tmp_path: Path) -> None:
    """Two conversations that may be the item, or one without a topic: reported with the candidates, sent no further."""
    async with service() as (sandbox, zra):
        assert (await run(zra, [video("other")], tmp_path / "other")).counts == {"added": 1}
        lost = Fault(operation="POST /conversations", lose_answer=True, times=1)
        sandbox.faults.add(lost)
        report = await run(zra, [video("mine")], tmp_path / "mine")
        assert report.counts == {"uncertain": 1}
        [problem] = report.problems
        assert len(problem.candidates) == 2
        assert (report.failed, report.partial) == (1, True)
        sends = sandbox.stats.operations["POST /zra/conversations"]

        # it stays so until the account tells more: the other one is deleted, and the next run finds its own
        report = await run(zra, [video("mine")], tmp_path / "mine")
        assert report.counts == {"uncertain": 1}
        [foreign, _] = sorted((c for c in sandbox.world.newest_first() if c.number < 0), key=lambda c: c.ready_at)
        sandbox.world.delete(foreign)
        assert (await run(zra, [video("mine")], tmp_path / "mine")).counts == {"added": 1}
        assert sandbox.stats.operations["POST /zra/conversations"] == sends

        sandbox.faults.add(lost)
        nameless = IngestItem("n", b"x", file_name="n.mp4", conversation=fields(7, conversation_topic=None) | {})
        bare = {name: value for name, value in fields(7).items() if name != "conversation_topic"}
        nameless = IngestItem("n", b"x", file_name="n.mp4", conversation=bare)
        report = await run(zra, [nameless], tmp_path / "mine")
        assert outcomes(report) == {"n": "uncertain"}
        assert "topic" in report.problems[0].reason


async def test_items_that_look_the_same_are_kept_apart(tmp_path: Path) -> None:
    """Many items with one topic, start and host, some answers lost: none is doubled, and the doubtful ones are told."""
    async with service() as (sandbox, zra):
        given = [video(f"same-{number}") for number in range(12)]
        sandbox.faults.add(Fault(operation="POST /conversations", lose_answer=True, times=3))
        report = await run(zra, given, tmp_path / "ledger")
        assert len(ingest_data.added(sandbox)["Call 0"]) == 12
        # those before and after are told by their ids, so that one at a time is in doubt, and can be told as well
        assert report.counts == {"added": 12}


async def test_an_attachment_in_doubt_is_never_attached_twice(tmp_path: Path) -> None:
    """After a lost answer to a transcript, the main file is sent anew: it has one transcript, then the metadata."""
    async with service() as (sandbox, zra):
        sandbox.faults.add(Fault(operation="POST /files", lose_answer=True, times=2))
        given = [
            IngestItem("a", b"main", b"{}", b"{1}", "chorus", file_name="a.mp4", conversation=fields(0)),
        ]
        assert (await run(zra, given, tmp_path / "ledger", concurrency=1)).counts == {"added": 1}
        sandbox.faults.add(Fault(operation="POST /files", status=500, times=1))
        [file_id] = ingest_data.added(sandbox)["Call 0"]
        main = sandbox.account.files.find(file_id)
        assert main is not None
        assert [sandbox.account.files.find(one).name for one in main.attachments] == [  # type: ignore[union-attr]
            "transcript.json",
            "metadata.json",
        ]


async def test_an_ingest_goes_on_inside_a_file(tmp_path: Path) -> None:
    """Stopped in the middle of a file, the next run sends only the parts that are missing, and keeps nothing."""
    rows = ingest_data.write_rows(tmp_path, 1, large=(0,), large_size=36_000_000)
    manifest = await check_manifest(ingest_data.write_manifest(tmp_path, rows))
    async with service() as (sandbox, zra):
        sandbox.faults.add(Fault(operation="POST /files/multipart", delay=0.3))
        transfers = Transfers(single_upload_limit=LIMIT, upload_concurrency=1)
        async with sandbox.client(limits=FAST, transfers=transfers) as slow:
            job = asyncio.create_task(run(slow, manifest, tmp_path / "ledger"))
            while not any(b'"etag"' in path.read_bytes() for path in (tmp_path / "ledger.uploads").glob("*.main")):
                await asyncio.sleep(0.005)  # until the first part is on record; the second waits at the service
            job.cancel()
            with pytest.raises(asyncio.CancelledError):
                await job
        sandbox.faults.clear()
        [upload] = sandbox.account.files.uploads()
        stored = len(upload.parts)
        [journal] = [path for path in (tmp_path / "ledger.uploads").iterdir() if path.suffix == ".main"]
        assert journal.stat().st_mode & 0o077 == 0
        report = await run(zra, manifest, tmp_path / "ledger")
        assert report.counts == {"added": 1}
        assert (stored, len(upload.parts)) == (1, 2)
        assert all(part.times_received == 1 for part in upload.parts.values())
        ingest_data.check(sandbox, tmp_path, rows)
        assert not (tmp_path / "ledger.uploads").exists()


async def test_the_folder_of_the_journals_stays_for_the_whole_run(tmp_path: Path) -> None:
    """The end of one file does not take it away from another that is about to begin."""
    rows = ingest_data.write_rows(tmp_path, 2, large=(0, 1), large_size=12_000_000)
    manifest = await check_manifest(ingest_data.write_manifest(tmp_path, rows))
    folder = tmp_path / "ledger.uploads"
    seen: list[bool] = []
    async with service() as (_, zra):
        await run(zra, manifest, tmp_path / "ledger", on_outcome=lambda _: seen.append(folder.exists()))
    assert seen == [True, True]
    assert not folder.exists()


async def test_every_kind_of_source(tmp_path: Path) -> None:
    """Paths, bytes, files, pipes, iterators and addresses: what can be read once is sent again all the same."""

    async def pieces(size: int) -> AsyncIterator[bytes]:
        for _ in range(size // 50_000):
            yield b"x" * 50_000

    class Pipe(io.RawIOBase):
        left = 3

        def readable(self) -> bool:
            return True

        def read(self, size: int = -1) -> bytes:
            self.left -= 1
            return b"y" * 1000 if self.left >= 0 else b""

    (tmp_path / "p.mov").write_bytes(b"path")
    (tmp_path / "c.vtt").write_bytes(b"WEBVTT")
    given = [
        IngestItem("path", str(tmp_path / "p.mov"), conversation=fields(0)),
        IngestItem("bytes", b"bytes", file_name="b.mp4", conversation=fields(1)),
        IngestItem("file", io.BytesIO(b"0123456"), file_name="f.mp4", conversation=fields(2)),
        IngestItem("iterator", pieces(500_000), file_name="i.mp4", conversation=fields(3)),
        IngestItem("large", pieces(11_000_000), b"{}", file_name="l.mp4", conversation=fields(4)),
        IngestItem("pipe", Pipe(), b"{}", file_name="q.mp4", conversation=fields(5)),  # type: ignore[arg-type]
        IngestItem("captions", b"v", tmp_path / "c.vtt", file_name="c.mp4", conversation=fields(7)),
        IngestItem("address", "https://files.example/r.mp4?sig=1", conversation=fields(6)),
    ]
    async with service() as (sandbox, zra):
        sandbox.faults.add(Fault(operation="POST /files", lose_answer=True, probability=0.3, times=4))
        report = await run(zra, given, tmp_path / "ledger", concurrency=2)
        assert report.counts == {"added": 8}
        found = ingest_data.added(sandbox)
        sizes = [sandbox.account.files.find(found[f"Call {n}"][0]).size for n in range(6)]  # type: ignore[union-attr]
        assert sizes == [4, 5, 7, 500_000, 11_000_000, 3_000]
        assert found["Call 6"] == [""]
        captioned = sandbox.account.files.find(found["Call 7"][0])
        assert captioned is not None
        assert [sandbox.account.files.find(one).name for one in captioned.attachments] == ["c.vtt"]  # type: ignore[union-attr]


class Unreadable:
    """No file at all."""


@pytest.mark.parametrize(
    ("item", "words"),
    [
        (video(conversation_type="chat"), "conversation_type"),
        (video(shoe_size=1), "shoe_size"),
        (video(meeting_end_time="2020-01-01T00:00:00Z"), "before meeting_start_time"),
        (video(participants=[{"display_name": "N"}] * 201), "at most 200"),
        (IngestItem("a", b"", file_name="a.mp4", conversation=fields(0)), "0 bytes"),
        (IngestItem("a", b"x", conversation=fields(0)), "file_name"),
        (IngestItem("a", "/missing/a.mp4", conversation=fields(0)), "No such file"),
        (IngestItem("a", "/tmp", file_name="a.mp4", conversation=fields(0)), "not a regular file"),
        (IngestItem("a", b"x", file_name="a.txt", conversation=fields(0)), "not a video"),
        (IngestItem("a", Unreadable(), file_name="a.mp4", conversation=fields(0)), "binary file"),  # type: ignore[arg-type]
        (IngestItem("a", b"x", "/missing/a.srt", file_name="a.mp4", conversation=fields(0)), "must be a .json"),
        (IngestItem("a", b"x", None, None, "gong", file_name="a.mp4", conversation=fields(0)), "there is none"),
        (IngestItem("a", "http://x.example/a", b"{}", conversation=fields(0)), "that is uploaded"),
        (IngestItem("a", "http://", conversation=fields(0)), "with a host"),
        (IngestItem("x" * 501, b"x", file_name="a.mp4", conversation=fields(0)), "500 characters"),
        (IngestItem("a", b"x", file_name="a.mp4", conversation=7), "mapping"),  # type: ignore[arg-type]
        (IngestItem("a", io.StringIO("x"), file_name="a.mp4", conversation=fields(0)), "text"),  # type: ignore[arg-type]
        (CloudRecording("a", "me"), "exactly one"),
        (CloudRecording("a", " ", meeting_uuid="m"), "user_id"),
        (CloudRecording("a", "me", recording_link="ftp://x/y"), "http"),
    ],
)
async def test_an_item_that_cannot_be_sent_is_an_outcome(tmp_path: Path, item: Any, words: str) -> None:
    """A wrong item is reported with what is wrong, costs no call, and does not stop the next one."""
    async with service() as (sandbox, zra):
        report = await run(zra, [item, video("good", 9)], tmp_path / "ledger", concurrency=1)
        assert (report.counts, [one.outcome for one in report.problems]) == ({"failed": 1, "added": 1}, ["failed"])
        assert words in report.problems[0].reason
        assert sandbox.stats.operations["POST /zra/files"] == 1


async def test_what_is_no_item_at_all(tmp_path: Path) -> None:
    """Something else among the items is an outcome; something else in place of them is refused."""
    async with service() as (_, zra):
        report = await run(zra, ["text", None, IngestItem(" ", b"x", conversation=fields(0))], tmp_path / "ledger")
        assert report.counts == {"failed": 3}
        for wrong in ("text", 5, b"bytes"):
            with pytest.raises(errors.InvalidArgument, match="iterable of IngestItem"):
                await zra.ingest(wrong, ledger=tmp_path / "ledger")  # type: ignore[arg-type]
        for options in ({"concurrency": 0}, {"daily_budget": "never"}):
            with pytest.raises(errors.InvalidArgument):
                await zra.ingest([], ledger=tmp_path / "ledger", **options)  # type: ignore[arg-type]


async def test_a_key_counts_once_in_a_run(tmp_path: Path) -> None:
    """The second item with a key of the same run is refused, and the first is not touched by that."""
    async with service() as (sandbox, zra):
        report = await run(zra, [video("a", 0), video("a", 1), video("a", 2)], tmp_path / "ledger", concurrency=1)
        assert report.counts == {"added": 1, "failed": 2}
        assert "same key" in report.problems[0].reason
        assert list(ingest_data.added(sandbox)) == ["Call 0"]
        assert (await run(zra, [video("a", 0)], tmp_path / "ledger")).counts == {"skipped": 1}


async def test_refused_items_are_tried_again_on_request(tmp_path: Path) -> None:
    """A refusal is kept with its code; without ``retry_failed`` it costs no further call, with it only what is left."""
    async with service() as (sandbox, zra):
        bad = video("a", host_id="nobody@example.com")
        report = await run(zra, [bad], tmp_path / "ledger")
        [problem] = report.problems
        assert (problem.outcome, problem.code) == ("failed", 1005)
        status = await ingest_status(tmp_path / "ledger")
        assert status.counts == {"failed": 1}
        assert (status.items[0].step, status.items[0].code, status.items[0].key) == ("add", 1005, "a")
        before = dict(sandbox.stats.operations)
        report = await run(zra, [video("a")], tmp_path / "ledger")
        assert (report.counts, report.problems[0].code) == ({"failed": 1}, 1005)
        assert sandbox.stats.operations == before
        report = await run(zra, [video("a")], tmp_path / "ledger", retry_failed=True)
        assert report.counts == {"added": 1}
        assert sandbox.stats.operations["POST /zra/files"] == 1  # the file was there already


async def test_a_file_that_has_changed_is_sent_anew(tmp_path: Path) -> None:
    """An item that is not finished and has other files than before begins anew; a finished one does not."""
    path = tmp_path / "a.mp4"
    path.write_bytes(b"first")
    item = IngestItem("a", path, conversation=fields(0))
    async with service() as (sandbox, zra):
        sandbox.faults.add(Fault(operation="POST /conversations", status=400, times=1))
        assert (await run(zra, [item], tmp_path / "ledger")).counts == {"failed": 1}
        path.write_bytes(b"second!")
        assert (await run(zra, [item], tmp_path / "ledger", retry_failed=True)).counts == {"added": 1}
        [file_id] = ingest_data.added(sandbox)["Call 0"]
        assert sandbox.account.files.find(file_id).size == 7  # type: ignore[union-attr]
        path.unlink()
        assert (await run(zra, [item], tmp_path / "ledger")).counts == {"skipped": 1}


async def test_a_file_that_was_missing_is_sent_once_it_is_there(tmp_path: Path) -> None:
    """What could not be sent as it was given needs no ``retry_failed``."""
    path = tmp_path / "a.mp4"
    item = IngestItem("a", path, conversation=fields(0))
    async with service() as (_, zra):
        assert (await run(zra, [item], tmp_path / "ledger")).counts == {"failed": 1}
        assert (await ingest_status(tmp_path / "ledger")).counts == {"unfit": 1}
        path.write_bytes(b"here")
        assert (await run(zra, [item], tmp_path / "ledger")).counts == {"added": 1}


async def test_a_main_file_that_the_service_forgot_is_sent_anew(tmp_path: Path) -> None:
    """A file of an earlier run that the service does not know any more does not fail its item."""
    async with service() as (first, zra):
        first.faults.add(Fault(operation="POST /conversations", status=400, times=1))
        assert (await run(zra, [video()], tmp_path / "ledger")).counts == {"failed": 1}
    async with service(seed=8) as (second, zra):
        assert (await run(zra, [video()], tmp_path / "ledger", retry_failed=True)).counts == {"added": 1}
        assert second.stats.operations["POST /zra/conversations"] == 2


WORDS = {
    "fail": 3300, "broken": 5333, "invalid": 3318, "cmk": 3320, "early": 3314, "foreign": 3313, "denied": 1004,
    "missing": 3316,
}  # fmt: skip


async def test_cloud_recordings_with_every_documented_refusal(tmp_path: Path) -> None:
    """Each refusal is the outcome of its own item; a recording that is there already is no failure."""
    async with service() as (sandbox, zra):
        unlicensed = next(user for user in sandbox.world.users if not user.licensed)
        given = [CloudRecording(word, "me", meeting_uuid=f"{word}=") for word in WORDS]
        given += [
            CloudRecording("uuid", "me", meeting_uuid="good=="),
            CloudRecording("link", "me", recording_link="https://zoom.example/rec/share/abc"),
            CloudRecording("again", "me", meeting_uuid="good=="),
            CloudRecording("unlicensed", unlicensed.user_id, meeting_uuid="m="),
            CloudRecording("unknown", "nobody", meeting_uuid="m="),
        ]
        report = await run(zra, given, tmp_path / "ledger", concurrency=1)
        codes = {one.key: one.code for one in report.problems}
        assert codes == {**WORDS, "unlicensed": 3317, "unknown": 1005}
        assert set(outcomes(report).values()) == {"failed"}
        assert report.counts == {"failed": 10, "added": 2, "already_added": 1}
        assert (await run(zra, given, tmp_path / "ledger")).counts == {"failed": 10, "skipped": 3}


async def test_a_cloud_recording_whose_answer_was_lost_is_its_own(tmp_path: Path) -> None:
    """Asked for again, the service says that it is there: that was this item, and not somebody before it."""
    async with service() as (sandbox, zra):
        sandbox.faults.add(Fault(operation="POST /users/{userId}/conversations", lose_answer=True, times=1))
        report = await run(zra, [CloudRecording("a", "me", meeting_uuid="good==")], tmp_path / "ledger")
        assert report.counts == {"added": 1}


async def test_the_analysis_is_waited_for(tmp_path: Path) -> None:
    """An item is done when its analysis is; what takes too long is told, and waited for again by the next run."""
    async with service(processing_seconds=0.5) as (sandbox, zra):
        given = [video(f"k{n}", n) for n in range(30)]
        report = await run(zra, given, tmp_path / "ledger", wait_for_analysis=True)
        assert report.counts == {"added": 30}
        assert not any(sandbox.world.processing(c) for c in sandbox.world.newest_first())
    async with service(processing_seconds=0.8) as (sandbox, zra):
        short = Polling(first=0.05, longest=0.1, limit=0.2)
        report = await run(zra, given[:5], tmp_path / "two", wait_for_analysis=True, analysis=short)
        assert report.counts == {"unanalysed": 5}
        assert report.partial
        assert (await ingest_status(tmp_path / "two")).counts == {"unanalysed": 5}
        report = await run(zra, given[:5], tmp_path / "two", wait_for_analysis=True)
        assert (report.counts, report.sent) == ({"added": 5}, 0)
        assert (await run(zra, given[:5], tmp_path / "two")).counts == {"skipped": 5}


async def test_two_runs_on_one_ledger(tmp_path: Path) -> None:
    """The second run is refused while the first works, and the status can be read meanwhile."""
    async with service() as (sandbox, zra):
        sandbox.faults.add(Fault(operation="POST /conversations", delay=0.4))
        job = asyncio.create_task(run(zra, [video()], tmp_path / "ledger"))
        await asyncio.sleep(0.2)
        with pytest.raises(errors.InUse):
            await run(zra, [video()], tmp_path / "ledger")
        [item] = (await ingest_status(tmp_path / "ledger")).items
        assert (item.key, item.state, item.step, item.begun) == ("a", "open", "add", True)
        assert (await job).counts == {"added": 1}


async def test_an_ingest_that_is_cancelled_goes_on_later(tmp_path: Path) -> None:
    """Ctrl-C at any moment leaves a ledger from which the next run goes on, without a duplicate."""
    async with service(latency=0.01) as (sandbox, zra):
        rows = ingest_data.write_rows(tmp_path, 60)
        manifest = await check_manifest(ingest_data.write_manifest(tmp_path, rows))
        for after in (0.0, 0.03, 0.08, 0.15, 0.2):
            job = asyncio.create_task(run(zra, manifest, tmp_path / "ledger"))
            await asyncio.sleep(after)
            job.cancel()
            with pytest.raises(asyncio.CancelledError):
                await job
        assert not (await run(zra, manifest, tmp_path / "ledger")).partial
        ingest_data.check(sandbox, tmp_path, rows)


async def test_a_service_that_cannot_be_reached_ends_the_run_early(tmp_path: Path) -> None:
    """After twenty items in a row that did not get through, the rest is left for the next run."""
    async with service() as (sandbox, zra):
        given = [video(f"k{n}", n) for n in range(100)]
        sandbox.faults.add(Fault(operation="POST /files", status=503))
        async with sandbox.client(limits=FAST, retry=RetryPolicy.none()) as hasty:
            report = await run(hasty, given, tmp_path / "ledger", patience=Polling(first=0.01, longest=0.01))
        assert "20 items in a row" in report.stopped
        assert set(report.counts) == {"interrupted"}
        assert 20 <= report.counts["interrupted"] <= 20 + 16  # and those that were under way
        sandbox.faults.clear()
        report = await run(zra, given, tmp_path / "ledger")
        assert report.counts == {"added": 100}


@pytest.mark.parametrize("fault", [Fault(operation="POST /conversations", status=401), None])
async def test_what_makes_further_items_useless_is_raised(tmp_path: Path, fault: Fault | None) -> None:
    """A refused token, or a missing scope, ends the run at once."""
    scopes = None if fault else ("iq_conversation:read:admin",)
    async with service(scopes=scopes) as (sandbox, zra):
        if fault:
            sandbox.faults.add(fault)
        with pytest.raises(errors.AuthenticationFailed if fault else errors.MissingScopes):
            await run(zra, [video(f"k{n}", n) for n in range(50)], tmp_path / "ledger", concurrency=2)
        assert sandbox.stats.operations["POST /zra/files"] <= 6


async def test_a_failing_callback_costs_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Neither ``on_event`` nor ``on_outcome`` can break the ingest."""

    def deaf(_: object) -> None:
        raise RuntimeError("deaf")

    async with service() as (_, zra):
        given = [video(f"k{n}", n) for n in range(5)]
        report = await zra.ingest(iter(given), ledger=tmp_path / "ledger", on_event=deaf, on_outcome=deaf)
        assert report.counts == {"added": 5}
    assert len([r for r in caplog.records if "it is not called again" in r.message]) == 2


async def test_fields_may_be_a_structure(tmp_path: Path) -> None:
    """`ConversationFields` and a mapping of the same fields are the same."""
    async with service() as (sandbox, zra):
        structure = msgspec.convert(
            fields(3, participants=[{"display_name": "Ann", "email": "ann@x.example"}]), ConversationFields
        )
        item = IngestItem("a", b"x", file_name="a.mp4", conversation=structure)
        assert (await run(zra, [item], tmp_path / "ledger")).counts == {"added": 1}
        [one] = [c for c in sandbox.world.newest_first() if c.number < 0]
        assert [person.display_name for person in one.cast] == ["Ann"]


async def test_the_status_of_what_is_no_ledger(tmp_path: Path) -> None:
    """A missing file, another database and a text are refused."""
    (tmp_path / "text").write_text("text" * 1000)
    async with service() as (_, zra):
        await zra.crm.register(
            "x", deal_stages=[{"stage_name": k, "stage_type": k} for k in ("OPEN", "CLOSED_WON", "CLOSED_LOST")]
        )
        await zra.crm.import_all(leads=[], ledger=tmp_path / "crm")
        for name in ("missing", "text", "crm"):
            with pytest.raises(errors.LedgerError):
                await ingest_status(tmp_path / name)
        with pytest.raises(errors.LedgerError, match="something else"):
            await run(zra, [video()], tmp_path / "crm")
