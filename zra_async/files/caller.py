"""The calls of one upload: without a bound in time, and straight to the host that takes the bytes."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import Any, NoReturn, Protocol, TypeVar

from zra_async import errors
from zra_async.core import wire
from zra_async.core.operation import ListOperation, Operation
from zra_async.core.pipeline import CallOptions

R = TypeVar("R")
T = TypeVar("T")
_MISDIRECTED = 421


class Sender(Protocol):
    """The part of a client's session that file transfers use."""

    def send(self, request: wire.Request, options: CallOptions, *, base: str = "") -> Awaitable[wire.Reply]:
        """Make one call, to ``base`` in place of the configured host."""
        ...


class FileCaller:
    """Makes the calls of one upload.

    The public file host may answer with a redirect to another one. Each time that would cost a part of 64 MB that was
    sent for nothing, so the address from which an answer came is where the next call goes. When that host does not
    serve a call after all, it goes to the public one again.
    """

    def __init__(self, sender: Sender, options: CallOptions, public: str) -> None:
        self._sender = sender
        self._options = options
        self._public = public
        self._base = ""

    async def call(
        self,
        operation: Operation[R],
        *,
        path: Mapping[str, str] | None = None,
        query: Mapping[str, object] | None = None,
        body: object = None,
    ) -> R:
        """Make one call and decode its answer."""
        request = wire.encode(operation, path=path, query=query, body=body)
        reply = await self._send(request)
        self._base = self._learn(request.target.partition("?")[0], reply.url)
        return wire.decode(operation, reply)

    def list(self, operation: ListOperation[Any, T], **_: object) -> NoReturn:
        """Refuse: nothing on the file host is a list."""
        raise TypeError(f"{operation.name} is not an operation of the file host")

    def _learn(self, path: str, url: str) -> str:
        base = url.removesuffix(path)
        return base if base not in {url, self._public} else ""

    async def _send(self, request: wire.Request) -> wire.Reply:
        base = self._base
        if not base:
            return await self._sender.send(request, self._options)
        try:
            return await self._sender.send(request, self._options, base=base)
        except errors.CallError as problem:
            if not _elsewhere(problem):
                raise
            if self._base == base:
                self._base = ""
            return await self._sender.send(request, self._options)


def _elsewhere(problem: errors.CallError) -> bool:
    """Return True if the learnt host refused, and not the service: the public host may know a better one."""
    if isinstance(problem, errors.TransportError):
        return True  # one that must not be repeated arrives as AmbiguousWrite
    if isinstance(problem, errors.NotFound):
        return problem.code is None
    return isinstance(problem, errors.APIError) and problem.status == _MISDIRECTED
