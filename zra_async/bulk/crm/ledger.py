"""The ledger of an import: each chunk, its task, and its failed records.

A ledger is about one import until that has ended; the next one begins anew. A chunk is known by its number and its
content, so that a changed input is sent again from where it differs.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from zra_async.bulk.crm.chunks import Chunk
from zra_async.bulk.crm.kinds import CHAIN, Kind
from zra_async.bulk.database import Database
from zra_async.bulk.owner import Owner
from zra_async.bulk.tables.record_files import PathLike
from zra_async.osfiles.paths import shown

_KIND = 0x5A43524D  # "ZCRM"
_SCHEMA = (
    """
    CREATE TABLE job (ended INTEGER NOT NULL);
    INSERT INTO job VALUES (0);
    CREATE TABLE chunks (
        kind TEXT, number INTEGER, fingerprint BLOB NOT NULL, task_id TEXT NOT NULL DEFAULT '',
        done INTEGER NOT NULL DEFAULT 0, unexplained INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (kind, number)
    ) WITHOUT ROWID;
    CREATE TABLE failures (
        kind TEXT, number INTEGER, position INTEGER, reason TEXT NOT NULL,
        PRIMARY KEY (kind, number, position),
        FOREIGN KEY (kind, number) REFERENCES chunks ON DELETE CASCADE
    ) WITHOUT ROWID;
    """,
)


@dataclass(frozen=True, slots=True)
class ChunkOutcome:
    """The result of a chunk: the positions of failed records, the reasons, and the number of unexplained failures."""

    failures: Sequence[tuple[int, str]] = ()
    unexplained: int = 0


@dataclass(frozen=True, slots=True)
class Memory:
    """The record of a chunk from an earlier run: its task, and its outcome if it has ended."""

    task_id: str = ""
    outcome: ChunkOutcome | None = None


class ImportLedger:
    """The memory of an import. This one is for an import without a ledger: it remembers nothing."""

    async def recall(self, chunk: Chunk) -> Memory:  # noqa: ARG002
        """Return the record of ``chunk``. Call it in the order of the chunks, before the first is sent."""
        return Memory()

    async def sent(self, chunk: Chunk, task_id: str) -> None:
        """``chunk`` is with the service, as this task."""

    async def finish(self, chunk: Chunk, outcome: ChunkOutcome) -> None:
        """``chunk`` has ended."""

    async def close_kind(self, kind: Kind, count: int) -> None:
        """A kind has ``count`` chunks and no more."""

    async def end(self) -> None:
        """The import is over."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


class FileLedger(ImportLedger):
    """Remembers in a SQLite file; open it with `open_ledger`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def recall(self, chunk: Chunk) -> Memory:
        """Return the record of ``chunk``; if its content has changed, forget this chunk and all later ones."""
        key = (chunk.kind.name, chunk.number)

        def work(connection: sqlite3.Connection) -> Memory:
            row = connection.execute(
                "SELECT fingerprint, task_id, done, unexplained FROM chunks WHERE kind = ? AND number = ?", key
            ).fetchone()
            if row is None:
                return Memory()
            if row[0] != chunk.fingerprint():
                _forget(connection, chunk.kind, chunk.number)
                return Memory()
            if not row[2]:
                return Memory(row[1])
            failures = connection.execute(
                "SELECT position, reason FROM failures WHERE kind = ? AND number = ? ORDER BY position", key
            ).fetchall()
            return Memory(row[1], ChunkOutcome(failures, row[3]))

        return await self._database.run(work)

    async def sent(self, chunk: Chunk, task_id: str) -> None:
        """Remember the task of a chunk."""
        await self._database.run(
            lambda c: c.execute(
                "INSERT OR REPLACE INTO chunks (kind, number, fingerprint, task_id) VALUES (?, ?, ?, ?)",
                (chunk.kind.name, chunk.number, chunk.fingerprint(), task_id),
            )
        )

    async def finish(self, chunk: Chunk, outcome: ChunkOutcome) -> None:
        """Remember the outcome of a chunk."""
        key = (chunk.kind.name, chunk.number)

        def work(connection: sqlite3.Connection) -> None:
            connection.execute(
                "INSERT INTO chunks (kind, number, fingerprint, done, unexplained) VALUES (?, ?, ?, 1, ?) "
                "ON CONFLICT DO UPDATE SET fingerprint = excluded.fingerprint, done = 1, "
                "unexplained = excluded.unexplained",
                (*key, chunk.fingerprint(), outcome.unexplained),
            )
            connection.executemany(
                "INSERT OR REPLACE INTO failures VALUES (?, ?, ?, ?)",
                [(*key, position, reason) for position, reason in outcome.failures],
            )

        await self._database.run(work)

    async def close_kind(self, kind: Kind, count: int) -> None:
        """Forget what an earlier, longer input had after ``count`` chunks."""
        await self._database.run(
            lambda c: c.execute("DELETE FROM chunks WHERE kind = ? AND number >= ?", (kind.name, count))
        )

    async def end(self) -> None:
        """Remember that the import is over: the ledger holds nothing any more that must not be lost."""
        await self._database.run(lambda c: c.execute("UPDATE job SET ended = 1"))
        await self._database.unseal()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._database.aclose()


async def open_ledger(path: PathLike | None, owner: Owner | None = None) -> ImportLedger:
    """Open the ledger at ``path``, of an interrupted import of ``owner`` or a new one. None remembers nothing."""
    if path is None:
        return ImportLedger()
    database = await Database.open(path, kind=_KIND, schema=_SCHEMA, purpose=f"the ledger {shown(path)}", owner=owner)
    try:
        await database.run(_begin)
    except BaseException:
        await database.aclose()
        raise
    return FileLedger(database)


def _begin(connection: sqlite3.Connection) -> None:
    if connection.execute("SELECT ended FROM job").fetchone()[0]:
        connection.execute("DELETE FROM chunks")
        connection.execute("UPDATE job SET ended = 0")


def _forget(connection: sqlite3.Connection, kind: Kind, number: int) -> None:
    connection.execute("DELETE FROM chunks WHERE kind = ? AND number >= ?", (kind.name, number))
    # contacts that were refused for want of an account may be taken now, and the like
    later = CHAIN[CHAIN.index(kind) + 1 :] if kind in CHAIN else ()
    for dependent in later:
        connection.execute("DELETE FROM chunks WHERE kind = ?", (dependent.name,))
