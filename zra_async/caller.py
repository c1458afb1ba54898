"""The calls of a client: any operation, decoded or as a raw reply, and any list."""

from __future__ import annotations

import copy
import functools
from collections.abc import Awaitable, Mapping
from datetime import datetime
from typing import Any, Self, TypeVar

import msgspec

from zra_async import errors
from zra_async.config import check_retry, check_seconds, checked_lane
from zra_async.core import wire
from zra_async.core.clock import ServiceClock
from zra_async.core.decoding import Decoded
from zra_async.core.dropped import DroppedFields
from zra_async.core.limits import Lane, RateLimiter
from zra_async.core.operation import ListOperation, Operation
from zra_async.core.pages import Page, Pages
from zra_async.core.pipeline import CallOptions
from zra_async.core.retry import RetryPolicy
from zra_async.session import Session

R = TypeVar("R")
T = TypeVar("T")
_KEEP: Any = object()


class OperationCaller:
    """The part of `ZRAClient` that makes calls, with the bounds and the lane of this view of the client."""

    def __init__(self, session: Session, options: CallOptions) -> None:
        self._session = session
        self._options = options
        self._dropped = DroppedFields()

    def with_options(
        self,
        *,
        timeout: float | None = _KEEP,
        deadline: float | None = _KEEP,
        lane: Lane = _KEEP,
        retry: RetryPolicy = _KEEP,
    ) -> Self:
        """Return a view of this client with other bounds, in seconds, another lane, or another retry policy.

        It opens and closes with this one. The view of a subclass has the attributes of its original.
        """
        changes: dict[str, Any] = {"timeout": timeout, "deadline": deadline, "lane": lane, "retry": retry}
        changes = {name: value for name, value in changes.items() if value is not _KEEP}
        for name in ("timeout", "deadline"):
            check_seconds(name, changes.get(name))
        if "lane" in changes:
            changes["lane"] = checked_lane(lane)
        if "retry" in changes:
            check_retry(retry)
        view = copy.copy(self)
        _forget_cached(view)
        view._options = msgspec.structs.replace(self._options, **changes)
        view._dropped = DroppedFields(self._dropped)
        return view

    @property
    def limits(self) -> RateLimiter:
        """The rate limits of this client; ``limits.snapshot()`` returns the state of each label."""
        return self._session.limits

    @property
    def account(self) -> str:
        """The name of the account, by which a ledger knows whose it is; "" if neither credentials nor options tell."""
        return self._session.account

    @property
    def clock(self) -> ServiceClock:
        """The service's clock as its answers tell it; the clock of this machine may differ from it."""
        return self._session.clock

    async def service_time(self) -> datetime:
        """Return the service's time. Asks the API host for it if no answer has told it yet."""
        return await self._session.service_time()

    @property
    def dropped_fields(self) -> Mapping[str, int]:
        """The number of fields of answers that could not be read and have their default, by operation.

        `Page.dropped` names them for a list, and the observer receives `FieldsDropped` for each answer. A view made by
        `with_options` counts for itself and for the client that it belongs to.
        """
        return self._dropped.counts

    async def call(
        self,
        operation: Operation[R],
        *,
        path: Mapping[str, str] | None = None,
        query: Mapping[str, object] | None = None,
        body: object = None,
    ) -> R:
        """Call an operation and return its answer, whose type is that of the operation.

            from zra_async.api.deals.operations import GET
            deal = await zra.call(GET, path={"deal_id": "…"})

        The arguments are checked by the service alone; the methods, such as ``zra.deals.get``, check them first. Raises
        `InvalidArgument` for what is no operation, and the errors of each call.
        """
        reply = await self._send(_check_row(operation), path, query, body)
        return self._read(operation, reply).value

    async def call_named(self, name: str, /, **arguments: Any) -> Any:
        """Call the method of an operation by the operation's name, with the method's keyword arguments.

            await zra.call_named("conversations.get", conversation_id="…")

        The names are those of `zra_async.OPERATIONS`. A list gives its first `Page`. Raises `InvalidArgument` for an
        unknown name or argument, and the errors of the method.
        """
        _row(name)
        method: Any = functools.reduce(getattr, name.split("."), self)
        try:
            pending = method(**arguments)
        except TypeError as problem:
            text = f"{name}: {problem}: give the arguments of the method; raw() takes a path, a query and a body"
            raise errors.InvalidArgument(text) from None
        return await pending

    async def raw(
        self,
        operation: Operation[Any] | str,
        *,
        path: Mapping[str, str] | None = None,
        query: Mapping[str, object] | None = None,
        body: object = None,
    ) -> wire.Reply:
        """Make a call and return its `Reply`, which is not decoded: status, headers, body and tracking id.

        Limits, authentication, retries and errors are those of every call.
        """
        row = _row(operation) if isinstance(operation, str) else _check_row(operation)
        return await self._send(row, path, query, body)

    def list(
        self,
        operation: ListOperation[Any, T],
        *,
        path: Mapping[str, str] | None = None,
        query: Mapping[str, object] | None = None,
        page_size: int | None = None,
        cursor: str = "",
    ) -> Pages[T]:
        """Return the list of any paginated operation."""
        size = operation.usual_page_size
        if page_size is not None:
            from zra_async.api.arguments import check_whole

            size = check_whole("page_size", page_size, operation.min_page_size, operation.max_page_size)
        fixed = {**(query or {}), "page_size": size}

        async def fetch(token: str) -> Page[T]:
            wanted = {**fixed, "next_page_token": token or None}
            try:
                reply = await self._send(operation, path, wanted, None)
            except errors.PageTokenExpired as expired:
                expired.query = {name: wire.query_text(v) for name, v in fixed.items() if v is not None}
                expired.cursor = token
                raise
            answer = self._read(operation, reply)
            token = getattr(answer.value, "next_page_token", "")
            return Page(operation.items(answer.value), token, answer.value, answer.dropped)

        return Pages(operation.name, fetch, self._session.spawn, cursor=cursor, check=self._session.check)

    def _send(
        self,
        operation: Operation[Any],
        path: Mapping[str, str] | None,
        query: Mapping[str, object] | None,
        body: object,
    ) -> Awaitable[wire.Reply]:
        return self._session.send(wire.encode(operation, path=path, query=query, body=body), self._options)

    def _read(self, operation: Operation[R], reply: wire.Reply) -> Decoded[R]:
        answer = wire.read(operation, reply)
        if answer.dropped:
            self._dropped.add(operation.name, len(answer.dropped))
            self._session.drops.tell(operation.name, answer.dropped, reply.tracking_id)
        return answer


def _forget_cached(view: OperationCaller) -> None:
    """Delete cached properties, whose values call through the original."""
    for kind in type(view).__mro__:
        for name, value in vars(kind).items():
            if isinstance(value, functools.cached_property) and name in vars(view):
                delattr(view, name)


def _check_row(operation: Operation[R]) -> Operation[R]:
    if not isinstance(operation, Operation):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise errors.InvalidArgument(
            f"give an Operation, not {type(operation).__name__}; call_named() and raw() take the name of one"
        )
    return operation


def _row(name: str) -> Operation[Any]:
    from zra_async.api.registry import OPERATIONS  # all resources are imported with it

    row = OPERATIONS.get(name)
    if row is None:
        raise errors.InvalidArgument(f"no operation is called {name!r}; the names are in zra_async.OPERATIONS")
    return row
