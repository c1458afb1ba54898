"""The body writer: sends a streamed body chunk by chunk, and is at rest when its attempt has ended."""

from __future__ import annotations

import array
import asyncio
import math
import sys
import time
from collections.abc import Callable
from typing import Any

from aiohttp import payload
from aiohttp.abc import AbstractStreamWriter

from zra_async.core.timeouts import Timeout, TimeoutWatch
from zra_async.core.transport import aiohttp_internals
from zra_async.core.wire import Body
from zra_async.osfiles.threads import wait_until_done

#: the size of a copy where the buffer of the connection cannot be watched
_PIECE = 64 * 1024


class BodyPayload(payload.Payload):
    """A `Body` as a payload of aiohttp. Its size is known, so it is sent with a Content-Length and not chunked.

    `on_sent` is called when the whole body has left, with the seconds within which the answer must begin.
    """

    def __init__(self, body: Body, silence: float) -> None:
        super().__init__(body, content_type=body.content_type)
        self._size = body.size
        self._silence = silence
        self.on_sent: Callable[[float], None] = _ignore
        self._stopped = False
        self._task: asyncio.Task[Any] | None = None  # writes the body
        self._ended: asyncio.Future[None] | None = None
        self._writer: BodyWriter | None = None
        self.failure: Exception | None = None  #: raised by the body itself, such as a file that cannot be read

    @property
    def incomplete(self) -> bool:
        """Tell whether a part of the body has left but not all of it: the service cannot have acted on it."""
        return self._writer is not None and self._writer.handed_over < (self._size or 0)

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:  # noqa: ARG002 (aiohttp's signature)
        """Refuse: a body is not text, and not meant to be shown."""
        raise TypeError("a streamed body cannot be shown as text")

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Send the whole body."""
        if self._stopped:
            raise ConnectionResetError("the attempt has ended")
        self._task = asyncio.current_task()
        self._ended = ended = asyncio.get_running_loop().create_future()
        try:
            await self._write(writer)
        finally:
            ended.set_result(None)

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:  # noqa: ARG002
        """Send the whole body, whose size is the announced length."""
        await self.write(writer)

    async def _write(self, writer: AbstractStreamWriter) -> None:
        self._writer = sender = BodyWriter(writer, self._silence)
        try:
            await self._value.write(sender.send)
        except BaseException as problem:
            sender.abort()
            if isinstance(problem, Exception) and problem is not sender.problem:
                self.failure = problem
            raise
        if not self._stopped:
            self.on_sent(sender.patience())

    async def rest(self) -> None:
        """Stop the writer if it runs, and wait until it is at rest, however often this task is cancelled meanwhile."""
        self._stopped = True
        ended = self._ended
        if ended is None or ended.done():
            return
        if self._task is not None and self._task is not asyncio.current_task():
            self._task.cancel()
        await wait_until_done(ended)


def _ignore(_: float) -> None:
    """Do nothing."""


class BodyWriter:
    """Sends the chunks of one attempt.

    When `send` returns, the connection holds no reference to the chunk, so its buffer may be filled again. A connection
    that accepts nothing for ``silence`` seconds raises TimeoutError. `problem` is the error that `send` raised, and
    `handed_over` counts the bytes that were given to the connection.
    """

    def __init__(self, writer: AbstractStreamWriter, silence: float) -> None:
        self.problem: Exception | None = None
        self.handed_over: int = 0
        self._writer = writer
        self._watch = TimeoutWatch()
        self._silence = silence
        self._began = time.monotonic()
        self._transport = transport = aiohttp_internals.transport_of(writer)
        if transport is not None:
            # These limits make `drain` mean "empty". With high=0 the TLS transport of asyncio pauses and never resumes;
            # with high=1 a plain one would keep the last byte, and with it the buffer.
            tls = transport.get_extra_info("ssl_object") is not None
            transport.set_write_buffer_limits(high=1 if tls else 0, low=0)

    async def send(self, chunk: bytes | memoryview) -> None:
        """Send one chunk, and let the event loop run other tasks before the next."""
        try:
            if self._transport is None:
                await self._send_copies(chunk)
            else:
                await self._send_buffer(chunk, self._transport)
        except Exception as problem:
            self.problem = problem
            raise

    def patience(self) -> float:
        """Return the seconds within which the answer must begin.

        The system may still hold megabytes of the body, which the receiver must get before it can answer at all. They
        are allowed the pace that the body had so far.
        """
        elapsed = time.monotonic() - self._began
        if self._transport is None:
            return self._silence + 2 * elapsed  # an unknown part of the body is on its way
        held = held_by_system(self._transport.get_extra_info("socket"))
        if not 0 < held < self.handed_over:
            return self._silence
        pace = (self.handed_over - held) / max(elapsed, 0.001)
        return self._silence + 2 * held / pace

    def abort(self) -> None:
        """Reset the connection. A plain close would first send all that the connection still holds."""
        if self._transport is not None:
            self._transport.abort()

    async def _send_copies(self, chunk: bytes | memoryview) -> None:
        """Send small copies. How much of them the system still holds is unknown, so each is given more time."""
        loop = asyncio.get_running_loop()
        for start in range(0, len(chunk), _PIECE):
            piece = bytes(chunk[start : start + _PIECE])
            self.handed_over += len(piece)
            with Timeout(self._watch, loop.time() + self.patience()):
                await self._writer.write(piece)
                await self._writer.drain()
            await asyncio.sleep(0)

    async def _send_buffer(self, chunk: bytes | memoryview, transport: asyncio.Transport) -> None:
        if transport.is_closing():
            raise ConnectionResetError("the connection was lost while the body was sent")
        self.handed_over += len(chunk)  # before the write: one that fails may have passed all of it to the system
        with Timeout(self._watch, math.inf) as bound:
            timer = self._expire_in_silence(bound, transport, len(chunk))
            try:
                await self._writer.write(chunk)
                if not transport.get_write_buffer_size():
                    await asyncio.sleep(0)  # a receiver that keeps up would otherwise occupy the event loop
                    return
                await self._writer.drain()
                while transport.get_write_buffer_size():  # noqa: ASYNC110 (a transport may have limits of its own)
                    await asyncio.sleep(0.001)
            finally:
                timer.cancel()

    def _expire_in_silence(self, bound: Timeout, transport: asyncio.Transport, added: int) -> _Timer:
        """Let ``bound`` expire when nothing moves any more, of what is there and the ``added`` bytes to be written.

        The system accepts more only after it has sent a good part of what it holds, so that part is looked at as well:
        on a slow line it may accept nothing for minutes while all is well.
        """
        connection = transport.get_extra_info("socket")

        def on_its_way() -> int:
            return transport.get_write_buffer_size() + held_by_system(connection)

        records = added // 64  # TLS adds less than this
        return _Timer(self._silence, on_its_way, bound.expire, on_its_way() + added + records)


class _Timer:
    """Calls ``expire`` once ``left`` has not become less for ``seconds``, counted from ``before``."""

    def __init__(self, seconds: float, left: Callable[[], int], expire: Callable[[], None], before: int) -> None:
        self._seconds = seconds
        self._left = left
        self._expire = expire
        self._start(before)

    def _start(self, before: int) -> None:
        self._before = before
        self._handle = asyncio.get_running_loop().call_later(self._seconds, self._look)

    def _look(self) -> None:
        left = self._left()
        if left < self._before:
            self._start(left)
        else:
            self._expire()

    def cancel(self) -> None:
        """Stop watching."""
        self._handle.cancel()


if sys.platform == "win32":

    def held_by_system(connection: Any) -> int:  # noqa: ARG001 (the system does not tell)
        """Return 0: this system does not tell."""
        return 0
else:
    import fcntl
    import termios

    def held_by_system(connection: Any) -> int:
        """Return how many bytes were handed to the system and have not arrived at the other end."""
        held = array.array("i", [0])
        try:
            fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, held)
        except (AttributeError, OSError, ValueError):  # the last for a connection that was closed meanwhile
            return 0
        return held[0]
