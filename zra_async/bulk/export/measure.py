"""What a run has cost, and the report that tells it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from zra_async.bulk.caller import BulkCaller
from zra_async.bulk.export.folder.ledger import Ledger, Run
from zra_async.bulk.export.plan import Plan
from zra_async.bulk.export.sources.account import Calls
from zra_async.bulk.export.windows import Covered
from zra_async.results.exports import ExportReport, RefusedStream, UnitCounts, UnitKind

#: failures that a report names
_FAILURES = 100


class Measure:
    """Counts from its beginning: seconds, calls, and 429 answers."""

    def __init__(self, zra: BulkCaller) -> None:
        self.calls: Calls = Calls(zra)
        self._zra = zra
        self._started = time.monotonic()
        self._refused_before = self._refused()

    async def report(
        self,
        ledger: Ledger,
        run: Run,
        plan: Plan,
        *,
        folder: Path | None,
        records: Mapping[str, int],
        covered: Covered | None,
    ) -> ExportReport:
        """Report a run that is over."""
        units: dict[UnitKind, UnitCounts] = {spec.unit: UnitCounts() for spec in plan.specs}
        units.update(await ledger.counts())
        return ExportReport(
            folder=folder,
            run=run.number,
            resumed=run.resumed,
            units=units,
            records=records,
            failures=await ledger.failures(_FAILURES),
            calls={label.value: calls for label, calls in self.calls.counts.items()},
            refused=self._refused() - self._refused_before,
            seconds=time.monotonic() - self._started,
            watermark=covered.until if covered else None,
            dropped_fields=self.calls.zra.dropped_fields,
            unproven=await ledger.unproven(units),
            refused_streams=await self._refused_streams(ledger, plan),
        )

    async def _refused_streams(self, ledger: Ledger, plan: Plan) -> tuple[RefusedStream, ...]:
        found = {refusal.stream: refusal for refusal in await ledger.refused_streams()}
        for stream, reason in self.calls.refusals.reasons.items():
            units = found[stream].units if stream in found else 0
            found[stream] = RefusedStream(stream=stream, units=units, reason=reason)
        return tuple(found[stream] for stream in plan.streams if stream in found)

    def _refused(self) -> int:
        return sum(state.refused for state in self._zra.limits.snapshot().values())
