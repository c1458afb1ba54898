"""Recordings to download: signed links good for an hour, Range support, and bytes that are a function of the id."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import mimetypes
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from aiohttp import web

if TYPE_CHECKING:
    from pathlib import Path

    from zra_async.sandbox.clock import Clock

LINK_LIFETIME = 3600
PAGE = 64 * 1024
SMALLEST, LARGEST = 100_000, 3_000_000
#: what a recording may be called by people and by malice; a client must find a safe name for each
AWKWARD_NAMES = (
    "Wöchentliche Übersicht – Zürich ✓.mp4",
    "../../outside.mp4",
    '"quoted"; and: more?.mp4',
    "CON.mp4",
    f"{'very long name ' * 20}.mp4",
)
DENIED = (
    "<!DOCTYPE html><html><head><title>Forbidden</title></head>"
    "<body><h1>This link is invalid or has expired.</h1></body></html>"
)

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


@dataclass(frozen=True, slots=True)
class Content:
    """The bytes of one recording: read from `path`, or generated from `key` and `block` where there is no path."""

    name: str
    size: int
    etag: str
    path: Path | None = None
    key: bytes = b""
    block: bytes = b""

    def read(self, start: int = 0, stop: int | None = None) -> bytes:
        """The bytes from ``start`` up to ``stop``, everything by default."""
        stop = self.size if stop is None else min(stop, self.size)
        if self.path:
            with self.path.open("rb") as file:
                file.seek(start)
                return file.read(max(stop - start, 0))
        first = start // PAGE
        pages = b"".join(map(self._page, range(first, -(-stop // PAGE))))
        return pages[start - first * PAGE : stop - first * PAGE]

    def chunks(self, size: int = 4 * PAGE) -> Iterator[bytes]:
        """Everything, in pieces of ``size`` bytes."""
        for start in range(0, self.size, size):
            yield self.read(start, start + size)

    def sha256(self) -> str:
        """The hash of everything, in hex."""
        digest = hashlib.sha256()
        for chunk in self.chunks():
            digest.update(chunk)
        return digest.hexdigest()

    def _page(self, number: int) -> bytes:
        # One shared block, turned by a different amount on every page of every recording: no two pages that a
        # client could confuse are equal, and none costs more than a copy.
        mark = hashlib.sha256(self.key + number.to_bytes(8, "big")).digest()
        turn = int.from_bytes(mark[:2], "big") % PAGE
        return mark + self.block[turn : turn + PAGE - len(mark)]


class Downloads:
    """Signs links and serves what they point to."""

    def __init__(self, clock: Clock, *, seed: int, awkward: float) -> None:
        self.base_url = ""
        self._clock = clock
        self._seed = seed
        self._awkward = awkward
        self._secret = f"{seed} downloads".encode()
        self._block = random.Random(seed).randbytes(2 * PAGE)

    def generated(self, conversation_id: str) -> Content:
        """The recording of a conversation that no file was uploaded for."""
        key = hashlib.sha256(f"{self._seed} {conversation_id}".encode()).digest()
        chance = random.Random(key)
        size = chance.randint(SMALLEST, LARGEST)
        usual = f"GMT_Recording_{key.hex()[:12]}.mp4"
        name = chance.choice(AWKWARD_NAMES) if chance.random() < self._awkward else usual
        return Content(name, size, key.hex()[:32], key=key, block=self._block)

    def link(self, conversation_id: str) -> str:
        """An address under `base_url` that is good for an hour."""
        key = base64.urlsafe_b64encode(conversation_id.encode()).decode().rstrip("=")
        expires = int(self._clock.time()) + LINK_LIFETIME
        return f"{self.base_url}/recordings/{key}?expires={expires}&signature={self._sign(key, str(expires))}"

    def routes(self, content: Callable[[str], Content]) -> list[web.RouteDef]:
        """Serve the links, with the bytes that ``content`` gives for a conversation id."""

        async def download(request: web.Request) -> web.StreamResponse:
            conversation_id = self._verify(request)
            if conversation_id is None:
                return web.Response(status=403, text=DENIED, content_type="text/html")
            return await _serve(request, content(conversation_id))

        return [web.get("/recordings/{key}", download)]

    def _verify(self, request: web.Request) -> str | None:
        key, expires = request.match_info["key"], request.query.get("expires", "")
        genuine = hmac.compare_digest(request.query.get("signature", "").encode(), self._sign(key, expires).encode())
        if not genuine or int(expires) <= self._clock.time():
            return None
        return base64.urlsafe_b64decode(key + "=" * (-len(key) % 4)).decode()

    def _sign(self, key: str, expires: str) -> str:
        return hmac.new(self._secret, f"{key}.{expires}".encode(), hashlib.sha256).hexdigest()


def content_range(header: str, size: int) -> tuple[int, int] | None:
    """The (start, stop) that a Range header asks for; None when it is to be ignored; start >= stop: unsatisfiable."""
    found = _RANGE.fullmatch(header.strip())
    if found is None or not (found[1] or found[2]):
        return None
    if not found[1]:
        return max(size - int(found[2]), 0), size
    start, last = int(found[1]), int(found[2]) if found[2] else size - 1
    if found[2] and last < start:
        return None
    return start, min(last + 1, size)


async def _serve(request: web.Request, content: Content) -> web.StreamResponse:
    etag = f'"{content.etag}"'
    headers = {
        "Accept-Ranges": "bytes",
        "Content-Disposition": _disposition(content.name),
        "Content-Type": mimetypes.guess_type(content.name)[0] or "application/octet-stream",
        "ETag": etag,
    }
    part = content_range(request.headers.get("Range", ""), content.size)
    if part and request.headers.get("If-Range", etag) != etag:
        part = None  # the client's beginning belongs to another version
    start, stop = part or (0, content.size)
    if part and start >= stop:
        return web.Response(status=416, headers={"Content-Range": f"bytes */{content.size}"})
    if part:
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{content.size}"
    response = web.StreamResponse(status=206 if part else 200, headers=headers)
    response.content_length = stop - start
    await response.prepare(request)
    for position in range(start, 0 if request.method == "HEAD" else stop, 4 * PAGE):
        end = min(position + 4 * PAGE, stop)
        await response.write(
            await asyncio.to_thread(content.read, position, end) if content.path else content.read(position, end)
        )
    await response.write_eof()
    return response


def _disposition(name: str) -> str:
    plain = name.encode("ascii", "replace").decode().replace("\\", "\\\\").replace('"', '\\"')
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
