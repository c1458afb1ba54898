"""Imports of CRM records by the hundred thousand: in order, at the account's rate, every failure brought home."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from zra_async import errors
from zra_async.api.crm.operations import REGISTRATION
from zra_async.api.resource import Caller
from zra_async.bulk.crm.chunks import Chunk, Cutter, Refusal
from zra_async.bulk.crm.input import Input, Records
from zra_async.bulk.crm.kinds import CHAIN, DEALS, LEADS, Kind
from zra_async.bulk.crm.ledger import ChunkOutcome, ImportLedger, open_ledger
from zra_async.bulk.crm.report import Failures, ImportReport, KindReport, failed_row
from zra_async.bulk.crm.task import Courier
from zra_async.bulk.owner import Owner
from zra_async.bulk.polling import Polling
from zra_async.bulk.reports import attach
from zra_async.bulk.tables.record_files import PathLike
from zra_async.core.cancellation import CallersCode, as_error
from zra_async.core.events import JobProgress
from zra_async.core.tasks import Tasks

JOB = "crm import"
#: chunks of one kind that are with the service at once; their records are in memory until they have ended
_ABREAST = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportPlan:
    """The settings of an import; ``zra.crm.import_all`` documents them."""

    chunk_records: int
    chunk_bytes: int
    polling: Polling
    ledger: PathLike | None
    observe: Callable[[JobProgress], None]
    owner: Owner | None = None


async def import_records(
    caller: Caller, given: Mapping[Kind, Records | None], plan: ImportPlan, failures: Failures
) -> ImportReport:
    """Import what is ``given`` of each kind, in the order of the kinds, leads beside the others."""
    began = time.monotonic()
    inputs = [Input(kind, records) for kind, records in given.items() if records is not None]
    cutters = {source.kind: Cutter(source.kind, plan.chunk_records, plan.chunk_bytes) for source in inputs}
    imports: dict[Kind, KindImport] = {}

    def report(stopped: str, resets_at: datetime | None = None) -> ImportReport:
        return ImportReport(
            kinds={kind.name: one.counts for kind, one in imports.items()},
            failures=tuple(failures.kept),
            stopped=stopped,
            resets_at=resets_at,
            seconds=time.monotonic() - began,
        )

    try:
        async with await open_ledger(plan.ledger, plan.owner) as ledger, failures:
            run = ImportRun(plan, Courier(caller, plan.polling, ledger.sent), ledger, failures, await _stages(caller))
            totals = await _totals(inputs, run.stages)
            imports.update({s.kind: KindImport(run, s, cutters[s.kind], totals[s.kind]) for s in inputs})
            await _in_order([imports[kind] for kind in CHAIN if kind in imports], imports.get(LEADS))
            if run.failure is not None:
                raise run.failure
            # the ledger is needed as long as the file of the failures is not there: the same call writes it again
            await failures.finish()
            if run.stopped is None:
                await ledger.end()
    except BaseException as error:
        if imports:
            attach(error, report(f"{type(error).__name__}: {error}"))
        raise
    return report(str(run.stopped or ""), run.stopped.resets_at if run.stopped else None)


@dataclass(slots=True)
class ImportRun:
    """The state that the kinds of one import share. `stages` are the registered deal stages.

    `stopped`, a daily limit, and `failure`, an error of one of the iterators, end all kinds in good order: what is with
    the service is waited for.
    """

    plan: ImportPlan
    courier: Courier
    ledger: ImportLedger
    failures: Failures
    stages: frozenset[str]
    stopped: errors.RateLimited | None = None
    failure: BaseException | None = None

    @property
    def ended_early(self) -> bool:
        """Tell whether no more records are to be taken."""
        return self.stopped is not None or self.failure is not None


class KindImport:
    """Imports the records of one kind; `counts` is how far it is."""

    def __init__(self, run: ImportRun, source: Input, cutter: Cutter, total: int | None) -> None:
        self.counts: KindReport = KindReport()
        self._run = run
        self._source = source
        self._kind = source.kind
        self._cutter = cutter
        self._total = total
        self._free = asyncio.Semaphore(_ABREAST)

    async def run(self) -> None:
        """Import every record, and return when the last task has ended."""
        run = self._run
        async with Tasks() as tasks:
            await self._read(tasks)
        if run.ended_early:
            return
        await run.ledger.close_kind(self._kind, self._cutter.count)
        self._tell()

    async def _read(self, tasks: Tasks) -> None:
        """Start a task for each chunk of the input, until it ends or the run does."""
        async with contextlib.aclosing(self._source.batches()) as batches:
            while not self._run.ended_early:
                code = CallersCode()
                try:
                    rows = await anext(batches, None)
                except BaseException as problem:
                    if not code.raised(problem):
                        raise
                    self._run.failure = as_error(problem, f"the iterator of {self._kind.name}")
                    return
                if rows is None:
                    await self._start(tasks, self._cutter.rest())
                    return
                chunks, refusals = self._cutter.add(rows)
                await self._refuse(len(rows), refusals)
                await self._start(tasks, chunks)

    async def _start(self, tasks: Tasks, chunks: Sequence[Chunk]) -> None:
        for chunk in chunks:
            self._demand_stages(chunk)
            await self._free.acquire()
            if self._run.ended_early:
                self._free.release()
                return
            known = await self._run.ledger.recall(chunk)
            if known.outcome is not None:
                await self._note(chunk, known.outcome, reused=True)
                self._free.release()
            else:
                tasks.start(self._deliver, chunk, known.task_id)

    async def _deliver(self, chunk: Chunk, task_id: str) -> None:
        run = self._run
        try:
            outcome = await run.courier.deliver(chunk, task_id)
            await run.ledger.finish(chunk, outcome)
        except errors.RateLimited as limit:
            if limit.kind != "daily":
                raise
            run.stopped = limit  # what is with the service already is waited for
        else:
            await self._note(chunk, outcome, reused=False)
        finally:
            self._free.release()

    async def _refuse(self, read: int, refusals: Sequence[Refusal]) -> None:
        self.counts = replace(self.counts, read=self.counts.read + read, failed=self.counts.failed + len(refusals))
        for refusal in refusals:
            failed = failed_row(self._kind.name, refusal.row, refusal.crm_id, refusal.reason, sent=False)
            self._run.failures.add(failed)
        await self._run.failures.write()

    async def _note(self, chunk: Chunk, outcome: ChunkOutcome, *, reused: bool) -> None:
        counts = self.counts
        failed, unexplained = len(outcome.failures), outcome.unexplained
        imported = len(chunk.entries) - failed - unexplained
        self.counts = replace(
            counts,
            imported=counts.imported + imported,
            failed=counts.failed + failed,
            unexplained=counts.unexplained + unexplained,
            reused=counts.reused + (imported if reused else 0),
        )
        for place, reason in outcome.failures:
            entry = chunk.entries[place]
            self._run.failures.add(failed_row(self._kind.name, entry.row, entry.crm_id, reason, sent=True))
        await self._run.failures.write()
        self._tell()

    def _demand_stages(self, chunk: Chunk) -> None:
        """Check the stages of deals that could not be checked in advance, before they are sent."""
        missing: dict[str, int] = {}
        for entry in chunk.entries:
            if entry.stage and entry.stage not in self._run.stages:
                missing[entry.stage] = missing.get(entry.stage, 0) + 1
        if missing:
            raise errors.StagesNotRegistered(missing, self._run.stages, sent=chunk.number > 0)

    def _tell(self) -> None:
        counts = self.counts
        failed = counts.failed + counts.unexplained
        self._run.plan.observe(JobProgress(JOB, self._kind.name, counts.imported, failed, self._total))


async def _in_order(chain: Sequence[KindImport], leads: KindImport | None) -> None:
    async def one_after_the_other() -> None:
        for one in chain:
            await one.run()

    async with Tasks() as tasks:
        tasks.start(one_after_the_other)
        if leads is not None:
            tasks.start(leads.run)


async def _stages(caller: Caller) -> frozenset[str]:
    try:
        registration = await caller.call(REGISTRATION)
    except errors.NotFound as problem:
        raise errors.NotFound(
            problem.operation,
            status=problem.status,
            code=problem.code,
            message=problem.message,
            tracking_id=problem.tracking_id,
            advice="connect a CRM first, with zra.crm.register(…)",
        ) from None
    return frozenset(stage.stage_name for stage in registration.deal_stages if stage.stage_name)


async def _totals(inputs: Sequence[Input], stages: frozenset[str]) -> dict[Kind, int | None]:
    """Look through the inputs that can be read twice, before anything is sent. Raises `StagesNotRegistered`."""
    totals: dict[Kind, int | None] = {}
    for source in inputs:
        survey = await source.survey(stages)
        if survey is not None and survey.stages and source.kind is DEALS:
            raise errors.StagesNotRegistered(survey.stages, stages, sent=False)
        totals[source.kind] = None if survey is None else survey.rows
    return totals
