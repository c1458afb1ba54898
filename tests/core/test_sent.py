"""An attempt counts as sent unless it is proven that the service cannot have acted on it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from aioresponses import aioresponses

from tests.core.clients import AT_ONCE, POST, TOKEN, client_of, get, post
from tests.core.rows import row
from tests.core.server import Server, answer, close_silently, hang_up, raw, stand_still
from zra_async import Hosts, Network, Pool, RetryPolicy, StaticToken, ZRAClient, errors
from zra_async.core.operation import Host, Label

FINE = answer(200, {"name": "fine"})
ADD = row(name="files.add", method="POST", path="/files", host=Host.FILE, label=Label.FILES, retry_safe=False)
COMMENTS = "https://api.zoom.us/v2/zra/conversations/c/comments"


def mocked_client() -> ZRAClient:
    """A client of the real addresses, which are never reached."""
    return ZRAClient(StaticToken(TOKEN), retry=AT_ONCE)


LOST = [
    aiohttp.ServerDisconnectedError(),
    aiohttp.ClientOSError(104, "reset"),
    aiohttp.ClientPayloadError(),
    aiohttp.SocketTimeoutError(),
    aiohttp.ClientConnectionError(),
    aiohttp.ClientError(),
    ConnectionResetError(),
    TimeoutError(),
    OSError(5, "input/output error"),
    ValueError("anything"),
    RuntimeError("Connection closed."),
]


@pytest.mark.parametrize("problem", LOST, ids=lambda problem: type(problem).__name__)
async def test_a_lost_answer_of_a_mock(mocked: aioresponses, problem: Exception) -> None:
    """None of our hooks run under a mock: a write goes out once, and is in doubt."""
    mocked.post(COMMENTS, exception=problem, repeat=True)
    async with mocked_client() as zra:
        with pytest.raises(errors.AmbiguousWrite):
            await zra.comments.add("c", comment="A note")
    assert sum(map(len, mocked.requests.values())) == 1


def connect_error(kind: type[Exception], problem: OSError) -> Exception:
    """An error of aiohttp before there is a connection."""
    key: Any = aiohttp.client_reqrep.ConnectionKey("api.zoom.us", 443, True, True, None, None, None)
    return kind(key, problem)


UNSENT = [
    connect_error(aiohttp.ClientConnectorError, ConnectionRefusedError(111, "refused")),
    connect_error(aiohttp.ClientConnectorDNSError, OSError(-2, "Name or service not known")),
    connect_error(aiohttp.ClientProxyConnectionError, ConnectionRefusedError(111, "refused")),
    connect_error(aiohttp.ClientConnectorSSLError, ssl.SSLError(1, "wrong version")),
    connect_error(aiohttp.ClientConnectorCertificateError, ssl.SSLCertVerificationError(1, "expired")),
    aiohttp.ConnectionTimeoutError(),
    aiohttp.ClientHttpProxyError(None, (), status=407),  # type: ignore[arg-type]
]


@pytest.mark.parametrize("problem", UNSENT, ids=lambda problem: type(problem).__name__)
async def test_an_error_before_the_connection(mocked: aioresponses, problem: Exception) -> None:
    """Nothing was sent: a write is repeated, and the error says so."""
    mocked.post(COMMENTS, exception=problem, repeat=True)
    async with mocked_client() as zra:
        with pytest.raises(errors.ConnectFailed) as caught:
            await zra.comments.add("c", comment="A note")
    assert not caught.value.sent
    assert sum(map(len, mocked.requests.values())) == 1 + AT_ONCE.transport


@pytest.mark.parametrize("behaviour", [hang_up, close_silently])
@pytest.mark.parametrize("own_connector", [False, True])
async def test_a_lost_answer_on_a_socket(behaviour: Any, own_connector: bool) -> None:
    """The same on a real connection, and on a connector that knows nothing of attempts."""
    connector = aiohttp.TCPConnector() if own_connector else None
    async with Server(behaviour) as server, client_of(server, network=Network(connector=connector)) as zra:
        with pytest.raises(errors.AmbiguousWrite):
            await post(zra)
        assert len(server.seen) == 1
    if connector:
        await connector.close()


@pytest.mark.parametrize("own_connector", [False, True])
async def test_a_deadline_in_the_queue_of_the_pool(own_connector: bool) -> None:
    """A write that never got a connection is not in doubt when its time is up."""
    connector = aiohttp.TCPConnector(limit=1) if own_connector else None
    network = Network(api=Pool(connections=1), connector=connector)
    async with Server(otherwise=stand_still) as server, client_of(server, network=network, timeout=None) as zra:
        occupied = asyncio.create_task(get(zra))
        await server.requests(1)
        with pytest.raises(errors.DeadlineExceeded):
            await post(zra.with_options(deadline=0.05))
        with pytest.raises(errors.AttemptTimeout) as caught:
            await post(zra.with_options(timeout=0.02))
        assert not caught.value.sent
        assert len(server.seen) == 1
        occupied.cancel()
    if connector:
        await connector.close()


async def test_a_cancelled_write_is_counted() -> None:
    """A write that was cancelled after it left keeps its slot, and one that never left gives it back."""
    async with Server(otherwise=stand_still) as server:
        network = Network(api=Pool(connections=1))
        async with client_of(server, network=network, timeout=None) as zra:
            calls = [asyncio.create_task(post(zra)) for _ in range(2)]
            await server.requests(1)
            for call in calls:
                call.cancel()
            await asyncio.wait(calls)
            assert zra.limits.snapshot()[Label.LIGHT].in_window == 1


async def test_a_proxy_that_hangs_up_before_the_tunnel() -> None:
    """The request never left, so a write is repeated, and the error does not speak of a lost answer."""
    async with Server(otherwise=hang_up) as proxy:
        network = Network(proxy=proxy.url)
        async with client_of(proxy, hosts=Hosts(), network=network) as zra:
            with pytest.raises(errors.ConnectFailed, match=r"cannot connect to api\.zoom\.us") as caught:
                await post(zra)
    assert not caught.value.sent
    assert [seen.method for seen in proxy.seen] == ["CONNECT"] * (1 + AT_ONCE.transport)


class Chunks:
    """A body of so many chunks, which may fail after some of them."""

    content_type = "application/octet-stream"

    def __init__(self, count: int, *, fails_after: int | None = None) -> None:
        self.size = count * 100_000
        self._count = count
        self._fails_after = fails_after

    async def write(self, send: Callable[[bytes | memoryview], Awaitable[None]]) -> None:
        """Send chunk after chunk."""
        for number in range(self._count):
            if number == self._fails_after:
                raise errors.SourceError("the file is gone")
            await send(bytes(100_000))
        if self._fails_after == self._count:
            raise errors.SourceError("the file is gone")


async def test_a_body_of_which_all_was_handed_over() -> None:
    """The connection breaks after the last chunk was on its way: the service may have it, so nothing is proven."""
    async with Server(otherwise=hang_up) as server, client_of(server) as zra:
        with pytest.raises(errors.AmbiguousWrite):
            await zra.call(ADD, body=Chunks(3))
        assert [len(seen.body) for seen in server.seen] == [300_000]


@pytest.mark.parametrize(("fails_after", "error"), [(1, errors.SourceError), (3, errors.AmbiguousWrite)])
async def test_a_body_that_fails(fails_after: int, error: type[Exception]) -> None:
    """Half a body is the error of its source; a body that fails after its last byte may have been stored."""
    async with Server() as server, client_of(server) as zra:
        with pytest.raises(error, match="the file is gone"):
            await zra.call(ADD, body=Chunks(3, fails_after=fails_after))


async def test_an_incomplete_body_may_be_sent_again() -> None:
    """The service cannot act on half a body: an unsafe write is repeated."""
    server = Server(hang_up, FINE)
    async with server, client_of(server) as zra:
        server.read_bodies = False
        done = asyncio.create_task(zra.call(ADD, body=Chunks(300)))
        await server.requests(1)
        server.read_bodies = True
        assert (await done).name == "fine"
        assert [len(seen.body) for seen in server.seen] == [0, 30_000_000]


async def test_a_transport_of_ones_own_that_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A transport that is cancelled and proves nothing leaves a write in doubt, and its permit counts."""
    async with Server() as server, client_of(server) as zra:

        async def send(*_: object, **__: object) -> None:
            await asyncio.Event().wait()

        monkeypatch.setattr(zra._session._transport, "send", send)
        with pytest.raises(errors.AmbiguousWrite):
            await post(zra.with_options(deadline=0.02))
        assert zra.limits.snapshot()[Label.LIGHT].in_window == 1


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    """A server for the instrumentation below."""
    async with Server(raw("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", b"{}")) as server:
        yield server


async def test_a_wrapper_that_is_installed_late_sees_every_request(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever wraps the request method of aiohttp is asked, also for calls without a body."""
    seen: list[str] = []
    original = aiohttp.ClientSession._request

    async def wrapper(self: aiohttp.ClientSession, method: str, *arguments: Any, **options: Any) -> Any:
        seen.append(method)
        return await original(self, method, *arguments, **options)

    async with client_of(server, retry=RetryPolicy.none()) as zra:
        await get(zra)
        monkeypatch.setattr(aiohttp.ClientSession, "_request", wrapper)
        await get(zra)
        await post(zra, POST)
        await (await zra._session.fetch("a", f"{server.url}/file", {})).read()
        await zra._session._transport.post_form(f"{server.url}/token", {"a": "b"}, "Basic x", 5)
    assert seen == ["GET", "POST", "GET", "POST"]
