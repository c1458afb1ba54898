"""The ledger of an export: which units there are, what became of each, and how far the lists were read.

A run is numbered. A unit is `waiting` from when it was listed until its outcome is committed, together with the byte
offsets of what it wrote. Each stream of a unit is a `part`: `part.rows_run` is the run whose lines are its present
content, and `unit.rows_run` the last run that wrote any of them.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Protocol

import msgspec

from zra_async.bulk.database import Database
from zra_async.bulk.export.destination import ExportRun, RunSummary
from zra_async.bulk.export.units import Listed, Outcome, StreamPart, Waiting
from zra_async.core.tasks import shielded
from zra_async.errors import LedgerError
from zra_async.results.exports import ExportReport, Failure, RefusedStream, UnitCounts, UnitKind, UnprovenPeriod

_SET = "INSERT INTO setting VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value"
_WRITE_PART = (
    "INSERT INTO part VALUES (?, ?, ?, 'done', ?, ?, ?, '') ON CONFLICT DO UPDATE SET state = excluded.state,"
    " rows_run = excluded.rows_run, records = excluded.records, digest = excluded.digest, reason = ''"
)
# what was written before the refusal stays
_REFUSE_PART = (
    "INSERT INTO part VALUES (?, ?, ?, 'refused', NULL, NULL, NULL, ?) ON CONFLICT DO UPDATE SET"
    " state = excluded.state, reason = excluded.reason"
)
_UNPROVEN = "unproven {}"  #: the setting with the unproven periods of a kind
_FAILURES = 100  #: failures that a report names
_decode_periods = msgspec.json.Decoder(tuple[UnprovenPeriod, ...]).decode


class Writer(Protocol):
    """Takes the lines of units inside the transaction that notes them as done."""

    def write(self, connection: sqlite3.Connection, outcome: Outcome) -> None:
        """Append the lines of a unit, or the note that it is gone."""
        ...

    def sync(self, connection: sqlite3.Connection) -> None:
        """Bring everything to the disk, and its byte offsets into the ledger."""
        ...


class SqliteLedger:
    """An `ExportLedger` in an SQLite file, for one run. By itself it keeps no rows: a subclass writes them."""

    def __init__(self, database: Database) -> None:
        self.database: Database = database
        self.run: int = 0

    def __str__(self) -> str:
        return str(self.database.path)

    async def begin(self, parameters: str, now: datetime, settings: Mapping[str, str]) -> ExportRun:
        """Note the settings, and begin a run, or resume the last one if it is unfinished and has these parameters."""
        run = await self.database.run(lambda c: _begin(c, parameters, now, settings))
        self.run = run.number
        return run

    async def finish(self, report: ExportReport, covers_from: datetime | None, settings: Mapping[str, str]) -> None:
        """Close the run and note the settings; the next run has another number."""
        del report, covers_from  # for a ledger that shows them beside its rows
        await self.database.run(lambda c: _finish(c, self.run, settings))

    async def setting(self, name: str) -> str | None:
        """Read a setting of the folder."""
        return await self.database.run(lambda c: _value(c, "SELECT value FROM setting WHERE name = ?", name))

    # Lists

    async def offer(
        self, kind: UnitKind, page: Sequence[Listed], streams: Sequence[str], *, unchanged_too: bool
    ) -> int:
        """Take over one page of a list, and return how many of its units are to be read.

        Left out is what this run has read, what waits already, and, unless ``unchanged_too``, what has its old version
        and all of ``streams``. A unit with its old version that lacks some of them is read for these alone.
        """
        return await self.database.run(lambda c: _offer(c, self.run, kind, page, streams, unchanged_too))

    async def end_list(self, kind: UnitKind, *, complete: bool, unproven: Sequence[UnprovenPeriod]) -> int:
        """Note that a list was read to its end, and which periods it did not prove to be complete.

        A ``complete`` one showed all there is: what it did not show is to be read once more, which tells whether it is
        gone. Returns how many units those are.
        """
        noted = msgspec.json.encode(unproven).decode()
        return await self.database.run(lambda c: _end_list(c, self.run, kind, complete, noted))

    # Units

    async def take(self, kinds: Collection[UnitKind], after: int, most: int) -> list[Waiting]:
        """The next units to be read, of these kinds, with a greater number than ``after``."""
        wanted = tuple(kinds)
        statement = (
            "SELECT seq, kind, id, version, payload, streams FROM waiting"  # noqa: S608 (question marks only)
            f" WHERE seq > ? AND kind IN ({','.join('?' * len(wanted))}) ORDER BY seq LIMIT ?"
        )
        rows = await self.database.run(lambda c: c.execute(statement, (after, *wanted, most)).fetchall())
        return [
            Waiting(seq, kind, unit, version, payload, _names(names))
            for seq, kind, unit, version, payload, names in rows
        ]

    async def commit(self, outcomes: Sequence[Outcome]) -> Sequence[Outcome]:
        """Note what became of a group of units, in one transaction. Returns what was not dropped."""
        return await self.write(outcomes, None)

    async def write(self, outcomes: Sequence[Outcome], writer: Writer | None) -> Sequence[Outcome]:
        """Write a group of units and note what became of them, in one transaction. Returns what was not dropped.

        Drops an outcome whose unit was listed anew since it was taken: that unit waits to be read as it is listed now.
        """
        return await shielded(self.database.run(lambda c: _commit(c, self.run, outcomes, writer)))

    async def changes(self, outcomes: Sequence[Outcome]) -> Sequence[tuple[Outcome, Outcome | None]]:
        """Return each outcome with what `write` would write of it: its changed parts, its deletion, or None."""
        return await self.database.run(lambda c: [(outcome, _change(c, self.run, outcome)) for outcome in outcomes])

    async def flush(self) -> None:
        """Bring what is delayed to its place: nothing is."""

    async def people(self, after: str, most: int) -> list[str]:
        """The ids of users that units have named, in order."""
        statement = "SELECT id FROM person WHERE id > ? ORDER BY id LIMIT ?"
        return [row[0] for row in await self.database.run(lambda c: c.execute(statement, (after, most)).fetchall())]

    # Report

    async def summary(self) -> RunSummary:
        """Return the state of the ledger."""
        return await self.summarise({})

    async def summarise(self, records: Mapping[str, int]) -> RunSummary:
        """Return the state of the ledger; ``records`` are the numbers of records that this run has written."""
        try:
            return await self.database.run(lambda c: _summary(c, self.run, records))
        except msgspec.MsgspecError as problem:
            raise LedgerError(
                f"the ledger {self.database.path} holds what does not belong there: {problem}"
            ) from problem


def failures(connection: sqlite3.Connection, most: int = -1) -> Iterable[Failure]:
    """Every unit that could not be read when it was last tried."""
    statement = "SELECT kind, id, reason FROM unit WHERE state = 'failed' ORDER BY kind, id LIMIT ?"
    return (Failure(kind=kind, id=unit, reason=reason) for kind, unit, reason in connection.execute(statement, (most,)))


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split(",")) if text else frozenset()


def _value(connection: sqlite3.Connection, statement: str, *values: object) -> str | None:
    row = connection.execute(statement, values).fetchone()
    return None if row is None else row[0]


def _begin(connection: sqlite3.Connection, parameters: str, now: datetime, settings: Mapping[str, str]) -> ExportRun:
    connection.executemany(_SET, settings.items())
    last: tuple[int, str, str, str | None] | None
    last = connection.execute("SELECT number, parameters, begun, finished FROM run ORDER BY number DESC").fetchone()
    resumed = last is not None and last[3] is None and last[1] == parameters
    if last is not None and resumed:
        number, begun = last[0], datetime.fromisoformat(last[2])
    else:
        number = last[0] + 1 if last else 1
        begun = now.astimezone(UTC).replace(microsecond=0)
        connection.execute("INSERT INTO run VALUES (?, ?, ?, '', NULL)", (number, parameters, begun.isoformat()))
        # What another run has left waiting is listed again, since that run did not move the watermark. What failed may
        # not be, so it is read again. What was listed as in processing will be, once it is ready: here only its
        # existence is asked for.
        connection.execute("DELETE FROM waiting")
        _wait_again(connection, "processing")
    _wait_again(connection, "failed")
    return ExportRun(
        number,
        begun,
        resumed,
        frozenset(row[0] for row in connection.execute("SELECT kind FROM listing WHERE run = ?", (number,))),
        dict(connection.execute("SELECT kind, count(*) FROM waiting GROUP BY kind").fetchall()),
        _counts(connection, number),
    )


def _finish(connection: sqlite3.Connection, run: int, settings: Mapping[str, str]) -> None:
    connection.executemany(_SET, settings.items())
    now = datetime.now(UTC).replace(microsecond=0)
    connection.execute("UPDATE run SET finished = ? WHERE number = ?", (now.isoformat(), run))


def _summary(connection: sqlite3.Connection, run: int, records: Mapping[str, int]) -> RunSummary:
    latest = _value(connection, "SELECT latest FROM run WHERE number = ?", run)
    periods = connection.execute("SELECT value FROM setting WHERE name LIKE 'unproven %' ORDER BY name").fetchall()
    refused = connection.execute(
        "SELECT stream, count(*), max(reason) FROM part WHERE state = 'refused' GROUP BY stream"
    )
    return RunSummary(
        units=_counts(connection, run),
        records=records,
        failures=tuple(failures(connection, _FAILURES)),
        refused_streams=tuple(RefusedStream(stream=name, units=units, reason=why) for name, units, why in refused),
        unproven=tuple(period for (text,) in periods for period in _decode_periods(text)),
        latest=datetime.fromisoformat(latest) if latest else None,
    )


def _wait_again(connection: sqlite3.Connection, state: str) -> None:
    connection.execute(
        "INSERT INTO waiting (kind, id, version, payload) SELECT kind, id, version, coalesce(payload, x'') FROM unit"
        " WHERE state = ? ON CONFLICT DO NOTHING",
        (state,),
    )


def _offer(
    connection: sqlite3.Connection,
    run: int,
    kind: UnitKind,
    page: Sequence[Listed],
    wanted: Sequence[str],
    unchanged_too: bool,
) -> int:
    added = 0
    latest = max((unit.at for unit in page), default="")
    connection.execute("UPDATE run SET latest = max(latest, ?) WHERE number = ?", (latest, run))
    for unit in page:
        missing: Sequence[str] = ()  # all of them
        known = connection.execute(
            "SELECT version, state, run FROM unit WHERE kind = ? AND id = ?", (kind, unit.id)
        ).fetchone()
        if known is not None:
            version, state, last_run = known
            connection.execute("UPDATE unit SET seen = ? WHERE kind = ? AND id = ?", (run, kind, unit.id))
            if last_run == run and state in ("done", "deleted"):
                continue
            if state == "done" and version == unit.version and not unchanged_too:
                missing = _missing(connection, kind, unit.id, wanted)
                if not missing:
                    continue
        if unit.processing:
            _note(connection, run, Waiting(0, kind, unit.id, "", b""), "processing")
            continue
        # what waits in an older version was left by a failure: it is to be read as it is listed now
        added -= connection.execute(
            "DELETE FROM waiting WHERE kind = ? AND id = ? AND (payload = x'' OR version != ?)",
            (kind, unit.id, unit.version),
        ).rowcount
        added += connection.execute(
            "INSERT INTO waiting (kind, id, version, payload, streams) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (kind, unit.id, unit.version, unit.payload, ",".join(missing)),
        ).rowcount
    return added


def _missing(connection: sqlite3.Connection, kind: UnitKind, unit: str, wanted: Sequence[str]) -> Sequence[str]:
    """Return the streams that a unit lacks: they were added to the export, or were refused."""
    statement = "SELECT stream FROM part WHERE kind = ? AND id = ? AND state = 'done'"
    held = {row[0] for row in connection.execute(statement, (kind, unit))}
    return [stream for stream in wanted if stream not in held]


def _end_list(connection: sqlite3.Connection, run: int, kind: UnitKind, complete: bool, unproven: str) -> int:
    connection.execute("INSERT OR IGNORE INTO listing VALUES (?, ?)", (run, kind))
    connection.execute(_SET, (_UNPROVEN.format(kind), unproven))
    if not complete:
        return 0
    return connection.execute(
        "INSERT INTO waiting (kind, id, version, payload) SELECT kind, id, version, x'' FROM unit"
        " WHERE kind = ? AND seen < ? AND run < ? AND state != 'deleted' AND true ON CONFLICT DO NOTHING",
        (kind, run, run),
    ).rowcount


def _commit(
    connection: sqlite3.Connection, run: int, outcomes: Sequence[Outcome], writer: Writer | None
) -> Sequence[Outcome]:
    noted: list[Outcome] = []
    for outcome in outcomes:
        unit = outcome.unit
        if not connection.execute("DELETE FROM waiting WHERE seq = ?", (unit.seq,)).rowcount:
            continue  # the fence: its row was replaced by a newer one, which is read for itself
        noted.append(outcome)
        connection.executemany("INSERT OR IGNORE INTO person VALUES (?)", ((p,) for p in outcome.people))
        match outcome.state:
            case "done":
                _done(connection, run, outcome, writer)
            case "kept":
                _kept(connection, unit)
            case "failed":
                _note(connection, run, unit, outcome.state, reason=outcome.reason)
            case "processing":
                # with its row: its list may not show it again when it is ready
                _note(connection, run, unit, outcome.state)
            case "deleted":
                _deleted(connection, run, outcome, writer)
    if writer is not None:
        writer.sync(connection)
    return noted


def _done(connection: sqlite3.Connection, run: int, outcome: Outcome, writer: Writer | None) -> None:
    unit = outcome.unit
    key = (unit.kind, unit.id)
    rows_run: int | str | None = _value(connection, "SELECT rows_run FROM unit WHERE kind = ? AND id = ?", *key)
    known = dict(connection.execute("SELECT stream, digest FROM part WHERE kind = ? AND id = ?", key).fetchall())
    changed: list[StreamPart] = []
    for part in outcome.parts:
        if part.state == "refused":
            connection.execute(_REFUSE_PART, (*key, part.stream, part.reason))
            continue
        digest = _digest(part, run)
        if known.get(part.stream) == digest:
            statement = "UPDATE part SET state = 'done', reason = '' WHERE kind = ? AND id = ? AND stream = ?"
            connection.execute(statement, (*key, part.stream))
            continue
        changed.append(part)
        connection.execute(_WRITE_PART, (*key, part.stream, run, part.records, digest))
    if changed or (rows_run is None and not outcome.parts):
        rows_run = run
        if writer is not None:
            writer.write(connection, replace(outcome, parts=changed))
    connection.execute(
        "INSERT OR REPLACE INTO unit VALUES (?, ?, ?, 'done', ?, ?, ?, NULL, '', NULL)",
        (*key, unit.version, run, run, rows_run),
    )


def _change(connection: sqlite3.Connection, run: int, outcome: Outcome) -> Outcome | None:
    unit = outcome.unit
    key = (unit.kind, unit.id)
    if not connection.execute("SELECT 1 FROM waiting WHERE seq = ?", (unit.seq,)).fetchone():
        return None  # the fence drops it
    if outcome.state == "deleted":
        known = _value(connection, "SELECT rows_run FROM unit WHERE kind = ? AND id = ?", *key)
        return None if known is None else outcome
    digests = dict(connection.execute("SELECT stream, digest FROM part WHERE kind = ? AND id = ?", key).fetchall())
    changed = [
        part for part in outcome.parts if part.state == "done" and digests.get(part.stream) != _digest(part, run)
    ]
    return replace(outcome, parts=changed) if outcome.state == "done" and changed else None


def _kept(connection: sqlite3.Connection, unit: Waiting) -> None:
    """Note that a unit exists: where an earlier look at it had failed, it is again what it was before."""
    connection.execute(
        "UPDATE unit SET state = iif(rows_run IS NULL, 'processing', 'done'), reason = ''"
        " WHERE kind = ? AND id = ? AND state = 'failed'",
        (unit.kind, unit.id),
    )


def _deleted(connection: sqlite3.Connection, run: int, outcome: Outcome, writer: Writer | None) -> None:
    unit = outcome.unit
    key = (unit.kind, unit.id)
    had_rows = _value(connection, "SELECT rows_run FROM unit WHERE kind = ? AND id = ?", *key) is not None
    if had_rows and writer is not None:
        statement = "SELECT stream FROM part WHERE kind = ? AND id = ? AND rows_run IS NOT NULL"
        streams = [row[0] for row in connection.execute(statement, key)]
        writer.write(connection, replace(outcome, parts=[StreamPart(stream, b"", 0) for stream in streams]))
    connection.execute("DELETE FROM part WHERE kind = ? AND id = ?", key)
    _note(connection, run, unit._replace(version="", payload=b""), outcome.state)
    connection.execute("UPDATE unit SET rows_run = NULL WHERE kind = ? AND id = ?", key)


def _note(connection: sqlite3.Connection, run: int, unit: Waiting, state: str, *, reason: str = "") -> None:
    """Note a state that leaves the content of a unit as it was, if there was any."""
    connection.execute(
        "INSERT INTO unit VALUES (?, ?, ?, ?, ?, ?, NULL, NULL, ?, ?) ON CONFLICT DO UPDATE SET"
        " version = excluded.version, state = excluded.state, run = excluded.run, seen = excluded.seen,"
        " reason = excluded.reason, payload = excluded.payload",
        (unit.kind, unit.id, unit.version, state, run, run, reason, unit.payload or None),
    )


def _digest(part: StreamPart, run: int) -> bytes:
    """Return a digest of the lines of a part that is the same for every run."""
    # a quotation mark inside a text is escaped, so this is the last column and nothing else
    lines = part.lines.replace(b',"_run":%d}\n' % run, b"}\n")
    return hashlib.blake2b(lines, digest_size=16).digest()


def _counts(connection: sqlite3.Connection, run: int) -> dict[UnitKind, UnitCounts]:
    rows = connection.execute(
        "SELECT kind, sum(run = :run AND state = 'done'), sum(run = :run AND state = 'done' AND rows_run < :run),"
        " sum(run < :run AND seen = :run AND state = 'done'), sum(run = :run AND state = 'deleted'),"
        " sum(state = 'processing'), sum(state = 'failed')"
        " FROM unit WHERE run = :run OR seen = :run OR state IN ('processing', 'failed') GROUP BY kind",
        {"run": run},
    )
    return {
        kind: UnitCounts(
            done=done, unchanged=same, skipped=skipped, deleted=gone, in_processing=processing, failed=failed
        )
        for kind, done, same, skipped, gone, processing, failed in rows
    }
