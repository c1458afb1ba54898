"""When a failed attempt is repeated, and after how long: pure decisions on values."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Literal

import msgspec

from zra_async import errors
from zra_async.core.operation import Operation

#: a Retry-After further ahead than this makes no sense
_FURTHEST = timedelta(days=366)
_TEAM_STRUCTURE_BUSY = 5004

Cause = Literal["rate", "server", "transport"]


def parse_retry_after(text: str | None, now: datetime) -> datetime | None:
    """The instant that a Retry-After header names, or None when it is absent or makes no sense.

    Takes the service's own form (an ISO-8601 instant), seconds, and an HTTP date.
    """
    text = (text or "").strip()
    if not text or len(text) > 64:
        return None
    try:
        moment = _instant(text, now)
    except (ValueError, OverflowError, TypeError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment if moment - now <= _FURTHEST else None


def _instant(text: str, now: datetime) -> datetime:
    if text[0].isdigit() and "-" not in text:
        seconds = float(text)
        if not math.isfinite(seconds):
            raise ValueError
        return now + timedelta(seconds=seconds)
    if text[0].isdigit():
        return datetime.fromisoformat(text)
    return parsedate_to_datetime(text)


class Attempts(msgspec.Struct, frozen=True):
    """What one call has been through so far."""

    rate: int = 0
    server: int = 0
    transport: int = 0
    ambiguous: bool = False  #: an earlier attempt was sent and its answer was lost

    @property
    def total(self) -> int:
        """How many attempts have failed."""
        return self.rate + self.server + self.transport

    def after(self, cause: Cause, *, ambiguous: bool) -> Attempts:
        """The same with one more failure."""
        once_more = {cause: getattr(self, cause) + 1, "ambiguous": self.ambiguous or ambiguous}
        return msgspec.structs.replace(self, **once_more)


class Wait(msgspec.Struct, frozen=True):
    """Repeat the call after `delay` seconds."""

    delay: float
    cause: Cause
    ambiguous: bool = False


class Stop(msgspec.Struct, frozen=True):
    """Give up with `error`; None means that the failure turned out to be a success."""

    error: errors.CallError | None


class RetryPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """How often and how patiently a call is repeated.

    Every cause has a budget of its own: `rate` repeats after a 429, `server` after a 5xx, `transport` after a broken
    or refused connection. The n-th delay of a cause is drawn between 0 and ``base * 2**n``, at most `longest`
    seconds (full jitter); the service's own Retry-After comes first and the drawn delay is added to it. A Retry-After
    more than `patience` seconds away is not waited for: the error is raised, and tells when to come back.
    `RetryPolicy.none()` switches every repeat off.
    """

    rate: int = 6
    server: int = 3
    transport: int = 3
    base: float = 0.5
    longest: float = 30.0
    patience: float = 300.0
    random: Callable[[], float] = random.random

    def __post_init__(self) -> None:
        if min(self.rate, self.server, self.transport) < 0 or not (
            self.base >= 0 and self.longest >= 0 and self.patience >= 0
        ):
            raise errors.ConfigurationError("the budgets and delays of a retry policy must not be negative")

    @classmethod
    def none(cls) -> RetryPolicy:
        """Never repeat."""
        return cls(rate=0, server=0, transport=0)

    def decide(
        self, operation: Operation[Any], attempts: Attempts, error: errors.CallError, now: datetime
    ) -> Wait | Stop:
        """What to do after `error`: wait and repeat, or stop with an error."""
        cause = _cause(operation, error)
        if cause is None:
            return Stop(None if _already_deleted(operation, attempts, error) else error)
        lost = _maybe_done(error)
        if lost and not operation.retry_safe:
            return Stop(errors.AmbiguousWrite(operation.name, error))
        used: int = getattr(attempts, cause)
        told = _told(error, now)
        if used >= getattr(self, cause) or told > self.patience:
            return Stop(error)
        # the exponent is bounded because a large power of two is no float any more
        drawn = self.random() * min(self.longest, self.base * 2.0 ** min(used, 64))
        return Wait(told + drawn, cause, ambiguous=lost)


def _told(error: errors.CallError, now: datetime) -> float:
    """How long the service asks to wait, in seconds."""
    resets_at = error.resets_at if isinstance(error, (errors.RateLimited, errors.ServerError)) else None
    return max(0.0, (resets_at - now).total_seconds()) if resets_at else 0.0


def _cause(operation: Operation[Any], error: errors.CallError) -> Cause | None:
    match error:
        case errors.RateLimited():
            return None if error.local or error.kind == "daily" else "rate"
        case errors.ServerError():
            return "server"
        case errors.TransportError():
            return "transport"
        case errors.BadRequest() if operation.exclusive and error.code == _TEAM_STRUCTURE_BUSY:
            return "rate"  # another admin holds the account's team structure
        case _:
            return None


def _maybe_done(error: errors.CallError) -> bool:
    """Whether the request may have been carried out although it failed."""
    if isinstance(error, errors.TransportError):
        return error.sent
    # 503 is how a server says that it did not take the request at all
    return isinstance(error, errors.ServerError) and error.status != 503


def _already_deleted(operation: Operation[Any], attempts: Attempts, error: errors.CallError) -> bool:
    """A DELETE whose first answer was lost finds nothing the second time: it was done."""
    return operation.method == "DELETE" and attempts.ambiguous and isinstance(error, errors.NotFound)
