"""The account's rate limits as the service counts them: sliding windows and daily counters, one pair per label."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from zra_async.sandbox.clock import NANOSECONDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zra_async.sandbox.options import Plan

DAY = 24 * 3600 * NANOSECONDS
UNCHECKED_STAMPS = 65_536  #: how many requests of one window are remembered where no limit bounds them

PER_SECOND = "You have reached the maximum per-second rate limit for this API. Try again later."
PER_DAY = (
    "You have reached the maximum daily rate limit for this API. "
    "Refer to the response header for details on when you can make another request."
)
CATEGORIES = {
    "LIGHT": "Light",
    "MEDIUM": "Medium",
    "HEAVY": "Heavy",
    "RESOURCE-INTENSIVE": "Resource-intensive",
}


@dataclass(frozen=True, slots=True)
class Limit:
    """At most ``rate`` requests in any ``period`` seconds and ``daily`` in a day of the counter named ``shared``."""

    rate: int
    period: int = 1
    daily: int | None = None
    shared: str = ""


FILE_LIMITS = {"FILES": Limit(20), "MULTIPART": Limit(20, daily=2_000)}
LIMITS: Mapping[Plan, Mapping[str, Limit]] = {
    "free": {
        "LIGHT": Limit(4, daily=6_000),
        "MEDIUM": Limit(2, daily=2_000),
        "HEAVY": Limit(1, daily=1_000),
        "RESOURCE-INTENSIVE": Limit(10, 60, daily=30_000),
        **FILE_LIMITS,
    },
    "pro": {
        "LIGHT": Limit(30),
        "MEDIUM": Limit(20),
        "HEAVY": Limit(10, daily=30_000, shared="HEAVY and RESOURCE-INTENSIVE"),
        "RESOURCE-INTENSIVE": Limit(10, 60, daily=30_000, shared="HEAVY and RESOURCE-INTENSIVE"),
        **FILE_LIMITS,
    },
    "business": {
        "LIGHT": Limit(80),
        "MEDIUM": Limit(60),
        "HEAVY": Limit(40, daily=60_000, shared="HEAVY and RESOURCE-INTENSIVE"),
        "RESOURCE-INTENSIVE": Limit(20, 60, daily=60_000, shared="HEAVY and RESOURCE-INTENSIVE"),
        **FILE_LIMITS,
    },
}


@dataclass(slots=True)
class LabelStats:
    """Counts of one label since the start."""

    calls: int = 0  #: requests that reached the server
    accepted: int = 0  #: requests that the limits let through
    rejected: int = 0  #: requests answered 429 by the limits
    peak: int = 0  #: most requests accepted in any one window


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is over a limit; ``resets_at`` is set for a daily limit only."""

    label: str
    kind: Literal["QPS", "Daily-limit"]
    limit: int
    resets_at: datetime | None = None

    @property
    def message(self) -> str:
        """The text of the 429 body."""
        return PER_DAY if self.kind == "Daily-limit" else PER_SECOND

    def headers(self, present: frozenset[str]) -> dict[str, str]:
        """The headers of the 429, those named in ``present`` only."""
        values = {"X-RateLimit-Type": self.kind, "X-RateLimit-Limit": str(self.limit), "X-RateLimit-Remaining": "0"}
        if self.label in CATEGORIES:
            values["X-RateLimit-Category"] = CATEGORIES[self.label]
        if self.resets_at is not None:
            values["Retry-After"] = self.resets_at.strftime("%Y-%m-%dT%H:%M:%SZ")
        return {name: value for name, value in values.items() if name in present}


@dataclass(slots=True)
class _Daily:
    day: int = 0
    used: int = 0

    def roll(self, now: int) -> None:
        """Start from zero when ``now`` is on another UTC day."""
        day = now // DAY
        if day != self.day:
            self.day, self.used = day, 0


@dataclass(slots=True)
class _Window:
    limit: Limit
    span: int
    daily: _Daily
    stats: LabelStats
    stamps: deque[int] = field(default_factory=lambda: deque(maxlen=UNCHECKED_STAMPS))


class Windows:
    """Counts the requests of one account; times are nanoseconds since the epoch and must not go back.

    A request at ``now`` is accepted if and only if fewer than the limit were accepted in the window from ``now`` minus
    the period, exclusive, to ``now``, inclusive, and its daily counter, which starts from zero at 00:00 UTC, is not
    used up. A refused request counts nowhere.
    """

    def __init__(self, limits: Mapping[str, Limit], *, enforced: bool = True) -> None:
        daily: dict[str, _Daily] = {}
        self._enforced = enforced
        self._windows = {
            label: _Window(
                limit, limit.period * NANOSECONDS, daily.setdefault(limit.shared or label, _Daily()), LabelStats()
            )
            for label, limit in limits.items()
        }
        self.stats: Mapping[str, LabelStats] = {label: window.stats for label, window in self._windows.items()}

    def admit(self, label: str, now: int) -> Refusal | None:
        """Count one request of ``label`` at ``now``, or say why it is refused."""
        window = self._windows[label]
        stamps, stats, limit, daily = window.stamps, window.stats, window.limit, window.daily
        oldest = now - window.span
        while stamps and stamps[0] <= oldest:
            stamps.popleft()
        daily.roll(now)
        if self._enforced:
            refusal = _refusal(label, limit, len(stamps), daily)
            if refusal is not None:
                stats.rejected += 1
                return refusal
        stamps.append(now)
        daily.used += 1
        stats.accepted += 1
        if len(stamps) > stats.peak:
            stats.peak = len(stamps)
        return None


def _refusal(label: str, limit: Limit, in_window: int, daily: _Daily) -> Refusal | None:
    if limit.daily is not None and daily.used >= limit.daily:
        midnight = datetime.fromtimestamp((daily.day + 1) * DAY // NANOSECONDS, UTC)
        return Refusal(label, "Daily-limit", limit.daily, midnight)
    if in_window >= limit.rate:
        return Refusal(label, "QPS", limit.rate)
    return None
