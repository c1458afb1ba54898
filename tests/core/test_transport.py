"""What the network does to an attempt, on real sockets: dead connections, cut and endless answers, stalls."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Awaitable, Callable

import aiohttp
import pytest

from tests.core.clients import AT_ONCE, GET, POST, SAFE_POST, TOKEN, client_of, get, post
from tests.core.rows import row
from tests.core.server import Behaviour, Server, answer, close_silently, error, hang_up, raw, stand_still
from tests.leap import leap, stands_still, turns
from zra_async import Network, Pool, RetryPolicy, errors
from zra_async.core.events import AttemptDone, Event
from zra_async.core.form import BytesBody
from zra_async.core.limits.permit import LocalPermit
from zra_async.core.operation import Host, Label
from zra_async.core.transport import aiohttp_internals

FINE = answer(200, {"name": "fine"})
UPLOAD = row(Label.FILES, name="things.upload", method="POST", path="/files", retry_safe=False, host=Host.FILE)
ENDLESS = b'{"name": "' + b"x" * 4_000_000 + b'"}'


async def test_a_request_carries_what_it_needs() -> None:
    """The token, the user agent and the quoted path go out, and the answer comes back decoded."""
    async with Server(FINE) as server, client_of(server) as zra:
        thing = await zra.call(GET, path={"thing_id": "a b/c"}, query={"n": 3, "on": True, "no": None})
        seen = server.seen[0]
        assert thing.name == "fine"
        assert (seen.method, seen.target) == ("GET", "/v2/zra/things/a%2520b%252Fc?n=3&on=true")
        assert seen.bearer == TOKEN
        assert seen.headers["accept"] == "application/json"
        assert seen.headers["user-agent"].startswith("zra-async/")


async def test_a_user_agent_of_ones_own() -> None:
    """``Network(user_agent=…)`` replaces the default."""
    async with Server(FINE) as server, client_of(server, network=Network(user_agent="report/1")) as zra:
        await get(zra)
        assert server.seen[0].headers["user-agent"] == "report/1"


async def test_a_connection_is_used_again() -> None:
    """Calls one after the other share one connection."""
    async with Server() as server, client_of(server) as zra:
        for _ in range(5):
            await get(zra)
        assert server.connections == 1


@pytest.mark.parametrize("operation", [GET, SAFE_POST, POST])
async def test_a_connection_that_the_server_closed_is_replaced(operation: object) -> None:
    """A keep-alive connection that was closed while idle costs nothing, not even an unsafe write."""
    async with Server(answer(200, {"name": "first"}, keep=False), FINE) as server, client_of(server) as zra:
        await get(zra)
        while server.open_connections:
            await asyncio.sleep(0)
        await turns()  # the end of the connection arrives
        thing = await (get(zra) if operation is GET else post(zra, operation))  # type: ignore[arg-type]
        assert thing.name == "fine"
        assert [seen.connection for seen in server.seen] == [0, 1]


async def test_every_request_on_a_dead_connection_is_an_attempt_of_ours() -> None:
    """The server hangs up on a used connection: the repeat is ours, waits for the limits, and is counted."""
    events: list[Event] = []
    async with Server(FINE, close_silently, FINE) as server, client_of(server, observer=events.append) as zra:
        await get(zra)
        events.clear()
        assert (await get(zra)).name == "fine"
        assert [e.attempt for e in events if isinstance(e, AttemptDone)] == [1, 2]
        assert zra.limits.snapshot()[Label.LIGHT].in_window == len(server.seen) == 3


async def test_without_repeats_nothing_repeats() -> None:
    """aiohttp's own repeat of idempotent requests on dead connections is off."""
    async with Server(FINE, hang_up) as server, client_of(server, retry=RetryPolicy.none()) as zra:
        await get(zra)
        with pytest.raises(errors.ConnectionLost):
            await get(zra)
        assert len(server.seen) == 2


async def test_aiohttp_repeats_by_itself() -> None:
    """Without our middleware aiohttp repeats an idempotent request, so the middleware is what stops it."""
    async with Server(FINE, hang_up, FINE) as server, aiohttp.ClientSession() as session:
        for _ in range(2):
            async with session.get(server.url) as response:
                await response.read()
        assert len(server.seen) == 3


CUT: list[Behaviour] = [
    answer(200, {"name": "cut"}, length=4000, keep=False),
    raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b'5\r\n{"nam\r\n', keep=False),
    raw("HTTP/1.1 200 OK\r\nContent-Le", keep=False),
    raw("ICY 200 OK\r\n\r\n", keep=False),
    raw("HTTP/1.1 200 OK\r\nContent-Length: twelve\r\n\r\n", keep=False),
    raw("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\n", b"plain", keep=False),
    hang_up,
    close_silently,
]


