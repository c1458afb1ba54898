"""SQLite as a ledger: one thread owns the connection, every piece of work is one transaction.

A ledger belongs to one task of one process at a time: a lock beside it refuses everybody else, and vanishes with the
process that held it, however that process ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from zra_async.errors import LedgerError, ZRAError
from zra_async.files.locked import open_locked
from zra_async.osfiles.threads import wait_until_done

T = TypeVar("T")


class Database:
    """One SQLite file. Open it with `open`, use it with `run`, close it with `aclose` or by leaving ``async with``."""

    def __init__(self, path: Path, connection: sqlite3.Connection, thread: ThreadPoolExecutor, lock: int) -> None:
        self.path = path
        self._connection = connection
        self._thread = thread
        self._lock = lock
        self._closed = False

    @classmethod
    async def open(
        cls, path: str | os.PathLike[str], *, kind: int, schema: Sequence[str], purpose: str, durable: bool = True
    ) -> Self:
        """Open or create the ledger at ``path`` and bring it to the newest version.

        ``kind`` is a number of your own, the same for every ledger of one kind, so that one is never taken for another.
        ``schema`` is a list of SQL scripts: a new file runs all of them, an older one those that were added since.
        ``purpose`` completes "another task or process works with …". With ``durable`` off, a commit may be lost when
        the machine loses its power, though never a part of one and never when only the process dies.

        Raises `InUse` when somebody else has the ledger, and `LedgerError` when it cannot be read or is another file.
        """
        where = _absolute(path)
        thread = ThreadPoolExecutor(1, thread_name_prefix="zra-ledger")
        job = asyncio.get_running_loop().run_in_executor(thread, _open, where, kind, tuple(schema), purpose, durable)
        try:
            connection, lock = await asyncio.shield(job)
        except asyncio.CancelledError:
            await wait_until_done(job)
            if not job.cancelled() and not job.exception():
                await cls(where, job.result()[0], thread, job.result()[1]).aclose()
            raise
        except BaseException:
            thread.shutdown(wait=False)
            raise
        return cls(where, connection, thread, lock)

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run ``work`` in the ledger's thread as one transaction and return its result.

        It is committed when ``work`` returns and rolled back when it raises. Once begun it runs to its end even if the
        caller is cancelled. Pieces of work never overlap and keep their order. Raises `LedgerError` where SQLite fails.
        """
        if self._closed:
            raise LedgerError(f"the ledger {self.path} is closed")
        job = asyncio.get_running_loop().run_in_executor(self._thread, self._transact, work)
        try:
            return await asyncio.shield(job)
        except asyncio.CancelledError:
            await wait_until_done(job)
            raise

    async def aclose(self) -> None:
        """Finish the work under way, close the file and let others have it; safe to call twice."""
        if self._closed:
            return
        self._closed = True
        job = asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        self._thread.shutdown(wait=False)
        await wait_until_done(job)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def _transact(self, work: Callable[[sqlite3.Connection], T]) -> T:
        connection = self._connection
        try:
            connection.execute("BEGIN IMMEDIATE")
            try:
                result = work(connection)
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
        except (sqlite3.Error, OSError) as problem:
            raise LedgerError(f"the ledger {self.path} cannot be used: {problem}") from problem
        except ZRAError:
            raise
        except (TypeError, ValueError, LookupError, OverflowError) as problem:
            # SQLite keeps any value in any column: one of another type was not written by us
            raise LedgerError(f"the ledger {self.path} holds what does not belong there: {problem}") from problem
        return result

    def _close(self) -> None:
        try:
            self._connection.close()
        finally:
            _unlock(self.path, self._lock)


def _absolute(path: str | os.PathLike[str]) -> Path:
    return Path(path).absolute()


def _open(path: Path, kind: int, schema: Sequence[str], purpose: str, durable: bool) -> tuple[sqlite3.Connection, int]:
    try:
        lock = open_locked(_lock_path(path), 0o600, purpose)
    except OSError as problem:
        raise LedgerError(f"the ledger {path} cannot be locked: {problem.strerror}") from problem
    try:
        return _connect(path, kind, schema, durable), lock
    except BaseException as problem:
        _unlock(path, lock)
        if isinstance(problem, sqlite3.Error):
            raise LedgerError(f"the ledger {path} cannot be opened: {problem}") from problem
        raise


def _connect(path: Path, kind: int, schema: Sequence[str], durable: bool) -> sqlite3.Connection:
    _create(path)
    # the executor has one thread, but an interpreter that shuts down may close the connection from another
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        found_kind: int = connection.execute("PRAGMA application_id").fetchone()[0]
        version: int = connection.execute("PRAGMA user_version").fetchone()[0]
        foreign = found_kind != kind if version else connection.execute("SELECT 1 FROM sqlite_master").fetchone()
        if version < 0 or foreign:
            raise LedgerError(f"{path} is the ledger of something else")
        if version > len(schema):
            raise LedgerError(f"the ledger {path} was written by a newer version of this library")
        connection.execute("PRAGMA trusted_schema = OFF")  # the file may come from somebody else
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
        connection.execute("PRAGMA foreign_keys = ON")
        for number, script in enumerate(schema[version:], version + 1):
            # one script: either all of it is there with its number, or nothing
            connection.executescript(
                f"BEGIN IMMEDIATE; {script}; PRAGMA application_id = {kind}; PRAGMA user_version = {number}; COMMIT"
            )
    except BaseException:
        connection.close()
        raise
    return connection


def _create(path: Path) -> None:
    """Make a new ledger readable by its owner only: it holds the names and addresses of people."""
    try:
        with contextlib.suppress(FileExistsError):
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except OSError as problem:
        raise LedgerError(f"the ledger {path} cannot be made: {problem.strerror}") from problem


def _lock_path(path: Path) -> Path:
    return path.with_name(path.name + ".lock")


def _unlock(path: Path, lock: int) -> None:
    with contextlib.suppress(OSError):
        _lock_path(path).unlink()
    os.close(lock)
