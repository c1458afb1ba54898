"""Files of records, JSONL and CSV, read a batch at a time: memory does not grow with the file.

A row that cannot be read is a row with a problem, never the end of the file.
"""

from __future__ import annotations

import csv
import itertools
import os
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from zra_async.errors import InvalidArgument, SourceError
from zra_async.osfiles.threads import to_thread

PathLike = str | os.PathLike[str]
#: rows of one turn of the event loop, and of one visit to the reading thread
BATCH = 250
LONGEST_LINE = 4 * 1024 * 1024
_SHOWN = 2_000  #: characters of a line that cannot be read


@dataclass(frozen=True, slots=True)
class Row:
    """One record of an input: where it stands, and its value or what is wrong with it.

    `index` counts from 0, `line` is where it begins in a file, from 1. Of a row that cannot be read, `value` is its
    text. `cells` says that all values of the mapping are texts, since they come from a CSV file.
    """

    index: int
    line: int | None
    value: object
    problem: str = ""
    cells: bool = False


def reader_of(path: PathLike, columns: Iterable[str]) -> Callable[[], Iterator[Row]]:
    """How the file at ``path`` is read, by its suffix: .jsonl, .ndjson or .csv, the last with some of ``columns``.

    Raises `InvalidArgument` for another suffix and for what is no file; the reader raises it for a wrong header.
    """
    place = Path(path)
    suffix = place.suffix.casefold()
    if suffix not in {".jsonl", ".ndjson", ".csv"}:
        raise InvalidArgument(f"{place} must end with .jsonl or .csv, which says how it is read")
    if not place.is_file():
        raise InvalidArgument(f"{place} is not a file")
    if suffix == ".csv":
        names = frozenset(columns)
        return lambda: _read_csv(place, names)
    return lambda: _read_jsonl(place)


async def read_rows(read: Callable[[], Iterator[Row]]) -> AsyncGenerator[list[Row]]:
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


def take(rows: Iterator[Row]) -> tuple[list[Row], BaseException | None]:
    """Take the next batch from ``rows``, and the error that ended it early: the rows before the error count as read."""
    batch: list[Row] = []
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
    """What a decoder says of a record, in the order and the words of the one who wrote it."""
    # msgspec ends with the path inside the record: a plain name reads better in front
    text, _, place = problem.partition(" - at `$.")
    if "RFC3339" in text:
        text = "must look like 2025-01-31T09:00:00Z"
    return f"{place.rstrip('`')}: {text}" if place else problem


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as problem:
        raise InvalidArgument(f"{path} cannot be read: {problem.strerror}") from problem


# --------------------------------------------------------------------------- JSONL


def _read_jsonl(path: Path) -> Iterator[Row]:
    with _opened(path) as file:
        index = 0
        for number in itertools.count(1):
            line = file.readline(LONGEST_LINE)
            if not line:
                return
            too_long = len(line) == LONGEST_LINE and not line.endswith(b"\n")
            if number == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")
            if too_long:
                _skip_line(file)
            elif not line.strip():
                continue
            yield _json_row(index, number, line, too_long=too_long)
            index += 1


def _skip_line(file: BinaryIO) -> None:
    while (rest := file.readline(LONGEST_LINE)) and not rest.endswith(b"\n"):
        pass


def _json_row(index: int, number: int, line: bytes, *, too_long: bool) -> Row:
    if too_long:
        return Row(index, number, _shown(line), f"the line is longer than {LONGEST_LINE} bytes")
    try:
        value = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
        return Row(index, number, _shown(line), f"the line is not JSON: {problem}")
    if not isinstance(value, dict):
        return Row(index, number, _shown(line), "the line is not a JSON object")
    return Row(index, number, value)  # pyright: ignore[reportUnknownArgumentType]


def _shown(line: bytes) -> str:
    return line[: 4 * _SHOWN].decode("utf-8", "replace").strip()[:_SHOWN]


# --------------------------------------------------------------------------- CSV


def _read_csv(path: Path, columns: frozenset[str]) -> Iterator[Row]:
    with _opened(path) as binary:
        # strict, or a quotation mark that is never closed would take all the rows behind it for its cell
        reader = csv.reader(_text_lines(binary), strict=True)
        header: list[str] = []
        index = 0
        while True:
            line = reader.line_num + 1
            problem = ""
            try:
                cells = next(reader, None)
            except csv.Error as error:
                unclosed = "; a quotation mark is not closed" if "unexpected end" in str(error) else ""
                cells, problem = [], f"the row cannot be read: {error}{unclosed}"
            if cells is None:
                return
            if header and (cells or problem):
                yield _csv_row(index, line, header, cells, problem)
                index += 1
            elif cells or problem:
                header = _checked_header(path, cells, columns, problem)


def _text_lines(binary: BinaryIO) -> Iterator[str]:
    encoding = "utf-8-sig"
    while line := binary.readline(LONGEST_LINE):
        # what is not UTF-8 is kept as it is, so that it costs its own row only
        yield line.decode(encoding, "surrogateescape")
        encoding = "utf-8"


def _checked_header(path: Path, cells: list[str], columns: frozenset[str], problem: str) -> list[str]:
    header = [cell.strip() for cell in cells]
    unknown = [name for name in header if name not in columns]
    twice = sorted({name for name in header if header.count(name) > 1})
    if unknown:
        names = ", ".join(name or "a column without a name" for name in dict.fromkeys(unknown))
        shown = names.encode("utf-8", "replace").decode()[:300]
        problem = f"unknown in the header: {shown}; the columns are {', '.join(sorted(columns))}"
    elif twice:
        problem = f"twice in the header: {', '.join(twice)}"
    if problem:
        raise InvalidArgument(f"{path}: {problem}")
    return header


def _csv_row(index: int, line: int, header: list[str], cells: list[str], problem: str) -> Row:
    if problem:
        return Row(index, line, "", problem, cells=True)
    if len(cells) != len(header):
        problem = f"the row has {len(cells)} cells, the header {len(header)}"
        return Row(index, line, ",".join(cells)[:_SHOWN], problem, cells=True)
    record: Mapping[str, str] = dict(zip(header, cells, strict=True))
    try:
        "".join(cells).encode()
    except UnicodeEncodeError:
        return Row(index, line, record, "the row is not UTF-8", cells=True)
    return Row(index, line, record, cells=True)
