"""CSV files as spreadsheets write them: any of the usual separators and encodings, read row by row."""

from __future__ import annotations

import codecs
import csv
import io
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from zra_async.errors import InvalidArgument, SourceError
from zra_async.osfiles.temporary import temporary_file

LONGEST_LINE = 4 * 1024 * 1024
BOM = "\ufeff"
_PIECE = 1024 * 1024  #: characters that are converted at once
#: the longer marks first: that of UTF-32 begins like that of UTF-16
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SEPARATORS = ",;\t|"
_SEPARATOR_LINE = re.compile(r"sep=(.)", re.IGNORECASE)


class CsvRow:
    """One row behind the header: the number of its first line, and its cells or what is wrong with it."""

    __slots__ = ("cells", "line", "problem")

    def __init__(self, line: int, cells: list[str], problem: str) -> None:
        self.line: int = line
        self.cells: list[str] = cells
        self.problem: str = problem


def opened(path: Path) -> BinaryIO:
    """Open a text file to be read as UTF-8; one in UTF-16 or UTF-32 is converted. Raises `InvalidArgument`."""
    try:
        file = path.open("rb")
    except (OSError, ValueError) as problem:
        raise InvalidArgument(f"{path} cannot be read: {getattr(problem, 'strerror', None) or problem}") from problem
    try:
        encoding = _encoding(file)
        return file if encoding is None else _converted(path, file, encoding)
    except BaseException:
        file.close()
        raise


def _encoding(file: BinaryIO) -> str | None:
    """The encoding of a file that is not UTF-8, known by its mark or by the zeros of its first character."""
    begin = file.read(4)
    file.seek(0)
    for mark, encoding in _MARKS:
        if begin.startswith(mark):
            return encoding
    if len(begin) == 4 and begin[1] == begin[3] == 0 and begin[0] and begin[2]:
        return "utf-16-le"
    if len(begin) == 4 and begin[0] == begin[2] == 0 and begin[1] and begin[3]:
        return "utf-16-be"
    return None


def _converted(path: Path, file: BinaryIO, encoding: str) -> BinaryIO:
    try:
        converted = temporary_file()
    except OSError as problem:
        raise SourceError(f"{path} cannot be converted: {problem.strerror}") from problem
    try:
        with io.TextIOWrapper(file, encoding, errors="surrogatepass", newline="") as text:
            while piece := text.read(_PIECE):
                converted.write(piece.encode("utf-8", "surrogatepass"))
        converted.seek(0)
    except UnicodeError:
        converted.close()
        raise InvalidArgument(f"{path} looks like {encoding.upper()} and is not: save it as UTF-8") from None
    except OSError as problem:
        converted.close()
        raise SourceError(f"{path} cannot be converted: {problem.strerror}") from problem
    return converted


def read_csv(path: Path, columns: frozenset[str]) -> Iterator[list[str] | CsvRow]:
    """Give the header of a CSV file, as names out of ``columns``, then its rows.

    Raises `InvalidArgument` for a file without a header, and for a header with names that are not known.
    """
    with opened(path) as binary:
        lines = _text_lines(binary)
        skipped, first = 0, ""
        for first in lines:
            if first.strip():
                break
            skipped += 1
        if not first.strip():
            raise InvalidArgument(f"{path} is empty: the first line of a CSV file is a header with its columns")
        separator, told = _separator(first, columns)
        if told:
            skipped, first = skipped + 1, next(lines, "")
        # strict, or a quotation mark that is never closed would take all the rows behind it for its cell
        reader = csv.reader(itertools.chain([first], lines), strict=True, delimiter=separator)
        header: list[str] = []
        for line, cells, problem in _records(reader):
            if header:
                yield CsvRow(line + skipped, cells, problem)
            else:
                header = _checked_header(path, cells, columns, problem)
                yield header
        if not header:
            raise InvalidArgument(f"{path} is empty: the first line of a CSV file is a header with its columns")


def _records(reader: Iterator[list[str]]) -> Iterator[tuple[int, list[str], str]]:
    while True:
        line: int = reader.line_num + 1  # type: ignore[attr-defined]
        problem = ""
        try:
            cells = next(reader, None)
        except csv.Error as error:
            unclosed = "; a quotation mark is not closed" if "unexpected end" in str(error) else ""
            cells, problem = [], f"the row cannot be read: {error}{unclosed}"
        if cells is None:
            return
        if cells or problem:
            yield line, cells, problem


def _text_lines(binary: BinaryIO) -> Iterator[str]:
    while line := binary.readline(LONGEST_LINE):
        # what is not UTF-8 is kept as it is, so that it costs its own row only; files that were put together have
        # a mark in the middle
        yield line.decode("utf-8", "surrogateescape").removeprefix(BOM)


def _separator(line: str, columns: frozenset[str]) -> tuple[str, bool]:
    """The separator of a file that begins with ``line``, and whether that line says so and nothing else."""
    told = _SEPARATOR_LINE.fullmatch(line.rstrip("\r\n"))
    if told is not None:
        return told[1], True
    known = {one: _known(line, one, columns) for one in _SEPARATORS}
    return max(_SEPARATORS, key=lambda one: known[one]), False  # the first of the best: a comma, if all are the same


def _known(line: str, separator: str, columns: frozenset[str]) -> int:
    try:
        cells = next(csv.reader([line], delimiter=separator))
    except (csv.Error, StopIteration):
        return 0
    return sum(_named(cell, columns) in columns for cell in cells)


def _named(cell: str, columns: frozenset[str]) -> str:
    """The column that a cell of the header means: blanks, case and hyphens do not count."""
    name = cell.strip().strip(BOM).strip()
    if name in columns:
        return name
    plain = re.sub(r"[\s-]+", "_", name).casefold()
    return plain if plain in columns else name


def _checked_header(path: Path, cells: Sequence[str], columns: frozenset[str], problem: str) -> list[str]:
    header = [_named(cell, columns) for cell in cells]
    unknown = [name for name in header if name not in columns]
    twice = _twice(header)
    if unknown:
        names = ", ".join(name or "a column without a name" for name in dict.fromkeys(unknown))
        shown = names.encode("utf-8", "replace").decode()[:300]
        problem = f"unknown in the header: {shown}; the columns are {', '.join(sorted(columns))}"
    elif twice:
        problem = f"twice in the header: {', '.join(twice)}"
    if problem:
        raise InvalidArgument(f"{path}: {problem}")
    return header


def _twice(names: Iterable[str]) -> list[str]:
    seen: set[str] = set()
    return sorted({name for name in names if name in seen or seen.add(name)})  # type: ignore[func-returns-value]
