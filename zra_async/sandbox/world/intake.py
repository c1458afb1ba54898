"""Bytes taken in at the speed of the network: measured, hashed, and kept in a file or dropped."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zra_async.sandbox.api_error import ApiError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

BLOCK = 384 * 1024  # one fills while the other is hashed: with the reader's own buffer that stays near 1 MiB


@dataclass(frozen=True, slots=True)
class Received:
    """A body that was received: its size in bytes, its hashes in hex and, if it is kept, its file."""

    size: int
    md5: str
    sha256: str
    path: Path | None


class _Sink:
    """Hashes and stores block after block, in a thread."""

    def __init__(self, path: Path | None) -> None:
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._sha256 = hashlib.sha256()
        self._path = path
        self._file = path.open("wb") if path else None
        self._size = 0

    def write(self, block: bytearray) -> None:
        """Take one block."""
        self._md5.update(block)
        self._sha256.update(block)
        self._size += len(block)
        if self._file:
            self._file.write(block)

    def close(self) -> Received:
        """Tell what was taken in; its file stays."""
        if self._file:
            self._file.close()
        return Received(self._size, self._md5.hexdigest(), self._sha256.hexdigest(), self._path)

    def discard(self) -> None:
        """Give up what was taken in so far, and its file."""
        if self._file and self._path:
            self._file.close()
            self._path.unlink(missing_ok=True)


async def take_in(pieces: AsyncIterator[memoryview], *, limit: int, path: Path | None) -> Received:
    """Read ``pieces`` to the end and keep them at ``path``, or nowhere; over ``limit`` bytes is 400/300."""
    loop = asyncio.get_running_loop()
    sink = _Sink(path)
    job: asyncio.Future[None] | None = None
    block = bytearray()
    size = 0
    try:
        async for piece in pieces:
            size += len(piece)
            if size > limit:
                raise ApiError(400, 300, f"Maximum file size exceeded: {limit}.")
            block += piece
            if len(block) >= BLOCK:
                if job:
                    await job
                job = loop.run_in_executor(None, sink.write, block)
                block = bytearray()
        if job:
            await job
        sink.write(block)
        return sink.close()
    except BaseException:
        if job:
            await asyncio.wait({job})  # the thread still writes to the file that is about to be closed
        sink.discard()
        raise
