"""The progress of an export, reported after every commit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from zra_async.bulk.events import OnEvent
from zra_async.bulk.export.units import Outcome
from zra_async.core.events import JobProgress
from zra_async.results.exports import UnitCounts, UnitKind

#: the stream after which the units of a kind are called
NAMES: Mapping[UnitKind, str] = {
    "conversation": "conversations",
    "deal": "deals",
    "team": "teams",
    "user": "playlists",
    "indicator": "indicators",
    "meeting": "scheduled_meetings",
}


class Tally:
    """Counts the units of each kind, and tells the progress. A total is known once the list was read to its end."""

    def __init__(self, tell: OnEvent) -> None:
        self._tell_progress = tell
        self._done: dict[UnitKind, int] = {}
        self._failed: dict[UnitKind, int] = {}
        self._left: dict[UnitKind, int] = {}
        self._listed: set[UnitKind] = set()

    def begin(self, done: Mapping[UnitKind, UnitCounts], waiting: Mapping[UnitKind, int]) -> None:
        """Take over what an interrupted run has done."""
        for kind, counts in done.items():
            self._done[kind] = counts.done + counts.deleted
        self._left.update(waiting)

    @property
    def left(self) -> int:
        """The number of units that are known and not finished."""
        return sum(self._left.values())

    def found(self, kind: UnitKind, units: int) -> None:
        """More units are to be read."""
        self._left[kind] = self._left.get(kind, 0) + units

    def listed(self, kind: UnitKind) -> None:
        """All units of a kind are known."""
        self._listed.add(kind)
        self._tell(kind)

    def finished(self, outcomes: Iterable[Outcome]) -> None:
        """Units were committed."""
        kinds: set[UnitKind] = set()
        for outcome in outcomes:
            kind = outcome.unit.kind
            kinds.add(kind)
            self._left[kind] = self._left.get(kind, 0) - 1
            counter = self._failed if outcome.state == "failed" else self._done
            counter[kind] = counter.get(kind, 0) + 1
        for kind in kinds:
            self._tell(kind)

    def _tell(self, kind: UnitKind) -> None:
        done, failed = self._done.get(kind, 0), self._failed.get(kind, 0)
        total = done + failed + max(0, self._left.get(kind, 0)) if kind in self._listed else None
        self._tell_progress(JobProgress("export", NAMES[kind], done, failed, total))
