"""A folder as the destination of an export: JSON lines in segments, a manifest, and a ledger beside them."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from zra_async.bulk.database import Database
from zra_async.bulk.export.destination import ExportRun, RunSummary
from zra_async.bulk.export.folder import manifest
from zra_async.bulk.export.folder.layout import LEDGER, check_folder
from zra_async.bulk.export.folder.ledger import SqliteLedger
from zra_async.bulk.export.folder.segments import SEGMENT_BYTES, Segments
from zra_async.bulk.export.folder.tables import KIND, SCHEMA
from zra_async.bulk.export.units import Outcome
from zra_async.bulk.owner import Owner
from zra_async.errors import LedgerError
from zra_async.osfiles.paths import StrPath, as_path, shown
from zra_async.osfiles.threads import to_thread
from zra_async.results.exports import ExportReport


class Folder:
    """A folder as a `Destination`; a segment is closed before it outgrows ``segment_bytes``."""

    def __init__(self, path: StrPath, *, segment_bytes: int = SEGMENT_BYTES) -> None:
        try:
            self.folder: Path | None = Path(os.path.realpath(as_path(path)))  # where a link leads; it may change
        except OSError as problem:
            raise LedgerError(f"the folder {shown(path)} cannot be used: {problem.strerror}") from problem
        self._path = self.folder
        self._segment_bytes = segment_bytes

    def __str__(self) -> str:
        return str(self._path)

    @asynccontextmanager
    async def open(self, account: str, *, adopt: bool) -> AsyncGenerator[FolderLedger]:
        """Open the folder, and make it if there is none. Raises `LedgerError` and `InUse`."""
        await to_thread(_make, self._path)
        database = await Database.open(
            self._path / LEDGER,
            kind=KIND,
            schema=SCHEMA,
            purpose=f"the export in {self._path}",
            durable=False,  # the segments are on the disk before their offsets are noted, and that is all it takes
            check=partial(check_folder, self._path),
            owner=Owner(account, adopt),
        )
        async with database:
            ledger = FolderLedger(database, self._path, self._segment_bytes)
            try:
                yield ledger
            finally:
                ledger.abandon()  # nothing is under way in the ledger's thread any more


def _make(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as problem:
        raise LedgerError(f"the folder {shown(folder)} cannot be used: {problem.strerror}") from problem


class FolderLedger(SqliteLedger):
    """The ledger of a folder: what it notes as done is in the segments beside it."""

    def __init__(self, database: Database, folder: Path, segment_bytes: int) -> None:
        super().__init__(database)
        self._folder = folder
        self._segment_bytes = segment_bytes
        self._segments: Segments | None = None

    async def begin(self, parameters: str, now: datetime, settings: Mapping[str, str]) -> ExportRun:
        """Begin or resume a run, and cut off what a killed run has written without noting it."""
        run = await super().begin(parameters, now, settings)
        self._segments = Segments(self._folder, run.number, limit=self._segment_bytes)
        await self.database.run(self._segments.recover)
        return run

    async def commit(self, outcomes: Sequence[Outcome]) -> Sequence[Outcome]:
        """Write the lines of units, and note them as finished."""
        return await self.write(outcomes, self._segments)

    async def summary(self) -> RunSummary:
        """Return the state of the ledger, with the numbers of lines that this run has written."""
        records = await self.database.run(lambda c: manifest.records_of_run(c, self.run))
        return await self.summarise(records)

    async def flush(self) -> None:
        """Close the segments of the run for good."""
        if self._segments is not None:
            await self.database.run(self._segments.close)

    async def finish(self, report: ExportReport, covers_from: datetime | None, settings: Mapping[str, str]) -> None:
        """Write the manifest, then close the run: a crash between the two leaves a run that has nothing left to do."""
        now = datetime.now(UTC).replace(microsecond=0)
        await self.database.run(lambda c: manifest.write(c, self._folder, report, covers_from, now))
        await super().finish(report, covers_from, settings)

    def abandon(self) -> None:
        """Close the files as they are."""
        if self._segments is not None:
            self._segments.abandon()
