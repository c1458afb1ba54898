"""A rate limiter under observation: who asked when, who was served in which order, and what the service answered."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from zra_async import Label, LocalRateLimiter, errors
from zra_async.core.limits import Lane, LimitState, Permit
from zra_async.core.operation import Operation


@dataclass(slots=True)
class Record:
    """What one label has seen. Times are those of the event loop, in seconds."""

    asked: Counter[Lane] = field(default_factory=Counter[Lane])
    asked_at: float = 0.0  #: for the first time
    grants: list[tuple[Lane, int]] = field(default_factory=list[tuple[Lane, int]])  #: lane, and the place in its queue
    answers: int = 0
    refused: int = 0

    def overtaken(self) -> int:
        """How often somebody was served before one who had asked earlier in the same lane."""
        last: Counter[Lane] = Counter()
        late = 0
        for lane, place in self.grants:
            late += place < last[lane]
            last[lane] = max(place, last[lane])
        return late

    def rate(self) -> float:
        """Answers a second since somebody asked for the first time."""
        return self.answers / (asyncio.get_running_loop().time() - self.asked_at)

    def starved(self) -> int:
        """The longest run of interactive grants between two bulk ones."""
        longest = run = 0
        for lane, _ in self.grants:
            run = 0 if lane is Lane.BULK else run + 1
            longest = max(longest, run)
        return longest


class WatchedLimiter:
    """Does what the limiter inside does, and keeps a `Record` for each label."""

    def __init__(self, inner: LocalRateLimiter) -> None:
        self._inner = inner
        self.records = {label: Record() for label in Label}

    async def acquire(self, operation: Operation[Any], lane: Lane, deadline: float | None) -> Permit:
        """Wait for a slot, and note the order."""
        record = self.records[operation.label]
        if not record.asked:
            record.asked_at = asyncio.get_running_loop().time()
        place = record.asked[lane]
        record.asked[lane] += 1
        permit = await self._inner.acquire(operation, lane, deadline)
        record.grants.append((lane, place))
        return permit

    def observe(self, operation: Operation[Any], headers: Mapping[str, str], error: errors.CallError | None) -> None:
        """Note an answer."""
        record = self.records[operation.label]
        record.answers += 1
        record.refused += isinstance(error, errors.RateLimited)
        self._inner.observe(operation, headers, error)

    def freeze(self, operation: Operation[Any], seconds: float) -> None:
        """Freeze the limiter inside."""
        self._inner.freeze(operation, seconds)

    def snapshot(self) -> Mapping[Label, LimitState]:
        """The state of the limiter inside."""
        return self._inner.snapshot()
