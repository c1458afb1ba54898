"""What an observer is told: frozen events without headers, bodies, queries or tokens."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Protocol, cast

import msgspec

from zra_async.core.callbacks import refuse_awaitable

logger: logging.Logger = logging.getLogger("zra_async")


class CallDone(msgspec.Struct, frozen=True, gc=False):
    """A call ended: after `attempts` attempts and `seconds`, with `error` (the name of its class) or without."""

    operation: str
    attempts: int
    seconds: float
    status: int | None
    tracking_id: str
    error: str | None


class AttemptDone(msgspec.Struct, frozen=True, gc=False):
    """One attempt ended with a status, or without one when the transport failed."""

    operation: str
    attempt: int
    seconds: float
    status: int | None


class LimitWaited(msgspec.Struct, frozen=True, gc=False):
    """An attempt had to wait for its rate limit."""

    operation: str
    label: str
    seconds: float


class Retrying(msgspec.Struct, frozen=True, gc=False):
    """An attempt failed and will be repeated after `delay` seconds, because of `cause`."""

    operation: str
    attempt: int
    delay: float
    cause: str
    error: str


class TokenFetched(msgspec.Struct, frozen=True, gc=False):
    """A new access token is in use; it lives for `expires_in` seconds."""

    expires_in: float


class TokenRefused(msgspec.Struct, frozen=True, gc=False):
    """The service refused the token, and a new one is fetched."""

    operation: str


class Redirected(msgspec.Struct, frozen=True, gc=False):
    """The service sent the call to another trusted host."""

    operation: str
    host: str


class PartDone(msgspec.Struct, frozen=True, gc=False):
    """One part of an upload was stored."""

    part_number: int
    size: int
    seconds: float


class FieldsDropped(msgspec.Struct, frozen=True, gc=False):
    """Fields of an answer could not be read and have their default: `count` of them, of which `fields` names some."""

    operation: str
    count: int
    fields: tuple[str, ...]
    tracking_id: str


class JobProgress(msgspec.Struct, frozen=True, gc=False):
    """A long job (export, ingest, import) reached a new state."""

    job: str
    stream: str
    done: int
    failed: int
    total: int | None


Event = (
    CallDone
    | AttemptDone
    | LimitWaited
    | Retrying
    | TokenFetched
    | TokenRefused
    | Redirected
    | PartDone
    | FieldsDropped
    | JobProgress
)


class Observer(Protocol):
    """Receives every event of a client, in the event loop's thread: it must be quick and must not block."""

    def __call__(self, event: Event, /) -> None:
        """Take note of ``event``."""
        ...


def log_event(event: Event, /) -> None:
    """Log an event: the default observer.

    What a call recovered from, a repeat or a refused token, is logged at INFO, and everything else at DEBUG. What it
    did not recover from is raised, and not logged.
    """
    level = logging.INFO if isinstance(event, (Retrying, TokenRefused)) else logging.DEBUG
    if logger.isEnabledFor(level):
        logger.log(level, "%s", event)


def attentive(observer: Observer) -> Callable[[], bool]:
    """Whether anybody hears of calls that go well: making events that nobody reads is a part of the price of a call."""
    if observer is log_event:
        return partial(logger.isEnabledFor, logging.DEBUG)
    return lambda: True


def quiet(observer: Observer) -> Observer:
    """Guard calls against an observer that fails: its error is logged once a type, and the call goes on.

    That holds for `CancelledError` and every other exception, except KeyboardInterrupt and SystemExit.
    """
    if observer is log_event:
        return observer  # logging looks after its own failures
    complained: set[type] = set()
    call = cast("Callable[[Event], object]", observer)  # a protocol binds nobody at run time

    def observe(event: Event, /) -> None:
        try:
            if (returned := call(event)) is not None:
                refuse_awaitable(returned)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as problem:
            if type(problem) not in complained:
                complained.add(type(problem))
                logger.exception("the observer failed on %s", type(event).__name__)

    return observe
