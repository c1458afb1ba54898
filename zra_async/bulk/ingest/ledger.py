"""The ledger of an ingest: the progress of each item, noted before and after every step."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from zra_async.bulk.database import Database
from zra_async.bulk.group_commit import GroupCommit
from zra_async.bulk.owner import Owner
from zra_async.bulk.tables.record_files import PathLike, as_text
from zra_async.osfiles.paths import shown

LEDGER_KIND = 0x5A494E47  # "ZING"
_SCHEMA = (
    """
    CREATE TABLE runs (number INTEGER PRIMARY KEY, begun TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP);
    CREATE TABLE items (
        key TEXT PRIMARY KEY, run INTEGER NOT NULL, fingerprint BLOB NOT NULL,
        state TEXT NOT NULL, step TEXT NOT NULL, begun INTEGER NOT NULL, generation INTEGER NOT NULL,
        main_file_id TEXT NOT NULL, conversation_id TEXT NOT NULL, identity TEXT NOT NULL, since REAL NOT NULL,
        code INTEGER, reason TEXT NOT NULL, candidates TEXT NOT NULL, due REAL NOT NULL, asked INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX items_by_state ON items (state, due);
    CREATE INDEX items_by_conversation ON items (conversation_id);
    CREATE INDEX items_by_identity ON items (identity);
    CREATE TABLE days (day TEXT, label TEXT, planned INTEGER NOT NULL, PRIMARY KEY (day, label)) WITHOUT ROWID;
    """,
    "ALTER TABLE items ADD COLUMN analysed INTEGER NOT NULL DEFAULT 0",
)

#: open: there is something left to do · waiting: added, its analysis is waited for · unanalysed: that took too long
#: · unfit: it could not be sent as it was given · failed: refused · uncertain: it may be a conversation
State = Literal["open", "waiting", "unanalysed", "done", "unfit", "failed", "uncertain"]
Step = Literal["main", "transcript", "metadata", "add"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """The progress of one item.

    `step` is the next or present one, and `begun` says that it was begun and that its end is not known. `generation`
    counts how often the item was begun anew. `identity` and `since` are by what, and from when on (in the service's
    time), an added conversation is recognised; `due` (a time on the clock of the event loop) and `asked` are about the
    wait for its analysis, and `analysed` is the run in which that wait ended.
    """

    key: str
    run: int
    fingerprint: bytes
    state: State = "open"
    step: Step = "main"
    begun: bool = False
    generation: int = 0
    main_file_id: str = ""
    conversation_id: str = ""
    identity: str = ""
    since: float = 0.0
    code: int | None = None
    reason: str = ""
    candidates: str = ""
    due: float = 0.0
    asked: int = 0
    analysed: int = 0


_COLUMNS = tuple(Entry.__dataclass_fields__)
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM items "  # noqa: S608 (names of this module)
_SAVE = f"INSERT OR REPLACE INTO items ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"  # noqa: S608


@dataclass(frozen=True, slots=True)
class Claim:
    """An item that is begun: what is known of it from before, if anything, and whether this run has had it already."""

    entry: Entry
    known: bool
    twice: bool


class IngestLedger:
    """The memory of an ingest; open it with `open_ledger`."""

    def __init__(self, database: Database, run: int) -> None:
        self.path: Path = database.path
        self.run = run
        self._database = database
        self._commit = GroupCommit(database)

    async def claim(self, key: str, fingerprint: bytes, step: Step) -> Claim:
        """Begin with an item, once in each run; a new one begins with ``step``."""

        def work(connection: sqlite3.Connection) -> Claim:
            row = connection.execute(_SELECT + "WHERE key = ?", (key,)).fetchone()
            if row is None:
                entry = Entry(key=key, run=self.run, fingerprint=fingerprint, step=step)
                _save(connection, entry)
                return Claim(entry, known=False, twice=False)
            entry = _entry(row)
            if entry.run == self.run:
                return Claim(entry, known=True, twice=True)
            entry = replace(entry, run=self.run)
            _save(connection, entry)
            return Claim(entry, known=True, twice=False)

        return await self._commit.run(work)

    async def recall(self, key: str) -> Entry:
        """Return the entry of an item that was claimed."""
        return await self._commit.run(lambda c: _entry(c.execute(_SELECT + "WHERE key = ?", (key,)).fetchone()))

    async def save(self, entry: Entry) -> Entry:
        """Remember ``entry``, and give it back."""
        await self._commit.run(lambda connection: _save(connection, entry))
        return entry

    async def put_off(self, entry: Entry, due: float) -> None:
        """Ask after the analysis of an item again at ``due``."""
        query = "UPDATE items SET asked = ?, due = ? WHERE key = ?"
        await self._commit.run(lambda connection: connection.execute(query, (entry.asked + 1, due, entry.key)))

    async def end_wait(self, key: str, state: State) -> Entry:
        """End the wait for the analysis of an item in this run, and return what is known of it now.

        Nothing else is written: a worker may have claimed the item while the service was asked.
        """

        def work(connection: sqlite3.Connection) -> Entry:
            connection.execute("UPDATE items SET state = ?, analysed = ? WHERE key = ?", (state, self.run, key))
            return _entry(connection.execute(_SELECT + "WHERE key = ?", (key,)).fetchone())

        return await self._commit.run(work)

    async def plan(self, day: date, requests: Mapping[str, int]) -> None:
        """Remember that so many requests of each label are planned for a day."""
        rows = [(str(day), label, count) for label, count in requests.items()]
        query = "INSERT INTO days VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET planned = planned + excluded.planned"
        if rows:
            await self._commit.run(lambda connection: connection.executemany(query, rows))

    async def planned(self, day: date) -> dict[str, int]:
        """Return the number of requests planned for a day, by label, those of earlier runs included."""
        query = "SELECT label, planned FROM days WHERE day = ?"
        return await self._commit.run(lambda c: dict(c.execute(query, (str(day),)).fetchall()))

    async def claimed(self, conversation_ids: Iterable[str], key: str) -> set[str]:
        """Those of some conversations that belong to other items."""
        ids = list(conversation_ids)
        query = "SELECT 1 FROM items WHERE conversation_id = ? AND key != ?"
        return await self._commit.run(lambda c: {i for i in ids if c.execute(query, (i, key)).fetchone()})

    async def rivals(self, identity: str, key: str) -> bool:
        """Return True if another item of the same identity is in doubt."""
        query = (
            "SELECT 1 FROM items WHERE identity = ? AND key != ? AND step = 'add' AND begun AND conversation_id = ''"
        )
        return await self._commit.run(lambda c: c.execute(query, (identity, key)).fetchone() is not None)

    async def wait_again(self) -> None:
        """Wait for the analyses that earlier runs have not seen, and ask after each of them at once.

        When an earlier run meant to ask is a time on its own clock, which says nothing in this process.
        """

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("UPDATE items SET due = 0 WHERE state = 'waiting'")
            connection.execute("UPDATE items SET state = 'waiting', due = 0, asked = 0 WHERE state = 'unanalysed'")

        await self._commit.run(work)

    async def due(self, now: float, most: int) -> Sequence[Entry]:
        """The items whose analysis is to be asked after now, those that wait longest first."""
        query = _SELECT + "WHERE state = 'waiting' AND due <= ? ORDER BY due LIMIT ?"
        return await self._commit.run(lambda c: [_entry(row) for row in c.execute(query, (now, most))])

    async def next_due(self) -> float | None:
        """Return the time of the next check of an analysis; None if no item waits."""
        query = "SELECT MIN(due) FROM items WHERE state = 'waiting'"
        return await self._commit.run(lambda c: c.execute(query).fetchone()[0])

    async def waiting(self) -> AsyncGenerator[Entry]:
        """The items of this run that wait for their analysis."""
        query = _SELECT + "WHERE run = ? AND state = 'waiting' AND key > ? ORDER BY key LIMIT 500"
        after = ""
        while entries := await self._commit.run(self._rows(query, self.run, after)):
            for entry in entries:
                yield entry
            after = entries[-1].key

    async def finished(self, keys: Iterable[str]) -> Sequence[str]:
        """Those of some items that are conversations, with nothing left to do."""
        wanted = list(keys)
        query = "SELECT 1 FROM items WHERE key = ? AND state = 'done'"
        return await self._commit.run(lambda c: [key for key in wanted if c.execute(query, (key,)).fetchone()])

    @staticmethod
    def _rows(query: str, *values: object) -> Callable[[sqlite3.Connection], list[Entry]]:
        return lambda connection: [_entry(row) for row in connection.execute(query, values)]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._database.aclose()


async def open_ledger(path: PathLike, owner: Owner | None = None) -> IngestLedger:
    """Open or create the ledger at ``path`` for a new run of ``owner``. Raises `InUse` and `LedgerError`."""
    database = await Database.open(
        path, kind=LEDGER_KIND, schema=_SCHEMA, purpose=f"the ledger {shown(path)}", owner=owner
    )
    try:
        run = await database.run(lambda c: c.execute("INSERT INTO runs DEFAULT VALUES RETURNING number").fetchone()[0])
    except BaseException:
        await database.aclose()
        raise
    return IngestLedger(database, run)


def _entry(row: Sequence[object]) -> Entry:
    fields = dict(zip(_COLUMNS, row, strict=True))
    return Entry(**{**fields, "begun": bool(fields["begun"])})  # type: ignore[arg-type]


def _save(connection: sqlite3.Connection, entry: Entry) -> None:
    # a reason may hold the name of a file, and that any bytes
    entry = replace(entry, reason=as_text(entry.reason))
    connection.execute(_SAVE, [getattr(entry, name) for name in _COLUMNS])
