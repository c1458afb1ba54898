"""The present content of a folder: the lines of its segments without those that were replaced or whose unit is gone."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec

from zra_async.bulk.database import ledger_path
from zra_async.bulk.export.folder.layout import LEDGER, segment_path
from zra_async.bulk.export.folder.tables import KIND
from zra_async.bulk.export.rows.schema import RUN_COLUMN
from zra_async.bulk.export.streams import STREAMS
from zra_async.bulk.export.units import id_of
from zra_async.bulk.seal import check, identity, read_mark
from zra_async.errors import InvalidArgument, LedgerError
from zra_async.osfiles.paths import StrPath, as_path, shown


def read_stream(folder: StrPath, stream: str) -> Iterator[dict[str, Any]]:
    """Read the present records of a stream, in the order in which they were written.

    Blocks while it reads: in an async program run it in a thread. Raises `LedgerError` for a folder without an export,
    and `InvalidArgument` for an unknown stream.
    """
    if stream not in STREAMS:
        raise InvalidArgument(f"no stream is called {stream!r}: choose from {', '.join(STREAMS)}")
    place = _folder(folder)
    path = ledger_path(place / LEDGER)
    if not path.exists() or not path.stat().st_size:
        raise LedgerError(f"{place} holds no export: its ledger is missing or empty")
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, isolation_level=None)) as connection:
            if connection.execute("PRAGMA application_id").fetchone()[0] != KIND:
                raise LedgerError(f"{path} is the ledger of something else")
            mark = read_mark(path)  # before the transaction: a run may commit in between
            connection.execute("BEGIN")  # a run that goes on meanwhile must not replace what is still to be read
            check(path, mark, identity(connection))
            for line in current_lines(connection, place, stream):
                yield msgspec.json.decode(line)
    except (sqlite3.Error, OSError, msgspec.MsgspecError, TypeError, ValueError, RecursionError) as problem:
        raise LedgerError(f"the export in {place} cannot be read, or was changed: {problem}") from problem


def _folder(folder: StrPath) -> Path:
    try:
        return as_path(folder)
    except OSError as problem:
        raise LedgerError(f"the folder {shown(folder)} cannot be used: {problem.strerror}") from problem


def current_lines(connection: sqlite3.Connection, folder: Path, stream: str) -> Iterator[bytes]:
    """The present lines of a stream."""
    spec = STREAMS[stream]
    key = msgspec.defstruct("Key", [(RUN_COLUMN, int), *((name, str | None, None) for name in spec.key)])
    decoder = msgspec.json.Decoder(key)
    statement = _run_statement(connection)
    unit, current = "", None
    for line in _lines(connection, folder, stream):
        found: dict[str, Any] = msgspec.structs.asdict(decoder.decode(line))
        name = id_of(found, spec.key)
        if current is None or name != unit:
            unit, current = name, _current_run(connection, statement, (spec.unit, name, stream))
        if found[RUN_COLUMN] == current:
            yield line


def all_current(connection: sqlite3.Connection, stream: str) -> bool:
    """Return True if no line of a stream was ever replaced or deleted, so that all lines of its segments count."""
    written = connection.execute("SELECT coalesce(sum(records), 0) FROM segment WHERE stream = ?", (stream,))
    # a part that version 0.1.0 wrote does not know its records
    current = connection.execute(
        "SELECT coalesce(sum(records), 0), count(*) = count(records) FROM part"
        " WHERE stream = ? AND rows_run IS NOT NULL",
        (stream,),
    )
    return bool((written.fetchone()[0], 1) == current.fetchone())


def segment_files(connection: sqlite3.Connection, folder: Path, stream: str) -> list[tuple[Path, int]]:
    """The segments of a stream, and how many bytes of each count."""
    rows = connection.execute("SELECT file, bytes FROM segment WHERE stream = ? ORDER BY number", (stream,))
    return [(segment_path(folder, file), size) for file, size in rows.fetchall()]


def _lines(connection: sqlite3.Connection, folder: Path, stream: str) -> Iterator[bytes]:
    for path, size in segment_files(connection, folder, stream):
        left = size
        with path.open("rb") as file:
            for line in file:
                left -= len(line)
                if left < 0:
                    break  # what a run under way has not committed
                yield line


def _run_statement(connection: sqlite3.Connection) -> str:
    if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'part'").fetchone():
        return "SELECT rows_run FROM part WHERE kind = ? AND id = ? AND stream = ?"
    # written by version 0.1.0, where all streams of a unit have the same run; the next run upgrades it
    return "SELECT rows_run FROM unit WHERE kind = ? AND id = ? AND ? != ''"


def _current_run(connection: sqlite3.Connection, statement: str, key: tuple[str, str, str]) -> int:
    row = connection.execute(statement, key).fetchone()
    return -1 if row is None or row[0] is None else row[0]
