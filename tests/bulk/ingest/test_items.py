"""What an item may be, what cannot be sent, and what has changed since an earlier run."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.bulk.ingest import data as ingest_data
from tests.bulk.ingest.data import fields, video
from tests.bulk.ingest.service import outcomes, run, service
from zra_async import errors
from zra_async.bulk import CloudRecording, ConversationFields, IngestItem, ingest_status
from zra_async.bulk.ingest.item import checked
from zra_async.sandbox import Fault

pytestmark = pytest.mark.slow


async def test_a_wrong_field_is_told_by_its_name() -> None:
    """A time that is none is told with one that is, and without the words of a decoder."""
    item = IngestItem("a", b"x", file_name="a.mp4", conversation={**fields(0), "meeting_start_time": "2026-11-01"})
    with pytest.raises(errors.InvalidArgument) as wrong:
        await checked(item)
    assert str(wrong.value) == "conversation: meeting_start_time: must look like 2025-01-31T09:00:00Z"


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
        (CloudRecording("a", "me"), "give recording_link or meeting_uuid"),
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
    async with service() as (second, zra):
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


async def test_names_that_are_not_text(tmp_path: Path) -> None:
    """A key or a path of bytes that are no UTF-8 fails its own item, and no other."""
    given = [
        video("good"),
        IngestItem("caf\udce9", b"x", file_name="a.mp4", conversation=fields(1)),
        IngestItem("path", tmp_path / "caf\udce9.mp4", conversation=fields(2)),
    ]
    async with service() as (_, zra):
        report = await run(zra, given, tmp_path / "ledger")
    assert report.counts == {"added": 1, "failed": 2}
    assert (await ingest_status(tmp_path / "ledger")).counts == {"done": 1, "unfit": 1}


async def test_an_analysis_that_may_not_be_asked_after(tmp_path: Path) -> None:
    """A conversation that nobody lets us look at is unanalysed; the items beside it are waited for all the same."""
    async with service() as (sandbox, zra):
        sandbox.faults.add(Fault(operation="GET /conversations/{conversationId}", status=403, times=1))
        given = [video(f"k{number}", number) for number in range(3)]
        report = await run(zra, given, tmp_path / "ledger", wait_for_analysis=True)
        assert report.counts == {"added": 2, "unanalysed": 1}
        assert report.problems[0].code is not None
        again = await run(zra, given, tmp_path / "ledger", wait_for_analysis=True)
        assert again.counts == {"added": 1, "skipped": 2}
