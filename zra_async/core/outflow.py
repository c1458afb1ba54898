"""The way of a streamed body to the wire: chunk by chunk, each of which is out before the next one is made."""

from __future__ import annotations

import array
import asyncio
import sys
import time
from typing import Any, Protocol


class Writer(Protocol):
    """What is needed of the stream writer of one request."""

    @property
    def transport(self) -> asyncio.Transport | None:
        """The connection, None once it is lost."""
        ...

    async def write(self, chunk: Any, *, drain: bool = True) -> None:
        """Hand a chunk to the connection."""
        ...

    @property
    def protocol(self) -> Any:
        """What awaits the answer."""
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
        self._began = time.monotonic()
        self._sent = 0
        # These limits make `drain` mean "empty". With high=0 the TLS transport of asyncio pauses and never resumes;
        # with high=1 a plain one would keep the last byte, and with it the buffer.
        tls = transport.get_extra_info("ssl_object") is not None
        transport.set_write_buffer_limits(high=1 if tls else 0, low=0)

    async def send(self, chunk: bytes | memoryview) -> None:
        """Send one chunk, and let the event loop do something else before the next."""
        try:
            await self._put(chunk)
        except Exception as problem:
            self.problem = problem
            raise

    def finish(self) -> None:
        """Give the answer more time while the system still holds some of the body, at the pace that it had so far.

        On a slow line that can be megabytes, which the receiver has yet to get before it can answer at all.
        """
        held = _held_by_system(self._transport.get_extra_info("socket"))
        if 0 < held < self._sent:
            pace = (self._sent - held) / max(time.monotonic() - self._began, 0.001)
            self._writer.protocol.read_timeout = self._silence + 2 * held / pace

    def abort(self) -> None:
        """Hang up. A plain close would go on to send what the connection still holds, for as long as that takes."""
        self._transport.abort()

    async def _put(self, chunk: bytes | memoryview) -> None:
        await self._writer.write(chunk, drain=False)
        self._sent += len(chunk)
        if not self._transport.get_write_buffer_size():
            await asyncio.sleep(0)  # a receiver that keeps up would otherwise hold the event loop
            return
        async with asyncio.timeout(None) as clock:
            self._watch(clock)
            try:
                await self._drained()
            finally:
                self._watcher.cancel()

    def _watch(self, clock: asyncio.Timeout) -> None:
        """Let ``clock`` expire when nothing moves any more.

        The system takes more only after it has got rid of a good deal, so that what it holds has to be looked at as
        well: on a slow line it may take nothing for minutes while all is well.
        """
        loop = asyncio.get_running_loop()
        before = self._on_its_way()

        def look() -> None:
            if self._on_its_way() < before:
                self._watch(clock)
            else:
                clock.reschedule(loop.time())

        self._watcher = loop.call_later(self._silence, look)

    def _on_its_way(self) -> int:
        return self._transport.get_write_buffer_size() + _held_by_system(self._transport.get_extra_info("socket"))

    async def _drained(self) -> None:
        await self._writer.drain()
        while self._transport.get_write_buffer_size():  # noqa: ASYNC110 (a transport with limits of its own; no event)
            await asyncio.sleep(0.001)


if sys.platform == "win32":

    def _held_by_system(connection: Any) -> int:  # noqa: ARG001 (it does not tell)
        return 0
else:
    import fcntl
    import termios

    def _held_by_system(connection: Any) -> int:
        """How many bytes were handed to the system and have not arrived at the other end."""
        held = array.array("i", [0])
        try:
            fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, held)
        except (AttributeError, OSError, ValueError):  # the last for a connection that was closed meanwhile
            return 0
        return held[0]
