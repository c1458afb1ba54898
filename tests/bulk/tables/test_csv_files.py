"""CSV files as programs write them: encodings, separators, marks, headers, and what is told of an empty one."""

from __future__ import annotations

import codecs
import tempfile
from pathlib import Path
from typing import Any

import pytest

from zra_async.bulk.tables.record_files import TableRow, read_rows, reader_of
from zra_async.errors import InvalidArgument, SourceError

COLUMNS = ("key", "name", "meeting_start_time")
ROWS = [{"key": "1", "name": "Ann; Ö, 日本"}, {"key": "2", "name": "line\nbreak"}]


async def rows_of(path: Path, content: bytes) -> list[TableRow]:
    """Read a file with this content."""
    path.write_bytes(content)
    return [row async for batch in read_rows(reader_of(path, COLUMNS)) for row in batch]


def text(separator: str = ",", end: str = "\r\n") -> str:
    """The same table with another separator."""
    return end.join([f"key{separator}name", f'1{separator}"Ann; Ö, 日本"', f'2{separator}"line\nbreak"', ""])


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
async def test_every_separator_and_encoding_is_the_same_table(
    tmp_path: Path, separator: str, end: str, encoding: str
) -> None:
    """Commas, semicolons, tabs and bars, in UTF-8, UTF-16 and UTF-32, with their marks or without."""
    rows = await rows_of(tmp_path / "a.csv", text(separator, end).encode(encoding))
    assert [row.value for row in rows] == ROWS
    assert [row.line for row in rows] == [2, 3]


@pytest.mark.parametrize("mark", [codecs.BOM_UTF16_BE, codecs.BOM_UTF16_LE])
async def test_both_orders_of_utf_16(tmp_path: Path, mark: bytes) -> None:
    """The mark says in which order the bytes are."""
    encoding = "utf-16-be" if mark == codecs.BOM_UTF16_BE else "utf-16-le"
    assert [row.value for row in await rows_of(tmp_path / "a.csv", mark + text("\t").encode(encoding))] == ROWS


@pytest.mark.parametrize("content", [b"", b"\n", b" \r\n\r\n", codecs.BOM_UTF8, codecs.BOM_UTF16_LE, b"sep=;\n"])
async def test_a_file_without_a_header_is_told(tmp_path: Path, content: bytes) -> None:
    """Nothing at all is no table of no rows: an export that failed leaves such a file."""
    with pytest.raises(InvalidArgument, match="is empty: the first line"):
        await rows_of(tmp_path / "a.csv", content)


@pytest.mark.parametrize("content", [b"key,name", b"key,name\n", b"key;name\r\n\r\n", codecs.BOM_UTF8 + b"key"])
async def test_a_lone_header_is_a_table_without_rows(tmp_path: Path, content: bytes) -> None:
    """With or without a line break behind it."""
    assert await rows_of(tmp_path / "a.csv", content) == []


@pytest.mark.parametrize(
    "header", [b"Key,NAME", b" key , name ", b'"key","name"', b"\n\nkey,name", b"sep=,\nkey,name", b"SEP=;\nkey;name",
               codecs.BOM_UTF8 + b'"key",name', codecs.BOM_UTF8 + codecs.BOM_UTF8 + b"key,name"]
)  # fmt: skip
async def test_a_header_may_be_written_in_several_ways(tmp_path: Path, header: bytes) -> None:
    """Case, blanks, quotes, marks, blank lines and the line of Excel that names the separator do not count."""
    separator = b";" if b";name" in header else b","
    [row] = await rows_of(tmp_path / "a.csv", header + b"\n1" + separator + b"x\n")
    assert row.value == {"key": "1", "name": "x"}
    assert row.line == header.count(b"\n") + 2


async def test_a_column_with_blanks_is_the_one_with_underscores(tmp_path: Path) -> None:
    """``Meeting start time`` is ``meeting_start_time``."""
    [row] = await rows_of(tmp_path / "a.csv", b"Key,Meeting start-time\n1,x\n")
    assert row.value == {"key": "1", "meeting_start_time": "x"}


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"key,key\n1,2\n", "twice in the header: key"), (b"key;Key\n1;2\n", "twice in the header: key"),
     (b"key,colour\n1,2\n", "unknown in the header: colour"), (b"key;colour\n1;2\n", "unknown in the header: colour"),
     (b"1,Ann\n2,Bob\n", "unknown in the header: 1, Ann"), (b"key,,\n1,,\n", "a column without a name"),
     (b"k\xe9y,name\n", "unknown in the header"), (codecs.BOM_UTF16_LE + b"k\x00e", "looks like UTF-16")],
)  # fmt: skip
async def test_a_wrong_header_is_told(tmp_path: Path, content: bytes, words: str) -> None:
    """Double and unknown columns, a file without a header, and what is no text."""
    with pytest.raises(InvalidArgument, match=words):
        await rows_of(tmp_path / "a.csv", content)


async def test_a_row_in_another_encoding_costs_itself_and_says_what_to_do(tmp_path: Path) -> None:
    """Latin-1 in one cell leaves the others as they are."""
    rows = await rows_of(tmp_path / "a.csv", b"key,name\n1,J\xfcrgen\n2,Ann\n")
    assert "save the file as UTF-8" in rows[0].problem
    assert rows[1].value == {"key": "2", "name": "Ann"}


async def test_files_that_were_put_together(tmp_path: Path) -> None:
    """A mark in the middle of a file is no part of an id, in CSV and in JSON lines."""
    rows = await rows_of(tmp_path / "a.csv", b"key,name\n1,x\n" + codecs.BOM_UTF8 + b"2,y\n")
    assert [row.value["key"] for row in rows] == ["1", "2"]  # type: ignore[index]
    lines = await rows_of(tmp_path / "a.jsonl", codecs.BOM_UTF8 + b'{"key":"1"}\n' + codecs.BOM_UTF8 + b'{"key":"2"}')
    assert [row.value for row in lines] == [{"key": "1"}, {"key": "2"}]


async def test_json_lines_in_utf_16(tmp_path: Path) -> None:
    """The other format is read in every encoding as well."""
    lines = await rows_of(tmp_path / "a.jsonl", '{"key":"Ö"}\r\n{"key":"2"}\n'.encode("utf-16"))
    assert [row.value for row in lines] == [{"key": "Ö"}, {"key": "2"}]


async def test_a_table_with_tabs_may_be_called_tsv(tmp_path: Path) -> None:
    """The suffix of a tab-separated file is known."""
    assert [row.value for row in await rows_of(tmp_path / "a.tsv", text("\t").encode())] == ROWS


async def test_no_usable_temporary_folder_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that must be converted needs room for it, and says so."""

    def none(*_: Any) -> None:
        raise FileNotFoundError(2, "No usable temporary directory found in ['/tmp']")

    monkeypatch.setattr(tempfile, "TemporaryFile", none)
    with pytest.raises(SourceError, match="temporary"):
        await rows_of(tmp_path / "a.csv", text().encode("utf-16"))
