"""An export into a folder: complete, resumable, and up to date after every run.

The folder holds ``manifest.json``, the segments of each stream, ``failed.jsonl``, and the ledger, which is what makes
a run that was killed go on where it stopped. A unit that changes is written again as a whole: its lines with the
newest ``_run`` replace the older ones, and the stream ``units`` says which that is.
"""

from __future__ import annotations

import os
import time
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from zra_async.bulk import manifest
from zra_async.bulk.database import Database
from zra_async.bulk.harvest import Harvest
from zra_async.bulk.ledger import KIND, SCHEMA, Ledger, Run
from zra_async.bulk.plan import Plan, plan, stages, workers
from zra_async.bulk.progress import OnEvent, Tally
from zra_async.bulk.report import ExportReport
from zra_async.bulk.sink import SEGMENT_BYTES, Segments, begin_folder
from zra_async.bulk.sources import Calls
from zra_async.bulk.units import Outcome
from zra_async.bulk.window import Covered, Window, extended, to_list
from zra_async.client import ZRAClient
from zra_async.core.events import Observer
from zra_async.errors import InvalidArgument
from zra_async.files.threads import to_the_end

LEDGER = "ledger.sqlite"
RECORDINGS = "recordings"
_FAILURES = 100


async def export(
    zra: ZRAClient,
    to: str | os.PathLike[str],
    *,
    streams: str | Iterable[str] | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    incremental: bool = True,
    concurrency: int | None = None,
    on_event: OnEvent | None = None,
    observer: Observer | None = None,
    segment_bytes: int = SEGMENT_BYTES,
) -> ExportReport:
    """Export the account into the folder ``to``, as `ZRAClient.export` describes.

    ``observer`` is told of the progress as ``on_event`` is; a segment is closed before it outgrows ``segment_bytes``.
    """
    wanted = plan(streams, since, until, incremental=incremental)
    count = workers(concurrency, zra.limits.snapshot())
    async with _opened(Path(to)) as (folder, ledger):
        job = _Export(zra, folder, ledger, wanted, Tally(on_event, observer), count)
        return await job.run(segment_bytes)


@asynccontextmanager
async def _opened(to: Path) -> AsyncGenerator[tuple[Path, Ledger]]:
    folder = await to_the_end(_begin_folder, to)
    database = await Database.open(
        folder / LEDGER,
        kind=KIND,
        schema=SCHEMA,
        purpose=f"the export in {folder}",
        durable=False,  # the segments are on the disk before their offsets are noted, and that is all it takes
    )
    async with database:
        yield folder, Ledger(database)


def _begin_folder(to: Path) -> Path:
    folder = to.absolute()
    begin_folder(folder, fresh=not (folder / LEDGER).exists())
    return folder


class _Export:
    """One run in one folder."""

    def __init__(
        self, zra: ZRAClient, folder: Path, ledger: Ledger, wanted: Plan, tally: Tally, concurrency: int
    ) -> None:
        self._zra = zra
        self._folder = folder
        self._ledger = ledger
        self._plan = wanted
        self._tally = tally
        self._workers = concurrency
        self._calls = Calls(zra)

    async def run(self, segment_bytes: int) -> ExportReport:
        started, refused = time.monotonic(), _refused(self._zra)
        ledger = self._ledger
        await self._check_streams()
        covered = await self._covered()
        window = to_list(covered, self._plan.asked, incremental=self._plan.incremental)
        run = await ledger.begin(self._plan.parameters, datetime.now(UTC))
        segments = Segments(self._folder, run.number, limit=segment_bytes)
        try:
            await ledger.database.run(segments.recover)
            self._tally.begin(await ledger.counts(), await ledger.waiting())
            await self._harvest(window, segments)
            covered = extended(covered, window, run.begun, await ledger.latest())
            await ledger.database.run(segments.close)
        finally:
            segments.abandon()  # nothing is under way in the ledger's thread any more
        report = await self._report(run, covered, time.monotonic() - started, _refused(self._zra) - refused)
        await self._finish(report, covered)
        return report

    async def _check_streams(self) -> None:
        """Hold a folder to its streams: they may become more, but not fewer, or what it holds would grow stale."""
        text = await self._ledger.setting("streams")
        before: list[str] = msgspec.json.decode(text, type=list[str]) if text else []
        missing = [name for name in before if name not in self._plan.streams]
        if missing:
            raise InvalidArgument(
                f"{self._folder} also holds {', '.join(missing)}: ask for these streams too, or use another folder"
            )
        if before and len(before) < len(self._plan.streams):
            await self._ledger.read_again()
            await self._ledger.set("covered", "null")
        await self._ledger.set("streams", msgspec.json.encode(self._plan.streams).decode())

    async def _covered(self) -> Covered | None:
        text = await self._ledger.setting("covered")
        return msgspec.json.decode(text, type=Covered | None) if text else None

    async def _harvest(self, window: Window, segments: Segments) -> None:
        recordings = self._folder / RECORDINGS if "recordings" in self._plan.streams else None

        async def deliver(outcomes: Sequence[Outcome]) -> None:
            await self._ledger.commit(outcomes, segments)

        for stage in stages(self._plan, self._calls, self._ledger, window, recordings):
            await Harvest(stage, self._plan.streams, self._ledger, deliver, self._tally, workers=self._workers).run()

    async def _report(self, run: Run, covered: Covered | None, seconds: float, refused: int) -> ExportReport:
        ledger = self._ledger
        return ExportReport(
            folder=self._folder,
            run=run.number,
            resumed=run.resumed,
            units=await ledger.counts(),
            records=await ledger.database.run(lambda c: manifest.records_of_run(c, run.number)),
            failures=await ledger.failures(_FAILURES),
            calls={label.value: calls for label, calls in self._calls.counts.items()},
            refused=refused,
            seconds=seconds,
            watermark=covered.until if covered else None,
        )

    async def _finish(self, report: ExportReport, covered: Covered | None) -> None:
        """Write the manifest, then close the run: a crash between the two leaves a run that has nothing left to do."""
        now = datetime.now(UTC).replace(microsecond=0)
        arguments: tuple[Any, ...] = (self._folder, self._plan.streams, report, covered, now)
        await self._ledger.database.run(lambda c: manifest.write(c, *arguments))
        await self._ledger.set("covered", msgspec.json.encode(covered).decode())
        await self._ledger.finish(now)


def _refused(zra: ZRAClient) -> int:
    return sum(state.refused for state in zra.limits.snapshot().values())
