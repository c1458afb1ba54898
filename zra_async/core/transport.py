"""One attempt over the network. The only client-side module that knows aiohttp.

Redirects are not followed here: an attempt that meets one returns it, and the pipeline decides, since a replay must
pay its rate limit and may go to a trusted host only.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import ssl
from collections import deque
from collections.abc import Awaitable, Mapping, Sequence
from typing import cast
from urllib.request import getproxies, proxy_bypass

import aiohttp
import msgspec
from aiohttp import hdrs, payload
from aiohttp.abc import AbstractStreamWriter
from msgspec import field
from yarl import URL

from zra_async import errors
from zra_async.core.address import Address
from zra_async.core.exchange import NotedRequest, goes_straight, straight, through
from zra_async.core.form import BytesBody
from zra_async.core.limits import Permit
from zra_async.core.operation import Host
from zra_async.core.outflow import Outflow, Writer
from zra_async.core.secret import SecretBytes, partial_repr
from zra_async.core.wire import Body, Reply, Request

_CHUNK = 256 * 1024
_DOWNLOAD_BUFFER = 512 * 1024  #: what an `Inflow` holds at most before it stops the connection


class Pool(msgspec.Struct, frozen=True, kw_only=True):
    """The connections to one host. Times are in seconds.

    `connections` is how many may be open at once; `connect_timeout` bounds getting one, from the pool or anew;
    `read_timeout` is how long the service may stand still: while it takes a file in, and while its answer is awaited
    or read.
    """

    connections: int = 100
    connect_timeout: float = 10.0
    read_timeout: float = 60.0
    keepalive_timeout: float = 15.0

    def __post_init__(self) -> None:
        if self.connections < 1 or min(self.connect_timeout, self.read_timeout, self.keepalive_timeout) <= 0:
            raise errors.ConfigurationError("a pool needs at least one connection, and its timeouts must be positive")


class Network(msgspec.Struct, frozen=True, kw_only=True):
    """How the client reaches the network.

    A `connector` of your own serves both pools, stays yours to close, and leaves their `connections` and `ssl` to you.
    `proxy` is an address that may hold a user and a password; `trust_env` takes it from the environment instead.
    `trace_configs` are handed to aiohttp as they are. `max_answer_bytes` bounds an answer that is read as a whole.
    """

    api: Pool = field(default_factory=Pool)
    file: Pool = field(default_factory=lambda: Pool(connections=32, read_timeout=120.0))
    connector: aiohttp.BaseConnector | None = None
    proxy: str | None = None
    ssl: ssl.SSLContext | bool = True
    trust_env: bool = False
    trace_configs: Sequence[aiohttp.TraceConfig] = ()
    max_answer_bytes: int = 16 * 1024 * 1024  #: what is decoded of it can take sixty times as much
    user_agent: str = ""

    def __post_init__(self) -> None:
        if self.connector is not None and self.ssl is not True:
            raise errors.ConfigurationError("a connector of your own brings its own ssl: give ssl to the connector")
        if not self.user_agent.isprintable():
            raise errors.ConfigurationError("user_agent must be one line of printable text: it becomes a header")

    def __repr__(self) -> str:
        return partial_repr(self, *(name for name in self.__struct_fields__ if name != "proxy"))


class _BodyPayload(payload.Payload):
    """A `Body` in aiohttp's terms: its size is known, so it goes out with a Content-Length and not in chunks."""

    def __init__(self, body: Body, silence: float) -> None:
        super().__init__(body, content_type=body.content_type)
        self._size = body.size
        self._silence = silence
        self.failure: Exception | None = None  #: what the body itself raised, such as a file that cannot be read
        self.complete = False  #: all of it has left; the service cannot have acted on less

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:  # noqa: ARG002 (aiohttp's signature)
        """Refuse: a body is not text, and not meant to be shown."""
        raise TypeError("a streamed body cannot be shown as text")

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Send the whole body."""
        outflow = Outflow(cast(Writer, writer), self._silence)
        try:
            await self._value.write(outflow.send)
            outflow.finish()
            self.complete = True
        except BaseException as problem:
            outflow.abort()
            if isinstance(problem, Exception) and problem is not outflow.problem:
                self.failure = problem
            raise

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:  # noqa: ARG002
        """Send the whole body, whose size is the announced length."""
        await self.write(writer)


def _data(body: bytes | Body | None, silence: float) -> bytes | _BodyPayload | None:
    if body is None:
        return None
    if isinstance(body, bytes):
        # one write of a large body would hold the event loop
        return body if len(body) <= _CHUNK else _BodyPayload(BytesBody(body), silence)
    return _BodyPayload(body, silence)


class Inflow:
    """An answer that is read piece by piece."""

    def __init__(self, response: aiohttp.ClientResponse, name: str, host: str) -> None:
        self.status: int = response.status
        self.headers: Mapping[str, str] = response.headers
        self._response = response
        self._name = name
        self._host = host

    async def read(self) -> bytes:
        """Whatever has arrived, or nothing at the end. Raises `TransportError` when the end does not come."""
        try:
            return await self._response.content.readany()
        except (aiohttp.ClientError, OSError, ValueError) as problem:
            failure = _failure(problem, self._name, self._host, sent=True, words=type(problem).__name__)
        except RuntimeError as problem:
            failure = _closed(problem, self._name, self._host, sent=True)
        # What had arrived before the connection broke is good, but aiohttp gives it no more, and offers no way to ask
        # for it. The next read raises again.
        arrived: deque[bytes] = getattr(self._response.content, "_buffer", deque())
        if not arrived:
            raise failure  # out here, since aiohttp's own error, which would be its context, shows the link
        rest = b"".join(arrived)
        arrived.clear()
        return rest

    def close(self) -> None:
        """Let go of the connection: back to its pool after the end, and down before."""
        if self._response.content.at_eof():
            self._response.release()
        else:
            self._response.close()


class Transport:
    """Sends single attempts through two pools, one for the API and one for the file host."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._pools = {Host.API: network.api, Host.FILE: network.file}
        self._unwatched = {host: _client_timeout(pool, None) for host, pool in self._pools.items()}
        self._sessions: dict[Host, aiohttp.ClientSession] = {}

    async def open(self) -> None:
        """Create both pools; no connection is made yet."""
        self._sessions = {host: self._session(pool) for host, pool in self._pools.items()}

    async def close(self) -> None:
        """Close both pools and their connections."""
        async with contextlib.AsyncExitStack() as both:  # also the second one when the first is not waited for
            for session in self._sessions.values():
                both.push_async_callback(session.close)

    def _session(self, pool: Pool) -> aiohttp.ClientSession:
        network = self._network
        connector = network.connector or aiohttp.TCPConnector(
            limit=pool.connections,
            limit_per_host=pool.connections,
            keepalive_timeout=pool.keepalive_timeout,
            ssl=network.ssl,
        )
        session = aiohttp.ClientSession(
            connector=connector,
            connector_owner=network.connector is None,
            cookie_jar=aiohttp.DummyCookieJar(),
            request_class=NotedRequest,
            trace_configs=[*network.trace_configs],
            timeout=_client_timeout(pool, pool.read_timeout),
            headers={hdrs.USER_AGENT: network.user_agent or _user_agent(), hdrs.ACCEPT: "application/json"},
            auto_decompress=True,
        )
        # aiohttp repeats an idempotent request on a dead keep-alive socket by itself: an attempt that no limit
        # counts. There is no public switch; a test guards that this one still works.
        session._retry_connection = False  # pyright: ignore[reportPrivateUsage]
        return session

    async def send(
        self, request: Request, url: str, authorization: str, *, timeout: float | None, permit: Permit
    ) -> Reply:
        """Send one attempt to ``url`` and read the whole answer.

        The caller ends the attempt after ``timeout`` seconds, so a silence that would last longer is not watched for.
        ``permit`` is told when the request leaves. Raises `TransportError` or `AnswerTooLarge`.
        """
        target = Address(url)
        name = request.operation.name
        data = _data(request.body, self._pools[request.operation.host].read_timeout)
        try:
            response = await self._respond(request, target.url, data, authorization, timeout, permit)
            try:
                permit.sent()
                content = await self._read(response, name)
                reply = Reply(response.status, response.headers, content, url.partition("?")[0])
                # of a success only what is no JSON is quoted as it is
                harmless = reply.status < 400 and content[:1] in b"{["
                return reply if harmless else reply.without(authorization.partition(" ")[2])
            finally:
                response.release()  # which closes a connection that more is to come from
                if data is not None:
                    await response.wait_for_close()  # nothing may read the body any more: the next attempt will
        except (aiohttp.ClientError, OSError, ValueError) as problem:
            sent = permit.sent_at is not None
            if isinstance(data, _BodyPayload):
                sent = sent and data.complete
                if data.failure is not None:
                    raise data.failure from None  # no trouble of the network, and no reason to try again
            raise _failure(problem, name, target.host, sent=sent) from None
        except RuntimeError as problem:
            raise _closed(problem, name, target.host, sent=permit.sent_at is not None) from None
        except asyncio.CancelledError:
            self._explain_end(request.operation.host)
            raise

    def _respond(
        self,
        request: Request,
        url: URL,
        data: bytes | _BodyPayload | None,
        authorization: str,
        timeout: float | None,
        permit: Permit,
    ) -> Awaitable[aiohttp.ClientResponse]:
        host = request.operation.host
        session = self._open_session(host)
        headers = session.headers.copy()
        headers[hdrs.AUTHORIZATION] = authorization
        unwatched = timeout is not None and timeout <= self._pools[host].read_timeout
        bounds = self._unwatched[host] if unwatched else session.timeout
        proxy = self._proxy(url)
        method = request.operation.method
        if data is None and proxy is None and goes_straight(session):
            return straight(session, permit, method, url, headers, bounds)
        if data is not None:
            headers[hdrs.CONTENT_TYPE] = request.content_type
        return through(session, permit, method, url, data=data, headers=headers, proxy=proxy, timeout=bounds)

    async def fetch(self, name: str, link: str, headers: Mapping[str, str]) -> Inflow:
        """Ask for what ``link`` points to and return once its headers are here; close the `Inflow` in any case.

        Neither a redirect nor a compression is resolved, so that bytes can be counted. Raises `TransportError`, which
        does not repeat the link.
        """
        target = Address(link)
        session = self._open_session(Host.FILE)
        try:
            response = await session.get(
                target.url,
                headers={**headers, hdrs.ACCEPT: "*/*", hdrs.ACCEPT_ENCODING: "identity"},
                allow_redirects=False,
                auto_decompress=False,
                proxy=self._proxy(target.url),
                read_bufsize=_DOWNLOAD_BUFFER,
            )
        except (aiohttp.ClientError, OSError, ValueError) as problem:
            failure = _failure(problem, name, target.host, sent=True, words=type(problem).__name__)
        except asyncio.CancelledError:
            self._explain_end(Host.FILE)
            raise
        else:
            return Inflow(response, name, target.host)
        raise failure  # out here, since aiohttp's own error, which would be its context, shows the link

    async def post_form(
        self, url: str, form: Mapping[str, str], authorization: str, timeout: float
    ) -> tuple[int, bytes]:
        """Post a form to the token endpoint, without redirects: status and body.

        Raises `TransportError` or `AnswerTooLarge`.
        """
        target = URL(url)
        session = self._open_session(Host.API)
        try:
            async with (
                asyncio.timeout(timeout),
                session.post(
                    target,
                    data=dict(form),
                    headers={hdrs.AUTHORIZATION: authorization},
                    allow_redirects=False,
                    proxy=self._proxy(target),
                ) as response,
            ):
                return response.status, SecretBytes(await self._read(response, "token"))
        except (aiohttp.ClientError, OSError, ValueError) as problem:
            raise _failure(problem, "token", target.host or "", sent=True) from None

    def _open_session(self, host: Host) -> aiohttp.ClientSession:
        session = self._sessions[host]
        if session.closed:
            raise errors.ClientNotOpen("the client was closed during this call")
        return session

    def _explain_end(self, host: Host) -> None:
        """Raise `ClientNotOpen` where a pool that closes has cancelled a wait for it, and nobody has asked for that."""
        task = asyncio.current_task()
        if self._sessions[host].closed and not (task and task.cancelling()):
            raise errors.ClientNotOpen("the client was closed during this call") from None

    def _proxy(self, target: URL) -> str | None:
        network = self._network
        if network.proxy is not None or not network.trust_env:
            return network.proxy
        # aiohttp's own trust_env reads .netrc as well, and then refuses our Authorization beside what it found there
        return None if proxy_bypass(target.host or "") else getproxies().get(target.scheme)

    async def _read(self, response: aiohttp.ClientResponse, name: str) -> bytes:
        most = self._network.max_answer_bytes
        length = response.content_length
        if length is not None and length > most:
            raise self._too_large(response, name)
        if length is not None and hdrs.CONTENT_ENCODING not in response.headers:
            return await response.read()
        # a compressed or chunked answer may be of any length: count what comes out
        content = io.BytesIO()  # which, unlike a list of chunks, does not show up in a traceback with its values
        while content.write(await response.content.read(_CHUNK)):
            if content.tell() > most:
                raise self._too_large(response, name)
        return content.getvalue()

    def _too_large(self, response: aiohttp.ClientResponse, name: str) -> errors.AnswerTooLarge:
        response.close()
        text = f"the answer is longer than {self._network.max_answer_bytes} bytes"
        return errors.AnswerTooLarge(
            name, text, status=response.status, tracking_id=response.headers.get("x-zm-trackingid", "")
        )


