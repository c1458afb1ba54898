"""Writes of many tasks go to the disk together, and every task learns what became of its own."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from zra_async.bulk.database import Database
from zra_async.bulk.group_commit import GroupCommit
from zra_async.errors import LedgerError


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[Database]:
    schema = ["CREATE TABLE t (n INTEGER PRIMARY KEY)"]
    async with await Database.open(path, kind=7, schema=schema, purpose="a test") as database:
        yield database


def insert(number: int) -> Callable[[sqlite3.Connection], int]:
    def work(connection: sqlite3.Connection) -> int:
        connection.execute("INSERT INTO t VALUES (?)", (number,))
        return number * 10

    return work


def numbers(connection: sqlite3.Connection) -> set[int]:
    return {number for (number,) in connection.execute("SELECT n FROM t")}


async def test_many_writers_share_few_transactions(tmp_path: Path) -> None:
    """A hundred tasks at once need a transaction or two, and each gets its own result."""
    transactions = 0
    async with opened(tmp_path / "db") as database:
        run = database.run

        async def counted(work: Any) -> Any:
            nonlocal transactions
            transactions += 1
            return await run(work)

        database.run = counted  # type: ignore[method-assign, assignment]
        commit = GroupCommit(database)
        results = await asyncio.gather(*(commit.run(insert(number)) for number in range(100)))
        assert results == [number * 10 for number in range(100)]
        assert transactions <= 2
        assert await commit.run(numbers) == set(range(100))


async def test_a_failure_is_told_to_everyone_it_concerns(tmp_path: Path) -> None:
    """When a transaction fails, nobody of it believes to have written; the next one is not touched."""
    async with opened(tmp_path / "db") as database:
        commit = GroupCommit(database)
        await commit.run(insert(1))
        results = await asyncio.gather(*(commit.run(insert(n)) for n in (5, 1, 6)), return_exceptions=True)
        assert all(isinstance(result, LedgerError) for result in results)
        assert await commit.run(insert(7)) == 70
        assert await commit.run(numbers) == {1, 7}


async def test_who_is_cancelled_takes_nobody_along(tmp_path: Path) -> None:
    """A task that is cancelled while it writes for others ends, and what the others wrote is there."""
    async with opened(tmp_path / "db") as database:
        commit = GroupCommit(database)
        tasks = [asyncio.create_task(commit.run(insert(number))) for number in range(20)]
        await asyncio.sleep(0)
        for number in (0, 3, 4):
            tasks[number].cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [n for n, result in enumerate(results) if isinstance(result, asyncio.CancelledError)] == [0, 3, 4]
        assert [r for r in results if not isinstance(r, BaseException)] == [
            n * 10 for n in range(20) if n not in (0, 3, 4)
        ]
        assert await commit.run(numbers) >= {n for n in range(20) if n not in (0, 3, 4)}


async def test_a_closed_ledger_is_told(tmp_path: Path) -> None:
    """Writing after the end is an error and no silence."""
    async with opened(tmp_path / "db") as database:
        commit = GroupCommit(database)
    with pytest.raises(LedgerError, match="closed"):
        await commit.run(insert(1))
