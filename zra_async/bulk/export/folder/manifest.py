"""``manifest.json`` and ``failed.jsonl``: what a folder holds, written whole at the end of every run."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from zra_async.bulk.export.folder.layout import FAILED, MANIFEST, UNITS
from zra_async.bulk.export.folder.ledger import failures
from zra_async.bulk.export.rows.schema import columns
from zra_async.bulk.export.streams import STREAMS
from zra_async.bulk.seal import identity
from zra_async.osfiles.replace import replace_file
from zra_async.results.exports import ExportReport

VERSION = 1

_encode = msgspec.json.Encoder().encode


def write(
    connection: sqlite3.Connection,
    folder: Path,
    report: ExportReport,
    covers_from: datetime | None,
    finished: datetime,
) -> None:
    """Write both files. Runs in the ledger's thread."""
    known = identity(connection)
    row = connection.execute("SELECT value FROM setting WHERE name = 'streams'").fetchone()
    streams: list[str] = msgspec.json.decode(row[0], type=list[str])
    content = {
        "format": "zra-export",
        "version": VERSION,
        "ledger": known[0] if known else "",
        "run": report.run,
        "finished": finished,
        "partial": report.partial,
        "unproven": report.unproven,
        "refused_streams": report.refused_streams,
        "watermark": report.watermark,
        "covers_from": covers_from,
        "dropped_fields": dict(report.dropped_fields),
        "units": {kind: asdict(counts) for kind, counts in report.units.items()},
        "streams": {stream: _stream(connection, stream) for stream in (*streams, UNITS)},
    }
    replace_file(folder / FAILED, _failed_lines(connection), private=True)
    replace_file(folder / MANIFEST, [msgspec.json.format(_encode(content), indent=1), b"\n"], private=True)


def records_of_run(connection: sqlite3.Connection, run: int) -> Mapping[str, int]:
    """Return the number of lines that a run has written, by stream."""
    rows: Iterable[tuple[str, int]] = connection.execute(
        "SELECT stream, sum(records) FROM segment WHERE run = ? GROUP BY stream", (run,)
    )
    return dict(rows)


def _stream(connection: sqlite3.Connection, stream: str) -> dict[str, Any]:
    rows = connection.execute(
        "SELECT file, run, records, bytes, sha256 FROM segment WHERE stream = ? ORDER BY number", (stream,)
    )
    segments = [
        {"file": file, "run": run, "records": records, "bytes": size, "sha256": digest}
        for file, run, records, size, digest in rows
    ]
    spec = STREAMS.get(stream)  # none for the stream of the units
    return {
        "records": sum(segment["records"] for segment in segments),
        "unit": None if spec is None else spec.unit,
        "unit_key": ("kind", "id") if spec is None else spec.key,
        "columns": columns(stream),
        "segments": segments,
    }


def _failed_lines(connection: sqlite3.Connection) -> Iterator[bytes]:
    for failure in failures(connection):
        yield _encode({"kind": failure.kind, "id": failure.id, "reason": failure.reason}) + b"\n"
