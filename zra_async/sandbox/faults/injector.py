"""Carry a fault out: on the request, on its answer, or on the connection under both."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from typing import TYPE_CHECKING

import anyio
from aiohttp import web

from zra_async.sandbox.service.answers import JSON, json_response

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from zra_async.sandbox.clock import Clock
    from zra_async.sandbox.faults.faults import Fault

PIECES_PER_SECOND = 20  #: a dripping body leaves in this many pieces a second
LOOK_EVERY = 0.05  #: seconds between looks whether the client of a stalled request has gone


class FaultInjector:
    """Applies faults to requests. `close` ends every wait."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._closing = asyncio.Event()
        self._streams: dict[int, Fault] = {}  # by id of a request under way, since requests have no hash

    def close(self) -> None:
        """Hang up on every client that a fault keeps waiting."""
        self._closing.set()

    async def apply(
        self, fault: Fault, request: web.BaseRequest, produce: Callable[[], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Answer ``request`` as ``fault`` wants it; ``produce`` would do what was asked and give the true answer."""
        if fault.delay and await self._closed_within(fault.delay):
            return abort(request)
        if fault.stall:
            return await self._stall(request)
        if fault.reset is not None:
            if fault.reset == "after":
                await _drain(request)
            return abort(request)
        if fault.status is not None:
            return await self._finish(fault, request, _canned(fault))
        self._streams[id(request)] = fault
        try:
            response = await produce()
        finally:
            del self._streams[id(request)]
        if fault.lose_answer:
            return abort(request)
        return response if response.prepared else await self._finish(fault, request, response)

    async def on_prepare(self, request: web.BaseRequest, response: web.StreamResponse) -> None:
        """Shape a response that is sent while it is produced; a signal of the application."""
        fault = self._streams.get(id(request))
        if fault is None:
            return
        self._change_headers(fault, response)
        tap = _Tap(self, fault, request, response.write)
        response.write = tap.write  # type: ignore[method-assign]

    async def _finish(self, fault: Fault, request: web.BaseRequest, response: web.StreamResponse) -> web.StreamResponse:
        self._change_headers(fault, response)
        if fault.truncate is None and fault.drip is None:
            return response
        body = response.body if isinstance(response, web.Response) else None
        content = bytes(body) if isinstance(body, (bytes, bytearray)) else b""
        shaped = web.StreamResponse(status=response.status, headers=response.headers)
        shaped.content_length = len(content)
        await shaped.prepare(request)
        tap = _Tap(self, fault, request, shaped.write)
        with contextlib.suppress(ConnectionError):
            await tap.write(content)
        return shaped

    def _change_headers(self, fault: Fault, response: web.StreamResponse) -> None:
        response.headers.update(fault.headers)
        if fault.retry_after == "absent":
            response.headers.popall("Retry-After", None)
        elif fault.retry_after is not None:
            response.headers["Retry-After"] = fault.retry_header(self._clock.now())
        if fault.content_type is not None:
            response.headers["Content-Type"] = fault.content_type

    async def _stall(self, request: web.BaseRequest) -> web.StreamResponse:
        while request.transport is not None and not request.transport.is_closing():
            if await self._closed_within(LOOK_EVERY):
                break
        return abort(request)

    async def _closed_within(self, seconds: float) -> bool:
        with anyio.move_on_after(seconds):
            await self._closing.wait()
            return True
        return False

    async def pace(self, size: int, bytes_per_second: float) -> None:
        """Wait as long as ``size`` bytes take."""
        if await self._closed_within(size / bytes_per_second):
            raise ConnectionResetError("the sandbox closes")


class _Tap:
    """Lets a body out slowly, or only its beginning, after which it hangs up."""

    def __init__(
        self, injector: FaultInjector, fault: Fault, request: web.BaseRequest, write: Callable[[bytes], Awaitable[None]]
    ) -> None:
        self._injector = injector
        self._drip = fault.drip
        self._left = fault.truncate
        self._request = request
        self._write = write

    async def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send what the fault lets through of ``data``."""
        content = bytes(data) if self._left is None else bytes(data[: self._left])
        step = max(1, int(self._drip / PIECES_PER_SECOND)) if self._drip else max(1, len(content))
        for start in range(0, len(content), step):
            piece = content[start : start + step]
            await self._write(piece)
            if self._drip:
                await self._injector.pace(len(piece), self._drip)
        if self._left is not None:
            self._left -= len(content)
            if self._left == 0:
                _hang_up(self._request)
                raise ConnectionResetError("cut by a fault")


def abort(request: web.BaseRequest) -> web.Response:
    """Reset the connection under ``request`` at once; the response is for the server's loop and is never sent."""
    transport = request.transport
    if transport is not None:
        connection = transport.get_extra_info("socket")
        if connection is not None:
            # Without this the kernel says goodbye politely, and the client sees an end where a reset is wanted.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    return web.Response(status=500)


def _hang_up(request: web.BaseRequest) -> None:
    if request.transport is not None:
        request.transport.close()


def _canned(fault: Fault) -> web.Response:
    assert fault.status is not None
    if isinstance(fault.body, str):
        response = json_response(fault.status, None)
        response.text = fault.body
        response.headers["Content-Type"] = JSON
        return response
    body = fault.body if fault.body is not None else {"code": fault.status, "message": "A fault of the sandbox."}
    return json_response(fault.status, body)


async def _drain(request: web.BaseRequest) -> None:
    while await request.content.readany():
        pass
