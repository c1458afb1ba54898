"""Many small writes as few transactions: whoever writes next takes along all that is waiting."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from typing import Any, TypeVar, cast

from zra_async.bulk.database import Database
from zra_async.errors import LedgerError
from zra_async.osfiles.threads import wait_until_done

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], Any]


class GroupCommit:
    """Writes to a ledger for many tasks at once.

    A commit waits for the disk. While one is under way, what other tasks want to write gathers, and goes with the
    next: each task waits for a commit or two, however many there are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: list[tuple[Work, asyncio.Future[Any]]] = []
        self._turn = asyncio.Lock()

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run ``work``, which must not raise, and return its result once it is on disk. Raises `LedgerError`."""
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        done.add_done_callback(_looked_at)
        self._waiting.append((work, done))
        async with self._turn:
            if not done.done():
                # in a task of its own: it is for others too, who must not be cancelled with this one
                flush = asyncio.ensure_future(self._flush())
                try:
                    await asyncio.shield(flush)
                except asyncio.CancelledError:
                    await wait_until_done(flush)
                    raise
        return cast(T, done.result())

    async def _flush(self) -> None:
        batch, self._waiting = self._waiting, []
        try:
            results = await self._database.run(lambda connection: [work(connection) for work, _ in batch])
        except BaseException as problem:
            # also when the flush is cancelled: every task of the batch waits for its result
            told = problem if isinstance(problem, Exception) else _interrupted(problem)
            for _, done in batch:
                done.set_exception(told)
            if told is not problem:
                raise
        else:
            for (_, done), result in zip(batch, results, strict=True):
                done.set_result(result)


def _interrupted(problem: BaseException) -> LedgerError:
    error = LedgerError(f"a write to the ledger was interrupted by {type(problem).__name__}: run the job again")
    error.__cause__ = problem
    return error


def _looked_at(done: asyncio.Future[Any]) -> None:
    # whoever waited may have been cancelled: then nobody asks for the error
    if not done.cancelled():
        done.exception()
