"""Whole exports of a sandbox account, held record by record to the account's own state."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.bulk.export.account import account, quick_disk  # noqa: F401
from tests.bulk.export.truth import CONVERSATION_STREAMS, EVERY_STREAM, Truth, compare_folder, lines
from tests.leap import pass_stalls
from zra_async import RetryPolicy, ZRAClient, errors
from zra_async.bulk import ALL_STREAMS, DEFAULT_STREAMS, Folder
from zra_async.core.events import CallDone, JobProgress
from zra_async.sandbox import Fault, Sandbox

pytestmark = pytest.mark.slow

EXPIRED = {"code": 300, "message": "The next page token is invalid or expired."}


async def test_everything_is_there_once_and_right(tmp_path: Path) -> None:
    """An export of 400 conversations with every stream equals the account, record by record."""
    async with account(400) as (sandbox, zra):
        report = await zra.export(tmp_path, streams="all")
        counts = compare_folder(Truth(sandbox), tmp_path)
    assert set(counts) == set(EVERY_STREAM) == set(ALL_STREAMS)
    assert min(counts.values()) > 0
    assert {stream: count for stream, count in report.records.items() if stream != "units"} == counts
    assert report.units["conversation"].done == 400
    assert not report.partial
    assert (tmp_path / "failed.jsonl").read_bytes() == b""


class Lapse:
    """An observer that lets page tokens expire: twice, a quarter of an hour passes between two pages of the list."""

    def __init__(self) -> None:
        self.sandbox: Sandbox | None = None
        self.left = 2

    def __call__(self, event: Any) -> None:
        listed = isinstance(event, CallDone) and event.operation == "conversations.list" and event.error is None
        if listed and self.left and self.sandbox is not None:
            self.left -= 1
            self.sandbox.clock.advance(16 * 60)  # before the next page is asked for


async def test_all_is_there_under_every_fault(tmp_path: Path) -> None:
    """With 5 % errors, 2 % resets, 1 % stalls, a revoked token and expired page tokens, the same is there, once."""
    faults = [
        Fault(operation="GET /conversations/{conversationId}", revoke_token=True, times=1),
        Fault(operation="GET /conversations/{conversationId}/interactions", status=400, body=EXPIRED, times=2),
        Fault(operation="GET *", status=503, probability=0.05),
        Fault(operation="GET *", reset="before", probability=0.01),
        Fault(operation="GET *", reset="after", probability=0.01),
        Fault(operation="GET *", stall=True, probability=0.01),
    ]
    lapse = Lapse()
    client = {"timeout": 20, "retry": RetryPolicy(server=6, transport=6, base=0.01), "observer": lapse}
    async with account(320, faults=faults, client=client) as (sandbox, zra):
        lapse.sandbox = sandbox
        passing = asyncio.create_task(pass_stalls(sandbox, 21))
        report = await zra.export(tmp_path, streams="all")
        passing.cancel()
        struck = [fault for fault in faults if any(hit is fault for _, hit in sandbox.faults.struck)]
        sandbox.faults.clear()
        assert not report.partial, report.failures
        compare_folder(Truth(sandbox), tmp_path)
    assert len(struck) == len(faults)
    assert lapse.left == 0


async def test_a_page_token_that_expires_costs_nothing(tmp_path: Path) -> None:
    """A list whose token expires while it is read is begun anew, without loss and without doubles."""
    lapse = Lapse()
    async with account(700, client={"observer": lapse}) as (sandbox, zra):
        lapse.sandbox = sandbox
        await zra.export(tmp_path, streams="conversations")
        compare_folder(Truth(sandbox), tmp_path, ["conversations"])
        assert sandbox.stats.operations["GET /zra/conversations"] > 3
    assert lapse.left == 0


async def test_a_list_that_always_expires_is_given_up(tmp_path: Path) -> None:
    """Where no list can be read to its end, the run says so and keeps what it has."""
    async with account(310, faults=[Fault(operation="GET /conversations", status=400, body=EXPIRED)]) as (_, zra):
        with pytest.raises(errors.PageTokenExpired):
            await zra.export(tmp_path, streams="conversations")


async def test_the_default_is_a_small_set(tmp_path: Path) -> None:
    """Without a choice, conversations, participants, transcripts and deals are exported, and nothing else."""
    async with account(10) as (sandbox, zra):
        report = await zra.export(tmp_path)
        compare_folder(Truth(sandbox), tmp_path, DEFAULT_STREAMS)
    assert DEFAULT_STREAMS == ("conversations", "participants", "transcripts", "deals")
    assert set(report.records) == {*DEFAULT_STREAMS, "units"}
    assert set(report.calls) == {"LIGHT", "MEDIUM"}
    assert report.calls["LIGHT"] == 10


async def test_two_runs_in_one_folder(tmp_path: Path) -> None:
    """While one run works with a folder, a second one is refused, and the first is not disturbed."""
    async with account(60) as (sandbox, zra):
        first = asyncio.ensure_future(zra.export(tmp_path, streams="conversations"))
        while not (tmp_path / "ledger.sqlite").exists():
            await asyncio.sleep(0)
        with pytest.raises(errors.InUse, match="works with the export in"):
            await zra.export(tmp_path, streams="conversations")
        await first
        compare_folder(Truth(sandbox), tmp_path, ["conversations"])
        await zra.export(tmp_path, streams="conversations")  # and now it is free


async def test_segments_are_closed_before_they_outgrow_their_size(tmp_path: Path) -> None:
    """A stream is cut into segments of a bounded size, and no unit is cut in two."""
    async with account(40) as (sandbox, zra):
        await zra.export(Folder(tmp_path, segment_bytes=400_000), streams="conversations,transcripts")
        compare_folder(Truth(sandbox), tmp_path, ["conversations", "transcripts"])
    sizes = [path.stat().st_size for path in tmp_path.glob("transcripts-*.jsonl")]
    assert len(sizes) > 3
    units = [
        {json.loads(line)["conversation_id"] for line in path.read_bytes().splitlines()}
        for path in tmp_path.glob("transcripts-*.jsonl")
    ]
    assert sum(map(len, units)) == len(set.union(*units))
    assert all(size <= 400_000 or len(held) == 1 for size, held in zip(sizes, units, strict=True))


async def test_progress_is_told(tmp_path: Path) -> None:
    """Events count up to the total of every kind of unit."""
    told: list[JobProgress] = []
    async with account(30) as (_, zra):
        await zra.export(tmp_path, streams="conversations,deals,teams,indicators", on_event=told.append)
    last = {event.stream: event for event in told}
    assert set(last) == {"conversations", "deals", "teams", "indicators"}
    assert all(event.done == event.total and not event.failed and event.job == "export" for event in last.values())
    assert last["conversations"].total == 30


async def test_ids_in_every_spelling_and_texts_with_everything(tmp_path: Path) -> None:
    """An account that is awkward throughout is exported as it is."""
    async with account(40, awkward=1.0) as (sandbox, zra):
        await zra.export(tmp_path, streams="all")
        compare_folder(Truth(sandbox), tmp_path)


async def test_recordings_are_files(tmp_path: Path) -> None:
    """Recordings come into a folder of their own, one line for each, and again only when they are missing."""
    async with account(12) as (sandbox, zra):
        report = await zra.export(tmp_path, streams="conversations,recordings")
        have = {row["conversation_id"]: row["has_recording"] for row in lines(tmp_path, "conversations")}
        compare_folder(Truth(sandbox), tmp_path, ["conversations"])
    rows = list(lines(tmp_path, "recordings"))
    assert {row["conversation_id"] for row in rows} == {name for name, recorded in have.items() if recorded}
    assert len({row["file"] for row in rows}) == len(rows) > 0
    for row in rows:
        assert (tmp_path / row["file"]).stat().st_size == row["size"] > 0
    assert report.records["recordings"] == len(rows)
    assert not list(tmp_path.rglob("*.part"))


async def test_an_interruption_is_clean(tmp_path: Path) -> None:
    """Cancelled in the middle, an export keeps what it has, and the same call goes on with the same run."""
    told: list[JobProgress] = []
    async with account(80) as (sandbox, zra):
        first = asyncio.ensure_future(zra.export(tmp_path, streams="conversations,transcripts", on_event=told.append))
        while not any(event.done >= 20 for event in told):
            await asyncio.sleep(0.001)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        before = sandbox.stats.operations["GET /zra/conversations/{conversationId}"]
        report = await zra.export(tmp_path, streams="conversations,transcripts")
        compare_folder(Truth(sandbox), tmp_path, ["conversations", "transcripts"])
        repeated = sandbox.stats.operations["GET /zra/conversations/{conversationId}"] - 80
    assert (report.run, report.resumed) == (1, True)
    assert report.units["conversation"].done == 80
    assert before >= 20
    assert repeated < 70  # what was under way when it was cancelled, and no more


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (
            Fault(
                operation="GET /conversations/{conversationId}",
                status=400,
                body={"code": 4711, "message": "does not contain scopes:[zra:read:conversations:admin]"},
            ),
            errors.MissingScopes,
        ),
        (Fault(operation="GET /conversations/{conversationId}", status=401), errors.AuthenticationFailed),
        (
            Fault(
                operation="GET /conversations/{conversationId}",
                status=429,
                body={"code": 429, "message": "You have reached the maximum daily rate limit for this API."},
            ),
            errors.RateLimited,
        ),
    ],
)
async def test_what_no_repeat_can_help_ends_the_run(tmp_path: Path, fault: Fault, error: type[Exception]) -> None:
    """Missing scopes, refused credentials or a used-up day are raised at once, and the folder can be gone on with."""
    async with account(30, faults=[fault]) as (sandbox, zra):
        with pytest.raises(error):
            await zra.export(tmp_path, streams="conversations")
        calls = sandbox.stats.operations["GET /zra/conversations/{conversationId}"]
        assert calls <= 140  # one for each worker, with one repeat where the token is renewed
        sandbox.faults.clear()
        async with sandbox.client() as again:
            report = await again.export(tmp_path, streams="conversations")
        assert report.resumed
        compare_folder(Truth(sandbox), tmp_path, ["conversations"])


async def test_a_network_that_is_gone_ends_the_run(tmp_path: Path) -> None:
    """When nothing gets through any more, units are not written off one after the other."""
    fault = Fault(operation="GET /conversations/{conversationId}", reset="before")
    async with account(300, faults=[fault], client={"retry": RetryPolicy.none()}) as (sandbox, zra):
        with pytest.raises(errors.TransportError):
            await zra.export(tmp_path, streams="conversations", concurrency=8)
        sandbox.faults.clear()
        await zra.export(tmp_path, streams="conversations")
        compare_folder(Truth(sandbox), tmp_path, ["conversations"])


async def test_bad_requests_are_refused_before_anything_is_sent(tmp_path: Path) -> None:
    """Unknown streams, naive or reversed times and odd numbers raise InvalidArgument and make no folder."""
    from datetime import UTC, datetime

    early, late = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)
    async with account(1) as (_, zra):
        wrong: list[dict[str, Any]] = [
            {"streams": "conversations,transcript"},
            {"streams": []},
            {"since": datetime(2026, 1, 1)},
            {"since": late, "until": early},
            {"concurrency": 0},
        ]
        for options in wrong:
            with pytest.raises(errors.InvalidArgument):
                await zra.export(tmp_path / "new", **options)
        assert not (tmp_path / "new").exists()


async def test_light_and_medium_overlap(tmp_path: Path) -> None:
    """Calls of both labels are made from the beginning to the end, not those of one after those of the other."""
    calls: list[str] = []

    def observe(event: Any) -> None:
        if isinstance(event, CallDone):
            calls.append(event.operation)

    async with account(400, client={"observer": observe}) as (_, zra):
        await zra.export(tmp_path, streams="conversations,comments")
    details = [place for place, name in enumerate(calls) if name == "conversations.get"]
    comments = [place for place, name in enumerate(calls) if name == "comments.list"]
    assert len(details) == len(comments) == 400
    assert max(details) > len(calls) * 0.8
    assert min(comments) < len(calls) * 0.2


def test_every_stream_is_in_the_truth() -> None:
    """The tests know every stream but the recordings."""
    assert set(EVERY_STREAM) == set(ALL_STREAMS)
    assert set(CONVERSATION_STREAMS) < set(ALL_STREAMS)
    assert ZRAClient.export.__doc__ is not None
