"""The limits of a process while the database is away: its last known part of them."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from zra_async import errors
from zra_async.core.limits import Lane, LimitState, LocalRateLimiter, Permit, Plan, Rate
from zra_async.core.operation import Label, Operation

_LONGEST = 60.0  #: seconds for which attempts are remembered: the longest period


class Alone:
    """A local limiter in place of the shared one. For one window after the loss it grants nothing."""

    def __init__(self, plan: Plan, rates: Mapping[Label, Rate], clock: Callable[[], datetime]) -> None:
        self._plan: Plan = plan
        self._rates = rates
        self._clock = clock
        self.processes: int = 1  #: how many processes share the account, as far as is known
        self._limits: LocalRateLimiter | None = None
        self._begins = 0.0
        self._back: asyncio.Future[None] | None = None
        self._sent: dict[Label, deque[float]] = {}

    @property
    def is_used(self) -> bool:
        """True while the database is away."""
        return self._limits is not None

    @property
    def share(self) -> float:
        """The part of the limits that this process takes."""
        return 1 / max(1, self.processes)

    def start(self) -> None:
        """Take over from the database."""
        loop = asyncio.get_running_loop()
        self._begins = loop.time()
        self._back = loop.create_future()
        self._sent = {label: deque() for label in self._rates}
        self._limits = LocalRateLimiter(self._plan, share=self.share, overrides=self._rates, clock=self._clock)

    def stop(self) -> None:
        """Let the database count again; those who wait here are told."""
        self._limits = None
        if self._back is not None and not self._back.done():
            self._back.set_result(None)

    def sent_ago(self) -> dict[Label, list[float]]:
        """Return how many seconds ago the attempts of each label were sent, the last minute of them."""
        now = asyncio.get_running_loop().time()
        return {label: [now - at for at in times if now - at < _LONGEST] for label, times in self._sent.items()}

    async def acquire(self, operation: Operation[Any], lane: Lane, deadline: float | None) -> Permit | None:
        """Wait for a permit; None when the database is back first."""
        limits, back = self._limits, self._back
        assert limits is not None
        assert back is not None
        opens = self._begins + self._rates[operation.label].period
        loop = asyncio.get_running_loop()
        if deadline is not None and opens >= deadline:
            raise errors.RateLimited(
                operation.name,
                kind="per_second",
                resets_at=None,
                local=True,
                message="the database of the shared limits is away: no call is sent for one window",
            )
        if opens > loop.time():
            await asyncio.wait([back], timeout=opens - loop.time())
        if back.done():
            return None
        asking = asyncio.ensure_future(limits.acquire(operation, lane, deadline))
        either: list[asyncio.Future[Any]] = [asking, back]
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not asking.done():
                asking.cancel()
                await asyncio.wait([asking])
        if asking.cancelled():
            return None
        return _CountedPermit(asking.result(), self._sent[operation.label])

    def observe(self, operation: Operation[Any], headers: Mapping[str, str], error: errors.CallError | None) -> None:
        """Learn from an answer."""
        if self._limits is not None:
            with contextlib.suppress(errors.ConfigurationError):
                self._limits.observe(operation, headers, error)

    def freeze(self, operation: Operation[Any], seconds: float) -> None:
        """Grant nothing for ``seconds``, then one permit as a probe."""
        if self._limits is not None:
            self._limits.freeze(operation, seconds)

    def snapshot(self) -> Mapping[Label, LimitState]:
        """Return the state of every label in this process."""
        assert self._limits is not None
        return self._limits.snapshot()


class _CountedPermit:
    """A local permit whose attempt the database is told of when it is back."""

    def __init__(self, permit: Permit, times: deque[float]) -> None:
        self._permit = permit
        self._times = times
        self.waited: float = permit.waited
        self.sent_at: float | None = None

    def sent(self) -> None:
        """Count the attempt from this moment on."""
        if self.sent_at is None:
            self._permit.sent()
            self.sent_at = asyncio.get_running_loop().time()
            while self._times and self._times[0] < self.sent_at - _LONGEST:
                self._times.popleft()
            self._times.append(self.sent_at)

    def release(self) -> None:
        """End the attempt."""
        self._permit.release()
