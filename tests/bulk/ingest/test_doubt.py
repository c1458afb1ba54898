"""Answers that were lost: what is done about an item of which nobody knows whether it arrived."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bulk.ingest import data as ingest_data
from tests.bulk.ingest.data import fields, video
from tests.bulk.ingest.service import outcomes, run, service
from zra_async.bulk import CloudRecording, IngestItem, check_manifest, ingest_status
from zra_async.sandbox import Fault

pytestmark = pytest.mark.slow


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


async def test_a_cloud_recording_whose_answer_was_lost_is_its_own(tmp_path: Path) -> None:
    """Asked for again, the service says that it is there: that was this item, and not somebody before it."""
    async with service() as (sandbox, zra):
        sandbox.faults.add(Fault(operation="POST /users/{userId}/conversations", lose_answer=True, times=1))
        report = await run(zra, [CloudRecording("a", "me", meeting_uuid="good==")], tmp_path / "ledger")
        assert report.counts == {"added": 1}
