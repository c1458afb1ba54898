"""A service that takes in recordings and keeps nothing: ``python -m benchmarks.intake.service [SECONDS]``.

It answers each request after so many seconds, as one that is far away would, prints its port, and serves until it is
stopped. ``GET /counts`` tells how many files, bytes and conversations have come in, and begins to count anew.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections import Counter
from typing import ClassVar, cast

_BUFFER = 512 * 1024
_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
_END = b"\r\n\r\n"


class Intake(asyncio.BufferedProtocol):
    """One connection; bodies are received into one small buffer and forgotten."""

    counts: ClassVar[Counter[str]] = Counter()
    delay: ClassVar[float] = 0.0

    def __init__(self) -> None:
        self._buffer = memoryview(bytearray(_BUFFER))
        self._head = b""
        self._line = b""
        self._left = 0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast(asyncio.Transport, transport)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002
        """Where the next bytes go."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Take the bytes that have come: a head, or a piece of a body."""
        if self._left:
            self._left -= nbytes
            if not self._left:
                self._answer()
            return
        self._head += bytes(self._buffer[:nbytes])
        head, end, rest = self._head.partition(_END)
        if not end:
            return
        self._head = b""
        self._line = head.partition(b"\r\n")[0]
        found = _LENGTH.search(head)
        size = int(found[1]) if found else 0
        self._left = size - len(rest)
        if b" /v2/zra/files " in self._line:
            self.counts["files"] += 1
            self.counts["bytes"] += size
        if not self._left:
            self._answer()

    def _answer(self) -> None:
        method, target = self._line.split(b" ")[:2]
        status, body = b"201 Created", b'{"file_id":"f"}'
        if target == b"/counts":
            status, body = b"200 OK", json.dumps(self.counts).encode()
            self.counts.clear()
        elif method == b"POST" and target.endswith(b"/conversations"):
            self.counts["conversations"] += 1
            self.counts["ids"] += 1
            body = b'{"conversation_id":"c%d"}' % self.counts["ids"]
        answer = (
            b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (status, len(body)) + body
        )
        if self.delay:
            asyncio.get_running_loop().call_later(self.delay, self._write, answer)
        else:
            self._write(answer)

    def _write(self, answer: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(answer)


async def _serve() -> None:
    server = await asyncio.get_running_loop().create_server(Intake, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    Intake.delay = float(sys.argv[1]) if len(sys.argv) > 1 else 0.0
    asyncio.run(_serve())
