"""The way of a streamed body to the wire: chunk by chunk, each of which is out before the next one is made."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

#: TLS keeps the cipher text twice, in its own buffer and in the socket's: smaller pieces keep a part near 1 MiB
_TLS_PIECE = 256 * 1024


class Writer(Protocol):
    """What is needed of the stream writer of one request."""

    @property
    def transport(self) -> asyncio.Transport | None:
        """The connection, None once it is lost."""
        ...

    async def write(self, chunk: Any, *, drain: bool = True) -> None:
        """Hand a chunk to the connection."""
        ...

    async def drain(self) -> None:
        """Wait while the connection has more than it wants."""
        ...


class Outflow:
    """Sends the chunks of one attempt.

    When `send` returns, the connection holds no reference to the chunk any more, so that its buffer may be filled
    again. A connection that takes nothing for ``silence`` seconds raises TimeoutError. `problem` is what `send` raised.
    """

    def __init__(self, writer: Writer, silence: float) -> None:
        transport = writer.transport
        if transport is None:
            raise ConnectionResetError("the connection was lost before the body was sent")
        self.problem: Exception | None = None
        self._writer = writer
        self._transport = transport
        self._silence = silence
        self._tls = transport.get_extra_info("ssl_object") is not None
        # These limits make `drain` mean "empty". With high=0 the TLS transport of asyncio pauses and never resumes;
        # with high=1 a plain one would keep the last byte, and with it the buffer.
        transport.set_write_buffer_limits(high=1 if self._tls else 0, low=0)

    async def send(self, chunk: bytes | memoryview) -> None:
        """Send one chunk, and let the event loop do something else before the next."""
        try:
            if self._tls and len(chunk) > _TLS_PIECE:
                view = memoryview(chunk)
                for start in range(0, len(chunk), _TLS_PIECE):
                    await self._put(view[start : start + _TLS_PIECE])
            else:
                await self._put(chunk)
        except Exception as problem:
            self.problem = problem
            raise

    def abort(self) -> None:
        """Hang up. A plain close would go on to send what the connection still holds, for as long as that takes."""
        self._transport.abort()

    async def _put(self, chunk: bytes | memoryview) -> None:
        await self._writer.write(chunk, drain=False)
        left = self._transport.get_write_buffer_size()
        if not left:
            await asyncio.sleep(0)  # a receiver that keeps up would otherwise hold the event loop
        while left:
            try:
                async with asyncio.timeout(self._silence):
                    await self._drained()
                return
            except TimeoutError:
                before, left = left, self._transport.get_write_buffer_size()
                if left >= before:
                    raise

    async def _drained(self) -> None:
        await self._writer.drain()
        while self._transport.get_write_buffer_size():  # noqa: ASYNC110 (a transport with limits of its own; no event)
            await asyncio.sleep(0.001)
