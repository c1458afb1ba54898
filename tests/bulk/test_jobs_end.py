"""How exports and imports end when code of their caller fails, when they are cancelled, and with several readers."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.bulk.crm import data as crm_data
from tests.bulk.export.account import account, quick_disk  # noqa: F401
from tests.bulk.export.truth import Truth, compare
from tests.bulk.ingest.test_ends import BY_NAME
from zra_async import RetryPolicy, ZRAClient, errors
from zra_async.bulk import ExportReport, FailedRecord, ImportReport, KindReport, Polling, RecordStream, report_of
from zra_async.sandbox import Fault, Sandbox

SOON = Polling(first=0.01, longest=0.05)
DETAIL = "GET /conversations/{conversationId}"
Records = Callable[[int, BaseException], Any]


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files go."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


class Leads:
    """Leads one after the other, and then an error: it is no generator, which cannot raise everything."""

    def __init__(self, count: int, problem: BaseException) -> None:
        self._records: Iterator[Any] = iter([crm_data.lead(number) for number in range(count)])
        self._problem = problem

    def __iter__(self) -> Leads:
        return self

    def __next__(self) -> Any:
        for record in self._records:
            return record
        raise self._problem


class AsyncLeads:
    """The same, asynchronously."""

    def __init__(self, count: int, problem: BaseException) -> None:
        self._leads = Leads(count, problem)

    def __aiter__(self) -> AsyncLeads:
        return self

    async def __anext__(self) -> Any:
        await asyncio.sleep(0)
        return next(self._leads)


async def crm(sandbox: Sandbox, zra: ZRAClient, **options: Any) -> ImportReport:
    """Import with waits that suit a service on the same machine."""
    await zra.crm.register("test", deal_stages=crm_data.STAGES)
    return await zra.crm.import_all(chunk_records=100, polling=SOON, **options)


# --------------------------------------------------------------------------- imports


@pytest.mark.parametrize("kind", [Leads, AsyncLeads])
@pytest.mark.parametrize("problem", **BY_NAME)
async def test_an_error_of_the_records_ends_the_import_with_a_true_report(kind: Records, problem: Any) -> None:
    """The error is raised as it is; what is with the service is waited for, and every row that came is counted."""
    async with account(2, task_seconds=0.02) as (sandbox, zra):
        accounts = [crm_data.account(number) for number in range(40)]
        with pytest.raises(BaseException) as caught:  # noqa: PT011 - which one is the claim below
            await crm(sandbox, zra, leads=kind(620, problem), accounts=accounts)
        if isinstance(problem, asyncio.CancelledError):
            assert isinstance(caught.value, errors.StrayCancellation)
        else:
            assert caught.value is problem
        report: ImportReport = report_of(caught.value)
        leads = report.kinds["leads"]
        assert (leads.read, leads.imported + leads.failed + leads.pending) == (620, 620)
        assert leads.imported + leads.failed == 600  # whole chunks; the rest was never sent
        assert type(caught.value).__name__ in report.stopped


@pytest.mark.parametrize("problem", **BY_NAME)
async def test_callbacks_of_an_import_change_nothing(problem: BaseException) -> None:
    """Whatever they raise, the counts are those of an import without them, and each was called once."""
    calls: list[type] = []

    def fail(told: object) -> None:
        calls.append(type(told))
        raise problem

    leads = [crm_data.lead(number) for number in range(300)] + [{"crm_lead_id": 5}, {"nothing": 1}]
    async with account(2, task_seconds=0.02) as (sandbox, zra):
        report = await crm(sandbox, zra, leads=leads, on_event=fail, on_failed=fail)
    assert report.kinds["leads"].read == 302
    assert report.kinds["leads"].pending == 0
    assert len(report.failures) == report.kinds["leads"].failed >= 2
    assert calls.count(FailedRecord) == 1
    assert len(calls) == 2


async def test_an_import_that_cannot_go_on_counts_what_is_pending() -> None:
    """An error of the service ends the import, and the report tells how many records have no outcome."""
    async with account(2, task_seconds=0.02, client={"retry": RetryPolicy.none()}) as (sandbox, zra):
        sandbox.faults.add(Fault(operation="GET /crm/*", status=403))
        with pytest.raises(errors.PermissionDenied) as caught:
            await zra.crm.import_all(leads=[crm_data.lead(1)], polling=SOON)
        assert report_of(caught.value) is None  # it had not begun
        sandbox.faults.clear()
        sandbox.faults.add(Fault(operation="POST /crm/leads", status=403))
        with pytest.raises(errors.PermissionDenied) as caught:
            await crm(sandbox, zra, leads=[crm_data.lead(number) for number in range(250)])
    report: ImportReport = report_of(caught.value)
    assert report.kinds == {"leads": KindReport(read=250, failed=report.failed)}
    assert report.kinds["leads"].pending == 250 - report.failed
    assert report.partial


async def test_a_cancelled_import_is_cancelled() -> None:
    """The cancellation gets through once, with the report."""
    async with account(2) as (sandbox, zra):
        await zra.crm.register("test", deal_stages=crm_data.STAGES)
        sandbox.faults.add(Fault(operation="POST /crm/leads", stall=True))
        job = asyncio.ensure_future(zra.crm.import_all(leads=[crm_data.lead(number) for number in range(50)]))
        while not sandbox.faults.struck:
            await asyncio.sleep(0.005)
        job.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await job
        assert (job.cancelled(), job.cancelling()) == (True, 1)
        assert report_of(caught.value).kinds["leads"].pending == 50


# --------------------------------------------------------------------------- exports


@pytest.mark.parametrize("problem", **BY_NAME)
async def test_a_callback_of_an_export_changes_nothing(problem: BaseException, tmp_path: Path) -> None:
    """Whatever it raises, the export is complete, into a folder and as records, and it was called once each time."""
    calls: list[object] = []

    def fail(told: object) -> None:
        calls.append(told)
        raise problem

    async with account(30) as (sandbox, zra):
        report = await zra.export(tmp_path / "export", streams="conversations", on_event=fail)
        assert (report.records["conversations"], report.partial) == (30, False)
        async with zra.export_records(streams="conversations", on_event=fail) as records:
            found = [record async for _, record in records]
        assert compare(Truth(sandbox), "conversations", found) == 30
    assert len(calls) == 2


async def test_an_export_that_cannot_go_on_carries_its_report(tmp_path: Path) -> None:
    """The error tells what the run has written until then, and a later run goes on."""
    async with account(30) as (sandbox, zra):
        sandbox.faults.add(Fault(operation=DETAIL, delay=0.01, times=20), Fault(operation=DETAIL, status=401))
        with pytest.raises(errors.AuthenticationFailed) as caught:
            await zra.export(tmp_path, streams="conversations", concurrency=2)
        report: ExportReport = report_of(caught.value)
        done = report.units["conversation"].done
        assert report.records.get("conversations", 0) == done
        assert (report.resumed, report.watermark) == (False, None)
        sandbox.faults.clear()
        again = await zra.export(tmp_path, streams="conversations")
        assert (again.resumed, again.records["conversations"]) == (True, 30)


# --------------------------------------------------------------------------- readers


async def _drained(records: RecordStream, into: list[Any]) -> str:
    """Read to the end; what the end was."""
    try:
        async for pair in records:
            into.append(pair)
            await asyncio.sleep(0)
    except errors.ZRAError as problem:
        return type(problem).__name__
    return "end"


@pytest.mark.parametrize("readers", [1, 2, 5])
async def test_every_reader_of_a_stream_ends(readers: int) -> None:
    """Several tasks share the records of one stream, each record goes to one of them, and all of them end."""
    async with account(40) as (sandbox, zra), zra.export_records(streams="conversations") as records:
        found: list[Any] = []
        ends = await asyncio.gather(*[_drained(records, found) for _ in range(readers)])
        assert ends == ["end"] * readers
        assert compare(Truth(sandbox), "conversations", [record for _, record in found]) == 40
        assert await _drained(records, found) == "end"  # whoever comes later as well


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fault(operation=DETAIL, status=500, times=2), "ExportIncomplete"),
        (Fault(operation="GET /conversations", status=401), "AuthenticationFailed"),
        (Fault(operation="GET /conversations", status=400), "BadRequest"),
    ],
    ids=["incomplete", "no token", "no list"],
)
async def test_every_reader_is_told_of_an_error(fault: Fault, expected: str) -> None:
    """An error that ends a stream is raised to each of its readers, and to one that comes later."""
    async with (
        account(10, faults=[fault], client={"retry": RetryPolicy.none()}) as (_, zra),
        zra.export_records(streams="conversations") as records,
    ):
        found: list[Any] = []
        assert await asyncio.gather(*[_drained(records, found) for _ in range(3)]) == [expected] * 3
        assert await _drained(records, found) == expected


async def _waiting(zra: ZRAClient, sandbox: Sandbox, readers: int) -> tuple[RecordStream, list[asyncio.Task[str]]]:
    """Readers that wait for a record, which does not come."""
    sandbox.faults.add(Fault(operation=DETAIL, stall=True))
    records = zra.export_records(streams="conversations")
    tasks = [asyncio.ensure_future(_drained(records, [])) for _ in range(readers)]
    while not sandbox.faults.struck:
        await asyncio.sleep(0.001)
    return records, tasks


async def test_readers_are_told_that_their_stream_was_closed(temporary: Path) -> None:
    """Tasks that wait for a record when another one closes the stream get an error, not an end."""
    async with account(10) as (sandbox, zra):
        records, tasks = await _waiting(zra, sandbox, 3)
        await records.aclose()
        assert await asyncio.gather(*tasks) == ["ClientNotOpen"] * 3
        assert await _drained(records, []) == "end"  # the one that closed it knows
    assert not list(temporary.iterdir())


async def test_readers_are_told_that_the_client_was_closed(temporary: Path) -> None:
    """Tasks that wait for a record when the client closes get an error."""
    async with account(10) as (sandbox, zra):
        _, tasks = await _waiting(zra, sandbox, 3)
    assert await asyncio.gather(*tasks) == ["ClientNotOpen"] * 3
    assert not list(temporary.iterdir())


async def test_a_stream_that_ends_before_it_began_ends_its_reader() -> None:
    """A reader whose client closes before the first step of the export is told so."""
    async with account(2) as (_, zra):
        records = zra.export_records(streams="conversations")
        reader = asyncio.ensure_future(_drained(records, []))
        await asyncio.sleep(0)  # the export is started, and has not run
        await zra.aclose()
        assert await reader == "ClientNotOpen"


async def test_a_reader_may_be_cancelled() -> None:
    """A reader that gives up leaves the stream to the others, and no record is lost."""
    async with account(30) as (sandbox, zra), zra.export_records(streams="conversations") as records:
        found: list[Any] = []
        gone = asyncio.ensure_future(_drained(records, []))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.wait([gone])
        for _ in range(3):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0):
                    found.append(await anext(records))
        assert await _drained(records, found) == "end"
        assert compare(Truth(sandbox), "conversations", [record for _, record in found]) == 30


async def test_tasks_that_share_pages_end() -> None:
    """Several tasks that iterate one list get each item once, item by item and page by page, and all of them end."""
    async with account(40) as (sandbox, zra):
        for look_ahead in (False, True):
            pages = zra.conversations.list(page_size=3)
            if look_ahead:
                pages.look_ahead()
            found: list[str] = []

            async def items(pages: Any = pages, found: list[str] = found) -> None:
                async for one in pages:
                    found.append(one.conversation_id)
                    await asyncio.sleep(0)

            async def whole(pages: Any = pages, found: list[str] = found) -> None:
                async for page in pages.pages():
                    assert page.items
                    found.extend(one.conversation_id for one in page.items)
                    await asyncio.sleep(0)

            await asyncio.gather(items(), whole(), items(), whole())
            assert sorted(found) == sorted(Truth(sandbox).ids("conversations"))
