"""The body writer: no buffer is filled again while the connection holds it, and nothing runs after an attempt."""

from __future__ import annotations

import asyncio
import hashlib
import io
import math
import os
import socket
import ssl
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.core.tls import client_context, server_context
from zra_async import Hosts, Label, Network, Operation, Pool, RetryPolicy, StaticToken, ZRAClient
from zra_async.core.operation import Host
from zra_async.core.transport import aiohttp_internals
from zra_async.core.transport.body_writer import held_by_system
from zra_async.errors import AttemptTimeout, ConnectionLost, SourceError
from zra_async.osfiles.threads import to_thread

UPLOAD: Operation[None] = Operation(
    name="things.upload",
    method="POST",
    path="/files",
    host=Host.FILE,
    label=Label.FILES,
    result=type(None),
    retry_safe=False,
    scopes=(),
)
CHUNK = 512 * 1024


@pytest.fixture(params=["private", "public"], autouse=True)
def internals(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Switch the private parts of aiohttp on or off."""
    monkeypatch.setattr(aiohttp_internals, "ENABLED", request.param == "private")


class Reused:
    """A body that fills one and the same buffer for each of its chunks."""

    content_type = "application/octet-stream"

    def __init__(self, chunks: int) -> None:
        self.size = chunks * CHUNK
        self.sent = hashlib.sha256()

    async def write(self, send: Callable[[bytes | memoryview], Awaitable[None]]) -> None:
        """Send chunk after chunk."""
        buffer = bytearray(CHUNK)
        self.sent = hashlib.sha256()
        for _ in range(self.size // CHUNK):
            buffer[:] = os.urandom(CHUNK)
            self.sent.update(buffer)
            await send(memoryview(buffer))


class Receiver:
    """A server that hashes what it gets, slowly and through a small window."""

    def __init__(self, *, tls: bool, pause: float, stop_after: int | None = None) -> None:
        self.got = hashlib.sha256()
        self.hung_up = asyncio.Event()
        self._tls = server_context() if tls else None
        self._pause = pause
        self._stop_after = stop_after

    async def __aenter__(self) -> Receiver:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        listener.bind(("127.0.0.1", 0))
        self._server = await asyncio.start_server(self._take, sock=listener, ssl=self._tls, limit=64 * 1024)
        scheme = "https" if self._tls else "http"
        self.url = f"{scheme}://127.0.0.1:{listener.getsockname()[1]}"
        self._tasks: set[asyncio.Task[Any]] = set()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.sleep(0)

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            left = int(head.partition("content-length: ")[2].partition("\r\n")[0])
            taken = 0
            while left:
                if self._stop_after is not None and taken >= self._stop_after:
                    await asyncio.sleep(60)
                chunk = await reader.read(min(left, 200_000))
                if not chunk:
                    raise ConnectionError
                self.got.update(chunk)
                left -= len(chunk)
                taken += len(chunk)
                await asyncio.sleep(self._pause)
            writer.write(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            self.hung_up.set()
        except asyncio.CancelledError:
            pass
        finally:
            writer.transport.abort()

    def client(self, silence: float = 5.0) -> ZRAClient:
        """A client that gives up after so many seconds of silence."""
        network = Network(file=Pool(connections=32, read_timeout=silence), ssl=client_context() if self._tls else True)
        hosts = Hosts(api=self.url, file=self.url, token=f"{self.url}/token")
        return ZRAClient(
            StaticToken("t0k3n-of-a-test"), hosts=hosts, network=network, retry=RetryPolicy.none(), timeout=None
        )


@pytest.mark.parametrize("tls", [False, True])
async def test_a_buffer_may_be_filled_again_after_each_chunk(tls: bool) -> None:
    """However slow the receiver, what arrives is what was in the buffer when it was sent, plain and in TLS."""
    body = Reused(12)
    async with Receiver(tls=tls, pause=0.001) as receiver, receiver.client() as zra:
        await zra.call(UPLOAD, body=body)
    assert receiver.got.hexdigest() == body.sent.hexdigest()


@pytest.mark.parametrize("tls", [False, True])
async def test_a_receiver_that_stops_ends_the_attempt(tls: bool) -> None:
    """Silence while the body is sent ends the attempt, as silence before the answer does; nothing was done by then."""
    async with Receiver(tls=tls, pause=0.0, stop_after=300_000) as receiver, receiver.client(silence=0.2) as zra:
        with pytest.raises(AttemptTimeout, match="stood still") as caught:
            await zra.call(UPLOAD, body=Reused(100))
        assert not caught.value.sent


@pytest.mark.parametrize("tls", [False, True])
async def test_a_slow_receiver_is_not_a_silent_one(tls: bool) -> None:
    """A chunk, and what the system holds at the end, may take longer than the silence that is allowed if they move."""
    body = Reused(16)
    async with Receiver(tls=tls, pause=0.05) as receiver, receiver.client(silence=1.5) as zra:
        await zra.call(UPLOAD, body=body)
    assert receiver.got.hexdigest() == body.sent.hexdigest()


@pytest.mark.parametrize("tls", [False, True])
async def test_a_cancelled_body_is_cut_off(tls: bool) -> None:
    """What the connection still holds when an upload is cancelled is not sent to its end."""
    async with Receiver(tls=tls, pause=0.01) as receiver, receiver.client() as zra:
        task = asyncio.create_task(zra.call(UPLOAD, body=Reused(100)))
        await asyncio.sleep(0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await receiver.hung_up.wait()


async def test_what_a_body_raises_is_raised() -> None:
    """The error of a body is no error of the network, and is not repeated."""

    class Broken(Reused):
        async def write(self, send: Callable[[bytes | memoryview], Awaitable[None]]) -> None:
            """Fail half way."""
            await send(b"x" * 1000)
            raise SourceError("the file is gone")

    async with Receiver(tls=False, pause=0.0) as receiver, receiver.client() as zra:
        with pytest.raises(SourceError, match="the file is gone"):
            await zra.call(UPLOAD, body=Broken(3))


async def test_a_body_that_broke_off_was_not_done() -> None:
    """A connection that breaks before the end of the body leaves no doubt: an unsafe write may be repeated."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.abort()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    hosts = Hosts(api=url, file=url, token=f"{url}/token")
    async with ZRAClient(StaticToken("t0k3n-of-a-test"), hosts=hosts, retry=RetryPolicy.none(), timeout=None) as zra:
        with pytest.raises(ConnectionLost) as caught:
            await zra.call(UPLOAD, body=Reused(40))
    assert not caught.value.sent
    server.close()


@pytest.mark.parametrize("tls", [False, True])
def test_the_same_on_another_event_loop(tls: bool) -> None:
    """uvloop, whose connections keep their own books, gives the same bytes."""
    uvloop = pytest.importorskip("uvloop")

    async def run() -> None:
        body = Reused(12)
        async with Receiver(tls=tls, pause=0.001) as receiver, receiver.client() as zra:
            await zra.call(UPLOAD, body=body)
        assert receiver.got.hexdigest() == body.sent.hexdigest()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())


