"""Imports of CRM records by the hundred thousand: in order, at the account's rate, every failure brought home."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from zra_async import errors
from zra_async.api.crm import REGISTRATION
from zra_async.api.resource import Caller
from zra_async.bulk.crm_chunks import Chunk, Cutter, Refusal
from zra_async.bulk.crm_input import Input, Records
from zra_async.bulk.crm_kinds import CHAIN, DEALS, LEADS, Kind
from zra_async.bulk.crm_ledger import ImportLedger, Outcome, open_ledger
from zra_async.bulk.crm_report import Failures, ImportReport, KindReport, failed_row
from zra_async.bulk.crm_task import Courier
from zra_async.bulk.job_events import first_of
from zra_async.bulk.polling import Polling
from zra_async.bulk.record_files import PathLike
from zra_async.core.events import JobProgress

JOB = "crm import"
#: chunks of one kind that are with the service at once; their records are in memory until they have ended
_ABREAST = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportPlan:
    """How records are imported; ``zra.crm.import_all`` explains it."""

    chunk_records: int
    chunk_bytes: int
    polling: Polling
    ledger: PathLike | None
    observe: Callable[[JobProgress], None]


async def import_records(
    caller: Caller, given: Mapping[Kind, Records | None], plan: ImportPlan, failures: Failures
) -> ImportReport:
    """Import what is ``given`` of each kind, in the order of the kinds, leads beside the others."""
    began = time.monotonic()
    inputs = [Input(kind, records) for kind, records in given.items() if records is not None]
    cutters = {source.kind: Cutter(source.kind, plan.chunk_records, plan.chunk_bytes) for source in inputs}
    async with await open_ledger(plan.ledger) as ledger, failures:
        run = Run(plan, Courier(caller, plan.polling, ledger.sent), ledger, failures, await _stages(caller))
        totals = await _totals(inputs, run.stages)
        imports = {s.kind: KindImport(run, s, cutters[s.kind], totals[s.kind]) for s in inputs}
        await _in_order([imports[kind] for kind in CHAIN if kind in imports], imports.get(LEADS))
        if run.stopped is None:
            await ledger.end()
    return ImportReport(
        kinds={kind.name: one.counts for kind, one in imports.items()},
        failures=tuple(failures.kept),
        stopped=str(run.stopped or ""),
        resets_at=run.stopped.resets_at if run.stopped else None,
        seconds=time.monotonic() - began,
    )


@dataclass(slots=True)
class Run:
    """What the kinds of one import share. `stages` are the registered ones; `stopped` ends all, in good order."""

    plan: ImportPlan
    courier: Courier
    ledger: ImportLedger
    failures: Failures
    stages: frozenset[str]
    stopped: errors.RateLimited | None = None


class KindImport:
    """Imports the records of one kind; `counts` is how far it is."""

    def __init__(self, run: Run, source: Input, cutter: Cutter, total: int | None) -> None:
        self.counts: KindReport = KindReport()
        self._run = run
        self._source = source
        self._kind = source.kind
        self._cutter = cutter
        self._total = total
        self._free = asyncio.Semaphore(_ABREAST)

    async def run(self) -> None:
        """Import every record, and return when the last task has ended."""
        try:
            async with asyncio.TaskGroup() as group, contextlib.aclosing(self._source.batches()) as batches:
                async for rows in batches:
                    chunks, refusals = self._cutter.add(rows)
                    await self._refuse(len(rows), refusals)
                    await self._start(group, chunks)
                    if self._run.stopped:
                        return
                await self._start(group, self._cutter.rest())
        except BaseExceptionGroup as failed:
            raise first_of(failed) from None
        await self._run.ledger.close_kind(self._kind, self._cutter.count)
        self._tell()

    async def _start(self, group: asyncio.TaskGroup, chunks: Sequence[Chunk]) -> None:
        for chunk in chunks:
            self._demand_stages(chunk)
            await self._free.acquire()
            if self._run.stopped:
                self._free.release()
                return
            known = await self._run.ledger.recall(chunk)
            if known.outcome is not None:
                await self._note(chunk, known.outcome, reused=True)
                self._free.release()
            else:
                group.create_task(self._deliver(chunk, known.task_id))

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

    async def _note(self, chunk: Chunk, outcome: Outcome, *, reused: bool) -> None:
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
        """What could not be looked through in advance is looked at here, before it is sent."""
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

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(one_after_the_other())
            if leads is not None:
                group.create_task(leads.run())
    except BaseExceptionGroup as failed:
        raise first_of(failed) from None


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
