"""The base of every resource of the API: how it makes calls, and how it splits one into several."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from zra_async.api.arguments import check_cursor, check_whole
from zra_async.api.deprecated import Origin, caller_of, noting
from zra_async.core.operation import ListOperation, Operation, deprecated_twin
from zra_async.core.pages import Pages
from zra_async.errors import ClientNotOpen, ConfigurationError, InvalidArgument, PartlyDone, ZRAError

R = TypeVar("R")
T = TypeVar("T")
V = TypeVar("V")
_NOT_SENT = (InvalidArgument, ConfigurationError, ClientNotOpen)


class Caller(Protocol):
    """The part of a client that a resource uses. `ZRAClient` is one."""

    async def call(
        self,
        operation: Operation[R],
        *,
        path: Mapping[str, str] | None = None,
        query: Mapping[str, object] | None = None,
        body: object = None,
    ) -> R:
        """Make one call and decode its answer."""
        ...

    def list(
        self,
        operation: ListOperation[Any, T],
        *,
        path: Mapping[str, str] | None = None,
        query: Mapping[str, object] | None = None,
        page_size: int | None = None,
        cursor: str = "",
    ) -> Pages[T]:
        """Return a list that can be iterated or awaited."""
        ...


class Resource:
    """A group of operations. `legacy` calls the deprecated twin of each, where there is one."""

    def __init__(self, caller: Caller, *, legacy: bool = False) -> None:
        self._caller = caller
        self._legacy = legacy
        self._origin: Origin | None = None
        if legacy:
            self.__class__ = noting(type(self))  # the same methods, which remember where they are called

    def _call(
        self,
        operation: Operation[R],
        path: Mapping[str, str] | None = None,
        *,
        query: Mapping[str, object] | None = None,
        body: object = None,
    ) -> Awaitable[R]:
        return self._caller.call(self._row(operation), path=path, query=query, body=body)

    def _list(
        self,
        operation: ListOperation[Any, T],
        path: Mapping[str, str] | None = None,
        *,
        query: Mapping[str, object] | None = None,
        page_size: int | None = None,
        cursor: str = "",
    ) -> Pages[T]:
        row = self._row(operation)
        if page_size is not None:
            page_size = check_whole("page_size", page_size, operation.min_page_size, operation.max_page_size)
        return self._caller.list(row, path=path, query=query, page_size=page_size, cursor=check_cursor(cursor))

    def _row(self, operation: Any) -> Any:
        if not self._legacy:
            return operation
        if not operation.twin:
            raise InvalidArgument(f"{operation.name} has no deprecated twin: call it without .legacy")
        twin = deprecated_twin(operation)
        text = f"{twin.title} is deprecated; {operation.title} replaces it: leave out .legacy"
        (self._origin or caller_of(inspect.currentframe())).warn(text)
        return twin


async def in_pieces(
    operation: Operation[Any], values: Sequence[V], size: int, one: Callable[[Sequence[V]], Awaitable[R]]
) -> list[R]:
    """Call ``one`` for every ``size`` values, in order, and return its answers.

    When a piece fails, raises `PartlyDone` with the values that were done. A single piece raises its own error, and so
    does a first piece that was not sent at all.
    """
    answers: list[R] = []
    for start in range(0, len(values), size):
        try:
            answers.append(await one(values[start : start + size]))
        except ZRAError as error:
            if len(values) <= size or (start == 0 and isinstance(error, _NOT_SENT)):
                raise
            raise PartlyDone(
                operation.name,
                done=values[:start],
                failed=values[start : start + size],
                pending=values[start + size :],
                cause=error,
            ) from error
    return answers
