"""The cost of a run, and its report."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from zra_async.bulk.caller import BulkCaller
from zra_async.bulk.export.destination import ExportLedger, ExportRun, RunSummary
from zra_async.bulk.export.plan import Plan
from zra_async.bulk.export.sources.account import Calls
from zra_async.bulk.export.windows import Covered
from zra_async.results.exports import ExportReport, RefusedStream, UnitCounts, UnitKind


class Measure:
    """Counts from its beginning: seconds, calls, and 429 answers."""

    def __init__(self, zra: BulkCaller) -> None:
        self.calls: Calls = Calls(zra)
        self._zra = zra
        self._started = time.monotonic()
        self._refused_before = self._refused()

    async def report(
        self,
        ledger: ExportLedger,
        run: ExportRun,
        plan: Plan,
        *,
        folder: Path | None,
        covered: Covered | None,
        records: Mapping[str, int] | None = None,
    ) -> ExportReport:
        """Report a run until now. ``records`` are those that were given out, if the ledger does not write any."""
        summary = await ledger.summary()
        units: dict[UnitKind, UnitCounts] = {spec.unit: UnitCounts() for spec in plan.specs}
        units.update(summary.units)
        return ExportReport(
            folder=folder,
            run=run.number,
            resumed=run.resumed,
            units=units,
            records=summary.records if records is None else records,
            failures=summary.failures,
            calls={label.value: calls for label, calls in self.calls.counts.items()},
            refused=self._refused() - self._refused_before,
            seconds=time.monotonic() - self._started,
            watermark=covered.until if covered else None,
            dropped_fields=self.calls.zra.dropped_fields,
            unproven=tuple(period for period in summary.unproven if period.kind in units),
            refused_streams=self._refused_streams(summary, plan),
        )

    def _refused_streams(self, summary: RunSummary, plan: Plan) -> tuple[RefusedStream, ...]:
        found = {refusal.stream: refusal for refusal in summary.refused_streams}
        for stream, reason in self.calls.refusals.reasons.items():
            units = found[stream].units if stream in found else 0
            found[stream] = RefusedStream(stream=stream, units=units, reason=reason)
        return tuple(found[stream] for stream in plan.streams if stream in found)

    def _refused(self) -> int:
        return sum(state.refused for state in self._zra.limits.snapshot().values())
