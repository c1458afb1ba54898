"""The report of an export."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from zra_async.results.plain import plain

#: what an export reads one at a time, such as one conversation with all that belongs to it
UnitKind = Literal["conversation", "deal", "team", "user", "indicator", "meeting"]


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitCounts:
    """The counts of the units of one kind in one run.

    `done` were read, of which `unchanged` had the content they had before and were not written again; `skipped` had
    not been processed anew since the last run and were not read; `deleted` were there once and are not any more;
    `in_processing` are left for the next run, `failed` as well.
    """

    done: int = 0
    unchanged: int = 0
    skipped: int = 0
    deleted: int = 0
    in_processing: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A unit that could not be read, and why. The next run tries it again."""

    kind: UnitKind
    id: str
    reason: str

    def __str__(self) -> str:
        return f"{self.kind} {self.id}: {self.reason}"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnprovenPeriod:
    """A period of which the service did not prove that its list of units shows everything, and why."""

    kind: UnitKind
    since: datetime
    until: datetime
    reason: str

    def __str__(self) -> str:
        return f"{self.kind} units from {self.since.isoformat()} to {self.until.isoformat()}: {self.reason}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedStream:
    """A stream that the service refuses to the account, for so many `units`, and why. The next run tries it again."""

    stream: str
    units: int
    reason: str

    def __str__(self) -> str:
        return f"{self.stream}: {self.reason or 'refused'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportReport:
    """The result of one run. `run` counts the runs of a folder; `resumed` says that this one had been interrupted.

    `units` is by kind of unit, `records` by stream: what this run has written, before an interruption too. `failures`
    are the first hundred, ``failed.jsonl`` has them all. `calls` counts by rate-limit label what this process called,
    without repeats, `refused` the 429 answers. `dropped_fields` counts by operation the fields of answers that could
    not be read; they are null or empty in the records, and the log names them. `watermark` is the time up to which
    conversations were analysed when they were listed: give it as ``since`` to an export without a folder. `unproven`
    are the periods whose lists the service did not prove to be complete; the next run asks for them again.
    `refused_streams` are the streams that the account may not read; the other streams are complete without them, and
    the next run tries them again.
    """

    folder: Path | None
    run: int
    resumed: bool
    units: Mapping[UnitKind, UnitCounts]
    records: Mapping[str, int]
    failures: tuple[Failure, ...]
    calls: Mapping[str, int]
    refused: int
    seconds: float
    watermark: datetime | None
    dropped_fields: Mapping[str, int] = field(default_factory=dict[str, int])
    unproven: tuple[UnprovenPeriod, ...] = ()
    refused_streams: tuple[RefusedStream, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain JSON values, with times as ISO 8601 texts."""
        return plain(self)

    @property
    def failed(self) -> int:
        """The number of units that failed."""
        return sum(counts.failed for counts in self.units.values())

    @property
    def partial(self) -> bool:
        """True if anything is missing, or may be missing, that a further run may bring."""
        return self.failed > 0 or bool(self.unproven) or bool(self.refused_streams)
