"""The ledger's ground: one thread, one transaction at a time, one owner."""

from __future__ import annotations

import asyncio
import multiprocessing
import sqlite3
import threading
import time
from pathlib import Path

import pytest

from zra_async import errors
from zra_async.bulk.database import Database

KIND = 7
SCHEMA = ("CREATE TABLE t (a INTEGER PRIMARY KEY)",)


async def opened(path: Path, *, kind: int = KIND, schema: tuple[str, ...] = SCHEMA) -> Database:
    """Open a ledger for tests."""
    return await Database.open(path, kind=kind, schema=schema, purpose="this test")


def insert(value: int):  # type: ignore[no-untyped-def]
    """A piece of work that inserts one row."""
    return lambda connection: connection.execute("INSERT INTO t VALUES (?)", (value,))


async def values(database: Database) -> list[int]:
    """All rows."""
    return [row[0] for row in await database.run(lambda c: c.execute("SELECT a FROM t ORDER BY a").fetchall())]


async def test_work_is_committed_and_runs_elsewhere(tmp_path: Path) -> None:
    """What a piece of work returns comes back, what it wrote stays, and it never runs in the event loop's thread."""
    async with await opened(tmp_path / "l") as database:
        assert await database.run(lambda _: threading.current_thread().name.startswith("zra-ledger"))
        await database.run(insert(1))
    async with await opened(tmp_path / "l") as database:
        assert await values(database) == [1]


async def test_work_that_fails_leaves_nothing(tmp_path: Path) -> None:
    """An exception undoes all that its piece of work has written, and comes out; SQLite's own are translated."""

    def fail(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO t VALUES (1)")
        raise ZeroDivisionError

    async with await opened(tmp_path / "l") as database:
        with pytest.raises(ZeroDivisionError):
            await database.run(fail)
        await database.run(insert(2))
        with pytest.raises(errors.LedgerError, match="UNIQUE"):
            await database.run(insert(2))
        assert await values(database) == [2]


async def test_pieces_of_work_do_not_mix(tmp_path: Path) -> None:
    """Pieces of work that are given at once run one after the other, in order."""
    order: list[int] = []

    def slow(number: int) -> None:
        order.append(number)
        time.sleep(0.001)
        order.append(number)

    async with await opened(tmp_path / "l") as database:
        await asyncio.gather(*(database.run(lambda _, n=n: slow(n)) for n in range(10)))  # type: ignore[misc]
    assert order == [n for number in range(10) for n in (number, number)]


async def test_a_cancelled_caller_waits_for_the_end(tmp_path: Path) -> None:
    """Work that has begun is finished although its caller is cancelled, and the caller learns of it after that."""
    begun, go = threading.Event(), threading.Event()

    def work(connection: sqlite3.Connection) -> None:
        begun.set()
        go.wait()
        connection.execute("INSERT INTO t VALUES (1)")

    async with await opened(tmp_path / "l") as database:
        task = asyncio.ensure_future(database.run(work))
        await asyncio.to_thread(begun.wait)
        task.cancel()
        await asyncio.sleep(0.01)
        assert not task.done()
        go.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await values(database) == [1]


async def test_one_owner_at_a_time(tmp_path: Path) -> None:
    """A second opening is refused, in this process and in others, until the first is closed."""
    async with await opened(tmp_path / "l"):
        with pytest.raises(errors.InUse, match="works with this test"):
            await opened(tmp_path / "l")
        assert await asyncio.to_thread(_open_elsewhere, tmp_path / "l") == "InUse"
    assert await asyncio.to_thread(_open_elsewhere, tmp_path / "l") == "open"
    assert not (tmp_path / "l.lock").exists()


def _open_elsewhere(path: Path) -> str:
    context = multiprocessing.get_context("forkserver")
    ours, theirs = context.Pipe()
    process = context.Process(target=_try, args=(str(path), theirs))
    process.start()
    answer: str = ours.recv()
    process.join()
    process.close()
    ours.close()
    theirs.close()
    return answer


def _try(path: str, pipe) -> None:  # type: ignore[no-untyped-def]
    async def attempt() -> str:
        try:
            async with await opened(Path(path)):
                return "open"
        except errors.InUse:
            return "InUse"

    pipe.send(asyncio.run(attempt()))


async def test_older_ledgers_are_brought_up(tmp_path: Path) -> None:
    """A ledger of an older version gets what was added since; one of a newer version is refused untouched."""
    async with await opened(tmp_path / "l") as database:
        await database.run(insert(1))
    newer = (*SCHEMA, "ALTER TABLE t ADD COLUMN b; CREATE TABLE u (c)")
    async with await opened(tmp_path / "l", schema=newer) as database:
        assert await database.run(lambda c: c.execute("SELECT a, b FROM t").fetchall()) == [(1, None)]
    with pytest.raises(errors.LedgerError, match="newer version"):
        await opened(tmp_path / "l")


async def test_what_is_no_ledger_of_this_kind(tmp_path: Path) -> None:
    """A ledger of another kind, a file that is no database and a folder that does not exist are told."""
    await (await opened(tmp_path / "l")).aclose()
    with pytest.raises(errors.LedgerError, match="something else"):
        await opened(tmp_path / "l", kind=8)
    (tmp_path / "text").write_bytes(b"text " * 500)
    with pytest.raises(errors.LedgerError):
        await opened(tmp_path / "text")
    with pytest.raises(errors.LedgerError):
        await opened(tmp_path / "nowhere" / "l")
    assert (tmp_path / "text").read_bytes() == b"text " * 500


async def test_a_database_of_something_else(tmp_path: Path) -> None:
    """A database that another program has made, and which has no version, is refused and stays as it is."""
    place = tmp_path / "mine.sqlite"
    connection = sqlite3.connect(place)
    with connection:
        connection.execute("CREATE TABLE users (name)")
    connection.close()
    before = place.read_bytes()
    with pytest.raises(errors.LedgerError, match="something else"):
        await opened(place)
    assert place.read_bytes() == before


async def test_a_closed_ledger(tmp_path: Path) -> None:
    """Closing twice does no harm, and work for a closed ledger is refused."""
    database = await opened(tmp_path / "l")
    await database.aclose()
    await database.aclose()
    with pytest.raises(errors.LedgerError, match="closed"):
        await database.run(lambda _: None)


async def test_cancelled_while_it_opens(tmp_path: Path) -> None:
    """An opening that is cancelled leaves no lock behind."""
    task = asyncio.ensure_future(opened(tmp_path / "l"))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await (await opened(tmp_path / "l")).aclose()
