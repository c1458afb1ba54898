"""The bytes of a recording, over as many connections as they take."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self
from urllib.parse import unquote

from zra_async import errors
from zra_async.api.conversations.operations import GET
from zra_async.core.retry import Attempts, RetryPolicy, Wait
from zra_async.core.transport import StreamedResponse
from zra_async.files.recording_link import NAME, LinkFailed, RecordingLink

_RANGE = re.compile(r"bytes ([0-9]{1,18})-[0-9]+/([0-9]{1,18}|\*)")  # more digits are no size of anything
_EXTENDED = re.compile(r"filename\*\s*=\s*(UTF-8|ISO-8859-1)'[^']*'([^;\s]+)", re.IGNORECASE)
_PLAIN = re.compile(r'filename\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;\s]+))', re.IGNORECASE)
_PARTIAL, _UNSATISFIABLE = 206, 416


class Changed(Exception):
    """The recording is not the one any more that was begun: its first bytes do not fit the rest."""


@dataclass(frozen=True, slots=True)
class RecordingInfo:
    """The service's description of a recording. `size` is None if it is not known."""

    name: str
    size: int | None
    etag: str
    modified: str

    @property
    def identity(self) -> str:
        """A text that only this version of the recording has, "" where that cannot be known."""
        version = self.etag or self.modified
        return f"{version} {self.size}" if version and self.size is not None else ""

    @property
    def validator(self) -> str:
        """The validator of a Range request: a strong etag, or a date."""
        return self.etag if self.etag and not self.etag.startswith("W/") else self.modified

    def contradicts(self, other: RecordingInfo) -> bool:
        """Return True if the other is certainly another recording, or another version of it."""
        pairs = ((self.size, other.size), (self.etag, other.etag), (self.modified, other.modified))
        return any(a and b and a != b for a, b in pairs)


class RecordingStream:
    """The bytes of one recording in order: ``async for chunk in stream``.

    `position` is how many have been read. A connection that breaks is made anew from there, over a fresh link where
    the old one has expired.
    """

    def __init__(self, link: RecordingLink, retry: RetryPolicy) -> None:
        self.position: int = 0
        self.part: Path | None = None  #: where the bytes go, for the errors
        self._info: RecordingInfo | None = None
        self._link = link
        self._retry = retry
        self._attempts = Attempts()
        self._response: StreamedResponse | None = None
        self._skip = 0

    @property
    def name(self) -> str:
        """The service's name of the recording, which may be unsafe as the name of a file."""
        return self._info.name if self._info else ""

    @property
    def size(self) -> int | None:
        """The number of bytes, None if the service does not tell."""
        return self._info.size if self._info else None

    async def start(self) -> RecordingInfo:
        """Connect, and tell what is there."""
        while self._info is None or self._response is None:
            try:
                await self._connect()
            except (errors.CallError, LinkFailed) as problem:
                await self._recover(problem)
        return self._info

    def seek(self, position: int) -> None:
        """Go on at ``position``."""
        if position != self.position:
            self.close()
            self.position = position

    def restart(self) -> None:
        """Forget everything that was told and read."""
        self.close()
        self.position = 0
        self._info = None

    async def read(self) -> bytes:
        """The next bytes, nothing at the end. Raises `DownloadInterrupted`, `Changed`, or the errors of a start."""
        while self.size is None or self.position < self.size:
            try:
                response = self._response or await self._connect()
                return await self._next(response)
            except (errors.CallError, LinkFailed) as problem:
                await self._recover(problem)
        self.close()
        return b""

    def close(self) -> None:
        """Let go of the connection."""
        response, self._response = self._response, None
        if response is not None:
            response.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        try:
            chunk = await self.read()
        except Changed as changed:
            raise self.interrupted(changed) from None
        if not chunk:
            raise StopAsyncIteration
        return chunk

    def interrupted(self, reason: BaseException) -> errors.DownloadInterrupted:
        """The error of a download that stops here."""
        return errors.DownloadInterrupted(NAME, received=self.position, total=self.size, part=self.part, reason=reason)

    async def _connect(self) -> StreamedResponse:
        headers: dict[str, str] = {}
        if self.position:
            headers["Range"] = f"bytes={self.position}-"
            if self._info is not None and self._info.validator:
                headers["If-Range"] = self._info.validator
        response = await self._link.open(headers)
        try:
            self._skip = self._check(response)
        except BaseException:
            response.close()
            raise
        self._response = response
        return response

    def _check(self, response: StreamedResponse) -> int:
        """Check an answer, and return the number of bytes at its beginning that are already known."""
        if response.status == _UNSATISFIABLE:
            if not self.position:
                text = "a range was refused, and none was asked for"
                raise errors.UnexpectedAnswer(NAME, text, status=response.status)
            raise Changed("the recording is shorter than it was")
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise errors.UnexpectedAnswer(NAME, "the recording came compressed, unasked", status=response.status)
        start, info = describe(response.status, response.headers, self._link.file_name)
        if self._info is not None and self._info.contradicts(info):
            raise Changed("the recording was replaced while it was read")
        if start > self.position:
            text = "the answer is not the range that was asked for"
            raise errors.UnexpectedAnswer(NAME, text, status=response.status)
        self._info = self._info or info
        return self.position - start

    async def _next(self, response: StreamedResponse) -> bytes:
        while chunk := await response.read():
            if self._skip >= len(chunk):
                self._skip -= len(chunk)
                continue
            chunk, self._skip = chunk[self._skip :], 0
            self._attempts = Attempts()  # it moves; what is known already does not count, or this might never end
            if self.size is not None and self.position + len(chunk) > self.size:
                text = "the recording is longer than was announced"
                raise errors.UnexpectedAnswer(NAME, text, status=response.status)
            self.position += len(chunk)
            return chunk
        if self._info is not None and self._info.size is None:
            self._info = replace(self._info, size=self.position)
            return b""
        raise errors.ConnectionLost(NAME, "the answer ended before the recording did", sent=True)

    async def _recover(self, problem: errors.CallError | LinkFailed) -> None:
        """Wait before the next connection, or raise what ends the download."""
        self.close()
        error = problem.error if isinstance(problem, LinkFailed) else problem
        decision = self._retry.decide(GET, self._attempts, error, self._link.now())
        if isinstance(problem, LinkFailed) or not isinstance(decision, Wait):
            raise (self.interrupted(error) if self.position else error) from None
        self._attempts = self._attempts.after(decision.cause, ambiguous=False)
        await asyncio.sleep(decision.delay)


def describe(status: int, headers: Mapping[str, str], fallback: str) -> tuple[int, RecordingInfo]:
    """Return the offset of an answer's bytes, and its description of the whole recording."""
    start, size = 0, _whole(headers.get("Content-Length", ""))
    if status == _PARTIAL:
        found = _RANGE.fullmatch(headers.get("Content-Range", "").strip())
        if found is None:
            raise errors.UnexpectedAnswer(NAME, "a part of the recording came without saying which", status=status)
        start, size = int(found[1]), _whole(found[2])
    name = disposition_name(headers.get("Content-Disposition", "")) or fallback
    return start, RecordingInfo(name, size, headers.get("ETag", ""), headers.get("Last-Modified", ""))


def disposition_name(header: str) -> str:
    """The file name of a Content-Disposition header, "" where it has none."""
    if found := _EXTENDED.search(header):
        return unquote(found[2], encoding=found[1], errors="replace")
    if found := _PLAIN.search(header):
        return re.sub(r"\\(.)", r"\1", found[1]) if found[1] is not None else found[2]
    return ""


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None
