"""SQLite as a ledger: one thread owns the connection, every piece of work is one transaction.

A ledger belongs to one task of one process at a time: a lock beside it refuses everybody else, and vanishes with the
process that held it, however that process ends. A seal beside it tells whether it is the ledger that was written last.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from zra_async.bulk import seal
from zra_async.bulk.owner import Owner
from zra_async.bulk.seal import Seal
from zra_async.errors import LedgerError, ZRAError
from zra_async.osfiles.locks import FileLock
from zra_async.osfiles.paths import StrPath, regular_file, require_one_name, shown
from zra_async.osfiles.replace import Replacement
from zra_async.osfiles.threads import wait_until_done

T = TypeVar("T")
Check = Callable[[sqlite3.Connection | None], None]


@dataclass(frozen=True, slots=True)
class _How:
    """The arguments of `Database.open`."""

    kind: int
    schema: tuple[str, ...]
    purpose: str
    durable: bool
    check: Check | None
    owner: Owner | None


@dataclass(frozen=True, slots=True)
class _Opened:
    """An open ledger with all that belongs to it."""

    path: Path
    connection: sqlite3.Connection
    lock: FileLock
    seal: Seal
    file: os.stat_result

    def require_unmoved(self) -> None:
        """Refuse to go on where the file was moved, removed or replaced: others may use another one of that name."""
        try:
            same = os.path.samestat(self.path.stat(), self.file)
        except OSError:
            same = False
        if not same:
            raise LedgerError(
                f"the ledger {self.path} was moved, removed or replaced while it was in use: the job stopped. Put it "
                "back where it was, or go on from where it is now"
            )

    def close(self) -> None:
        """Close the file and let others have it."""
        try:
            self.connection.close()
        finally:
            self.seal.close()
            self.lock.release()


class Database:
    """One SQLite file. Open it with `open`, use it with `run`, close it with `aclose` or by leaving ``async with``."""

    def __init__(self, opened: _Opened, thread: ThreadPoolExecutor) -> None:
        self.path: Path = opened.path
        self.id: str = opened.seal.id  #: of this ledger and no other
        self._opened = opened
        self._thread = thread
        self._closed = False

    @classmethod
    async def open(
        cls,
        path: StrPath,
        *,
        kind: int,
        schema: Sequence[str],
        purpose: str,
        durable: bool = True,
        check: Check | None = None,
        owner: Owner | None = None,
    ) -> Self:
        """Open or create the ledger at ``path`` and bring it to the newest version.

        ``kind`` is a number of your own, the same for every ledger of one kind, so that one is never taken for another.
        ``schema`` is a list of SQL scripts: a new file runs all of them, an older one those that were added since.
        ``purpose`` completes "another task or process works with …". With ``durable`` off, a commit may be lost when
        the machine loses its power, never a part of one and never when only the process dies. ``check`` is called
        before anything is written, with a read-only connection, or None if the ledger is missing or empty; it raises
        `LedgerError` for a ledger that does not account for what is beside it. ``owner`` is the account of the client:
        a new ledger remembers it, and the ledger of another account is refused.

        Links are followed. Raises `InUse` when somebody else has the ledger, and `LedgerError` when it cannot be read,
        is another file, has several hard links, or is not the one that was written last.
        """
        thread = ThreadPoolExecutor(1, thread_name_prefix="zra-ledger")
        how = _How(kind, tuple(schema), purpose, durable, check, owner)
        job = asyncio.get_running_loop().run_in_executor(thread, _open, path, how)
        try:
            opened = await asyncio.shield(job)
        except asyncio.CancelledError:
            try:
                await wait_until_done(job)
            finally:
                if not job.cancelled() and not job.exception():
                    await cls(job.result(), thread).aclose()
                thread.shutdown(wait=False)
            raise
        except BaseException:
            thread.shutdown(wait=False)
            raise
        return cls(opened, thread)

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

    async def unseal(self) -> None:
        """Remove the seal: the ledger holds nothing any more that must not be lost, and may be removed."""
        job = asyncio.get_running_loop().run_in_executor(self._thread, self._opened.seal.remove)
        await wait_until_done(job)

    async def aclose(self) -> None:
        """Finish the work under way, close the file and let others have it; safe to call twice."""
        if self._closed:
            return
        self._closed = True
        job = asyncio.get_running_loop().run_in_executor(self._thread, self._opened.close)
        self._thread.shutdown(wait=False)
        await wait_until_done(job)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def _transact(self, work: Callable[[sqlite3.Connection], T]) -> T:
        connection, mark = self._opened.connection, self._opened.seal
        try:
            self._opened.require_unmoved()
            connection.execute("BEGIN IMMEDIATE")
            try:
                before = connection.total_changes
                result = work(connection)
                changed = connection.total_changes != before
                if changed:
                    connection.execute("UPDATE ledger_identity SET commits = ?", (mark.next,))
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
            if changed:
                mark.committed()
        except (sqlite3.Error, OSError) as problem:
            raise LedgerError(f"the ledger {self.path} cannot be used: {problem}") from problem
        except ZRAError:
            raise
        except (TypeError, ValueError, LookupError, OverflowError) as problem:
            # SQLite keeps any value in any column: one of another type was not written by us
            raise LedgerError(f"the ledger {self.path} holds what does not belong there: {problem}") from problem
        return result


def ledger_path(path: StrPath) -> Path:
    """Resolve the links of the path of a ledger. Raises `LedgerError` for what cannot be one."""
    try:
        place = regular_file(path)
        require_one_name(place)
    except OSError as problem:
        raise LedgerError(f"the ledger {shown(path)} cannot be used: {problem.strerror}") from problem
    return place


def _open(path: StrPath, how: _How) -> _Opened:
    place = ledger_path(path)
    try:
        lock = FileLock.beside(place, purpose=how.purpose)
    except OSError as problem:
        raise LedgerError(f"the ledger {place} cannot be locked: {problem.strerror}") from problem
    try:
        connection = _connect(ledger_path(path), how)
        try:
            return _Opened(place, connection, lock, Seal.of(place, connection, durable=how.durable), place.stat())
        except BaseException:
            connection.close()
            raise
    except BaseException as problem:
        lock.release()
        if isinstance(problem, (sqlite3.Error, OSError)):
            raise LedgerError(f"the ledger {place} cannot be opened: {problem}") from problem
        raise


def _connect(path: Path, how: _How) -> sqlite3.Connection:
    mark = seal.read_mark(path)
    if path.exists() and path.stat().st_size:
        _check(path, how, mark)
    else:
        if how.check is not None:
            how.check(None)
        seal.check_missing(path, mark)
        _create(path, how)
    # the executor has one thread, but an interpreter that shuts down may close the connection from another
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        version: int = connection.execute("PRAGMA user_version").fetchone()[0]
        connection.execute("PRAGMA trusted_schema = OFF")  # the file may come from somebody else
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {'FULL' if how.durable else 'NORMAL'}")
        connection.execute("PRAGMA foreign_keys = ON")
        _upgrade(connection, how.kind, how.schema, version)
        if how.owner is not None:
            how.owner.adopt_missing(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _check(path: Path, how: _How, mark: seal.Mark | None) -> None:
    """Refuse a ledger of something else, and one that is not the latest, before anything is written to it."""
    side = path.with_name(f"{path.name}-wal")
    # without a side file nothing is to be made beside it either
    immutable = "" if side.exists() and side.stat().st_size else "&immutable=1"
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro{immutable}", uri=True, isolation_level=None)) as connection:
        connection.execute("PRAGMA trusted_schema = OFF")
        found_kind: int = connection.execute("PRAGMA application_id").fetchone()[0]
        version: int = connection.execute("PRAGMA user_version").fetchone()[0]
        if version <= 0 or found_kind != how.kind:
            raise LedgerError(f"{path} is the ledger of something else")
        if version > len(how.schema):
            raise LedgerError(f"the ledger {path} was written by a newer version of this library")
        seal.check(path, mark, seal.identity(connection))
        if how.owner is not None:
            how.owner.check(path, connection)
        if how.check is not None:
            how.check(connection)


def _create(path: Path, how: _How) -> None:
    """Make a new ledger as a whole, readable by its owner only: it holds the names and addresses of people."""
    with Replacement(path, private=True) as new:
        assert new.temporary is not None
        with closing(sqlite3.connect(new.temporary, isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode = OFF")  # the file has no name yet that it could be found by
            _upgrade(connection, how.kind, (*how.schema[:-1], f"{how.schema[-1]}; {seal.IDENTITY}"), 0)
            if how.owner is not None:
                how.owner.remember(connection)
        new.commit()


def _upgrade(connection: sqlite3.Connection, kind: int, schema: Sequence[str], version: int) -> None:
    for number, script in enumerate(schema[version:], version + 1):
        # one script: either all of it is there with its number, or nothing
        connection.executescript(
            f"BEGIN IMMEDIATE; {script}; PRAGMA application_id = {kind}; PRAGMA user_version = {number}; COMMIT"
        )