@pytest.mark.parametrize("broken", CUT)
async def test_a_broken_answer_is_asked_for_again(broken: Behaviour) -> None:
    """Cut short, reset, closed or not HTTP: a safe call is repeated, within its budget."""
    async with Server(broken, FINE) as server, client_of(server) as zra:
        assert (await get(zra)).name == "fine"
        assert len(server.seen) == 2


@pytest.mark.parametrize("broken", CUT)
async def test_an_unsafe_write_is_not_repeated_when_its_answer_breaks(broken: Behaviour) -> None:
    """The body was sent and its answer is lost: the error says that nobody knows, and only one request arrived."""
    async with Server(broken, FINE) as server, client_of(server) as zra:
        with pytest.raises(errors.AmbiguousWrite, match="may or may not have been done") as caught:
            await post(zra)
        assert len(server.seen) == 1
        assert server.seen[0].body == b'{"name":"new"}'
        assert isinstance(caught.value.outcome, errors.ConnectionLost)


async def test_the_budget_for_broken_connections_ends() -> None:
    """After its repeats a call raises what happened last."""
    retry = RetryPolicy(base=0.0, transport=2)
    async with Server(otherwise=hang_up) as server, client_of(server, retry=retry) as zra:
        with pytest.raises(errors.ConnectionLost) as caught:
            await get(zra)
        assert len(server.seen) == 3
        assert caught.value.sent


async def test_nobody_listens() -> None:
    """A refused connection is repeated even for an unsafe write, since nothing was sent."""
    async with Server() as server:
        pass
    attempts: list[Event] = []
    async with client_of(server, observer=attempts.append) as zra:
        with pytest.raises(errors.ConnectFailed) as caught:
            await post(zra)
    assert not caught.value.sent
    assert len([e for e in attempts if isinstance(e, AttemptDone)]) == 1 + AT_ONCE.transport
    assert zra.limits.snapshot()[Label.LIGHT].in_window == 0


async def test_an_answer_that_does_not_come() -> None:
    """A stall is an `AttemptTimeout` after ``timeout``; a safe call is repeated, an unsafe one is in doubt."""
    async with Server(stands_still(22), FINE, stands_still(22)) as server, client_of(server, timeout=20) as zra:
        assert (await get(zra)).name == "fine"
        with pytest.raises(errors.AmbiguousWrite) as caught:
            await post(zra)
        assert isinstance(caught.value.outcome, errors.AttemptTimeout)
        assert len(server.seen) == 3


async def test_an_answer_that_stops_half_way() -> None:
    """An answer that begins and then stands still ends after ``read_timeout``, without any ``timeout``."""

    async def half(_: object, writer: asyncio.StreamWriter) -> bool:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
        return await stands_still(22)(_, writer)

    network = Network(api=Pool(read_timeout=20))
    async with Server(half, FINE) as server, client_of(server, timeout=None, network=network) as zra:
        assert (await get(zra)).name == "fine"


async def test_an_announced_answer_that_is_too_long_is_not_read() -> None:
    """A Content-Length over the bound ends the call at once, and it is not repeated."""
    network = Network(max_answer_bytes=1000)
    async with Server(answer(200, b"x", length=10**12)) as server, client_of(server, network=network) as zra:
        with pytest.raises(errors.AnswerTooLarge, match="longer than 1000 bytes") as caught:
            await get(zra)
        assert len(server.seen) == 1
        assert (caught.value.status, caught.value.tracking_id) == (200, "WEB_1")


@pytest.mark.parametrize(
    "huge",
    [
        raw("HTTP/1.1 200 OK\r\n\r\n", ENDLESS, keep=False),
        raw(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"%x\r\n%s\r\n0\r\n\r\n" % (len(ENDLESS), ENDLESS)
        ),
        answer(200, gzip.compress(ENDLESS), {"Content-Encoding": "gzip"}),
    ],
    ids=["unannounced", "chunked", "bomb"],
)
async def test_an_answer_of_unknown_length_is_read_up_to_the_bound(huge: Behaviour) -> None:
    """Without a length, in chunks, or compressed from 4 kB to 4 MB: reading stops at the bound."""
    network = Network(max_answer_bytes=100_000)
    async with Server(huge, FINE) as server, client_of(server, network=network) as zra:
        with pytest.raises(errors.AnswerTooLarge):
            await get(zra)
        assert (await get(zra)).name == "fine"


async def test_a_compressed_answer_within_the_bound() -> None:
    """A compressed answer is understood."""
    packed = answer(200, gzip.compress(b'{"name": "packed"}'), {"Content-Encoding": "gzip"})
    async with Server(packed) as server, client_of(server) as zra:
        assert (await get(zra)).name == "packed"


