"""Files of records are read row by row, and a bad row costs itself only."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zra_async.bulk.tables import record_files
from zra_async.bulk.tables.record_files import TableRow, read_rows, reader_of
from zra_async.errors import InvalidArgument, SourceError


async def rows_of(path: Path, *columns: str) -> list[TableRow]:
    return [row for batch in [batch async for batch in read_rows(reader_of(path, columns))] for row in batch]


def written(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


async def test_each_json_line_is_a_row_with_its_line_number(tmp_path: Path) -> None:
    """Blank lines count as lines and not as rows; a byte order mark and a missing last newline are taken."""
    rows = await rows_of(written(tmp_path, "a.jsonl", b'\xef\xbb\xbf{"a":1}\n\n  \r\n{"a":"\xc3\xb6"}\r\n{"a":3}'))
    assert [(row.index, row.line, row.value) for row in rows] == [
        (0, 1, {"a": 1}),
        (1, 4, {"a": "ö"}),
        (2, 5, {"a": 3}),
    ]
    assert not any(row.problem or row.cells for row in rows)


async def test_a_line_that_is_not_an_object_is_a_row_with_a_problem(tmp_path: Path) -> None:
    """What is not JSON, not UTF-8 or no object is named, and the rows after it are read."""
    content = b'{"a":1\n[1]\n"text"\n{"a":"\xff"}\n' + b"[" * 5000 + b'\n{"a":2}\n'
    rows = await rows_of(written(tmp_path, "a.ndjson", content))
    assert [bool(row.problem) for row in rows] == [True] * 5 + [False]
    assert [row.line for row in rows] == [1, 2, 3, 4, 5, 6]
    assert rows[0].value == '{"a":1'
    assert "JSON object" in rows[1].problem


async def test_an_endless_line_is_not_read_into_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line over the limit is a row with a problem, and the next row is the next line."""
    monkeypatch.setattr(record_files, "LONGEST_LINE", 64)
    content = b'{"a":"' + b"x" * 500 + b'"}\n{"a":1}\n'
    rows = await rows_of(written(tmp_path, "a.jsonl", content))
    assert [(row.line, bool(row.problem)) for row in rows] == [(1, True), (2, False)]
    assert "64 bytes" in rows[0].problem


async def test_an_endless_first_line_behind_a_byte_order_mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mark does not count towards the length of the line: what is too long is one bad row."""
    monkeypatch.setattr(record_files, "LONGEST_LINE", 64)
    content = b'\xef\xbb\xbf{"a":"' + b"x" * 500 + b'"}\n{"a":1}\n'
    rows = await rows_of(written(tmp_path, "a.jsonl", content))
    assert [(row.line, bool(row.problem)) for row in rows] == [(1, True), (2, False)]


async def test_a_column_without_a_name(tmp_path: Path) -> None:
    """What a spreadsheet leaves behind the last column is told in words."""
    with pytest.raises(InvalidArgument, match="a column without a name"):
        await rows_of(written(tmp_path, "a.csv", b"a,b,,\n1,2,,\n"), "a", "b")


async def test_a_quotation_mark_that_is_never_closed(tmp_path: Path) -> None:
    """The rows behind it would all be one cell: that is told, and no record is made of it."""
    content = b'a,b\n1,2\n3,"four\n5,6\n7,8\n'
    rows = await rows_of(written(tmp_path, "a.csv", content), "a", "b")
    assert [(row.line, bool(row.problem)) for row in rows] == [(2, False), (3, True)]
    assert "quotation mark" in rows[1].problem


async def test_a_csv_row_begins_on_the_line_that_is_named(tmp_path: Path) -> None:
    """Line breaks inside quotes belong to the cell, and the row is known by its first line."""
    content = 'a,b\r\n1,"two\r\nlines"\r\n\r\n3,ö\r\n'.encode()
    rows = await rows_of(written(tmp_path, "a.csv", content), "a", "b")
    assert [(row.line, row.value) for row in rows] == [
        (2, {"a": "1", "b": "two\r\nlines"}),
        (5, {"a": "3", "b": "ö"}),
    ]
    assert all(row.cells for row in rows)


async def test_a_bad_csv_row_costs_itself_only(tmp_path: Path) -> None:
    """Too few cells, too many, a text that is not UTF-8 and a cell without end are rows with a problem."""
    content = b"a,b\n1\n1,2,3\n\xff,2\n1," + b"x" * 200_000 + b"\n5,6\n"
    rows = await rows_of(written(tmp_path, "a.csv", content), "a", "b")
    assert [bool(row.problem) for row in rows] == [True, True, True, True, False]
    assert [row.line for row in rows] == [2, 3, 4, 5, 6]
    assert "2 cells" not in rows[0].problem
    assert "UTF-8" in rows[2].problem


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"a,c,d\n1,2,3\n", "unknown in the header: c, d; the columns are a, b"), (b"a,b,a\n", "twice in the header: a")],
)
async def test_a_wrong_header_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    """A header that names an unknown column, or one twice, is refused, since every row would be wrong."""
    with pytest.raises(InvalidArgument, match=words):
        await rows_of(written(tmp_path, "a.csv", content), "a", "b")


@pytest.mark.parametrize("name", ["a.json", "a", "a.txt", "missing.csv", "folder.csv"])
def test_what_cannot_be_read_is_refused(tmp_path: Path, name: str) -> None:
    """Another suffix, a missing file and a folder are refused at once."""
    (tmp_path / "folder.csv").mkdir()
    for other in ("a.json", "a", "a.txt"):
        (tmp_path / other).write_text("{}")
    with pytest.raises(InvalidArgument, match=name):
        reader_of(tmp_path / name, ())


async def test_a_file_that_breaks_while_it_is_read_is_an_error_of_the_library(tmp_path: Path) -> None:
    """An error of the disk in the middle comes as `SourceError`."""

    def broken():  # type: ignore[no-untyped-def]
        yield TableRow(0, 1, {})
        raise OSError(5, "Input/output error")

    with pytest.raises(SourceError, match="Input/output"):
        [batch async for batch in read_rows(broken)]


texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)


@given(st.lists(st.tuples(texts, texts), min_size=1, max_size=40))
async def test_what_a_csv_writer_writes_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, pairs: list[tuple[str, str]]
) -> None:
    """Every text that the csv module writes comes back, with its place."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerows([("a", "b"), *pairs])
    path = written(tmp_path_factory.mktemp("csv"), "a.csv", text.getvalue().encode())
    rows = await rows_of(path, "a", "b")
    assert [(row.index, tuple(row.value.values())) for row in rows] == list(enumerate(pairs))  # type: ignore[attr-defined]
