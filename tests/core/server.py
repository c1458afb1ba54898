"""A server that does what its script says: one behaviour for each request, on a real socket.

It is written on asyncio streams and not on an HTTP library, so that it can break the rules: cut an answer short, hang
up, stand still, or send what is no HTTP at all.
"""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class Seen:
    """A request as it came in. `connection` counts the connections of the server, from 0."""

    method: str
    target: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    connection: int

    @property
    def bearer(self) -> str:
        """The access token that came along, "" without one."""
        return self.headers.get("authorization", "").removeprefix("Bearer ")

    @property
    def query(self) -> dict[str, str]:
        """The decoded query."""
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))

    @property
    def form(self) -> dict[str, str]:
        """The fields of an urlencoded body."""
        return dict(parse_qsl(self.body.decode()))


#: answers one request; false means that the connection is done for
Behaviour = Callable[[Seen, asyncio.StreamWriter], Awaitable[bool]]


def raw(head: str, body: bytes = b"", *, keep: bool = True) -> Behaviour:
    """Send exactly this."""

    async def behave(_: Seen, writer: asyncio.StreamWriter) -> bool:
        writer.write(head.encode("latin-1") + body)
        await writer.drain()
        return keep

    return behave


def answer(
    status: int = 200,
    body: Any = None,
    headers: Mapping[str, str] | None = None,
    *,
    length: int | None = None,
    keep: bool = True,
) -> Behaviour:
    """Answer with JSON, or with bytes as they are; ``length`` lies about the size, ``keep=False`` hangs up after it."""
    content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    fields = {
        "Content-Type": "application/json",
        "Content-Length": str(len(content) if length is None else length),
        "x-zm-trackingid": "WEB_1",
        **(headers or {}),
    }
    lines = [f"HTTP/1.1 {status} Scripted", *(f"{name}: {value}" for name, value in fields.items() if value)]
    return raw("\r\n".join(lines) + "\r\n\r\n", content, keep=keep)


def error(status: int, code: int, message: str, headers: Mapping[str, str] | None = None) -> Behaviour:
    """Answer with an error body of the service."""
    return answer(status, {"code": code, "message": message}, headers)


def redirect(status: int, location: str) -> Behaviour:
    """Point to another place."""
    return answer(status, headers={"Location": location})


def token(access_token: str, *, status: int = 200, **fields: Any) -> Behaviour:
    """Grant an access token."""
    return answer(status, {"access_token": access_token, "token_type": "bearer", "expires_in": 3600, **fields})


async def hang_up(_: Seen, writer: asyncio.StreamWriter) -> bool:
    """Take the request and reset the connection."""
    connection: socket.socket = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
    return False


async def close_silently(_: Seen, __: asyncio.StreamWriter) -> bool:
    """Take the request and close the connection in good order, without an answer."""
    return False


async def stand_still(_: Seen, __: asyncio.StreamWriter) -> bool:
    """Take the request and never answer."""
    await asyncio.Event().wait()
    return False


def when(event: asyncio.Event, then: Behaviour) -> Behaviour:
    """Wait for ``event`` before doing something."""

    async def behave(seen: Seen, writer: asyncio.StreamWriter) -> bool:
        await event.wait()
        return await then(seen, writer)

    return behave


class Server:
    """Serves 127.0.0.1 while its ``async with`` block lasts; after its script it goes on with ``otherwise``."""

    def __init__(
        self, *script: Behaviour, otherwise: Behaviour | None = None, tls: ssl.SSLContext | None = None
    ) -> None:
        self.seen: list[Seen] = []
        self.connections = 0
        self.read_bodies = True  #: whether a request is read to its end before it is answered
        self._script = list(script)
        self._otherwise = otherwise or answer(200, {"name": "default"})
        self._tls = tls
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self.arrived = asyncio.Condition()
        self.port = 0

    def script(self, *behaviours: Behaviour) -> None:
        """Add to the script."""
        self._script += behaviours

    @property
    def url(self) -> str:
        """Where it is."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    async def requests(self, count: int) -> list[Seen]:
        """Wait until so many requests have come in."""
        async with self.arrived:
            await self.arrived.wait_for(lambda: len(self.seen) >= count)
        return self.seen

    @property
    def open_connections(self) -> int:
        """How many connections are open at this moment."""
        return len(self._writers)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0, ssl=self._tls, backlog=512)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await asyncio.sleep(0)  # the turn of the loop in which aborted connections are let go

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        number, self.connections = self.connections, self.connections + 1
        self._writers.add(writer)
        try:
            while (seen := await self._read(reader, number)) is not None:
                async with self.arrived:
                    self.seen.append(seen)
                    self.arrived.notify_all()
                behave = self._script.pop(0) if self._script else self._otherwise
                if not await behave(seen, writer):
                    break
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            pass
        except asyncio.CancelledError:
            pass  # the server ends; a cancelled task of asyncio's own server would be logged as an error
        finally:
            self._writers.discard(writer)
            writer.transport.abort() if task.cancelling() else writer.close()

    async def _read(self, reader: asyncio.StreamReader, number: int) -> Seen | None:
        head = await reader.readuntil(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
        method, target, _ = first.split(" ")
        pairs = (line.split(":", 1) for line in lines)
        headers = {name.lower(): value.strip() for name, value in pairs}
        body = b""
        if self.read_bodies:
            body = await reader.readexactly(int(headers.get("content-length", "0")))
        return Seen(method, target, headers, body, number)