def test_a_connection_that_was_closed_meanwhile_holds_nothing() -> None:
    """What the system holds of a body is asked for after its end, when the other side may have hung up."""
    connection = socket.socket()
    connection.close()
    assert held_by_system(connection) == 0
    assert held_by_system(None) == 0


# --------------------------------------------------------------------------- at rest when the attempt has ended


class Position:
    """A file object of the caller's whose second read, in a thread, goes on until it is released."""

    def __init__(self, size: int) -> None:
        self._file = io.BytesIO(bytes(size))
        self.reading = threading.Event()
        self.released = threading.Event()
        self.disturbed = False
        self._reads = 0

    def read(self, size: int) -> bytes:
        """Read from the present position."""
        self._reads += 1
        if self._reads == 2:
            before = self._file.tell()
            self.reading.set()
            self.released.wait(60)
            self.disturbed = self._file.tell() != before
        return self._file.read(size)

    def seek(self, offset: int) -> None:
        """Move the position."""
        self._file.seek(offset)


class Threaded:
    """A body that reads such a file in threads, as uploads do."""

    content_type = "application/octet-stream"

    def __init__(self, file: Position, size: int) -> None:
        self.size = size
        self.running = False
        self._file = file

    async def write(self, send: Callable[[bytes | memoryview], Awaitable[None]]) -> None:
        """Send all of it."""
        self.running = True
        try:
            for _ in range(self.size // CHUNK):
                await send(await to_thread(self._file.read, CHUNK))
        finally:
            self.running = False


ENDS = ["reset", "early answer", "hung up", "cancel", "cancel twice", "timeout", "deadline", "close"]


@pytest.mark.parametrize("end", ENDS)
async def test_the_body_is_at_rest_when_the_attempt_has_ended(end: str) -> None:
    """Whatever ends an attempt, no thread reads the file any more when its caller goes on."""
    file = Position(20 * CHUNK)
    body = Threaded(file, 20 * CHUNK)
    go, gone, over, closed = [asyncio.Event() for _ in range(4)]

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await go.wait()
        if end == "early answer":
            writer.write(b"HTTP/1.1 413 Too large\r\nContent-Length: 2\r\n\r\n{}")
            await writer.drain()
        elif end == "reset":
            writer.transport.abort()
        elif end == "hung up":
            writer.close()
        gone.set()
        await over.wait()
        writer.transport.abort()
        closed.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    hosts = Hosts(api=url, file=url, token=f"{url}/token")
    async with ZRAClient(StaticToken("t0k3n-of-a-test"), hosts=hosts, retry=RetryPolicy.none(), timeout=None) as zra:
        bounds: dict[str, Any] = {end: 1000.0} if end in {"timeout", "deadline"} else {}
        call = asyncio.create_task(zra.with_options(**bounds).call(UPLOAD, body=body))
        await asyncio.to_thread(file.reading.wait, 60)
        go.set()
        await gone.wait()
        closing = asyncio.create_task(zra.aclose() if end == "close" else asyncio.sleep(0))
        if bounds:
            pipeline = zra._session._pipeline
            assert pipeline is not None
            next(bound for bound in pipeline.watch._timeouts if bound.until < math.inf).expire()
        for turn in range(30):  # as long as the thread reads, the call must not end
            if (end == "cancel" and turn == 0) or end == "cancel twice":
                call.cancel()
            await asyncio.sleep(0.001)
            assert not call.done()
        file.released.set()
        await asyncio.wait({call, closing})
        file.seek(0)
        assert not body.running
        assert call.cancelled() or call.exception()
    assert not file.disturbed
    over.set()
    await closed.wait()
    await asyncio.sleep(0)  # the turn of the loop in which the connection is let go
    server.close()
