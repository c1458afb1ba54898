"""Files of records, JSONL and CSV, read a batch at a time: memory does not grow with the file.

A row that cannot be read is a row with a problem, never the end of the file.
"""

from __future__ import annotations

import codecs
import itertools
import stat
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from zra_async.bulk.tables.csv_files import LONGEST_LINE, CsvRow, opened, read_csv
from zra_async.errors import InvalidArgument, SourceError
from zra_async.files.names import path_argument
from zra_async.osfiles.paths import StrPath
from zra_async.osfiles.threads import to_thread

PathLike = StrPath
#: rows of one turn of the event loop, and of one visit to the reading thread
BATCH = 250
_SHOWN = 2_000  #: characters of a line that cannot be read


@dataclass(frozen=True, slots=True)
class TableRow:
    """One record of an input: where it stands, and its value or what is wrong with it.

    `index` counts from 0, `line` is where it begins in a file, from 1. Of a row that cannot be read, `value` is its
    text. `cells` says that all values of the mapping are texts, since they come from a CSV file.
    """

    index: int
    line: int | None
    value: object
    problem: str = ""
    cells: bool = False


def reader_of(path: PathLike, columns: Iterable[str]) -> Callable[[], Iterator[TableRow]]:
    """Return the reader of the file at ``path`` by its suffix: .jsonl, .ndjson, or .csv and .tsv with ``columns``.

    Raises `InvalidArgument` for another suffix and for what is no file; the reader raises it for a wrong header.
    """
    place = path_argument(path)
    suffix = place.suffix.casefold()
    if suffix not in {".jsonl", ".ndjson", ".csv", ".tsv"}:
        raise InvalidArgument(f"{place} must end with .jsonl or .csv, which says how it is read")
    try:
        regular = stat.S_ISREG(place.stat().st_mode)
    except OSError as problem:
        raise InvalidArgument(f"{place} cannot be read: {problem.strerror}") from None
    if not regular:
        raise InvalidArgument(f"{place} is not a file")
    if suffix in {".csv", ".tsv"}:
        names = frozenset(columns)
        return lambda: _read_csv(place, names)
    return lambda: _read_jsonl(place)


async def read_rows(read: Callable[[], Iterator[TableRow]]) -> AsyncGenerator[list[TableRow]]:
    """The rows of a file in batches, read in a thread. Close it when you stop half way."""
    rows: Any = read()
    try:
        failure: BaseException | None = None
        while failure is None:
            batch, failure = await to_thread(take, rows)
            if batch:
                yield batch
            elif failure is None:
                return
        if isinstance(failure, OSError):
            raise SourceError(f"the records can no longer be read: {failure}") from failure
        raise failure
    finally:
        rows.close()


def take(rows: Iterator[TableRow]) -> tuple[list[TableRow], BaseException | None]:
    """Take the next batch from ``rows``, and the error that ended it early: the rows before the error count as read."""
    batch: list[TableRow] = []
    try:
        batch.extend(itertools.islice(rows, BATCH))
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as problem:
        return batch, problem
    return batch, None


def as_text(text: str) -> str:
    """``text`` as it can be written down: a name of odd bytes, as a folder gives it, holds what no UTF-8 has."""
    return text.encode("utf-8", "backslashreplace").decode()


def readable(problem: str) -> str:
    """Reword a decoder's message in the terms of the author of the record."""
    # msgspec ends with the path inside the record: a plain name reads better in front
    text, _, place = problem.partition(" - at `$.")
    if "RFC3339" in text:
        text = "must look like 2025-01-31T09:00:00Z"
    return f"{place.rstrip('`')}: {text}" if place else problem


# --------------------------------------------------------------------------- JSONL


def _read_jsonl(path: Path) -> Iterator[TableRow]:
    with opened(path) as file:
        index = 0
        for number in itertools.count(1):
            line = file.readline(LONGEST_LINE)
            if not line:
                return
            too_long = len(line) == LONGEST_LINE and not line.endswith(b"\n")
            line = line.removeprefix(codecs.BOM_UTF8)  # also in the middle: files may have been put together
            if too_long:
                _skip_line(file)
            elif not line.strip():
                continue
            yield _json_row(index, number, line, too_long=too_long)
            index += 1


def _skip_line(file: BinaryIO) -> None:
    while (rest := file.readline(LONGEST_LINE)) and not rest.endswith(b"\n"):
        pass


def _json_row(index: int, number: int, line: bytes, *, too_long: bool) -> TableRow:
    if too_long:
        return TableRow(index, number, _shown(line), f"the line is longer than {LONGEST_LINE} bytes")
    try:
        value = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
        return TableRow(index, number, _shown(line), f"the line is not JSON: {problem}")
    if not isinstance(value, dict):
        return TableRow(index, number, _shown(line), "the line is not a JSON object")
    return TableRow(index, number, value)  # pyright: ignore[reportUnknownArgumentType]


def _shown(line: bytes) -> str:
    return line[: 4 * _SHOWN].decode("utf-8", "replace").strip()[:_SHOWN]


# --------------------------------------------------------------------------- CSV


def _read_csv(path: Path, columns: frozenset[str]) -> Iterator[TableRow]:
    rows = read_csv(path, columns)
    header = next(rows)
    assert isinstance(header, list)
    for index, row in enumerate(rows):
        if isinstance(row, CsvRow):
            yield _csv_row(index, row, header)


def _csv_row(index: int, row: CsvRow, header: list[str]) -> TableRow:
    if row.problem:
        return TableRow(index, row.line, "", row.problem, cells=True)
    cells = row.cells
    if len(cells) != len(header):
        problem = f"the row has {len(cells)} cells, the header {len(header)}"
        return TableRow(index, row.line, ",".join(cells)[:_SHOWN], problem, cells=True)
    record: Mapping[str, str] = dict(zip(header, cells, strict=True))
    try:
        "".join(cells).encode()
    except UnicodeEncodeError:
        return TableRow(index, row.line, record, "the row is not UTF-8: save the file as UTF-8", cells=True)
    return TableRow(index, row.line, record, cells=True)
