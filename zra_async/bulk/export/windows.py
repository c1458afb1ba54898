"""The period of processing time that a run has to list, given the periods of earlier runs: pure functions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

#: How far a run reaches back behind the last one. What was listed before is not read again, so a wide overlap costs a
#: few pages; it covers clocks that differ and conversations that show up in the list late.
OVERLAP = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Window:
    """A period of processing time; None is open."""

    since: datetime | None = None
    until: datetime | None = None

    @property
    def unbounded(self) -> bool:
        """True if it has no bounds."""
        return self.since is None and self.until is None


@dataclass(frozen=True, slots=True)
class Covered:
    """The period that a folder holds without a gap: from `since` (None: from the beginning) to `until`."""

    since: datetime | None
    until: datetime


def to_list(covered: Covered | None, asked: Window, *, incremental: bool) -> Window:
    """The period to list so that the folder holds all of ``asked``: the part that is not covered, and some overlap."""
    if covered is None or not incremental or not _reaches(covered.since, asked.since):
        return asked
    watermark = covered.until - OVERLAP
    since = watermark if asked.since is None else max(asked.since, watermark)
    if asked.until is not None and asked.until < since:
        since = asked.until  # all of it is covered: the shortest list there is
    return Window(since, asked.until)


def extended(covered: Covered | None, listed: Window, begun: datetime, latest: datetime | None) -> Covered | None:
    """Return the period that the folder covers after a run that began at ``begun`` has exported ``listed``.

    Both are times of the service. ``latest`` is the last processing time in the list, and nothing later counts as
    covered.
    """
    if latest is None:
        return covered
    end = min(time for time in (begun, latest, listed.until) if time is not None)
    if covered is None:
        return Covered(listed.since, end)
    if listed.since is not None and listed.since > covered.until:
        return covered  # there would be a gap between the two
    if covered.since is not None and end < covered.since:
        return covered  # and here
    since = listed.since if _reaches(listed.since, covered.since) else covered.since
    return Covered(since, max(end, covered.until))


def _reaches(since: datetime | None, other: datetime | None) -> bool:
    """Return True if a period that begins at ``since`` begins no later than ``other``."""
    return since is None or (other is not None and since <= other)
