"""The limits of one account as one process sees them."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from zra_async import errors
from zra_async.core.callbacks import check_plain
from zra_async.core.clock import utc_now
from zra_async.core.limits import learned
from zra_async.core.limits.base import Lane, LimitState, Permit
from zra_async.core.limits.bucket import Bucket
from zra_async.core.limits.plans import PLANS, SHARED_DAILY, Plan, Rate
from zra_async.core.limits.quota import Daily
from zra_async.core.operation import Label, Operation

#: how much longer than the service's window our own is, in seconds, for the jitter of the network
MARGIN = 0.025


class LocalRateLimiter:
    """The limits of one account as this process sees them: one bucket a label, shared by all tasks and clients.

    `plan` chooses the documented limits, `share` (0–1] the part of them that is this client's, `overrides` replaces
    the rate of single labels before the share is taken; one for RESOURCE-INTENSIVE with calls a day of its own is not
    counted together with HEAVY. `margin` is added to each window, in seconds.

    What the service says about a limit replaces what it said before. `share` applies to it, and it never raises a
    limit over the configured one.

    Any number of clients in one event loop may share a limiter. Another loop, in another thread or process, may use it
    only after the first loop was closed; until then each use there raises `ConfigurationError`.
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
        check_plain("clock", clock)
        rates = {**PLANS[plan], **(overrides or {})}
        self._configured = {label: rate.shared(share) for label, rate in rates.items()}
        daily = {label: Daily(rate.per_day, clock) for label, rate in self._configured.items()}
        own_day = (overrides or {}).get(Label.RESOURCE_INTENSIVE)
        if plan in SHARED_DAILY and (own_day is None or own_day.per_day is None):
            daily[Label.RESOURCE_INTENSIVE] = daily[Label.HEAVY]
        self._buckets = {label: Bucket(rate, daily[label], margin) for label, rate in self._configured.items()}
        self._periods = {label: rate.period for label, rate in PLANS[plan].items()}  # that the service counts by
        self._share = share
        self._clock = clock
        self._loop: asyncio.AbstractEventLoop | None = None
        self._process = 0
        self._binding = threading.Lock()

    async def acquire(self, operation: Operation[Any], lane: Lane, deadline: float | None) -> Permit:
        """Wait for a slot of the operation's label.

        Raises `RateLimited` when the day's calls are used up, and as soon as a slot will come too late for an attempt
        before ``deadline``; `DeadlineExceeded` when no attempt can be answered by then.
        """
        loop = asyncio.get_running_loop()
        if loop is not self._loop or os.getpid() != self._process:
            self._here()
        bucket = self._buckets[operation.label]
        if deadline is not None and not bucket.leaves_time(deadline):
            raise errors.DeadlineExceeded(
                operation.name, "its deadline leaves no time for an attempt: nothing was sent"
            )
        day = bucket.daily.take()
        if day is None:
            raise self._used_up(operation, bucket)
        permit = bucket.take(lane)
        if permit is None:
            asked = loop.time()
            try:
                permit = await bucket.acquire(lane, deadline)
                if permit is None:
                    raise self._refusal(operation, bucket, lane)
            except BaseException:
                bucket.daily.settle(day, sent=False)
                raise
            permit.waited = loop.time() - asked
        permit.day = day
        if permit.waited and bucket.daily.over:
            permit.release()  # the service closed the day after the grant
            raise self._used_up(operation, bucket)
        return permit

    def observe(self, operation: Operation[Any], headers: Mapping[str, str], error: errors.CallError | None) -> None:
        """Learn from an answer: its headers tell the limits, and a success ends a freeze."""
        self._here()
        bucket = self._buckets[operation.label]
        bucket.answered = True
        word = learned.read(operation, headers, error)
        if word is not None:
            self._learn(word, headers)
        if not isinstance(error, errors.RateLimited):
            bucket.succeed()
            return
        bucket.refused += 1
        if error.kind == "daily":
            self._close_day(bucket.daily, headers, error.resets_at)
        elif error.kind in {"per_second", "per_minute"}:
            bucket.widen()

    def freeze(self, operation: Operation[Any], seconds: float) -> None:
        """Grant nothing for ``seconds``, then one permit as a probe."""
        self._here()
        self._buckets[operation.label].freeze(seconds)

    def snapshot(self) -> Mapping[Label, LimitState]:
        """Return the state of every label at this moment, as the service's last word has it."""
        self._here()
        return {label: _state(label, bucket) for label, bucket in self._buckets.items()}

    def _here(self) -> asyncio.AbstractEventLoop | None:
        """Make sure that this limiter serves the running loop, and return it; None outside of a loop."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            loop = None
        if loop is None or loop is not self._loop or os.getpid() != self._process:
            with self._binding:
                self._bind(loop)
        return loop

    def _bind(self, loop: asyncio.AbstractEventLoop | None) -> None:
        served = self._loop
        if served is None or served.is_closed():
            if loop is not None:
                self._loop, self._process = loop, os.getpid()
                for bucket in self._buckets.values():
                    bucket.bind(loop.time)
        elif os.getpid() != self._process or (served is not loop and (loop is not None or served.is_running())):
            raise errors.ConfigurationError(
                "this rate limiter serves another event loop, in another thread or process or not yet closed: make a "
                "limiter for each event loop, and give each of them its share of the account's limits"
            )

    def _learn(self, word: learned.Word, headers: Mapping[str, str]) -> None:
        bucket = self._buckets[word.label]
        part = None if word.limit is None else Rate(word.limit, self._periods[word.label], word.limit)
        mine = None if part is None else part.shared(self._share)
        if word.kind == "daily":
            ends = learned.day_ends(headers, self._clock())
            bucket.daily.learn(None if mine is None else mine.per_day, word.remaining, ends)
        elif mine is not None:
            configured = self._configured[word.label]
            slower = mine.count * configured.period < configured.count * mine.period
            bucket.adopt(mine if slower else configured)

    def _close_day(self, daily: Daily, headers: Mapping[str, str], resets_at: datetime | None) -> None:
        now = self._clock()
        until = learned.day_ends(headers, now)
        if resets_at is not None:
            until = resets_at + learned.ahead(headers, now)
        daily.close(min(until, now + timedelta(days=1)))  # a day that ends later than this is a mistake
        for bucket in self._buckets.values():
            if bucket.daily is daily:
                bucket.refuse_all()

    def _refusal(self, operation: Operation[Any], bucket: Bucket, lane: Lane) -> errors.RateLimited:
        if bucket.daily.over:
            return self._used_up(operation, bucket)
        wait = bucket.wait_of(lane)
        return errors.RateLimited(
            operation.name,
            kind="per_minute" if operation.label is Label.RESOURCE_INTENSIVE else "per_second",
            resets_at=self._clock() + timedelta(seconds=wait),
            local=True,
            message=f"a free {operation.label.value} slot is {wait:.1f} s away, which is past the deadline of the call "
            "or too close to it",
        )

    @staticmethod
    def _used_up(operation: Operation[Any], bucket: Bucket) -> errors.RateLimited:
        return errors.RateLimited(
            operation.name,
            kind="daily",
            resets_at=bucket.daily.resets_at(),
            local=True,
            message=f"the {operation.label.value} calls of this day are used up",
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
