"""The parts of an export by themselves: periods, groups, segments, streams, progress."""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.virtual import run
from zra_async import Label, LocalRateLimiter, errors
from zra_async.api.conversations.content_models import Speaker, Utterance
from zra_async.api.conversations.merge import merge_speakers
from zra_async.bulk import STREAMS, UnitCounts, calls_per_unit, select
from zra_async.bulk.export.folder.segments import Segments
from zra_async.bulk.export.folder.tables import SCHEMA
from zra_async.bulk.export.groups import Groups
from zra_async.bulk.export.plan import plan, workers
from zra_async.bulk.export.progress import NAMES, Tally
from zra_async.bulk.export.rows.conversations import transcript_rows
from zra_async.bulk.export.rows.schema import columns
from zra_async.bulk.export.units import Outcome, StreamPart, Waiting
from zra_async.bulk.export.windows import OVERLAP, Covered, Window, extended, to_list
from zra_async.core.events import JobProgress

ZERO = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = st.integers(0, 40)


def day(number: int | None) -> datetime | None:
    """A time in days from the beginning."""
    return None if number is None else ZERO + timedelta(days=number)


# --------------------------------------------------------------------------- periods


@st.composite
def windows(draw: st.DrawFn) -> Window:
    """A period with open ends or without."""
    since, until = draw(st.none() | DAYS), draw(st.none() | DAYS)
    if since is not None and until is not None and since > until:
        since, until = until, since
    return Window(day(since), day(until))


def inside(window: Window, time: datetime) -> bool:
    """Whether a conversation that was processed at ``time`` is listed."""
    return (window.since is None or window.since <= time) and (window.until is None or time <= window.until)


@given(st.lists(st.tuples(windows(), st.booleans(), st.integers(0, 5)), min_size=1, max_size=6))
def test_no_period_is_ever_left_out(runs: list[tuple[Window, bool, int]]) -> None:
    """Whatever runs are made in a row, each has all that it was asked for, and the watermark covers no gap."""
    account: list[datetime] = [ZERO + timedelta(days=n) for n in range(-3, 25)]
    held: set[datetime] = set()
    covered: Covered | None = None
    now = ZERO + timedelta(days=25)
    for asked, incremental, later in runs:
        now += timedelta(days=later)
        account.append(now - timedelta(hours=1))
        window = to_list(covered, asked, incremental=incremental)
        listed = [time for time in account if inside(window, time)]
        held.update(listed)
        covered = extended(covered, window, now, max(listed, default=None))
        assert all(time in held for time in account if inside(asked, time))
        if covered is not None:
            assert all(time in held for time in account if inside(Window(covered.since, covered.until), time))


def test_a_clock_that_is_ahead_loses_nothing() -> None:
    """The watermark is never later than what the service has shown, however late this machine believes it is."""
    covered = extended(None, Window(), ZERO + timedelta(days=400), ZERO)
    assert covered == Covered(None, ZERO)
    assert to_list(covered, Window(), incremental=True) == Window(ZERO - OVERLAP, None)
    assert extended(covered, Window(ZERO - OVERLAP), ZERO, None) == covered


# --------------------------------------------------------------------------- groups


def unit(number: int) -> Waiting:
    """A unit of no account."""
    return Waiting(number, "conversation", f"c{number}", "v", b"{}")


def outcome(number: int, lines: bytes = b"") -> Outcome:
    """What became of it."""
    return Outcome(unit(number), "done", [StreamPart("comments", lines, lines.count(b"\n"))])


def test_groups_gather_and_lose_nothing() -> None:
    """Outcomes are committed in order, many at a time, the last ones without a wait."""
    committed: list[list[int]] = []

    async def commit(group: Sequence[Outcome]) -> None:
        await asyncio.sleep(0.05)
        committed.append([o.unit.seq for o in group])

    async def work() -> float:
        groups = Groups(commit)
        task = asyncio.ensure_future(groups.run())
        for number in range(100):
            await groups.put(outcome(number))
            await asyncio.sleep(0.01)
        ended = asyncio.get_running_loop().time()
        groups.end()
        await task
        return asyncio.get_running_loop().time() - ended

    assert run(work()) < 0.11
    assert [number for group in committed for number in group] == list(range(100))
    assert 5 <= len(committed) <= 12


