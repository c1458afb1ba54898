"""The export as an iterator of records, for a sink of one's own."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any

import pytest

from tests.bulk.export.account import account, quick_disk  # noqa: F401
from tests.bulk.export.truth import EVERY_STREAM, Truth, compare
from zra_async import RetryPolicy, errors
from zra_async.bulk import RecordStream
from zra_async.sandbox import Fault


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files go; nothing of them may be left."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


async def _all(records: RecordStream) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    async for stream, record in records:
        found.setdefault(stream, []).append(record)
    return found


async def _fail_on(records: RecordStream) -> None:
    async with records:
        async for _ in records:
            raise RuntimeError("stop")


async def _into(found: list[Any], records: RecordStream) -> None:
    async for pair in records:
        found.append(pair)


async def test_the_records_are_those_of_the_folder(temporary: Path) -> None:
    """Every record of every stream comes, once, with the records of a unit together and in order."""
    async with account(40) as (sandbox, zra):
        async with zra.export_records(streams="all") as records:
            found = await _all(records)
        truth = Truth(sandbox)
        counts = {stream: compare(truth, stream, found.get(stream, [])) for stream in EVERY_STREAM}
    assert records.report is not None
    assert records.report.records == {stream: count for stream, count in counts.items() if count}
    assert records.report.folder is None
    assert records.report.watermark is not None
    assert not list(temporary.iterdir())


async def test_a_consumer_may_stop_at_any_time(temporary: Path) -> None:
    """Left by break, by an exception or never begun, it leaves no task and no file behind."""
    async with account(60) as (_, zra):
        async with zra.export_records(streams="conversations") as records:
            async for _record in records:
                break
        assert [record async for record in records] == []
        with pytest.raises(RuntimeError, match="stop"):
            await _fail_on(zra.export_records(streams="conversations"))
        async with zra.export_records():
            pass
        assert not list(temporary.iterdir())


async def test_the_client_ends_what_was_left_open(temporary: Path) -> None:
    """A stream that nobody closed ends with the client, and says so to whoever asks it for more."""
    async with account(200) as (_, zra):
        records = zra.export_records(streams="conversations,transcripts")
        await anext(records)
    assert not list(temporary.iterdir())
    with pytest.raises(errors.ClientNotOpen):
        await _all(records)


async def test_each_step_may_be_made_by_another_task() -> None:
    """A consumer that makes every step in a task of its own gets every record."""
    async with account(10) as (_, zra), zra.export_records(streams="conversations,deals") as records:
        count = 0
        while True:
            try:
                await asyncio.create_task(anext(records))  # type: ignore[arg-type]
            except StopAsyncIteration:
                break
            count += 1
    assert count == 10 + records.report.records["deals"]  # type: ignore[union-attr]


async def test_a_slow_consumer_bounds_what_is_read() -> None:
    """As long as nobody takes records, only a bounded number of conversations is read ahead."""
    async with (
        account(400) as (sandbox, zra),
        zra.export_records(streams="conversations", concurrency=4) as records,
    ):
        await anext(records)
        await asyncio.sleep(0.5)
        assert sandbox.stats.operations["GET /zra/conversations/{conversationId}"] < 200


async def test_what_fails_is_told_at_the_end() -> None:
    """All that could be read comes first; then the failures are raised, never passed over in silence."""
    fault = Fault(operation="GET /conversations/{conversationId}", status=500, times=2)
    async with account(20, faults=[fault], client={"retry": RetryPolicy.none()}) as (_, zra):
        found: list[Any] = []
        with pytest.raises(errors.ExportIncomplete, match="2 units could not be read") as caught:
            await _into(found, zra.export_records(streams="conversations"))
    assert len(found) == 18
    assert len(caught.value.report.failures) == 2


async def test_an_error_that_ends_the_export_is_raised(temporary: Path) -> None:
    """Refused credentials are raised to whoever takes the records."""
    async with account(5, faults=[Fault(operation="GET /conversations", status=401)]) as (_, zra):
        with pytest.raises(errors.AuthenticationFailed):
            await _all(zra.export_records())
    assert not list(temporary.iterdir())


async def test_recordings_need_a_folder() -> None:
    """Files cannot be given out as records."""
    async with account(1) as (_, zra):
        with pytest.raises(errors.InvalidArgument, match="folder"):
            zra.export_records(streams="all,recordings")
