"""The vocabulary of rate limits: lanes, permits, the limiter that hands them out, and its state."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

import msgspec

from zra_async import errors
from zra_async.core.operation import Label, Operation


class Lane(StrEnum):
    """The priority of a call: `INTERACTIVE` for a person who waits (the default), `BULK` for an export or import."""

    INTERACTIVE = "interactive"
    BULK = "bulk"


class Permit(Protocol):
    """The right to send one attempt. Call `sent` when its bytes leave, and `release` in any case."""

    waited: float  #: seconds that the call waited for the permit
    sent_at: float | None  #: the loop time of `sent`, None before

    def sent(self) -> None:
        """Count the attempt from this moment on; a second call changes nothing."""
        ...

    def release(self) -> None:
        """End the attempt; one that was never sent costs nothing."""
        ...


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
    """The limiter as a client uses it; another implementation may share its counts between processes.

    One that is a `SharedLimiter` as well is opened and closed with its client.
    """

    async def acquire(self, operation: Operation[Any], lane: Lane, deadline: float | None) -> Permit:
        """Wait for the right to send one attempt, until the loop time ``deadline`` at most."""
        ...

    def observe(self, operation: Operation[Any], headers: Mapping[str, str], error: errors.CallError | None) -> None:
        """Learn from an answer."""
        ...

    def freeze(self, operation: Operation[Any], seconds: float) -> None:
        """Grant nothing for ``seconds``, then one permit as a probe."""
        ...

    def snapshot(self) -> Mapping[Label, LimitState]:
        """Return the state of every label."""
        ...


@runtime_checkable
class SharedLimiter(Protocol):
    """The further methods of a limiter that several processes share. Each client of it opens and closes it once."""

    async def open(self) -> None:
        """Get ready for the running event loop, before the first call."""
        ...

    async def aclose(self) -> None:
        """End what `open` began."""
        ...

    def exclusive(self, name: str) -> AbstractAsyncContextManager[None]:
        """Keep every other task and process of the account out of the work called ``name``."""
        ...
