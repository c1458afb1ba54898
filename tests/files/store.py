"""A server with one recording, which breaks off where it is told to, and clients of it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.core.clients import client_of
from tests.core.server import Behaviour, Seen, Server, answer, raw
from zra_async import ZRAClient

DATA = os.urandom(700_000)
ETAG = '"v1"'
SECRET = "k3y-0f-the-l1nk-5f7a"


class Store:
    """A server that gives links to one recording, and the recording."""

    def __init__(self, data: bytes = DATA, *, etag: str = ETAG) -> None:
        self.data = data
        self.etag = etag
        self.links = 0
        self.asked: list[Seen] = []
        self.cut: list[int | None] = []  #: after how many bytes each answer breaks off
        self.name = "call.mp4"
        self.headers: dict[str, str] = {}
        self.ranges = True
        self.link = ""

    async def serve(self, seen: Seen, writer: asyncio.StreamWriter) -> bool:
        """Answer one request."""
        if "/zra/conversations/" in seen.target:
            self.links += 1
            link = self.link or f"http://{seen.headers['host']}/file/{self.links}?filename=x.mp4&jwt={SECRET}"
            return await answer(200, {"recording_download_url": link})(seen, writer)
        self.asked.append(seen)
        start = 0
        if self.ranges and "range" in seen.headers and seen.headers.get("if-range", self.etag) == self.etag:
            start = int(seen.headers["range"].removeprefix("bytes=").rstrip("-"))
        if start > len(self.data):
            return await answer(416, b"")(seen, writer)
        head = {
            "Content-Type": "video/mp4",
            "ETag": self.etag,
            "Content-Disposition": f'attachment; filename="{self.name}"',
            "Content-Length": str(len(self.data) - start),
            **({"Content-Range": f"bytes {start}-{len(self.data) - 1}/{len(self.data)}"} if start else {}),
            **self.headers,
        }
        lines = [f"HTTP/1.1 {206 if start else 200} Fine", *(f"{k}: {v}" for k, v in head.items() if v)]
        cut = self.cut.pop(0) if self.cut else None
        body = self.data[start:] if cut is None else self.data[start : start + cut]
        return await raw("\r\n".join(lines) + "\r\n\r\n", body, keep=cut is None)(seen, writer)


@asynccontextmanager
async def served(store: Store, *script: Behaviour, **options: Any) -> AsyncIterator[tuple[Server, ZRAClient]]:
    """A client of ``store``; ``script`` answers the first requests instead."""
    async with Server(*script, otherwise=store.serve) as server, client_of(server, **options) as zra:
        yield server, zra
