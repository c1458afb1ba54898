"""The state of long work: each stream, the use of each rate limit, and the time left."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from zra_async.cli.output.wording import duration, size
from zra_async.core.events import Event, JobProgress
from zra_async.core.limits import LimitState
from zra_async.core.operation import Label

_LEAST = 1.0  #: seconds of work before anything can be said of the rest


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """The progress of one stream. `before` was done when this run began to watch it, at `since`."""

    done: int
    failed: int
    total: int | None
    before: int
    since: float
    measured_in_bytes: bool = False

    @property
    def share(self) -> float | None:
        """The part that is over, from 0 to 1, if the whole is known."""
        return None if self.total is None else min(1.0, (self.done + self.failed) / self.total) if self.total else 1.0

    def number(self, value: int) -> str:
        """A quantity of this stream in words."""
        return size(value) if self.measured_in_bytes else f"{value:,}"

    def left(self, now: float) -> float | None:
        """The seconds left at the pace so far; None if unknown."""
        if self.total is None:
            return None
        rest = self.total - self.done - self.failed
        if rest <= 0:
            return 0.0
        passed, came = now - self.since, self.done + self.failed - self.before
        return rest * passed / came if came > 0 and passed >= _LEAST else None


Snapshot = Callable[[], Mapping[Label, LimitState]]


class Board:
    """Takes what long work tells, and says where it stands."""

    def __init__(self, title: str, snapshot: Snapshot, clock: Callable[[], float] = time.monotonic) -> None:
        self.title = title
        self.streams: dict[str, Stream] = {}
        self._snapshot = snapshot
        self._clock = clock
        self._began = clock()

    def observe(self, event: Event, /) -> None:
        """Take note of a job's progress; other events pass by."""
        if isinstance(event, JobProgress):
            self.update(event.stream, event.done, event.failed, event.total)

    def update(self, name: str, done: int, failed: int, total: int | None, *, measured_in_bytes: bool = False) -> None:
        """Take note of how far one stream is, in absolute numbers."""
        known = self.streams.get(name)
        if known is None:
            known = Stream(
                done=done,
                failed=failed,
                total=total,
                before=done + failed,
                since=self._clock(),
                measured_in_bytes=measured_in_bytes,
            )
        self.streams[name] = replace(known, done=done, failed=failed, total=total)

    @property
    def elapsed(self) -> float:
        """Seconds since the beginning."""
        return self._clock() - self._began

    @property
    def limits(self) -> dict[Label, LimitState]:
        """The rate limits that are in use."""
        return {
            label: state
            for label, state in self._snapshot().items()
            if state.in_window
            or state.waiting
            or state.waiting_bulk
            # its counter of the day is that of HEAVY as well, and so says nothing of itself
            or (state.used_today and label is not Label.RESOURCE_INTENSIVE)
        }

    @property
    def refused(self) -> int:
        """The number of 429 answers."""
        return sum(state.refused for state in self._snapshot().values())

    @property
    def left(self) -> float | None:
        """Seconds until the slowest stream is done, if that can be told."""
        now = self._clock()
        times = [stream.left(now) for stream in self.streams.values()]
        told = [seconds for seconds in times if seconds is not None]
        return max(told) if told and any(told) else None

    def line(self) -> str:
        """Everything in one line, for a log."""
        parts = [
            f"{duration(self.elapsed)}: " + (", ".join(_stream(n, s) for n, s in self.streams.items()) or "starting"),
            ", ".join(f"{label.value} {used(state)}" for label, state in self.limits.items()),
            f"429s: {self.refused}",
            "" if self.left is None else f"about {duration(self.left)} left",
        ]
        return "; ".join(part for part in parts if part)


def _stream(name: str, stream: Stream) -> str:
    total = "" if stream.total is None else f"/{stream.number(stream.total)}"
    failed = f" ({stream.failed:,} failed)" if stream.failed else ""
    return f"{name} {stream.number(stream.done)}{total}{failed}"


def used(state: LimitState) -> str:
    """The rate that is used against the one that is permitted: ``71/80 per s``."""
    per = {1.0: "s", 60.0: "min"}.get(state.period, f"{state.period:g} s")
    pause = f", paused for {duration(state.frozen_for)}" if state.frozen_for >= 1 else ""
    return f"{state.in_window}/{state.limit} per {per}{pause}"
