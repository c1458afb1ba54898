"""The writer of a download: chunks are written to a file a mebibyte at a time while the next ones arrive."""

from __future__ import annotations

import asyncio
import os

from zra_async.osfiles.threads import wait_until_done

_BATCH = 1024 * 1024


class ChunkWriter:
    """Writes to the file ``fd`` from its present position on. Call `flush` at the end, or `settle` after a failure.

    Chunks are copied to one of two buffers. That is cheaper than to keep a mebibyte of them: the memory that they free
    together goes back to the system, and each page of it costs a fault when the next ones arrive.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._filling = memoryview(bytearray(_BATCH))
        self._writing = memoryview(bytearray(_BATCH))
        self._filled = 0
        self._job: asyncio.Future[None] | None = None

    async def write(self, chunk: bytes | bytearray | memoryview) -> None:
        """Take ``chunk``, and wait only while there is a full batch before it. Raises OSError of an earlier write."""
        left = memoryview(chunk)
        while left:
            size = min(len(left), _BATCH - self._filled)
            self._filling[self._filled : self._filled + size] = left[:size]
            self._filled += size
            left = left[size:]
            if self._filled == _BATCH:
                await self._hand_over()

    async def flush(self) -> None:
        """Write what is left and wait for it."""
        await self._hand_over()
        await self._finish()

    async def settle(self) -> None:
        """Wait for a write under way, whatever becomes of it; the rest is dropped."""
        self._filled = 0
        if self._job is not None:
            await wait_until_done(self._job)

    async def _hand_over(self) -> None:
        await self._finish()
        batch = self._filling[: self._filled]
        self._filling, self._writing, self._filled = self._writing, self._filling, 0
        if batch:
            self._job = asyncio.get_running_loop().run_in_executor(None, _write_all, self._fd, batch)

    async def _finish(self) -> None:
        if self._job is not None:
            await asyncio.shield(self._job)
            self._job = None


def _write_all(fd: int, batch: memoryview) -> None:
    while batch:
        batch = batch[os.write(fd, batch) :]
