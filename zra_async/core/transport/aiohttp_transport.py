"""The transport that uses aiohttp: two pools, one for the API and one for the file host.

Redirects are not followed here: an attempt that meets one returns it, and the pipeline decides, since a replay must
pay its rate limit and may go to a trusted host only.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import math
from collections.abc import Awaitable, Callable, Mapping

import aiohttp
from aiohttp import hdrs
from yarl import URL

from zra_async import errors
from zra_async.core.address import Address
from zra_async.core.cancellation import CallersCode
from zra_async.core.form import BytesBody
from zra_async.core.operation import Host
from zra_async.core.place import Place
from zra_async.core.secret import SecretBytes
from zra_async.core.timeouts import Timeout, TimeoutWatch
from zra_async.core.transport import aiohttp_internals
from zra_async.core.transport.attempt import NEVER_CONNECTED, Attempt
from zra_async.core.transport.body_writer import BodyPayload
from zra_async.core.transport.failures import closed, failure
from zra_async.core.transport.network import Network, Pool
from zra_async.core.transport.proxies import environment_proxy
from zra_async.core.transport.streamed_response import AiohttpStreamedResponse
from zra_async.core.wire import Reply, Request

_CHUNK = 256 * 1024
_DOWNLOAD_BUFFER = 512 * 1024  #: what a streamed response holds at most before it pauses the connection
_CLOSED = "the client was closed during this call"


class AiohttpTransport:
    """Sends single attempts, in the event loop in which it is opened."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._place: Place | None = None
        self._watch = TimeoutWatch()
        self._pools = {Host.API: network.api, Host.FILE: network.file}
        self._unwatched = {host: _client_timeout(pool, None) for host, pool in self._pools.items()}
        self._sessions: dict[Host, aiohttp.ClientSession] = {}

    async def open(self) -> None:
        """Create both pools; no connection is made yet."""
        self._place = Place("client")
        self._sessions = {host: self._session(pool) for host, pool in self._pools.items()}

    async def close(self) -> None:
        """Close both pools and their connections."""
        self._watch.close()
        async with contextlib.AsyncExitStack() as both:  # also the second one when the first is not waited for
            for session in self._sessions.values():
                both.push_async_callback(session.close)

    def abandon(self) -> None:
        """Forget the pools without touching their sockets, which another process still uses."""
        for session in self._sessions.values():
            if not session.closed:
                aiohttp_internals.abandon(session)

    def _session(self, pool: Pool) -> aiohttp.ClientSession:
        network = self._network
        connector = network.connector or aiohttp_internals.connector(
            limit=pool.connections,
            limit_per_host=pool.connections,
            keepalive_timeout=pool.keepalive_timeout,
            ssl=network.ssl,
        )
        return aiohttp.ClientSession(
            connector=connector,
            connector_owner=network.connector is None,
            cookie_jar=aiohttp.DummyCookieJar(),
            request_class=aiohttp_internals.request_class(),
            trace_configs=[*network.trace_configs, *aiohttp_internals.traces_for(connector)],
            middlewares=[_send_once],
            timeout=_client_timeout(pool, pool.read_timeout),
            headers={hdrs.USER_AGENT: network.user_agent or _user_agent(), hdrs.ACCEPT: "application/json"},
            auto_decompress=True,
        )

    async def send(
        self, request: Request, url: str, authorization: str, *, timeout: float | None, attempt: Attempt
    ) -> Reply:
        """Send one attempt to ``url`` and read the whole answer.

        The caller ends the attempt after ``timeout`` seconds, so a silence that would last longer is not watched for.
        When this method ends, nothing reads the body any more. Raises `TransportError` or `AnswerTooLarge`.
        """
        target = Address(url)
        session = self._open_session(request.operation.host)
        code = CallersCode()
        proxy = self._proxy(target.url)
        body = self._streamed(request)
        attempt.body = body
        try:
            if body is None:
                response = await self._respond(session, request, target.url, authorization, timeout, attempt, proxy)
                try:
                    content = await self._read(response, request.operation.name)
                    return _reply(response, content, url, authorization)
                finally:
                    response.release()  # which closes the connection if unread data remains
            with Timeout(self._watch, math.inf) as silence:
                body.on_sent = silence.move
                response = await self._respond(session, request, target.url, authorization, None, attempt, proxy, body)
                silence.move(self._pools[request.operation.host].read_timeout)
                try:
                    content = await self._read(response, request.operation.name, early=True)
                    return _reply(response, content, url, authorization)
                finally:
                    response.release()  # which stops a body that is still sent
        except (aiohttp.ClientError, OSError, ValueError) as problem:
            error = _outcome(problem, request.operation.name, target.host, attempt, body)
            raise error from error.__cause__  # and not from the error of aiohttp
        except RuntimeError as problem:
            raise closed(problem, request.operation.name, target.host, sent=attempt.settle(problem)) from None
        except asyncio.CancelledError as end:
            attempt.settle(end)
            _explain_end(session, code)
            raise
        finally:
            if body is not None:
                await body.rest()

    def _streamed(self, request: Request) -> BodyPayload | None:
        body = request.body
        if isinstance(body, bytes):
            if len(body) <= _CHUNK:
                return None
            body = BytesBody(body)  # one write of a large body would hold the event loop
        return None if body is None else BodyPayload(body, self._pools[request.operation.host].read_timeout)

    def _respond(
        self,
        session: aiohttp.ClientSession,
        request: Request,
        url: URL,
        authorization: str,
        timeout: float | None,
        attempt: Attempt,
        proxy: str | None,
        body: BodyPayload | None = None,
    ) -> Awaitable[aiohttp.ClientResponse]:
        host = request.operation.host
        headers = session.headers.copy()
        headers[hdrs.AUTHORIZATION] = authorization
        # the silence around a streamed body is watched by its writer, which knows when the system has sent it
        unwatched = body is not None or (timeout is not None and timeout <= self._pools[host].read_timeout)
        bounds = self._unwatched[host] if unwatched else session.timeout
        method = request.operation.method
        if request.body is None:
            if proxy is None and aiohttp_internals.can_send_directly(session):
                return aiohttp_internals.send_directly(session, attempt, method, url, headers, bounds)
            data = None
        else:
            headers[hdrs.CONTENT_TYPE] = request.content_type
            data = request.body if body is None else body
        return aiohttp_internals.through(
            session, attempt, method, url, data=data, headers=headers, proxy=proxy, timeout=bounds
        )

    async def fetch(self, name: str, link: str, headers: Mapping[str, str]) -> AiohttpStreamedResponse:
        """Request ``link`` and return the response once its headers have arrived; close it in any case.

        Neither a redirect nor a compression is resolved, so that bytes can be counted. Raises `TransportError`, which
        does not repeat the link.
        """
        target = Address(link)
        session = self._open_session(Host.FILE)
        code = CallersCode()
        proxy = self._proxy(target.url)
        try:
            response = await session.get(
                target.url,
                headers={**headers, hdrs.ACCEPT: "*/*", hdrs.ACCEPT_ENCODING: "identity"},
                allow_redirects=False,
                auto_decompress=False,
                proxy=proxy,
                read_bufsize=_DOWNLOAD_BUFFER,
            )
        except (aiohttp.ClientError, OSError, ValueError) as problem:
            error = failure(_told(problem), name, target.host, sent=not isinstance(problem, NEVER_CONNECTED))
        except asyncio.CancelledError:
            _explain_end(session, code)
            raise
        else:
            assert self._place is not None
            return AiohttpStreamedResponse(response, name, target.host, self._place)
        raise error  # out here, since aiohttp's own error, which would be its context, shows the link

    async def post_form(
        self, url: str, form: Mapping[str, str], authorization: str, timeout: float
    ) -> tuple[int, bytes]:
        """Post a form to the token endpoint and return status and body; a redirect is not followed.

        Raises `TransportError` or `AnswerTooLarge`.
        """
        target = URL(url)
        session = self._open_session(Host.API)
        proxy = self._proxy(target)
        pool = self._network.api
        try:
            async with session.post(
                target,
                data=dict(form),
                headers={hdrs.AUTHORIZATION: authorization},
                allow_redirects=False,
                proxy=proxy,
                timeout=_client_timeout(pool, pool.read_timeout, total=timeout),
            ) as response:
                return response.status, SecretBytes(await self._read(response, "token"))
        except (aiohttp.ClientError, OSError, ValueError) as problem:
            sent = not isinstance(problem, NEVER_CONNECTED)
            error = failure(_told(problem), "token", target.host or "", sent=sent)
        raise error

    def _open_session(self, host: Host) -> aiohttp.ClientSession:
        session = self._sessions[host]
        if session.closed:
            raise errors.ClientNotOpen(_CLOSED)
        return session

    def _proxy(self, target: URL) -> str | None:
        network = self._network
        if network.proxy is not None or not network.trust_env:
            return network.proxy
        # aiohttp's own trust_env reads .netrc as well, and then refuses our Authorization beside what it found there
        return environment_proxy(target)

    async def _read(self, response: aiohttp.ClientResponse, name: str, *, early: bool = False) -> bytes:
        """Read the answer up to the bound.

        ``early`` says that a body may still be sent: `ClientResponse.read` would wait for its end.
        """
        most = self._network.max_answer_bytes
        length = response.content_length
        if length is not None and length > most:
            raise self._too_large(response, name)
        if length is not None and hdrs.CONTENT_ENCODING not in response.headers and not early:
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


