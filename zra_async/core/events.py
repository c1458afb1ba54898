"""The events of an observer: frozen, and without headers, bodies, queries or tokens."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
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


class SharedLimitsLost(msgspec.Struct, frozen=True, gc=False):
    """The database of an account's shared limits is away; after one window, calls go on with `share` of the limits."""

    account: str
    share: float
    reason: str


class SharedLimitsRestored(msgspec.Struct, frozen=True, gc=False):
    """The database of an account's shared limits is back, and counts for all processes again."""

    account: str


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
    | SharedLimitsLost
    | SharedLimitsRestored
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
    level = (
        logging.INFO
        if isinstance(event, (Retrying, TokenRefused, SharedLimitsLost, SharedLimitsRestored))
        else logging.DEBUG
    )
    if logger.isEnabledFor(level):
        logger.log(level, "%s", event)


_collections: ContextVar[tuple[list[CallDone], ...]] = ContextVar("zra_async_calls", default=())


@contextmanager
def collect_calls() -> Generator[list[CallDone]]:
    """Collect a `CallDone` for each call that ends in this block: tracking id, status, attempts, seconds.

        with zra_async.collect_calls() as calls:
            deal = await zra.deals.get(deal_id)
        print(calls[-1].tracking_id)

    A call that fails is collected as well, and so are the calls of tasks that are started in the block. An upload or a
    list makes several calls. Everything is kept in memory: observe long jobs with ``ZRAClient(observer=…)`` instead.
    """
    calls: list[CallDone] = []
    token = _collections.set((*_collections.get(), calls))
    try:
        yield calls
    finally:
        _collections.reset(token)


def wants_call_events(observer: Observer) -> Callable[[], bool]:
    """Return a function that tells if anybody reads the events of calls that succeed.

    It is asked before such an event is made, because an event that nobody reads would add to the price of each call.
    """
    if observer is not log_event:
        return lambda: True
    collections, logged = _collections.get, partial(logger.isEnabledFor, logging.DEBUG)
    return lambda: bool(collections()) or logged()


def collected(observer: Observer) -> Observer:
    """Return an observer that adds each `CallDone` to the collections of its context before ``observer`` is told."""
    collections = _collections.get

    def observe(event: Event, /) -> None:
        if isinstance(event, CallDone):
            for calls in collections():
                calls.append(event)
        observer(event)

    return observe


def guard_observer(observer: Observer) -> Observer:
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