async def test_errors_of_the_network_do_not_repeat_the_query() -> None:
    """Queries may hold page tokens and signatures: no error about a connection shows them."""
    network = Network(api=Pool(connections=1, connect_timeout=10))
    query = {"next_page_token": "page-7d0c1e5b4a"}
    none = RetryPolicy.none()
    async with Server(*CUT, stand_still) as server, client_of(server, retry=none, network=network) as zra:
        for _ in CUT:
            with pytest.raises(errors.ConnectionLost, match=r"connection to .* broke") as lost:
                await zra.call(GET, path={"thing_id": "1"}, query=query)
            assert "page-7d0c1e5b4a" not in str(lost.value)
        occupied = asyncio.create_task(get(zra))
        await server.requests(len(CUT) + 1)
        waiting = asyncio.create_task(zra.call(GET, path={"thing_id": "1"}, query=query))
        await turns()
        leap(11)
        with pytest.raises(errors.ConnectFailed) as failed:
            await waiting
        assert "page-7d0c1e5b4a" not in str(failed.value)
        occupied.cancel()


async def test_a_request_with_a_body_counts_from_when_it_is_written(
    monkeypatch: pytest.MonkeyPatch, internals: None
) -> None:
    """The task that writes the body may have to wait for its turn, and that is not time in the window."""
    tasks: list[object] = []
    sent = LocalPermit.sent

    def noted(permit: LocalPermit) -> None:
        tasks.append(asyncio.current_task())
        sent(permit)

    monkeypatch.setattr(LocalPermit, "sent", noted)
    async with Server(FINE) as server, client_of(server) as zra:
        await zra.call(UPLOAD, body=BytesBody(b"x" * 1000))
    known = aiohttp_internals.ENABLED  # if not, it counts until its end
    assert (tasks[0] is not asyncio.current_task()) is known


async def test_an_answer_that_comes_early_ends_the_body_first() -> None:
    """A service may answer before it has read everything: when the call is over, nobody reads the body any more."""

    class Endless:
        content_type = "application/octet-stream"
        size = 10**9
        ended = False

        async def write(self, send: Callable[[bytes | memoryview], Awaitable[None]]) -> None:
            try:
                while True:
                    await send(b"x" * 100_000)
            finally:
                for _ in range(300):  # as a thread that is reading must be waited for
                    await asyncio.sleep(0)
                self.ended = True

    body = Endless()
    network, none = Network(max_answer_bytes=100), RetryPolicy.none()
    async with Server(answer(200, b"x" * 1000)) as server, client_of(server, network=network, retry=none) as zra:
        server.read_bodies = False
        with pytest.raises(errors.AnswerTooLarge):
            await zra.call(UPLOAD, body=body)
    assert body.ended


async def test_a_body_that_nobody_takes() -> None:
    """A server that stops reading a large body ends the attempt, and cannot have acted on what it has of it."""
    network = Network(file=Pool(connections=32, read_timeout=20))
    async with Server() as server, client_of(server, network=network, timeout=None, retry=RetryPolicy.none()) as zra:
        server.read_bodies = False
        server.script(stands_still(100))
        with pytest.raises(errors.AttemptTimeout) as caught:
            await zra.call(UPLOAD, body=BytesBody(b"x" * 30_000_000))
        assert not caught.value.sent


async def test_an_early_answer_to_a_large_body() -> None:
    """A service that refuses before it has read the body is heard."""
    async with Server() as server, client_of(server) as zra:
        server.read_bodies = False
        server.script(error(413, 1010, "too large"))
        with pytest.raises(errors.PayloadTooLarge, match="too large"):
            await zra.call(UPLOAD, body=BytesBody(b"x" * 3_000_000))


async def test_a_call_that_waits_for_a_connection_is_told_of_the_end() -> None:
    """A client that closes says so to every call, also to those whose turn in the pool never comes."""
    async with Server(otherwise=stand_still) as server:
        zra = client_of(server, network=Network(api=Pool(connections=1)))
        async with zra:
            calls = [asyncio.create_task(call) for call in (get(zra), get(zra), post(zra))]
            await asyncio.sleep(0.05)
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [errors.ClientNotOpen] * 3


async def test_a_call_that_is_cancelled_while_its_client_closes_is_cancelled() -> None:
    """The end of the client does not take the place of a cancellation that somebody asked for."""
    async with Server(otherwise=stand_still) as server:
        zra = client_of(server, network=Network(api=Pool(connections=1)))
        async with zra:
            calls = [asyncio.create_task(get(zra)) for _ in range(2)]
            await asyncio.sleep(0.05)
            calls[1].cancel()
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [errors.ClientNotOpen, asyncio.CancelledError]
