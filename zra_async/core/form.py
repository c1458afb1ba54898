"""Request bodies that are sent piece by piece: plain bytes, and a multipart form around one file."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping

from zra_async.core.wire import Body

_PIECE = 256 * 1024

Send = Callable[[bytes | memoryview], Awaitable[None]]


class BytesBody:
    """Bytes in memory, sent in pieces so that the event loop is never held by one large write."""

    content_type = "application/octet-stream"

    def __init__(self, data: bytes | bytearray | memoryview) -> None:
        self._data = memoryview(data).cast("B")
        self.size: int = self._data.nbytes

    async def write(self, send: Send) -> None:
        """Send all pieces."""
        for start in range(0, self.size, _PIECE):
            await send(self._data[start : start + _PIECE])


class FileForm:
    """A ``multipart/form-data`` body: text fields, then one file, whose content is a `Body` of its own.

    Names are always quoted, which the service insists on. The size is known, so nothing is sent chunked.
    """

    def __init__(self, content: Body, *, file_name: str, fields: Mapping[str, str]) -> None:
        boundary = f"zra-{os.urandom(16).hex()}"
        self.content_type: str = f"multipart/form-data; boundary={boundary}"
        self._content = content
        texts = "".join(
            f'--{boundary}\r\nContent-Disposition: form-data; name="{quoted(name)}"\r\n\r\n{value}\r\n'
            for name, value in fields.items()
        )
        disposition = f'Content-Disposition: form-data; name="file"; filename="{quoted(file_name)}"'
        self._head = f"{texts}--{boundary}\r\n{disposition}\r\nContent-Type: {content.content_type}\r\n\r\n".encode()
        self._tail = f"\r\n--{boundary}--\r\n".encode()
        self.size: int = len(self._head) + content.size + len(self._tail)

    async def write(self, send: Send) -> None:
        """Send the fields, the file and the end."""
        await send(self._head)
        await self._content.write(send)
        await send(self._tail)


def quoted(text: str) -> str:
    """A name for the inside of a quoted form parameter, escaped as browsers do it."""
    return text.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
