"""How a request gets onto a connection: through aiohttp's session, or straight from its pool.

`ClientSession` looks after cookies, redirects, credentials in addresses and more that this client has no use for, which
makes up a fourth of the price of a small call. A request without a body goes to the connector as the session itself
would send it there. That side of aiohttp is no public interface: it is used with the versions that it was tested with
only, and not where something is in place that works on the session, such as tracing, or a mock of its requests.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextvars import ContextVar
from typing import Any

import aiohttp
from aiohttp.connector import Connection
from multidict import CIMultiDict
from yarl import URL

from zra_async.core.limits import Permit

_TESTED = ("3.13.", "3.14.")
_known = aiohttp.__version__.startswith(_TESTED)
_own_request = aiohttp.ClientSession._request  # pyright: ignore[reportPrivateUsage]


_attempt: ContextVar[Permit | None] = ContextVar("_attempt", default=None)  # with what the present one was permitted


class NotedRequest(aiohttp.ClientRequest):
    """A request that tells its `Permit` when it leaves: it has a connection, and its first bytes are written.

    A TraceConfig could tell as much, but would cost a sixth of a small call. An attempt is known by its context, since
    aiohttp hands nothing else through.
    """

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
    permit = _attempt.get()
    if permit is not None:
        permit.sent()


def goes_straight(session: aiohttp.ClientSession) -> bool:
    """Whether `straight` may stand in for this session's own way."""
    untouched = aiohttp.ClientSession._request is _own_request  # pyright: ignore[reportPrivateUsage]
    return _known and untouched and not session.trace_configs


async def through(
    session: aiohttp.ClientSession, permit: Permit, method: str, url: URL, **options: Any
) -> aiohttp.ClientResponse:
    """Send a request the session's own way; ``permit`` is told when it leaves."""
    outer = _attempt.set(permit)
    try:
        return await session.request(method, url, allow_redirects=False, **options)
    finally:
        _attempt.reset(outer)


async def straight(
    session: aiohttp.ClientSession,
    permit: Permit,
    method: str,
    url: URL,
    headers: CIMultiDict[str],
    timeout: aiohttp.ClientTimeout,
) -> aiohttp.ClientResponse:
    """Send a request without a body on a connection of the session's pool; its errors are those of the session."""
    request = aiohttp.ClientRequest(method, url, headers=headers, loop=asyncio.get_running_loop(), session=session)
    connector = session.connector
    assert connector is not None
    try:
        connection = await connector.connect(request, traces=[], timeout=timeout)
    except TimeoutError as late:
        raise aiohttp.ConnectionTimeoutError from late
    try:
        assert connection.protocol is not None
        connection.protocol.set_response_params(read_until_eof=True, read_timeout=timeout.sock_read)
        permit.sent()  # there is no wait between here and the first byte
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
