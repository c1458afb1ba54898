"""Outcomes that are committed many at a time: one trip to the disk serves all that came in meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import anyio

from zra_async.bulk.export.units import Outcome

#: how long a group gathers, in seconds; a process that is killed has this much to read again
_GATHER = 0.1
_MOST_BYTES = 16 * 1024**2
MOST_UNITS = 512

Commit = Callable[[Sequence[Outcome]], Awaitable[None]]


class Groups:
    """Takes outcomes with `put`, and commits them in groups for as long as `run` runs."""

    def __init__(self, commit: Commit, most: int = MOST_UNITS) -> None:
        self._commit = commit
        self._most = most
        self._held: list[Outcome] = []
        self._size = 0
        self._broken = False
        self._filled = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._ended = asyncio.Event()

    async def put(self, outcome: Outcome) -> None:
        """Hand over an outcome; waits while too much is in memory."""
        await self._room.wait()
        self._held.append(outcome)
        self._size += outcome.size
        if self._size >= _MOST_BYTES or len(self._held) >= self._most:
            self._room.clear()
        self._filled.set()

    async def run(self) -> None:
        """Commit until `end` was called and nothing is left."""
        while not (self._ended.is_set() and not self._held):
            await self._filled.wait()
            if self._room.is_set():
                with anyio.move_on_after(_GATHER):
                    await self._ended.wait()
            await self.flush()

    def end(self) -> None:
        """Say that nothing more will come."""
        self._ended.set()
        self._filled.set()

    async def flush(self) -> None:
        """Commit what is there; nothing any more once a commit has failed."""
        group, self._held, self._size = self._held, [], 0
        self._room.set()
        if not self._ended.is_set():
            self._filled.clear()
        if not group or self._broken:
            return
        self._broken = True
        await self._commit(group)
        self._broken = False
