"""A server that is never the bottleneck: HTTP/1.1 by hand, keep-alive, every answer made in advance.

``python -m benchmarks.rig.fast`` prints its port and serves until it is stopped. It answers ``…/conversations?…`` with
a page of 300 conversations, with ``host_id=odd`` in the query one with a few blank times, and anything else with the
detail of one conversation.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

from benchmarks.rig.answers import detail, page
from benchmarks.rig.serving import serve_forever

ITEMS = 300
_END = b"\r\n\r\n"


def _answer(body: bytes) -> bytes:
    head = (
        "HTTP/1.1 200 OK\r\nDate: Mon, 05 Jan 2026 09:00:00 GMT\r\nServer: fast\r\n"
        "Content-Type: application/json;charset=UTF-8\r\n"
        f"x-zm-trackingid: v=2.0;clid=us02;rid=WEB_0123456789abcdef\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class _Connection(asyncio.Protocol):
    """One client connection; every request is a GET without a body."""

    def __init__(self, answers: dict[str, bytes]) -> None:
        self._answers = answers
        self._rest = b""
        self._write: Callable[[bytes], None] = lambda _: None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._write = cast(asyncio.Transport, transport).write

    def data_received(self, data: bytes) -> None:
        *requests, self._rest = (self._rest + data).split(_END)
        for request in requests:
            line = request[: request.index(b"\r\n")]
            if b"/conversations?" not in line:
                self._write(self._answers["detail"])
            else:
                self._write(self._answers["odd page" if b"host_id=odd" in line else "page"])


def main() -> None:
    """Serve until the process is stopped."""
    answers = {"detail": _answer(detail()), "page": _answer(page(ITEMS)), "odd page": _answer(page(ITEMS, odd=30))}
    serve_forever(lambda: _Connection(answers))


if __name__ == "__main__":
    main()
