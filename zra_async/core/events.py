"""What an observer is told: frozen events without headers, bodies, queries or tokens."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Protocol

logger = logging.getLogger("zra_async")


@dataclass(frozen=True, slots=True)
class CallDone:
    """A call ended: after `attempts` attempts and `seconds`, with `error` (the name of its class) or without."""

    operation: str
    attempts: int
    seconds: float
    status: int | None
    tracking_id: str
    error: str | None


@dataclass(frozen=True, slots=True)
class AttemptDone:
    """One attempt ended with a status, or without one when the transport failed."""

    operation: str
    attempt: int
    seconds: float
    status: int | None


@dataclass(frozen=True, slots=True)
class LimitWaited:
    """An attempt had to wait for its rate limit."""

    operation: str
    label: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Retrying:
    """An attempt failed and will be repeated after `delay` seconds, because of `cause`."""

    operation: str
    attempt: int
    delay: float
    cause: str
    error: str


@dataclass(frozen=True, slots=True)
class TokenFetched:
    """A new access token is in use; it lives for `expires_in` seconds."""

    expires_in: float


@dataclass(frozen=True, slots=True)
class TokenRefused:
    """The service refused the token, and a new one is fetched."""

    operation: str


@dataclass(frozen=True, slots=True)
class Redirected:
    """The service sent the call to another trusted host."""

    operation: str
    host: str


@dataclass(frozen=True, slots=True)
class PartDone:
    """One part of an upload was stored."""

    part_number: int
    size: int
    seconds: float


@dataclass(frozen=True, slots=True)
class JobProgress:
    """A long job (export, ingest, import) reached a new state."""

    job: str
    stream: str
    done: int
    failed: int
    total: int | None


Event = (
    CallDone | AttemptDone | LimitWaited | Retrying | TokenFetched | TokenRefused | Redirected | PartDone | JobProgress
)


class Observer(Protocol):
    """Receives every event of a client, in the event loop's thread: it must be quick and must not block."""

    def __call__(self, event: Event, /) -> None:
        """Take note of ``event``."""
        ...


def log_event(event: Event, /) -> None:
    """The default observer: retries and refused tokens as warnings, everything else for debugging."""
    level = logging.WARNING if isinstance(event, (Retrying, TokenRefused)) else logging.DEBUG
    if logger.isEnabledFor(level):
        logger.log(level, "%s", event)


def quiet(observer: Observer) -> Observer:
    """Guard calls against an observer that fails: its error is logged once a type, and the call goes on."""
    complained: set[type] = set()

    def observe(event: Event, /) -> None:
        try:
            observer(event)
        except Exception as problem:
            if type(problem) not in complained:
                complained.add(type(problem))
                logger.exception("the observer failed on %s", type(event).__name__)

    return observe
