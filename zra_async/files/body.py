"""A piece of a source as a request body, which can be sent any number of times."""

from __future__ import annotations

from collections.abc import Callable

from zra_async.core.form import Send
from zra_async.files.source import UploadSource
from zra_async.results.uploads import Part

#: What is read of a part at a time. Half of it costs a tenth of the speed. With what the connection holds of it (as
#: cipher text of TLS and of the socket) a part takes about 1 MiB, 1.5 MiB where the line is slower than this machine.
CHUNK = 512 * 1024


class PartBody:
    """One part of a source, read while it is sent, a chunk at a time.

    ``on_attempt`` is called when an attempt begins, ``on_sent`` with the size of each chunk that is out.
    """

    content_type = "application/octet-stream"

    def __init__(
        self, source: UploadSource, part: Part, *, on_attempt: Callable[[], None], on_sent: Callable[[int], None]
    ) -> None:
        self.size: int = part.size
        self._source = source
        self._part = part
        self._on_attempt = on_attempt
        self._on_sent = on_sent

    async def write(self, send: Send) -> None:
        """Send the part from its beginning."""
        self._on_attempt()
        # A buffer of this attempt alone: the connection of one that failed may still hold the last one's.
        buffer = memoryview(bytearray(min(CHUNK, self.size)))
        position, end = self._part.offset, self._part.offset + self.size
        while position < end:
            chunk = await self._source.chunk(position, min(CHUNK, end - position), buffer)
            await send(chunk)
            position += len(chunk)
            self._on_sent(len(chunk))
