"""Rate limits: never more calls in any window than the service permits, and nearly as many."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Protocol

import msgspec

from zra_async import errors
from zra_async.core.clock import utc_now
from zra_async.core.limits.bucket import Bucket, Daily, Lane, Permit
from zra_async.core.limits.plans import PLANS, SHARED_DAILY, Plan, Rate
from zra_async.core.operation import Label, Operation

#: how much longer than the service's window our own is, in seconds, for the jitter of the network
MARGIN = 0.025


class LimitState(msgspec.Struct, frozen=True):
    """One label's bucket at one moment. Times are in seconds."""

    label: Label
    limit: int
    period: float
    in_window: int
    waiting: int
    waiting_bulk: int
    frozen_for: float
    used_today: int
    per_day: int | None
    refused: int  #: 429 answers so far


class RateLimiter(Protocol):
    """What the pipeline needs of a limiter; another implementation may share its counts between processes."""

    async def acquire(self, operation: Operation[Any], lane: Lane, deadline: float | None) -> Permit:
        """Wait for the right to send one attempt, until the loop time ``deadline`` at most."""
        ...

    def observe(self, operation: Operation[Any], headers: Mapping[str, str], error: errors.CallError | None) -> None:
        """Learn from an answer."""
        ...

    def freeze(self, operation: Operation[Any], seconds: float) -> None:
        """Let nobody through for ``seconds``, then one call to try."""
        ...

    def snapshot(self) -> Mapping[Label, LimitState]:
        """The state of every label."""
        ...


def _loop_time() -> float:
    return asyncio.get_running_loop().time()


class LocalRateLimiter:
    """The limits of one account as this process sees them: one bucket a label, shared by all tasks of a client.

    `plan` chooses the documented limits, `share` (0–1] the part of them that is this client's, `overrides` replaces
    the rate of single labels before the share is taken; one for RESOURCE-INTENSIVE with calls a day of its own is not
    counted together with HEAVY. `margin` is added to each window, in seconds.
    """

    def __init__(
        self,
        plan: Plan = "pro",
        *,
        share: float = 1.0,
        overrides: Mapping[Label, Rate] | None = None,
        margin: float = MARGIN,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        rates = {**PLANS[plan], **(overrides or {})}
        shared = {label: rate.shared(share) for label, rate in rates.items()}
        daily = {label: Daily(rate.per_day, clock) for label, rate in shared.items()}
        own_day = (overrides or {}).get(Label.RESOURCE_INTENSIVE)
        if plan in SHARED_DAILY and (own_day is None or own_day.per_day is None):
            daily[Label.RESOURCE_INTENSIVE] = daily[Label.HEAVY]
        self._buckets = {label: Bucket(rate, daily[label], margin) for label, rate in shared.items()}
        self._clock = clock

    async def acquire(self, operation: Operation[Any], lane: Lane, deadline: float | None) -> Permit:
        """Wait for a slot of the operation's label.

        Raises `RateLimited` at once when the day's calls are used up or when the wait cannot end by ``deadline``.
        """
        bucket = self._buckets[operation.label]
        if not bucket.daily.take():
            raise self._used_up(operation, bucket)
        if (free := bucket.take(lane)) is not None:
            return free
        asked = _loop_time()
        try:
            permit = await self._slot(operation, bucket, lane, deadline)
        except BaseException:
            bucket.daily.give_back()
            raise
        if bucket.daily.over:
            # the service closed the day while this call waited: the queue drains without another request
            permit.release()
            raise self._used_up(operation, bucket)
        permit.waited = _loop_time() - asked
        return permit

    async def _slot(self, operation: Operation[Any], bucket: Bucket, lane: Lane, deadline: float | None) -> Permit:
        if deadline is None:
            return await bucket.acquire(lane)
        wait = bucket.least_wait(lane)
        if _loop_time() + wait > deadline:
            raise self._too_late(operation, wait)
        try:
            async with asyncio.timeout_at(deadline):
                return await bucket.acquire(lane)
        except TimeoutError:
            raise self._too_late(operation, bucket.least_wait(lane)) from None

    def observe(self, operation: Operation[Any], headers: Mapping[str, str], error: errors.CallError | None) -> None:
        """Learn from an answer: a success ends a freeze, limits below ours are taken over."""
        bucket = self._buckets[operation.label]
        kind = headers.get("X-RateLimit-Type", "").casefold()
        if kind:
            self._learn(bucket, kind, headers)
        if isinstance(error, errors.RateLimited):
            bucket.refused += 1
            if error.kind == "daily":
                tomorrow = self._clock() + timedelta(days=1)  # a day that ends later than this is a mistake
                bucket.daily.close(min(error.resets_at, tomorrow) if error.resets_at else None)
            elif error.kind in {"per_second", "per_minute"}:
                bucket.widen()
        else:
            bucket.succeed()

    def freeze(self, operation: Operation[Any], seconds: float) -> None:
        """Let nobody through for ``seconds``, then one call to try."""
        self._buckets[operation.label].freeze(seconds)

    def snapshot(self) -> Mapping[Label, LimitState]:
        """The state of every label at this moment."""
        return {label: _state(label, bucket) for label, bucket in self._buckets.items()}

    @staticmethod
    def _learn(bucket: Bucket, kind: str, headers: Mapping[str, str]) -> None:
        limit = _whole(headers.get("X-RateLimit-Limit"))
        if limit is None or limit < 1:
            return
        if kind == "qps":
            bucket.limit = min(bucket.limit, limit)
        elif "daily" in kind:
            remaining = _whole(headers.get("X-RateLimit-Remaining"))
            if remaining is not None:
                bucket.daily.correct(limit, remaining)

    @staticmethod
    def _used_up(operation: Operation[Any], bucket: Bucket) -> errors.RateLimited:
        return errors.RateLimited(
            operation.name,
            kind="daily",
            resets_at=bucket.daily.resets_at(),
            local=True,
            message=f"the {operation.label.value} calls of this day are used up",
        )

    def _too_late(self, operation: Operation[Any], wait: float) -> errors.RateLimited:
        return errors.RateLimited(
            operation.name,
            kind="per_minute" if operation.label is Label.RESOURCE_INTENSIVE else "per_second",
            resets_at=self._clock() + timedelta(seconds=wait),
            local=True,
            message=f"a free {operation.label.value} slot is {wait:.1f} s away, which is past the deadline of the call",
        )


def _state(label: Label, bucket: Bucket) -> LimitState:
    waiting = bucket.waiting
    return LimitState(
        label=label,
        limit=bucket.limit,
        period=bucket.rate.period,
        in_window=bucket.in_window,
        waiting=waiting[Lane.INTERACTIVE],
        waiting_bulk=waiting[Lane.BULK],
        frozen_for=bucket.frozen_for,
        used_today=bucket.daily.used,
        per_day=bucket.daily.limit,
        refused=bucket.refused,
    )


def _whole(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 12 else None
