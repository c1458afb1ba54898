"""Chunks as they arrive, written to a file a mebibyte at a time while the next ones arrive."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence

from zra_async.files.threads import ended

_BATCH = 1024 * 1024
_MOST_CHUNKS = 256  #: a call takes 1024 buffers at most, and tiny ones cost more than they hold


class Gatherer:
    """Writes to the file ``fd`` from its present position on. Call `flush` at the end, or `settle` after a failure."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._chunks: list[bytes] = []
        self._size = 0
        self._job: asyncio.Future[None] | None = None

    async def write(self, chunk: bytes) -> None:
        """Take ``chunk``, and wait only while there is a full batch before it. Raises OSError of an earlier write."""
        self._chunks.append(chunk)
        self._size += len(chunk)
        if self._size >= _BATCH or len(self._chunks) >= _MOST_CHUNKS:
            await self._hand_over()

    async def flush(self) -> None:
        """Write what is left and wait for it."""
        await self._hand_over()
        await self._finish()

    async def settle(self) -> None:
        """Wait for a write under way, whatever becomes of it; the rest is dropped."""
        self._chunks = []
        if self._job is not None:
            await ended(self._job)

    async def _hand_over(self) -> None:
        await self._finish()
        chunks, self._chunks, self._size = self._chunks, [], 0
        if chunks:
            self._job = asyncio.get_running_loop().run_in_executor(None, _write_all, self._fd, chunks)

    async def _finish(self) -> None:
        if self._job is not None:
            await asyncio.shield(self._job)
            self._job = None


def _write_all(fd: int, chunks: Sequence[bytes]) -> None:
    if not hasattr(os, "writev"):
        chunks = [b"".join(chunks)]
    left: list[bytes | memoryview] = list(chunks)
    while left:
        written = os.writev(fd, left) if hasattr(os, "writev") else os.write(fd, left[0])
        while left and written >= len(left[0]):
            written -= len(left[0])
            del left[0]
        if written:
            left[0] = memoryview(left[0])[written:]
