"""An export into a destination: complete, resumable, and up to date after every run.

The destination keeps a ledger, which lets a run that was killed resume where it stopped. A stream of a unit that
changes is written again as a whole, and its new lines replace the older ones.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec

from zra_async.bulk.caller import BulkCaller
from zra_async.bulk.events import OnEvent, both
from zra_async.bulk.export.destination import RECORDINGS, Destination, ExportLedger, ExportRun
from zra_async.bulk.export.folder.place import Folder
from zra_async.bulk.export.measure import Measure
from zra_async.bulk.export.plan import Plan, Sweep, plan, stages, workers
from zra_async.bulk.export.progress import Tally
from zra_async.bulk.export.reader import read_units
from zra_async.bulk.export.sources.conversations import make_place
from zra_async.bulk.export.windows import Covered, Window, extended, to_list
from zra_async.bulk.reports import attach
from zra_async.core.events import Observer
from zra_async.core.tasks import shielded
from zra_async.errors import InvalidArgument, LedgerError
from zra_async.osfiles.paths import StrPath
from zra_async.osfiles.threads import to_thread
from zra_async.results.exports import ExportReport


async def export(
    zra: BulkCaller,
    to: StrPath | Destination,
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
) -> ExportReport:
    """Export the account to ``to``, a folder or another destination, as `ZRAClient.export` describes.

    ``observer`` is told of the progress as ``on_event`` is.
    """
    wanted = plan(streams, since, until, incremental=incremental, sweep=sweep)
    count = workers(concurrency, zra.limits.snapshot())
    tell = both(observer, on_event)
    destination = to if isinstance(to, Destination) else Folder(to)
    if destination.folder is None and "recordings" in wanted.streams:
        raise InvalidArgument("recordings are files, which this destination does not take: export them into a folder")
    async with destination.open(zra.account, adopt=adopt) as ledger:
        return await _Export(zra, destination, ledger, wanted, Tally(tell), count).run()


class _Export:
    """One run to one destination."""

    def __init__(
        self,
        zra: BulkCaller,
        destination: Destination,
        ledger: ExportLedger,
        wanted: Plan,
        tally: Tally,
        concurrency: int,
    ) -> None:
        self._zra = zra
        self._destination = destination
        self._ledger = ledger
        self._plan = wanted
        self._tally = tally
        self._workers = concurrency
        self._measure = Measure(zra)

    async def run(self) -> ExportReport:
        """Export, and return the report."""
        ledger, folder = self._ledger, self._destination.folder
        if folder is not None and "recordings" in self._plan.streams:
            await to_thread(make_place, folder / RECORDINGS)
        settings = await self._settings()
        covered: Covered | None = None if "covered" in settings else await self._setting("covered", Covered | None)
        # what was refused is tried again, and only a list tells of it
        known = None if (await ledger.summary()).refused_streams else covered
        window = to_list(known, self._plan.asked, incremental=self._plan.incremental)
        now = await self._zra.service_time()
        parameters = self._plan.parameters
        if self._plan.sweeps(await self._setting("swept", datetime | None), now):
            window = Window()
            parameters += (
                " sweep"  # a stopped run that read a shorter list is not resumed: that list is not the whole one
            )
        run = await ledger.begin(parameters, now, settings)
        try:
            self._tally.begin(run.done, run.waiting)
            await self._read(run, window)
            await ledger.flush()
            return await self._finish(run, window, covered)
        except (Exception, asyncio.CancelledError) as error:
            with contextlib.suppress(LedgerError):  # which may be the error itself
                attach(error, await shielded(self._report(run, None)))
            raise

    async def _settings(self) -> dict[str, str]:
        """Return what the run notes. The streams may become more, but not fewer, or some records would grow stale."""
        before: list[str] = await self._setting("streams", list[str]) or []
        missing = [name for name in before if name not in self._plan.streams]
        if missing:
            raise InvalidArgument(
                f"{self._destination} also holds {', '.join(missing)}: ask for these streams too, or use another "
                "destination"
            )
        settings = {"streams": msgspec.json.encode(self._plan.streams).decode()}
        return settings | {"covered": "null"} if before and len(before) < len(self._plan.streams) else settings

    async def _setting(self, name: str, kind: Any) -> Any:
        text = await self._ledger.setting(name)
        try:
            return msgspec.json.decode(text, type=kind) if text else None
        except msgspec.MsgspecError as problem:
            raise LedgerError(
                f"the ledger {self._ledger} holds what does not belong there: {name}: {problem}"
            ) from problem

    async def _read(self, run: ExportRun, window: Window) -> None:
        folder = self._destination.folder
        recordings = folder / RECORDINGS if folder is not None and "recordings" in self._plan.streams else None

        sources = stages(self._plan, self._measure.calls, self._ledger, window, recordings)
        await read_units(
            sources,
            self._plan.streams,
            self._ledger,
            run,
            self._ledger.commit,
            self._tally,
            self._measure.calls.refusals,
            workers=self._workers,
        )

    async def _report(self, run: ExportRun, covered: Covered | None) -> ExportReport:
        """Report what the run has committed until now."""
        return await self._measure.report(
            self._ledger, run, self._plan, folder=self._destination.folder, covered=covered
        )

    async def _finish(self, run: ExportRun, window: Window, covered: Covered | None) -> ExportReport:
        settings: dict[str, str] = {}
        summary = await self._ledger.summary()
        # where a period is not proven, the next run lists it again
        if all(period.kind != "conversation" for period in summary.unproven):
            covered = extended(covered, window, run.begun, summary.latest)
            if window.unbounded:
                settings["swept"] = msgspec.json.encode(run.begun).decode()
        settings["covered"] = msgspec.json.encode(covered).decode()
        report = await self._report(run, covered)
        await self._ledger.finish(report, covered.since if covered else None, settings)
        return report
