"""Every use of a private part of aiohttp. Each has a public fallback, which is right but slower or less exact.

    private part                                         saves                        without it
    ``ClientRequest.send`` and ``write_bytes``           time in the window of a      an attempt counts from its permit
                                                         rate limit                   until its answer
    ``BaseConnector.connect`` with its arguments         a sixth of a small call      a ``TraceConfig`` tells when a
                                                                                      connection is awaited
    ``ClientSession._request`` replaced by its parts     a quarter of a small call    ``ClientSession.request``
    ``StreamWriter.transport``                           copies of a body             small copies, each drained
    ``StreamReader._buffer`` of a broken connection      bytes that had arrived       a download requests them again

No decision on whether a request was sent depends on a private part that was *not* called: a new version of aiohttp, a
mock or an instrumentation may replace any of them. `ENABLED` switches all of them off, for tests.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from types import FunctionType
from typing import Any, cast

import aiohttp
import aiohttp.client
from aiohttp.abc import AbstractStreamWriter
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from multidict import CIMultiDict
from yarl import URL

from zra_async.core.place import Place
from zra_async.core.transport.attempt import Attempt

ENABLED = True
_TESTED = ("3.13.", "3.14.")
#: what `send_directly` needs
_PARTS = ((aiohttp.ClientRequest, "send"), (aiohttp.ClientResponse, "start"), (ResponseHandler, "set_response_params"))
_known_version = aiohttp.__version__.startswith(_TESTED) and all(hasattr(kind, name) for kind, name in _PARTS)

#: aiohttp passes nothing through to where a connection is made and a request leaves, so they find it in the context
_attempt: ContextVar[Attempt | None] = ContextVar("_attempt", default=None)


# --------------------------------------------------------------------------- when a connection is awaited


class OwnConnector(aiohttp.TCPConnector):
    """A connector that tells the attempt when it is asked for a connection, and when it has given one."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)  # pyright: ignore[reportUnknownMemberType]
        self._place = Place("connector")

    unnoted: Callable[..., Coroutine[Any, Any, Connection]] = (
        aiohttp.TCPConnector.connect
    )  #: for who knows by himself when it gives a connection

    async def connect(self, *arguments: Any, **options: Any) -> Connection:
        """Get a connection from the pool, or make one."""
        attempt = _attempt.get()
        if attempt is None:
            return await super().connect(*arguments, **options)
        attempt.connecting = True
        connection = await super().connect(*arguments, **options)
        attempt.connected = True
        return connection

    def __del__(self, *arguments: Any) -> None:
        # In a forked child this would remove the parent's connections from the event loop that both share.
        place: Place | None = getattr(self, "_place", None)  # None for an object that was not finished
        if place is None or not place.forked:
            super().__del__(*arguments)


def abandon(session: aiohttp.ClientSession) -> None:
    """Forget a session that was copied by a fork; its connections stay as they are."""
    _abandoned.append(session.connector)  # one that is dropped would be closed
    session.detach()


_abandoned: list[aiohttp.BaseConnector | None] = []


def connector(**options: Any) -> aiohttp.TCPConnector:
    """Make a connector."""
    return OwnConnector(**options) if ENABLED else aiohttp.TCPConnector(**options)


def traces_for(used: aiohttp.BaseConnector) -> list[aiohttp.TraceConfig]:
    """Return what tells an attempt about its connection where the connector does not: public, and slower."""
    if isinstance(used, OwnConnector):
        return []

    async def awaited(*_: object) -> None:
        if attempt := _attempt.get():
            attempt.connecting = True

    async def given(*_: object) -> None:
        if attempt := _attempt.get():
            attempt.connected = True

    trace = aiohttp.TraceConfig()
    trace.on_connection_queued_start.append(awaited)
    trace.on_connection_create_start.append(awaited)
    trace.on_connection_create_end.append(given)
    trace.on_connection_reuseconn.append(given)
    return [trace]


# --------------------------------------------------------------------------- when a request leaves