def _client_timeout(pool: Pool, read_timeout: float | None) -> aiohttp.ClientTimeout:
    connect = pool.connect_timeout
    return aiohttp.ClientTimeout(total=None, connect=connect, sock_connect=connect, sock_read=read_timeout)


def _failure(
    problem: Exception, name: str, host: str, *, sent: bool, words: str | None = None
) -> errors.TransportError:
    words = _words(problem) if words is None else words
    if isinstance(problem, aiohttp.ClientHttpProxyError):
        return errors.ConnectFailed(name, f"the proxy refused the way to {host} with HTTP {problem.status}", sent=False)
    if isinstance(problem, (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)):
        return errors.ConnectFailed(name, f"cannot connect to {host}: {words}", sent=False)
    if isinstance(problem, TimeoutError):
        return errors.AttemptTimeout(name, f"{host} stood still for too long ({words})", sent=sent)
    return errors.ConnectionLost(name, f"the connection to {host} broke ({words})", sent=sent)


def _closed(problem: RuntimeError, name: str, host: str, *, sent: bool) -> errors.TransportError:
    """What aiohttp says, with a plain RuntimeError, to those who read on a connection that this side has closed."""
    if type(problem) is not RuntimeError:
        raise problem
    return errors.ConnectionLost(name, f"the connection to {host} was closed", sent=sent)


def _words(problem: Exception) -> str:
    """What may be told of a problem: many texts of aiohttp repeat the URL with its query, or what the server sent."""
    kind = type(problem).__name__
    if isinstance(problem, aiohttp.ClientConnectorError):
        return f"{kind}: {problem}"[:200]  # names host and port
    if isinstance(problem, OSError) and problem.errno:
        return f"{kind}: {os.strerror(problem.errno)}"
    return kind


def _user_agent() -> str:
    from zra_async import __version__  # only here: the package imports this module

    return f"zra-async/{__version__}"