def test_groups_hold_back_who_is_too_fast() -> None:
    """When commits are slow, whoever has more to give waits: by number of units and by bytes."""
    running, most = 0, 0

    async def commit(group: Sequence[Outcome]) -> None:
        nonlocal running
        await asyncio.sleep(1)
        running -= len(group)

    async def work(limit: int, line: bytes) -> None:
        nonlocal running, most
        groups = Groups(commit, limit)
        task = asyncio.ensure_future(groups.run())
        for number in range(100):
            await groups.put(outcome(number, line))
            running += 1
            most = max(most, running)
        groups.end()
        await task

    run(work(10, b""))
    assert (running, most <= 20) == (0, True)
    most = 0
    run(work(10_000, b"x" * 4 * 1024**2 + b"\n"))
    assert most <= 8


def test_after_a_failed_commit_nothing_more_is_committed() -> None:
    """A group that may have been written in part is the last one."""
    tried: list[int] = []

    async def commit(group: Sequence[Outcome]) -> None:
        tried.append(len(group))
        raise errors.LedgerError("the disk is full")

    async def work() -> None:
        groups = Groups(commit)
        await groups.put(outcome(1))
        groups.end()
        with pytest.raises(errors.LedgerError):
            await groups.run()
        await groups.put(outcome(2))
        await groups.flush()

    run(work())
    assert tried == [1]


# --------------------------------------------------------------------------- segments


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.tuples(st.sampled_from(["commit", "crash", "close"]), st.lists(st.integers(1, 40), max_size=5)),
        min_size=1,
        max_size=8,
    )
)
def test_segments_hold_what_was_committed(steps: list[tuple[str, list[int]]]) -> None:
    """After any sequence of commits, crashes and runs, the files hold exactly what was committed, in order."""
    with tempfile.TemporaryDirectory() as name, patch("os.fsync"):
        folder, committed, number = Path(name), b"", 0
        connection = sqlite3.connect(":memory:", isolation_level=None)
        connection.executescript(SCHEMA[0])
        for turn, (end, sizes) in enumerate(steps, 1):
            connection.execute("INSERT INTO run VALUES (?, '', '', '', NULL)", (turn,))
            segments = Segments(folder, turn, limit=60)
            segments.recover(connection)
            connection.execute("BEGIN")
            written = b""
            for size in sizes:
                number += 1
                line = f'{{"text":"{number:06}{"x" * size}","_run":{turn}}}\n'.encode()
                segments.write(connection, outcome(number, line))
                written += line
            if end == "crash":
                connection.execute("ROLLBACK")
                segments.abandon()
                continue
            segments.close(connection) if end == "close" else segments.sync(connection)
            connection.execute("COMMIT")
            segments.abandon()
            committed += written
        last = Segments(folder, 99)
        last.recover(connection)
        last.close(connection)
        rows = connection.execute(
            "SELECT file, bytes, records, sha256 FROM segment WHERE stream = 'comments' ORDER BY number"
        ).fetchall()
        contents = [(folder / row[0]).read_bytes() for row in rows]
        assert b"".join(contents) == committed
        for (_, size, records, digest), content in zip(rows, contents, strict=True):
            assert (len(content), content.count(b"\n")) == (size, records)
            assert hashlib.sha256(content).hexdigest() == digest
        assert {path.name for path in folder.glob("comments-*")} == {row[0] for row in rows}
        connection.close()


# --------------------------------------------------------------------------- streams, rows, workers


