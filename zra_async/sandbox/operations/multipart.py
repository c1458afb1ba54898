"""Form bodies (multipart/form-data) read field by field as they arrive, a few hundred KiB in memory at a time."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote

from zra_async.sandbox.api_error import ApiError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiohttp import StreamReader, web

HEADER_LIMIT = 16 * 1024
TEXT_LIMIT = 64 * 1024
EPILOGUE_LIMIT = 64 * 1024
MALFORMED = "The multipart body is malformed."
UNQUOTED = "The name and filename of a form field must be quoted in Content-Disposition."

_BOUNDARY = re.compile(r';\s*boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))', re.IGNORECASE)
_PARAMETER = re.compile(r';\s*([A-Za-z*]+)=(?:"((?:[^"\\]|\\.)*)"|([^;]*))')


@dataclass(frozen=True, slots=True)
class Field:
    """The head of one form field; `filename` is None where the field is not a file."""

    name: str
    filename: str | None


class Form:
    """Reads one form body, in the order in which its fields are sent.

    Call `field` for the head of the next field, then `text` or `pieces` for its value; a value left unread is skipped.
    Every malformed body is refused as 400/300.
    """

    def __init__(self, content: StreamReader, content_type: str) -> None:
        self._content = content
        self._delimiter = b"\r\n--" + _boundary(content_type)
        self._buffer = b"\r\n"  # the first delimiter has no line before it
        self._position = 0
        self._inside = True  # what precedes the first delimiter is read and skipped like a value

    @classmethod
    def of(cls, request: web.Request) -> Form:
        """Begin to read the body of ``request``."""
        return cls(request.content, request.headers.get("Content-Type", ""))

    async def field(self) -> Field | None:
        """Go on to the next field, or to the end of the body, which is None."""
        async for _ in self.pieces():
            pass
        mark = await self._take(2)
        if mark == b"--":
            await self._finish()
            return None
        if mark != b"\r\n":
            raise ApiError(400, 300, MALFORMED)
        return _head(await self._header_block())

    async def text(self) -> str:
        """The value of the current field as text, at most 64 KiB."""
        value = bytearray()
        async for piece in self.pieces():
            value += piece
            if len(value) > TEXT_LIMIT:
                raise ApiError(400, 300, MALFORMED)
        try:
            return value.decode()
        except UnicodeDecodeError:
            raise ApiError(400, 300, MALFORMED) from None

    async def pieces(self) -> AsyncIterator[memoryview]:
        """The value of the current field, in pieces as they arrive."""
        keep = len(self._delimiter) - 1  # a delimiter may be cut in two by the end of the buffer
        while self._inside:
            end = self._buffer.find(self._delimiter, self._position)
            if end >= 0:
                piece = memoryview(self._buffer)[self._position : end]
                self._position = end + len(self._delimiter)
                self._inside = False
            else:
                safe = max(len(self._buffer) - keep, self._position)
                piece = memoryview(self._buffer)[self._position : safe]
                self._position = safe
            if piece:
                yield piece
            if self._inside:
                await self._fill()

    async def _header_block(self) -> bytes:
        while (end := self._buffer.find(b"\r\n\r\n", self._position)) < 0:
            if len(self._buffer) - self._position > HEADER_LIMIT:
                raise ApiError(400, 300, MALFORMED)
            await self._fill()
        block = self._buffer[self._position : end]
        self._position = end + 2  # an empty value is followed by the delimiter's own line break
        await self._take(2)
        self._inside = True
        return block

    async def _take(self, size: int) -> bytes:
        while len(self._buffer) - self._position < size:
            await self._fill()
        taken = self._buffer[self._position : self._position + size]
        self._position += size
        return taken

    async def _fill(self) -> None:
        chunk = await self._content.readany()
        if not chunk:
            raise ApiError(400, 300, MALFORMED)
        self._buffer = self._buffer[self._position :] + chunk
        self._position = 0

    async def _finish(self) -> None:
        # Read the end of the request, so that its connection can serve the next one.
        left = EPILOGUE_LIMIT
        while left > 0 and (chunk := await self._content.readany()):
            left -= len(chunk)


def _boundary(content_type: str) -> bytes:
    media_type, _, _ = content_type.partition(";")
    found = _BOUNDARY.search(content_type)
    if media_type.strip().lower() != "multipart/form-data" or found is None:
        raise ApiError(400, 300, "The Content-Type must be multipart/form-data with a boundary.")
    return (found[1] or found[2]).encode("latin-1")


def _head(block: bytes) -> Field:
    for line in block.decode("utf-8", "replace").split("\r\n"):
        name, _, value = line.partition(":")
        if name.strip().lower() == "content-disposition":
            return _disposition(value)
    raise ApiError(400, 300, MALFORMED)


def _disposition(value: str) -> Field:
    kind, _, _ = value.partition(";")
    if kind.strip().lower() != "form-data":
        raise ApiError(400, 300, MALFORMED)
    parameters: dict[str, str] = {}
    for name, quoted, bare in _PARAMETER.findall(value):
        if bare and name.lower() in ("name", "filename"):
            raise ApiError(400, 300, UNQUOTED)
        parameters[name.lower()] = re.sub(r"\\(.)", r"\1", quoted) or bare
    if "name" not in parameters:
        raise ApiError(400, 300, MALFORMED)
    extended = parameters.get("filename*", "")
    filename = extended.rpartition("'")[2] if extended else parameters.get("filename")
    # Clients percent-encode what a quoted text cannot carry.
    return Field(parameters["name"], None if filename is None else unquote(filename))
