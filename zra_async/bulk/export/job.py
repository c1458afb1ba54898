"""An export into a folder: complete, resumable, and up to date after every run.

The folder holds ``manifest.json``, the segments of each stream, ``failed.jsonl``, and the ledger, which is what makes
a run that was killed go on where it stopped. A unit that changes is written again as a whole: its lines with the
newest ``_run`` replace the older ones, and the stream ``units`` says which that is.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from zra_async.bulk.caller import BulkCaller
from zra_async.bulk.database import Database
from zra_async.bulk.events import OnEvent, both
from zra_async.bulk.export.folder import manifest as export_manifest
from zra_async.bulk.export.folder.layout import LEDGER, RECORDINGS, check_folder
from zra_async.bulk.export.folder.ledger import KIND, SCHEMA, Ledger, Run
from zra_async.bulk.export.folder.segments import SEGMENT_BYTES, Segments
from zra_async.bulk.export.measure import Measure
from zra_async.bulk.export.plan import Plan, Sweep, plan, stages, workers
from zra_async.bulk.export.progress import Tally
from zra_async.bulk.export.reader import harvest
from zra_async.bulk.export.sources.conversations import make_place
from zra_async.bulk.export.units import Outcome
from zra_async.bulk.export.windows import Covered, Window, extended, to_list
from zra_async.bulk.owner import Owner
from zra_async.bulk.reports import attach
from zra_async.core.events import Observer
from zra_async.core.tasks import shielded
from zra_async.errors import InvalidArgument, LedgerError
from zra_async.osfiles.paths import StrPath, as_path, shown
from zra_async.osfiles.threads import to_thread
from zra_async.results.exports import ExportReport


async def export(
    zra: BulkCaller,
    to: StrPath,
    *,
    streams: str | Iterable[str] | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    incremental: bool = True,
    sweep: Sweep = "always",
    adopt: bool = False,
    concurrency: int | None = None,
    on_event: OnEvent | None = None,
    observer: Observer | None = None,
    segment_bytes: int = SEGMENT_BYTES,
) -> ExportReport:
    """Export the account into the folder ``to``, as `ZRAClient.export` describes.

    ``observer`` is told of the progress as ``on_event`` is; a segment is closed before it outgrows ``segment_bytes``.
    """
    wanted = plan(streams, since, until, incremental=incremental, sweep=sweep)
    count = workers(concurrency, zra.limits.snapshot())
    tell = both(observer, on_event)
    async with _opened(to, Owner(zra.account, adopt)) as (folder, ledger):
        job = _Export(zra, folder, ledger, wanted, Tally(tell), count)
        return await job.run(segment_bytes)


@asynccontextmanager
async def _opened(to: StrPath, owner: Owner) -> AsyncGenerator[tuple[Path, Ledger]]:
    folder = await to_thread(_begin_folder, to)
    database = await Database.open(
        folder / LEDGER,
        kind=KIND,
        schema=SCHEMA,
        purpose=f"the export in {folder}",
        durable=False,  # the segments are on the disk before their offsets are noted, and that is all it takes
        check=partial(check_folder, folder),
        owner=owner,
    )
    async with database:
        yield folder, Ledger(database)


def _begin_folder(to: StrPath) -> Path:
    try:
        folder = Path(os.path.realpath(as_path(to)))  # where a link leads; it may change during the run
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise LedgerError(f"the folder {shown(to)} cannot be used: {problem.strerror}") from problem
    return folder


class _Export:
    """One run in one folder."""

    def __init__(
        self, zra: BulkCaller, folder: Path, ledger: Ledger, wanted: Plan, tally: Tally, concurrency: int
    ) -> None:
        self._zra = zra
        self._folder = folder
        self._ledger = ledger
        self._plan = wanted
        self._tally = tally
        self._workers = concurrency
        self._measure = Measure(zra)

    async def run(self, segment_bytes: int) -> ExportReport:
        """Export, and tell what was done."""
        ledger = self._ledger
        if "recordings" in self._plan.streams:
            await to_thread(make_place, self._folder / RECORDINGS)
        await self._check_streams()
        covered: Covered | None = await self._setting("covered", Covered | None)
        # what was refused is tried again, and only a list tells of it
        known = None if await ledger.refused_streams() else covered
        window = to_list(known, self._plan.asked, incremental=self._plan.incremental)
        now = await self._zra.service_time()
        if self._plan.sweeps(await self._setting("swept", datetime | None), now):
            window = Window()
        run = await ledger.begin(self._plan.parameters, now)
        segments = Segments(self._folder, run.number, limit=segment_bytes)
        try:
            await ledger.database.run(segments.recover)
            self._tally.begin(await ledger.counts(), await ledger.waiting())
            await self._harvest(window, segments)
            await ledger.database.run(segments.close)
        except (Exception, asyncio.CancelledError) as error:
            with contextlib.suppress(LedgerError):  # which may be the error itself
                attach(error, await shielded(self._report(run, None)))
            raise
        finally:
            segments.abandon()  # nothing is under way in the ledger's thread any more
        if not await ledger.unproven(["conversation"]):  # else the next run lists the same period again
            covered = extended(covered, window, run.begun, await ledger.latest())
            if window.unbounded:
                await ledger.set("swept", msgspec.json.encode(run.begun).decode())
        return await self._finish(run, covered)

    async def _check_streams(self) -> None:
        """Hold a folder to its streams: they may become more, but not fewer, or what it holds would grow stale."""
        before: list[str] = await self._setting("streams", list[str]) or []
        missing = [name for name in before if name not in self._plan.streams]
        if missing:
            raise InvalidArgument(
                f"{self._folder} also holds {', '.join(missing)}: ask for these streams too, or use another folder"
            )
        if before and len(before) < len(self._plan.streams):
            await self._ledger.set("covered", "null")
        await self._ledger.set("streams", msgspec.json.encode(self._plan.streams).decode())

    async def _setting(self, name: str, kind: Any) -> Any:
        text = await self._ledger.setting(name)
        try:
            return msgspec.json.decode(text, type=kind) if text else None
        except msgspec.MsgspecError as problem:
            path = self._ledger.database.path
            raise LedgerError(f"the ledger {path} holds what does not belong there: {name}: {problem}") from problem

    async def _harvest(self, window: Window, segments: Segments) -> None:
        recordings = self._folder / RECORDINGS if "recordings" in self._plan.streams else None

        async def deliver(outcomes: Sequence[Outcome]) -> Sequence[Outcome]:
            return await shielded(self._ledger.commit(outcomes, segments))

        sources = stages(self._plan, self._measure.calls, self._ledger, window, recordings)
        await harvest(
            sources,
            self._plan.streams,
            self._ledger,
            deliver,
            self._tally,
            self._measure.calls.refusals,
            workers=self._workers,
        )

    async def _report(self, run: Run, covered: Covered | None) -> ExportReport:
        """Tell what the run has committed until now."""
        ledger, folder = self._ledger, self._folder
        records = await ledger.database.run(lambda c: export_manifest.records_of_run(c, run.number))
        return await self._measure.report(ledger, run, self._plan, folder=folder, records=records, covered=covered)

    async def _finish(self, run: Run, covered: Covered | None) -> ExportReport:
        """Write the manifest, then close the run: a crash between the two leaves a run that has nothing left to do."""
        now = datetime.now(UTC).replace(microsecond=0)
        ledger, folder, streams = self._ledger, self._folder, self._plan.streams
        report = await self._report(run, covered)
        await ledger.database.run(lambda c: export_manifest.write(c, folder, streams, report, covered, now))
        await ledger.set("covered", msgspec.json.encode(covered).decode())
        await ledger.finish(now)
        return report
