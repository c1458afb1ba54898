"""Parquet files from the segments of an export, with DuckDB (extra ``parquet``)."""

from __future__ import annotations

import errno
import os
import sqlite3
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from zra_async.bulk.database import Database
from zra_async.bulk.export.folder.layout import LEDGER, check_folder
from zra_async.bulk.export.folder.present import all_current, current_lines, segment_files
from zra_async.bulk.export.folder.tables import KIND, SCHEMA
from zra_async.bulk.export.rows.schema import columns
from zra_async.bulk.export.streams import STREAMS
from zra_async.errors import ConfigurationError, LedgerError
from zra_async.files.names import path_argument
from zra_async.osfiles.paths import StrPath, regular_file
from zra_async.osfiles.replace import Replacement
from zra_async.osfiles.threads import to_thread

if TYPE_CHECKING:
    import duckdb

FOLDER = "parquet"
_MEMORY = "512MB"


async def to_parquet(folder: StrPath, into: StrPath | None = None) -> Mapping[str, Path]:
    """Write one Parquet file for each stream of an export, and return where they are.

    They hold the present records: what was replaced by a later run is left out. The columns of a stream and their types
    are always the same, also where it has no records. ``into`` is by default the folder ``parquet`` in that of the
    export. Files that are there are replaced, each in one step.

    Raises `ConfigurationError` when DuckDB is not installed, `LedgerError` for a folder without an export and for what
    no Parquet file can hold, and `InUse` while an export runs.
    """
    _require_duckdb()
    source = await to_thread(_source, folder)
    target = path_argument(into) if into is not None else source / FOLDER
    database = await Database.open(
        source / LEDGER,
        kind=KIND,
        schema=SCHEMA,
        purpose=f"the export in {source}",
        durable=False,
        check=partial(check_folder, source),
    )
    async with database:
        return await database.run(lambda connection: _write_all(connection, source, target))


def _require_duckdb() -> None:
    try:
        import duckdb  # noqa: F401  # pyright: ignore[reportUnusedImport]
    except ImportError:
        raise ConfigurationError("Parquet needs DuckDB: pip install 'zra-async[parquet]'") from None


def _source(folder: StrPath) -> Path:
    source = Path(os.path.realpath(path_argument(folder)))
    if not os.path.exists(source / LEDGER):  # noqa: PTH110 (a name that is too long is no error for it)
        raise LedgerError(f"{source} holds no export")
    return source


def _write_all(connection: sqlite3.Connection, source: Path, target: Path) -> dict[str, Path]:
    import duckdb

    try:
        target.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as problem:
        raise LedgerError(f"{target} cannot be made: {problem.strerror}") from problem
    written: dict[str, Path] = {}
    with duckdb.connect() as engine:
        engine.execute(f"SET memory_limit = '{_MEMORY}'")
        engine.execute("SET autoinstall_known_extensions = false")
        for stream in _streams(connection):
            written[stream] = target / f"{stream}.parquet"
            try:
                with _files(connection, source, stream, plain=all_current(connection, stream)) as files:
                    _write(engine, columns(stream), files, written[stream])
            except (duckdb.Error, OSError) as problem:
                raise LedgerError(f"{written[stream]} cannot be written: {problem}") from problem
    return written


def _streams(connection: sqlite3.Connection) -> list[str]:
    found = {row[0] for row in connection.execute("SELECT value FROM setting WHERE name = 'streams'")}
    return [stream for stream in STREAMS if any(f'"{stream}"' in names for names in found)]


@contextmanager
def _files(connection: sqlite3.Connection, source: Path, stream: str, *, plain: bool) -> Generator[list[str]]:
    segments = [(path, size) for path, size in segment_files(connection, source, stream) if size]
    # a segment that is longer than its note ends with what a killed run has written
    if plain and all(path.stat().st_size == size for path, size in segments):
        yield [str(path) for path, _ in segments]
        return
    with tempfile.NamedTemporaryFile(dir=source, prefix=f".{stream}-", suffix=".jsonl") as file:
        for line in current_lines(connection, source, stream):
            file.write(line)
        file.flush()
        yield [file.name] if file.tell() else []


def _write(engine: duckdb.DuckDBPyConnection, schema: Mapping[str, str], files: list[str], path: Path) -> None:
    """Read lines of JSON with fixed types, and write them in the same order."""
    if files:
        listed = ", ".join(f"{_text(name)}: {_text(kind)}" for name, kind in schema.items())
        sources = f"[{', '.join(map(_text, files))}]"
        query = f"SELECT * FROM read_json({sources}, format = 'newline_delimited', columns = {{{listed}}})"  # noqa: S608
    else:
        nothing = ", ".join(f'CAST(NULL AS {kind}) AS "{name}"' for name, kind in schema.items())
        query = f"SELECT {nothing} WHERE false"
    with Replacement(regular_file(path), private=True) as new:
        if new.temporary is None:
            raise PermissionError(errno.EACCES, "no file can be made in its folder")
        where = new.temporary
        engine.execute(f"COPY ({query}) TO {_text(str(where))} (FORMAT parquet, COMPRESSION zstd, USE_TMP_FILE false)")
        new.commit()


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
