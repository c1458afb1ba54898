"""How an ingest ends when code of its caller fails, when it is cancelled, and when nothing can be done any more."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.bulk.ingest.data import SOON, added, fields, video
from tests.bulk.ingest.service import outcomes, run, service
from zra_async import errors
from zra_async.bulk import IngestItem, IngestReport, ItemOutcome, report_of
from zra_async.bulk.events import both
from zra_async.bulk.ingest.job import IngestPlan, ingest
from zra_async.sandbox import Fault

ADD = "POST /conversations"
PARTS = "POST /files/multipart"
LARGE = bytes(6_500_000)  # two parts


class Odd(BaseException):
    """An exception that is no Exception."""


#: whatever an iterator or a source may raise
PROBLEMS: list[BaseException] = [
    ValueError("bad"),
    OSError(5, "Input/output error"),
    asyncio.CancelledError(),
    TimeoutError(),
    GeneratorExit(),
    Odd(),
    BaseExceptionGroup("", [asyncio.CancelledError()]),
    errors.AuthenticationFailed("conversations.list", status=401),  # of another client
]
BY_NAME: dict[str, Any] = {"argvalues": PROBLEMS, "ids": lambda problem: type(problem).__name__}


class Items:
    """Items one after the other, sync or async, and then an error."""

    def __init__(self, count: int, problem: BaseException) -> None:
        self._items = [video(f"item-{number}", number) for number in range(count)]
        self._problem = problem

    def __iter__(self) -> Items:
        return self

    def __next__(self) -> IngestItem:
        if not self._items:
            raise self._problem
        return self._items.pop()


class AsyncItems:
    """The same with a pause before each."""

    def __init__(self, count: int, problem: BaseException) -> None:
        self._items = Items(count, problem)

    def __aiter__(self) -> AsyncItems:
        return self

    async def __anext__(self) -> IngestItem:
        await asyncio.sleep(0)
        return next(self._items)


async def ended(zra: Any, given: Any, ledger: Path, **options: Any) -> tuple[BaseException, IngestReport]:
    """The error of an ingest, and the report that it carries; the task keeps no cancellation."""
    task = asyncio.current_task()
    assert task is not None
    before = task.cancelling()
    with pytest.raises(BaseException) as caught:  # noqa: PT011 - the claim of each test says which
        await run(zra, given, ledger, **options)
    assert task.cancelling() == before
    report = report_of(caught.value)
    assert isinstance(report, IngestReport), caught.value
    return caught.value, report


@pytest.mark.parametrize("kind", [Items, AsyncItems])
@pytest.mark.parametrize("problem", **BY_NAME)
async def test_an_error_of_the_items_ends_the_job_with_a_true_report(kind: Any, problem: Any, tmp_path: Path) -> None:
    """The error is raised as it is, every item that was taken is finished, and the report has them all."""
    heard: list[str] = []
    async with service() as (sandbox, zra):
        error, report = await ended(
            zra, kind(10, problem), tmp_path / "ledger", on_outcome=lambda one: heard.append(one.key), concurrency=4
        )
        if isinstance(problem, asyncio.CancelledError):
            assert isinstance(error, errors.StrayCancellation)
            assert error.__cause__ is problem
        else:
            assert error is problem
        assert report.counts == {"added": 10}
        assert report.partial
        assert type(error).__name__ in report.stopped
        assert sorted(heard) == sorted(f"item-{number}" for number in range(10))
        assert len(added(sandbox)) == 10
        again = await run(zra, [video(f"item-{number}", number) for number in range(12)], tmp_path / "ledger")
        assert again.counts == {"skipped": 10, "added": 2}


@pytest.mark.parametrize("problem", **BY_NAME)
async def test_callbacks_change_nothing(problem: BaseException, tmp_path: Path) -> None:
    """Whatever the callbacks raise, every item becomes a conversation, and the report says so."""
    calls: list[str] = []

    def fail(told: object) -> None:
        calls.append(type(told).__name__)
        raise problem

    plan = IngestPlan(ledger=tmp_path / "ledger", **SOON, on_outcome=fail)
    async with service() as (sandbox, zra):
        report = await ingest(zra, [video(f"k{n}", n) for n in range(40)], plan, both(None, fail), len(LARGE))
        assert (report.counts, report.partial) == ({"added": 40}, False)
        assert len(added(sandbox)) == 40
    assert sorted(calls) == ["ItemOutcome", "JobProgress"]


async def _pieces(problem: BaseException) -> AsyncIterator[bytes]:
    yield b"video"
    raise problem


class Pieces:
    """An async iterator that is no generator: it can raise what a generator cannot."""

    def __init__(self, problem: BaseException) -> None:
        self._problem = problem

    def __aiter__(self) -> Pieces:
        return self

    async def __anext__(self) -> bytes:
        raise self._problem


class _Broken(io.RawIOBase):
    """A file object that fails when it is read, sought, or asked for its name."""

    def __init__(self, problem: BaseException, where: str) -> None:
        self._problem = problem
        self._where = where

    @property
    def name(self) -> str:
        return self._strike("name") or "a.mp4"

    def seekable(self) -> bool:
        self._strike("seekable")
        return self._where in ("seek", "later")

    def read(self, size: int = -1) -> bytes:
        if size:
            self._strike("read")
            self._strike("later")
        return b""

    def tell(self) -> int:
        self._strike("seek")
        return 0

    def seek(self, offset: int, whence: int = 0) -> int:
        return 100 if whence == io.SEEK_END else offset

    def _strike(self, where: str) -> str:
        if self._where == where:
            raise self._problem
        return ""


class _Fields(Mapping[str, object]):
    """Fields of a conversation that cannot be read."""

    def __init__(self, problem: BaseException) -> None:
        self._problem = problem

    def __getitem__(self, name: str) -> object:
        raise self._problem

    def __iter__(self) -> Iterator[str]:
        raise self._problem

    def __len__(self) -> int:
        return 1


def _item(recording: Any) -> IngestItem:
    return IngestItem("", recording, file_name="bad.mp4", conversation=fields(99))


SOURCES: dict[str, Callable[[BaseException], IngestItem]] = {
    "generator": lambda problem: _item(_pieces(problem)),
    "iterator": lambda problem: _item(Pieces(problem)),
    "read": lambda problem: _item(_Broken(problem, "read")),
    "seekable": lambda problem: _item(_Broken(problem, "seekable")),
    "seek": lambda problem: _item(_Broken(problem, "seek")),
    "read while it is sent": lambda problem: _item(_Broken(problem, "later")),
    "name": lambda problem: IngestItem("", _Broken(problem, "name"), conversation=fields(99)),
    "transcript": lambda problem: replace(_item(b"video"), transcript=_pieces(problem)),
    "fields": lambda problem: replace(_item(b"video"), conversation=_Fields(problem)),
}


@pytest.mark.parametrize("problem", **BY_NAME)
async def test_an_error_of_a_source_is_the_failure_of_its_item(problem: BaseException, tmp_path: Path) -> None:
    """Whatever the code of one item raises, that item fails with its words, and the others are added."""
    bad = [replace(make(problem), key=name) for name, make in SOURCES.items()]
    given = [item for number, one in enumerate(bad) for item in (video(f"good-{number}", number), one)]
    async with service() as (sandbox, zra):
        report = await run(zra, given, tmp_path / "ledger", concurrency=2)
        assert (report.counts, report.stopped) == ({"added": len(bad), "failed": len(bad)}, "")
        assert outcomes(report) == dict.fromkeys(SOURCES, "failed")
        assert [one.key for one in report.problems if type(problem).__name__ not in one.reason] == []
        assert len(added(sandbox)) == len(bad)


async def test_an_item_of_any_class_is_told(tmp_path: Path) -> None:
    """What is no item, or has no key that can be read, fails alone."""

    class Thing:
        @property
        def key(self) -> str:
            raise RuntimeError

    async with service() as (_, zra):
        report = await run(zra, [Thing(), None, "text", video("a", 1)], tmp_path / "ledger")
    assert report.counts == {"added": 1, "failed": 3}


async def test_refused_parts_leave_the_other_items_alone(tmp_path: Path) -> None:
    """Items whose parts are refused fail, all others are added, and each is in the report."""
    given = [IngestItem(f"k{n}", LARGE, file_name="a.mp4", conversation=fields(n)) for n in range(24)]
    async with service() as (sandbox, zra):
        sandbox.faults.add(Fault(operation=PARTS, status=400, times=8))
        report = await run(zra, given, tmp_path / "ledger", concurrency=6)
        failed = report.counts["failed"]
        assert 0 < failed <= 8
        assert report.counts == {"failed": failed, "added": 24 - failed}
        assert len(added(sandbox)) == 24 - failed


async def test_parts_that_fail_and_succeed_later_cost_nothing(tmp_path: Path) -> None:
    """Uploads that survive a service in trouble end no worker: every item is added."""
    given = [IngestItem(f"k{n}", LARGE, file_name="a.mp4", conversation=fields(n)) for n in range(9)]
    async with service() as (sandbox, zra):
        sandbox.faults.add(Fault(operation=PARTS, status=503, times=12))
        report = await run(zra, given, tmp_path / "ledger", concurrency=1)
        assert (report.counts, report.partial) == ({"added": 9}, False)
        assert len(added(sandbox)) == 9


async def test_an_error_that_ends_the_run_accounts_for_every_item(tmp_path: Path) -> None:
    """When nothing more can be done, the items under way are told as interrupted, and the next run adds them."""
    given = [video(f"k{n}", n) for n in range(12)]
    heard: list[ItemOutcome] = []
    taken: list[str] = []

    def items() -> Iterator[IngestItem]:
        for item in given:
            taken.append(item.key)
            yield item

    async with service() as (sandbox, zra):
        await run(zra, given[:3], tmp_path / "ledger")
        sandbox.faults.add(Fault(operation=ADD, status=401))
        error, report = await ended(zra, items(), tmp_path / "ledger", on_outcome=heard.append, concurrency=5)
        assert isinstance(error, errors.AuthenticationFailed)
        assert report.counts == {"skipped": 3, "interrupted": len(taken) - 3}
        assert sorted(one.key for one in heard) == sorted(taken)
        assert "AuthenticationFailed" in report.stopped
        sandbox.faults.clear()
        assert (await run(zra, given, tmp_path / "ledger")).counts == {"skipped": 3, "added": 9}


async def test_a_cancelled_ingest_is_cancelled_and_accounts_for_every_item(tmp_path: Path) -> None:
    """The cancellation gets through once, carries the report, and the next run adds what was interrupted."""
    given = [video(f"k{n}", n) for n in range(8)]
    async with service() as (sandbox, zra):
        sandbox.faults.add(Fault(operation=ADD, stall=True, times=4))
        job = asyncio.ensure_future(run(zra, given, tmp_path / "ledger", concurrency=4))
        while len(sandbox.faults.struck) < 4:
            await asyncio.sleep(0.01)
        job.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await job
        assert (job.cancelled(), job.cancelling()) == (True, 1)
        assert report_of(caught.value).counts == {"interrupted": 4}
        assert (await run(zra, given, tmp_path / "ledger")).counts == {"added": 8}
        assert len(added(sandbox)) == 8


async def test_a_worker_that_something_cancels_is_an_error_of_the_job(tmp_path: Path) -> None:
    """A worker that ends although nobody cancelled the job ends the job with an error, and its item is told."""
    workers: list[Any] = []

    async def items() -> AsyncIterator[IngestItem]:
        yield video("a", 1)
        workers.append(asyncio.current_task())
        yield video("b", 2)
        await asyncio.sleep(0.05)
        workers[0].cancel()
        await asyncio.sleep(60)

    async with service() as (sandbox, zra):
        sandbox.faults.add(Fault(operation=ADD, stall=True))
        error, report = await ended(zra, items(), tmp_path / "ledger", concurrency=3)
        assert isinstance(error, errors.StrayCancellation)
        assert report.counts == {"interrupted": 2}


async def test_items_that_wait_for_their_analysis_are_told(tmp_path: Path) -> None:
    """When the items fail, those that are added and not analysed yet are told as such, and waited for next time."""
    async with service(processing_seconds=3600) as (sandbox, zra):
        error, report = await ended(
            zra, Items(6, ValueError("bad")), tmp_path / "ledger", wait_for_analysis=True, concurrency=3
        )
        assert str(error) == "bad"
        assert report.counts == {"unanalysed": 6}
        assert len({one.key for one in report.problems}) == 6
        sandbox.clock.advance(3600)
        again = await run(zra, [], tmp_path / "ledger", wait_for_analysis=True)
        assert again.counts == {"added": 6}


@pytest.mark.parametrize("problem", [KeyboardInterrupt, SystemExit])
def test_the_end_of_the_program_ends_the_job(problem: type[BaseException], tmp_path: Path) -> None:
    """KeyboardInterrupt and SystemExit of the caller's code go through, and the ledger is closed for the next run."""

    async def first() -> None:
        async with service() as (_, zra):
            await run(zra, Items(4, problem()), tmp_path / "ledger", concurrency=2)

    async def second() -> IngestReport:
        async with service() as (_, zra):
            return await run(zra, [video("x", 7)], tmp_path / "ledger")

    with pytest.raises(problem):
        asyncio.run(first())
    assert asyncio.run(second()).counts == {"added": 1}