class NotedRequest(aiohttp.ClientRequest):
    """A request that tells its attempt when its first bytes are written, so that its time in the window is exact."""

    def send(self, conn: Connection) -> Coroutine[Any, Any, aiohttp.ClientResponse]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Write the request; its body follows from a task of its own."""
        if not self.body:
            _leave()
        return super().send(conn)

    async def write_bytes(self, *arguments: Any, **options: Any) -> None:
        """Write the body, together with the headers."""
        _leave()  # in here, where it is written: the task of this coroutine may have had to wait for its turn
        await super().write_bytes(*arguments, **options)


def _leave() -> None:
    attempt = _attempt.get()
    if attempt is not None:
        attempt.permit.sent()


def request_class() -> type[aiohttp.ClientRequest]:
    """Return the class for the requests of a session."""
    return NotedRequest if ENABLED else aiohttp.ClientRequest


async def through(
    session: aiohttp.ClientSession, attempt: Attempt, method: str, url: URL, **options: Any
) -> aiohttp.ClientResponse:
    """Send a request through the session; ``attempt`` is told of what becomes of it."""
    outer = _attempt.set(attempt)
    try:
        return await session.request(method, url, allow_redirects=False, **options)
    finally:
        _attempt.reset(outer)


# --------------------------------------------------------------------------- directly to the connection


def can_send_directly(session: aiohttp.ClientSession) -> bool:
    """Tell if `send_directly` may replace the session's own way: nothing else must see the requests of the session."""
    if not ENABLED or session.trace_configs:
        return False
    kind = type(session)
    request = getattr(kind, "_request", None)
    return (request is _request and kind.request is _public_request) or _are_original(request, kind.request)


#: the methods of aiohttp once they were found to be its own
_request: object = object()
_public_request: object = object()


def _are_original(request: object, public_request: object) -> bool:
    """Tell if these methods are aiohttp's own, and not wrappers of an instrumentation or a mock.

    A wrapper copies the name of a method, but not its code.
    """
    global _request, _public_request
    if not _known_version:
        return False
    for method, name in ((request, "_request"), (public_request, "request")):
        code = method.__code__ if isinstance(method, FunctionType) else None
        if code is None or code.co_name != name or code.co_filename != aiohttp.client.__file__:
            return False
    _request, _public_request = request, public_request
    return True


async def send_directly(
    session: aiohttp.ClientSession,
    attempt: Attempt,
    method: str,
    url: URL,
    headers: CIMultiDict[str],
    timeout: aiohttp.ClientTimeout,
) -> aiohttp.ClientResponse:
    """Send a request without a body on a connection of the session's pool; its errors are those of the session.

    `ClientSession` handles cookies, redirects, credentials in addresses and more that this client has no use for.
    """
    request = aiohttp.ClientRequest(method, url, headers=headers, loop=asyncio.get_running_loop(), session=session)
    pool = session.connector
    assert pool is not None
    attempt.connecting = True
    try:
        if type(pool) is OwnConnector:
            connection = await pool.unnoted(request, traces=[], timeout=timeout)
        else:
            connection = await pool.connect(request, traces=[], timeout=timeout)
    except TimeoutError as late:
        raise aiohttp.ConnectionTimeoutError from late
    attempt.connected = True
    try:
        assert connection.protocol is not None
        connection.protocol.set_response_params(read_until_eof=True, read_timeout=timeout.sock_read)
        attempt.permit.sent()  # there is no wait between here and the first byte
        response = await request.send(connection)
        try:
            await response.start(connection)
        except BaseException:
            response.close()
            raise
    except BaseException:
        connection.close()
        raise
    return response


# --------------------------------------------------------------------------- bytes on their way


def transport_of(writer: AbstractStreamWriter) -> asyncio.Transport | None:
    """Return the transport below the writer of a request, None where aiohttp does not give it."""
    transport = getattr(writer, "transport", None) if ENABLED else None
    return cast(asyncio.Transport, transport) if isinstance(transport, asyncio.WriteTransport) else None


def arrived(content: aiohttp.StreamReader) -> bytes:
    """Take the bytes that had arrived before a connection broke; aiohttp offers no way to read them."""
    chunks: Any = getattr(content, "_buffer", None) if ENABLED else None
    if not chunks:
        return b""
    rest = b"".join(chunks)
    chunks.clear()
    return rest
