"""The seam between an export and the place that it writes to: a destination, and the ledger that it keeps there.

`Folder` is the destination that comes with this package. Another one, such as a database, implements two protocols:
`Destination` opens it for one account, and `ExportLedger` remembers which units there are. The rows of units and the
note that they are done reach the ledger in one call, `ExportLedger.commit`, so that a database can write both in one
transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol, runtime_checkable

from zra_async.bulk.export.units import Listed, Outcome, Waiting
from zra_async.results.exports import ExportReport, Failure, RefusedStream, UnitCounts, UnitKind, UnprovenPeriod

#: the sub-folder of `Destination.folder` that recordings are downloaded to
RECORDINGS = "recordings"


@dataclass(frozen=True, slots=True)
class ExportRun:
    """One run of an export, and what an interrupted run of the same number has left.

    `begun` is in the time of the service. `listed` are the kinds whose lists were read to their end, `waiting` the
    numbers of units that are still to be read, and `done` those that are finished.
    """

    number: int
    begun: datetime
    resumed: bool = False
    listed: frozenset[UnitKind] = frozenset()
    waiting: Mapping[UnitKind, int] = field(default_factory=dict["UnitKind", int])
    done: Mapping[UnitKind, UnitCounts] = field(default_factory=dict["UnitKind", UnitCounts])


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """The state of a ledger: what became of the units of the run, and what is missing.

    `records` are the numbers of records that the run has written, by stream. `latest` is the last processing time of
    the units that the run has listed.
    """

    units: Mapping[UnitKind, UnitCounts] = field(default_factory=dict["UnitKind", UnitCounts])
    records: Mapping[str, int] = field(default_factory=dict[str, int])
    failures: tuple[Failure, ...] = ()
    refused_streams: tuple[RefusedStream, ...] = ()
    unproven: tuple[UnprovenPeriod, ...] = ()
    latest: datetime | None = None


class ExportLedger(Protocol):
    """The memory of an export. Each method is one transaction: all of it happens, or nothing.

    A unit waits from when `offer` has taken it until `commit` has noted its outcome.
    """

    async def setting(self, name: str) -> str | None:
        """Return a setting that `begin` or `finish` has noted, or None."""
        ...

    async def begin(self, parameters: str, now: datetime, settings: Mapping[str, str]) -> ExportRun:
        """Note the settings, and begin a run, or resume the last one if it is unfinished and has these parameters.

        A new run discards what waits, since its lists show it again. Units that failed wait to be read as they were
        listed; of those in processing, only the existence is asked for (a `Waiting` without a payload).
        """
        ...

    async def offer(
        self, kind: UnitKind, page: Sequence[Listed], streams: Sequence[str], *, unchanged_too: bool
    ) -> int:
        """Take one page of a list, and return the number of units by which those that wait have become more.

        Leave out what this run has read, and, unless ``unchanged_too``, what is known in the same version with all of
        ``streams``; a unit that lacks some of them waits for these alone. A unit that waits in another version is
        replaced and gets a new `Waiting.seq`. One that is in processing is noted and does not wait.
        """
        ...

    async def end_list(self, kind: UnitKind, *, complete: bool, unproven: Sequence[UnprovenPeriod]) -> int:
        """Note that a list was read to its end, and the periods in which it is not proven to show everything.

        Known units that a ``complete`` list has not shown wait from now on, without a payload. Returns their number.
        """
        ...

    async def take(self, kinds: Collection[UnitKind], after: int, most: int) -> Sequence[Waiting]:
        """Return the next units of these kinds that wait, in the order of `Waiting.seq`, all greater than ``after``."""
        ...

    async def commit(self, outcomes: Sequence[Outcome]) -> Sequence[Outcome]:
        """Write the rows of units, and note them as finished, in one transaction. Returns the outcomes that were noted.

        This is the fence: an outcome whose `Waiting.seq` waits no more, because the unit was listed anew, is dropped. A
        part with the state ``refused`` leaves the earlier rows of its stream. The users of `Outcome.people` are noted.
        """
        ...

    async def flush(self) -> None:
        """Bring to its place what commits have delayed: every unit of the run was committed, and `summary` follows."""
        ...

    async def people(self, after: str, most: int) -> Sequence[str]:
        """Return the next ids of users that units have named, in ascending order, all greater than ``after``."""
        ...

    async def summary(self) -> RunSummary:
        """Return the state of the ledger, also before a run has begun."""
        ...

    async def finish(self, report: ExportReport, covers_from: datetime | None, settings: Mapping[str, str]) -> None:
        """Close the run and note the settings; the next run has another number.

        The destination holds the conversations that were processed from ``covers_from`` to ``report.watermark``.
        """
        ...


@runtime_checkable
class Destination(Protocol):
    """The place that an export writes to."""

    @property
    def folder(self) -> Path | None:
        """The folder on this machine that recordings are downloaded to, or None if the place takes no files."""
        ...

    def open(self, account: str, *, adopt: bool) -> AbstractAsyncContextManager[ExportLedger]:
        """Open the place for an account. Raises `LedgerError` if it belongs to another one.

        A place that does not know its account is refused, unless ``adopt`` says that it belongs to this one.
        """
        ...
