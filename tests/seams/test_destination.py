"""An export writes to a destination of somebody else's, made with public names only."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

import msgspec
import pytest

from tests.bulk.export.account import account
from tests.bulk.export.truth import Truth, compare
from zra_async import InvalidArgument
from zra_async.bulk import (
    Destination,
    ExportLedger,
    ExportReport,
    ExportRun,
    Listed,
    Outcome,
    RunSummary,
    UnitKind,
    UnprovenPeriod,
    Waiting,
)

STREAMS = ("conversations", "comments", "deals", "teams", "playlists")


class Memory:
    """A destination that is its own ledger, for one run in memory."""

    folder: Path | None = None

    def __init__(self) -> None:
        self.lines: dict[str, list[bytes]] = {name: [] for name in STREAMS}
        self.notes, self.waiting, self.users = dict[str, str](), dict[int, Waiting](), set[str]()

    @asynccontextmanager
    async def open(self, account: str, *, adopt: bool) -> AsyncGenerator[ExportLedger]:
        yield self

    async def setting(self, name: str) -> str | None:
        return self.notes.get(name)

    async def begin(self, parameters: str, now: datetime, settings: Mapping[str, str]) -> ExportRun:
        return ExportRun(1, now)

    async def offer(
        self, kind: UnitKind, page: Sequence[Listed], streams: Sequence[str], *, unchanged_too: bool
    ) -> int:
        known = {(unit.kind, unit.id) for unit in self.waiting.values()}
        units = [Waiting(0, kind, unit.id, unit.version, unit.payload) for unit in page if (kind, unit.id) not in known]
        self.waiting |= {n: unit._replace(seq=n) for n, unit in enumerate(units, len(self.waiting) + 1)}
        return len(units)

    async def end_list(self, kind: UnitKind, *, complete: bool, unproven: Sequence[UnprovenPeriod]) -> int:
        return 0

    async def take(self, kinds: Collection[UnitKind], after: int, most: int) -> Sequence[Waiting]:
        return [unit for unit in self.waiting.values() if unit.kind in kinds and unit.seq > after][:most]

    async def commit(self, outcomes: Sequence[Outcome]) -> Sequence[Outcome]:
        for outcome in outcomes:
            self.users |= set(outcome.people)
            for part in outcome.parts:
                self.lines[part.stream] += part.lines.splitlines()
        return outcomes

    async def flush(self) -> None:
        pass

    async def people(self, after: str, most: int) -> Sequence[str]:
        return sorted(user for user in self.users if user > after)[:most]

    async def summary(self) -> RunSummary:
        return RunSummary(records={name: len(lines) for name, lines in self.lines.items()})

    async def finish(self, report: ExportReport, covers_from: datetime | None, settings: Mapping[str, str]) -> None:
        self.notes.update(settings)


async def test_an_export_to_another_destination() -> None:
    """It receives every record of the account, and the report is that of its ledger."""
    memory = Memory()
    destination: Destination = memory
    async with account(12) as (sandbox, zra):
        report = await zra.export(destination, streams=STREAMS)
        for stream in STREAMS:
            compare(Truth(sandbox), stream, (msgspec.json.decode(line) for line in memory.lines[stream]))
        with pytest.raises(InvalidArgument, match="recordings are files"):
            await zra.export(destination, streams="recordings")
    assert not report.partial
    assert report.folder is None
    assert report.records["conversations"] == 12
    assert "covered" in memory.notes
