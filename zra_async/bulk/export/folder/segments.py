"""Lines on their way to files: JSONL segments that never hold more than the ledger says.

All of this runs in the ledger's thread. A segment that is full, or whose run is over, is closed: its sha256 is noted,
and it never changes again.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from zra_async.bulk.export.folder.layout import UNITS, segment_path, uncommitted
from zra_async.bulk.export.rows.conversations import Row
from zra_async.bulk.export.units import Outcome
from zra_async.osfiles.replace import sync_folder

SEGMENT_BYTES = 64 * 1024**2

_FLAGS = os.O_WRONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_BLOCK = 1024**2
_encode_lines = msgspec.json.Encoder().encode_lines


class UnitRow(Row, frozen=True, gc=False):
    """A unit that a run has written (`exported`) or found to be gone (`deleted`).

    The lines of a unit in a stream are its present ones when their `_run` is that of the last line here that names the
    unit and, in `streams`, the stream, and that line is `exported`. A line of version 0.1.0 has no `streams`, and names
    all of them.
    """

    kind: str
    id: str
    state: str
    at: datetime
    streams: tuple[str, ...] = ()


class Segment:
    """The open segment of one stream. A new one must not be there yet."""

    def __init__(self, path: Path, number: int, size: int = 0, records: int = 0, *, new: bool = False) -> None:
        self.path = path
        self.number = number
        self.size: int = size
        self.records: int = records
        self._pending: list[bytes] = []
        self._hash = hashlib.sha256()
        self._fd = os.open(path, _FLAGS | (os.O_CREAT | os.O_EXCL if new else 0), 0o600)
        try:
            # behind the last commit stands what a killed process has written without noting it
            os.ftruncate(self._fd, size)
            os.lseek(self._fd, size, os.SEEK_SET)
            self._read_hash()
        except BaseException:
            os.close(self._fd)
            raise

    def append(self, lines: bytes, records: int) -> None:
        """Add whole lines at the end; `sync` writes them, together with those of other units."""
        self._pending.append(lines)
        self.size += len(lines)
        self.records += records

    @property
    def dirty(self) -> bool:
        """True if there is something to write."""
        return bool(self._pending)

    def sync(self) -> None:
        """Bring it to the disk."""
        content = b"".join(self._pending)
        self._pending.clear()
        self._hash.update(content)
        view = memoryview(content)
        while view:
            view = view[os.write(self._fd, view) :]
        os.fsync(self._fd)

    def close(self) -> str:
        """Close the file and return the sha256 of its content."""
        os.close(self._fd)
        return self._hash.hexdigest()

    def _read_hash(self) -> None:
        if self.size:
            with self.path.open("rb") as file:
                while block := file.read(_BLOCK):
                    self._hash.update(block)


class Segments:
    """The segments of a folder, one open for each stream that is written to. It is a `Writer` for the ledger."""

    def __init__(self, folder: Path, run: int, *, limit: int = SEGMENT_BYTES) -> None:
        self._folder = folder
        self._run = run
        self._limit = limit
        self._open: dict[str, Segment] = {}
        self._begun = False  # a segment was made since the last sync

    def recover(self, connection: sqlite3.Connection) -> None:
        """Make the files what the ledger says: what a killed run wrote without noting it is cut off or removed.

        Raises `LedgerError` for a file that does not match, before anything is changed.
        """
        left = uncommitted(self._folder, connection)
        statement = "SELECT stream, number, run, file, bytes, records FROM segment WHERE sha256 IS NULL"
        for stream, number, run, file, size, records in connection.execute(statement).fetchall():
            self._open[stream] = Segment(segment_path(self._folder, file), number, size, records)
            if run != self._run:
                self._finish(connection, stream)
        for path in left:
            path.unlink()

    def write(self, connection: sqlite3.Connection, outcome: Outcome) -> None:
        """Append the lines of a unit, and one about the unit itself."""
        for part in outcome.parts:
            if part.records:
                self._append(connection, part.stream, part.lines, part.records)
        unit, now = outcome.unit, datetime.now(UTC).replace(microsecond=0)
        streams = tuple(part.stream for part in outcome.parts)
        state = "exported" if outcome.state == "done" else "deleted"
        line = _encode_lines([UnitRow(unit.kind, unit.id, state, now, streams, run=self._run)])
        self._append(connection, UNITS, line, 1)

    def sync(self, connection: sqlite3.Connection) -> None:
        """Bring the segments to the disk, then their sizes into the ledger."""
        for stream, segment in self._open.items():
            if segment.dirty:
                segment.sync()
                self._note(connection, stream, segment)
        if self._begun:
            sync_folder(self._folder)
            self._begun = False

    def close(self, connection: sqlite3.Connection) -> None:
        """Close every segment for good."""
        self.sync(connection)
        for stream in list(self._open):
            self._finish(connection, stream)

    def abandon(self) -> None:
        """Let go of the files as they are."""
        for segment in self._open.values():
            segment.close()
        self._open.clear()

    def _append(self, connection: sqlite3.Connection, stream: str, lines: bytes, records: int) -> None:
        segment = self._open.get(stream)
        if segment is not None and segment.size and segment.size + len(lines) > self._limit:
            segment.sync()
            self._note(connection, stream, segment)
            self._finish(connection, stream)
            segment = None
        if segment is None:
            segment = self._open[stream] = self._begin(connection, stream)
        segment.append(lines, records)

    def _begin(self, connection: sqlite3.Connection, stream: str) -> Segment:
        last: int | None = connection.execute("SELECT max(number) FROM segment WHERE stream = ?", (stream,)).fetchone()[
            0
        ]
        number = (last or 0) + 1
        file = f"{stream}-{number:05}.jsonl"
        connection.execute("INSERT INTO segment VALUES (?, ?, ?, ?, 0, 0, NULL)", (stream, number, self._run, file))
        self._begun = True
        return Segment(self._folder / file, number, new=True)

    def _note(self, connection: sqlite3.Connection, stream: str, segment: Segment) -> None:
        connection.execute(
            "UPDATE segment SET bytes = ?, records = ? WHERE stream = ? AND number = ?",
            (segment.size, segment.records, stream, segment.number),
        )

    def _finish(self, connection: sqlite3.Connection, stream: str) -> None:
        segment = self._open.pop(stream)
        connection.execute(
            "UPDATE segment SET sha256 = ? WHERE stream = ? AND number = ?", (segment.close(), stream, segment.number)
        )
