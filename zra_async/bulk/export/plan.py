"""The plan of an export: its arguments, checked, and the sources that follow from them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import msgspec

from zra_async.api.arguments import build_period
from zra_async.api.indicators import Indicators
from zra_async.api.meetings import Meetings
from zra_async.bulk.export.destination import ExportLedger
from zra_async.bulk.export.sources.account import Calls, DealUnits, Simple, Source, TeamUnits, Users
from zra_async.bulk.export.sources.conversations import ConversationUnits
from zra_async.bulk.export.streams import STREAMS, StreamSpec, select
from zra_async.bulk.export.windows import Window
from zra_async.core.limits import LimitState
from zra_async.core.operation import Label
from zra_async.errors import InvalidArgument

#: when an incremental run lists the whole account, to find what has changed or is gone: a timedelta, or a name
Sweep = Literal["always", "daily", "never"] | timedelta
_INTERVALS: Mapping[str, timedelta | None] = {"always": timedelta(0), "daily": timedelta(days=1), "never": None}
_FEWEST, _MOST = 4, 64
_PEOPLE = "playlists"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One export as it was asked for."""

    specs: tuple[StreamSpec, ...]
    asked: Window
    incremental: bool
    sweep: timedelta | None = timedelta(0)

    def sweeps(self, swept: datetime | None, now: datetime) -> bool:
        """Return True if this run is to list the whole account, which was last listed as a whole at ``swept``."""
        if not self.asked.unbounded or self.sweep is None:
            return False
        return swept is None or now - swept >= self.sweep

    @property
    def streams(self) -> tuple[str, ...]:
        """The names of the streams."""
        return tuple(spec.name for spec in self.specs)

    @property
    def parameters(self) -> str:
        """The arguments that must be the same for a run to be resumed."""
        return msgspec.json.encode(
            {
                "streams": self.streams,
                "since": self.asked.since,
                "until": self.asked.until,
                "incremental": self.incremental,
            }
        ).decode()


def plan(
    streams: str | Iterable[str] | None,
    since: datetime | None,
    until: datetime | None,
    *,
    incremental: bool,
    sweep: Sweep = "always",
) -> Plan:
    """Check what an export is asked for. Raises `InvalidArgument`."""
    build_period(since, until)
    window = Window(*(time and time.astimezone(UTC).replace(microsecond=0) for time in (since, until)))
    return Plan(specs=select(streams), asked=window, incremental=incremental, sweep=_interval(sweep))


def _interval(sweep: Sweep) -> timedelta | None:
    """Return the least time between two sweeps, None for none at all."""
    if isinstance(sweep, timedelta) and sweep >= timedelta(0):
        return sweep
    if not isinstance(sweep, str) or sweep not in _INTERVALS:
        raise InvalidArgument(f"sweep must be {', '.join(map(repr, _INTERVALS))} or a timedelta, not {sweep!r}")
    return _INTERVALS[sweep]


def workers(concurrency: int | None, limits: Mapping[Label, LimitState]) -> int:
    """Return the number of units to read at once: enough to keep a second's worth of calls in progress."""
    if concurrency is not None:
        if isinstance(concurrency, bool) or not isinstance(concurrency, int) or concurrency < 1:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidArgument(f"concurrency must be a whole number of at least 1, not {concurrency!r}")
        return concurrency
    states = [limits[label] for label in (Label.LIGHT, Label.MEDIUM) if label in limits]
    return min(_MOST, max(_FEWEST, math.ceil(sum(state.limit / state.period for state in states))))


def stages(
    plan: Plan, calls: Calls, ledger: ExportLedger, window: Window, recordings: Path | None
) -> list[list[Source]]:
    """The sources of an export. Those of one stage are read together; a stage begins when the one before is done."""
    streams = plan.streams
    units = {spec.unit for spec in plan.specs}
    first: list[Source] = []
    if "team" in units or _PEOPLE in streams:
        first.append(TeamUnits(calls, streams))
    if "indicator" in units:
        first.append(_simple(calls, "indicators"))
    if "meeting" in units:
        first.append(_simple(calls, "scheduled_meetings"))
    if "deal" in units:
        first.append(DealUnits(calls, streams, unchanged_too=not plan.incremental))
    if "conversation" in units:
        first.append(
            ConversationUnits(calls, streams, window, unchanged_too=not plan.incremental, recordings=recordings)
        )
    return [first, [Users(calls, ledger)]] if _PEOPLE in streams else [first]


def _simple(calls: Calls, stream: str) -> Simple:
    (operation,) = STREAMS[stream].lists
    if stream == "indicators":
        return Simple(calls, stream, operation, lambda zra: Indicators(zra).list())
    return Simple(
        calls,
        stream,
        operation,
        begin_period=lambda zra, since, until: Meetings(zra).list(from_=since, to=until),
    )