def _reply(response: aiohttp.ClientResponse, content: bytes, url: str, authorization: str) -> Reply:
    reply = Reply(response.status, response.headers, content, url.partition("?")[0])
    # on success, look for the token only if the body is not JSON: some pages quote the request that they refuse
    harmless = reply.status < 400 and content[:1] in b"{["
    return reply if harmless else reply.without(authorization.partition(" ")[2])


class _Broken(aiohttp.ClientConnectionError):
    """Carries an error past aiohttp's own repeat."""

    def __init__(self, problem: Exception) -> None:
        self.problem = problem
        super().__init__(type(problem).__name__)


async def _send_once(
    request: aiohttp.ClientRequest, handler: Callable[[aiohttp.ClientRequest], Awaitable[aiohttp.ClientResponse]]
) -> aiohttp.ClientResponse:
    """Keep aiohttp from repeating an idempotent request on a dead keep-alive connection: no limit counts that one."""
    try:
        return await handler(request)
    except NEVER_CONNECTED:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as problem:
        raise _Broken(problem) from None


def _told(problem: Exception) -> Exception:
    return problem.problem if isinstance(problem, _Broken) else problem


def _outcome(problem: Exception, name: str, host: str, attempt: Attempt, body: BodyPayload | None) -> Exception:
    """Return the error of an attempt that ended with ``problem``."""
    problem = _told(problem)
    sent = attempt.settle(problem)
    if body is not None and body.failure is not None:
        if not sent:
            return body.failure  # no problem of the network, and no reason to try again
        text = f"the body failed after all of it was sent to {host}: {body.failure}"
        return errors.ConnectionLost(name, text, sent=True)
    return failure(problem, name, host, sent=sent, connecting=attempt.connecting and not attempt.connected)


def _explain_end(session: aiohttp.ClientSession, code: CallersCode) -> None:
    """Raise `ClientNotOpen` where a pool that closes has cancelled a wait for it, and nobody has asked for that."""
    if session.closed and not code.cancelled:
        raise errors.ClientNotOpen(_CLOSED) from None


def _client_timeout(pool: Pool, read_timeout: float | None, total: float | None = None) -> aiohttp.ClientTimeout:
    connect = pool.connect_timeout
    return aiohttp.ClientTimeout(total=total, connect=connect, sock_connect=connect, sock_read=read_timeout)


def _user_agent() -> str:
    from zra_async import __version__  # only here: the package imports this module

    return f"zra-async/{__version__}"
