"""The requests that the file host takes in a day, planned for before a file is begun."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta

from zra_async.bulk.ingest.item import FileStep
from zra_async.core.limits import LimitState, RateLimiter
from zra_async.core.operation import Label
from zra_async.files.names import CAPTIONS
from zra_async.files.plan import plan_parts
from zra_async.results.uploads import UploadState

#: an upload in parts takes two requests more than parts, and one more where the public file host sends to another
_CREATION = _COMPLETION = _REDIRECT = 1
_AFTER_MIDNIGHT = 1.0  #: seconds: the service's own machines are never quite at the same time
_PLANNED = (Label.FILES, Label.MULTIPART)


def in_parts(file: FileStep, single_limit: int) -> bool:
    """Return True if a file is uploaded in parts; a file of unknown size may be."""
    if file.source_system is not None:
        return False
    return file.size is None or file.size > single_limit or file.name.casefold().endswith(CAPTIONS)


def requests_of(file: FileStep, single_limit: int, per_day: int | None, journal: UploadState | None) -> dict[str, int]:
    """Return the number of requests that one file needs, by label; parts that a journal knows as stored need none.

    Those of a file of unknown size cannot be told.
    """
    if file.size is None:
        return {}
    if not in_parts(file, single_limit):
        return {Label.FILES.value: 1}
    if journal is not None and journal.upload_context:
        return {Label.MULTIPART.value: _REDIRECT + len(journal.missing) + _COMPLETION}
    parts = len(plan_parts(file.size, daily_budget=per_day))
    return {Label.MULTIPART.value: _REDIRECT + _CREATION + parts + _COMPLETION}


class Budget:
    """Says which items fit into what is left of a day.

    What earlier runs of the day have planned is known from the ledger, since the counters of the client begin anew
    with each process. ``now`` is the service's time, by which it counts its days.
    """

    def __init__(self, limits: RateLimiter, now: Callable[[], datetime]) -> None:
        self._limits = limits
        self._now = now
        self._day = self.today
        self._spent: dict[str, int] = {}

    def take_over(self, planned: Mapping[str, int]) -> None:
        """Count what earlier runs have planned for today."""
        self._spent = dict(planned)

    @property
    def today(self) -> date:
        """The day that the service counts in now."""
        return self._now().date()

    def seconds_until(self, moment: datetime) -> float:
        """Return the seconds until shortly after ``moment``."""
        return max(0.0, (moment - self._now()).total_seconds()) + _AFTER_MIDNIGHT

    @property
    def resets_at(self) -> datetime:
        """The beginning of the next day."""
        return datetime.combine(self.today + timedelta(days=1), datetime.min.time(), UTC)

    def states(self) -> Mapping[Label, LimitState]:
        """Return the present state of the limits."""
        return self._limits.snapshot()

    def take(self, needs: Mapping[str, int], states: Mapping[Label, LimitState]) -> dict[str, int] | None:
        """Plan requests for today; None when they do not fit into what ``states`` leave, and then none is planned.

        Gives those that are counted by the day. What takes more than a whole day has begins on a day of its own, and
        goes on the next.
        """
        if self._day != self.today:
            self._day, self._spent = self.today, {}
        counted: dict[str, int] = {}
        for label in _PLANNED:
            state, need = states.get(label), needs.get(label.value, 0)
            if state is None or state.per_day is None or not need:
                continue
            used = max(state.used_today, self._spent.get(label.value, 0))
            if used + need > state.per_day and not (need > state.per_day and used == 0):
                return None
            counted[label.value] = need
        for label_name, need in counted.items():
            self._spent[label_name] = self._spent.get(label_name, 0) + need
        return counted
