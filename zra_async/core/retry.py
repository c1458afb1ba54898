"""Retry decisions: whether and when a failed attempt is repeated, as pure functions.

An answer that means "not processed, try again" is followed by another attempt, also for an unsafe write. An answer that
leaves open whether the request was processed is followed by another attempt if the operation is retry-safe; otherwise
`AmbiguousWrite` is raised. Every other answer is final: the same request would get the same one.

    status      meaning                                              processed?  repeated
    ----------  ---------------------------------------------------  ----------  -------------------------------------
    408         the request did not arrive in time (RFC 9110)        no          yes
    413         too large, and Retry-After says: for now (RFC 9110)  no          yes; without Retry-After: final
    421         the connection belongs to another host (RFC 9110)    no          yes
    425         the request came too early (RFC 8470)                no          yes
    429         a rate limit (RFC 6585)                              no          yes, unless it is the limit of the day
    500         an unexpected condition                              unknown     if retry-safe
    502         a gateway got a broken answer                        unknown     if retry-safe
    503         overloaded or in maintenance                         no          yes
    504         a gateway got no answer in time                      unknown     if retry-safe
    520         Cloudflare got an unexpected answer                  unknown     if retry-safe
    521         Cloudflare was refused a connection                  no          yes
    522         Cloudflare's connection timed out                    no          yes
    523         Cloudflare has no route to the service               no          yes
    524         Cloudflare got no answer in time                     unknown     if retry-safe
    525         Cloudflare's TLS handshake with the service failed   no          yes
    526         the service's certificate is invalid for Cloudflare  no          yes
    527         Cloudflare's Railgun lost the connection             unknown     if retry-safe
    530         Cloudflare cannot resolve or reach the service       no          yes
    other 5xx   treated as 500 (RFC 9110)                            unknown     if retry-safe

Final are 400–407, 409–412, 414–418, 422–424, 426, 428, 431 and 451, which blame the request, and 501, 505, 506, 507,
508, 510 and 511, which the same request would get again: what is not implemented (501), the HTTP version (505), the
configuration of the service (506, 508, 510), its storage (507, which a client must not repeat by itself, RFC 4918), and
a network that wants a sign-in (511, as 407 for a proxy). A 401 renews the token once, before this module is asked.

The service's own codes, in answers of status 400 or 200:

    429, 4001   a rate limit                                         no          as 429
    3300        "Failed to add the recording, please try again."     no          yes
    5004        another admin edits the team structure               no          yes, for operations on that structure

A DELETE that is answered 404 or 410 after an attempt of unknown outcome has succeeded.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Literal

import msgspec

from zra_async import errors
from zra_async.core.callbacks import check_plain
from zra_async.core.operation import Operation

#: a Retry-After further ahead than this makes no sense
_FURTHEST = timedelta(days=366)
_TEAM_STRUCTURE_BUSY = 5004
_RECORDING_NOT_ADDED = 3300
#: the request was not processed, and the same one may succeed a little later
_NOT_PROCESSED = frozenset({408, 421, 425, 503, 521, 522, 523, 525, 526, 530})
#: 5xx that the same request would get again
_FINAL = frozenset({501, 505, 506, 507, 508, 510, 511})
_TOO_LARGE = 413
_GONE = frozenset({404, 410})

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
    """The failed attempts of one call."""

    rate: int = 0
    server: int = 0
    transport: int = 0
    ambiguous: bool = False  #: an earlier attempt was sent and its answer was lost

    @property
    def total(self) -> int:
        """The number of failed attempts."""
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
    """The policy by which calls are retried.

    Every cause has a budget of its own: `rate` repeats after a 429, `server` after another answer that may be
    repeated, `transport` after a broken or refused connection. The n-th delay of a cause is drawn between 0 and
    ``base * 2**n``, at most `longest` seconds (full jitter); the service's own Retry-After comes first and the drawn
    delay is added to it. A Retry-After more than `patience` seconds away is not waited for: the error is raised, and
    tells when to come back.
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
        check_plain("random", self.random)

    @classmethod
    def none(cls) -> RetryPolicy:
        """Never repeat."""
        return cls(rate=0, server=0, transport=0)

    def decide(
        self, operation: Operation[Any], attempts: Attempts, error: errors.CallError, now: datetime
    ) -> Wait | Stop:
        """Decide what follows `error`: wait and repeat, or stop with an error."""
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


def passes(status: int) -> bool:
    """Return True if the same request may get another answer than one of ``status`` a little later."""
    return status == 429 or status in _NOT_PROCESSED or (status >= 500 and status not in _FINAL)


def passing(error: BaseException) -> bool:
    """Return True if the same request may succeed a little later, whatever it was."""
    match error:
        case errors.RateLimited():
            return error.kind != "daily"
        case errors.MissingScopes():
            return False
        case errors.APIError():
            return passes(error.status) or (error.status == _TOO_LARGE and error.resets_at is not None)
        case _:
            return isinstance(error, (errors.TransportError, errors.DeadlineExceeded))


def _told(error: errors.CallError, now: datetime) -> float:
    """Return how long the service asks to wait, in seconds."""
    resets_at = error.resets_at if isinstance(error, errors.APIError) else None
    return max(0.0, (resets_at - now).total_seconds()) if resets_at else 0.0


def _cause(operation: Operation[Any], error: errors.CallError) -> Cause | None:
    """Return the budget that another attempt draws on, None after a final failure."""
    match error:
        case errors.RateLimited():
            return None if error.local or error.kind == "daily" else "rate"
        case errors.BadRequest() if operation.exclusive and error.code == _TEAM_STRUCTURE_BUSY:
            return "rate"  # another admin holds the account's team structure
        case errors.MissingScopes():
            return None
        case errors.APIError():
            return "server" if passing(error) or _not_processed(error) else None
        case errors.TransportError():
            return "transport"
        case _:
            return None


def _maybe_done(error: errors.CallError) -> bool:
    """Return True if the request may have been processed although it failed."""
    if isinstance(error, errors.TransportError):
        return error.sent
    return isinstance(error, errors.APIError) and error.status >= 500 and not _not_processed(error)


def _not_processed(error: errors.APIError) -> bool:
    """Return True for an answer that means: not processed, try again."""
    if error.status == _TOO_LARGE:
        return error.resets_at is not None
    return error.status in _NOT_PROCESSED or (error.status <= 400 and error.code == _RECORDING_NOT_ADDED)


def _already_deleted(operation: Operation[Any], attempts: Attempts, error: errors.CallError) -> bool:
    """Return True for a DELETE that was done by an attempt whose answer was lost."""
    gone = isinstance(error, errors.APIError) and error.status in _GONE
    return operation.method == "DELETE" and attempts.ambiguous and gone