def test_streams_are_chosen_by_name() -> None:
    """One text with commas or a list of names, in any order, give the streams in the order of the table."""
    names = [spec.name for spec in select("deals, transcripts")]
    assert names == [spec.name for spec in select(["transcripts", "deals"])] == ["transcripts", "deals"]
    assert [spec.name for spec in select("all,recordings")] == list(STREAMS)
    with pytest.raises(errors.InvalidArgument, match="choose from"):
        select("transcript")


def test_what_streams_cost() -> None:
    """Streams that read the same operation share its calls, and each says what it costs alone."""
    assert calls_per_unit(select("all")) == {
        "conversation": {Label.LIGHT: 1, Label.MEDIUM: 4},
        "deal": {Label.MEDIUM: 2},
        "team": {Label.MEDIUM: 2},
        "user": {Label.MEDIUM: 1},
        "indicator": {},
        "meeting": {},
    }
    assert calls_per_unit(select("participants,transcripts")) == {"conversation": {Label.LIGHT: 1, Label.MEDIUM: 1}}
    assert calls_per_unit(select("recordings")) == {"conversation": {Label.LIGHT: 2}}
    assert "1 LIGHT per conversation" in STREAMS["conversations"].cost
    assert set(NAMES) == {spec.unit for spec in STREAMS.values()}


@pytest.mark.parametrize("stream", STREAMS)
def test_columns_are_those_of_the_rows(stream: str) -> None:
    """The columns are known without data, begin with the key of the unit and end with the run."""
    found = columns(stream)
    assert set(STREAMS[stream].key) < set(found)
    assert list(found)[-1] == "_run"
    assert all(kind for kind in found.values())


@given(st.permutations(range(12)), st.lists(st.integers(0, 2), min_size=12, max_size=12))
def test_utterances_come_in_order(order: Sequence[int], speakers: Sequence[int]) -> None:
    """In whatever order and on whatever pages utterances come, the rows are those of the conversation."""
    pages = [
        Speaker(user_id=f"u{speakers[n]}", transcripts=(Utterance(item_id=str(n), text=f"text {n}"),)) for n in order
    ]
    rows = transcript_rows("c", merge_speakers(pages), 3)
    assert [(row.index, row.item_id, row.user_id) for row in rows] == [
        (n, str(n), f"u{speakers[n]}") for n in range(12)
    ]


@pytest.mark.parametrize(("plan_name", "expected"), [("free", 6), ("pro", 50), ("business", 64)])
def test_workers_follow_the_rates(plan_name: Any, expected: int) -> None:
    """As many units are read at once as keep a second's worth of calls under way, within reason."""

    async def limits() -> Any:
        return LocalRateLimiter(plan_name).snapshot()

    states = run(limits())
    assert workers(None, states) == expected
    assert workers(7, states) == 7
    with pytest.raises(errors.InvalidArgument):
        workers(True, states)


def test_times_are_compared_as_the_service_sees_them() -> None:
    """The same moment in another zone, or with a fraction of a second, is the same request."""
    other = ZERO.astimezone(None).replace(microsecond=5)
    first = plan("deals", ZERO, None, incremental=True)
    assert first.parameters == plan(["deals"], other, None, incremental=True).parameters
    assert first.parameters != plan("deals", ZERO, None, incremental=False).parameters


def test_progress_has_a_total_once_it_is_known() -> None:
    """While a list is read its total is open; what a run had done before an interruption counts."""
    told: list[JobProgress] = []
    tally = Tally(told.append)
    tally.begin({"conversation": UnitCounts(done=5, deleted=1)}, {"conversation": 2})
    tally.found("conversation", 3)
    tally.finished([outcome(1), Outcome(unit(2), "failed", reason="x")])
    tally.listed("conversation")
    tally.finished([outcome(3), Outcome(unit(4), "deleted"), Outcome(unit(5), "processing")])
    assert [(event.done, event.failed, event.total) for event in told] == [(7, 1, None), (7, 1, 11), (10, 1, 11)]
    assert tally.left == 0
