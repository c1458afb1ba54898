"""Ids on the command line and on stdin: one a line, JSON as ``zra list`` prints it, or CSV with a header."""

from __future__ import annotations

import codecs
import csv
import json
import re
import sys
from collections.abc import Iterator, Sequence
from typing import Any, cast

from zra_async.cli.failures import UsageProblem
from zra_async.cli.stopping import interruptible

_QUOTES = ('"', "'")
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


def given_ids(words: Sequence[str], field: str) -> list[str]:
    """Return the ids of a command line, each once; ``-`` stands for those on stdin.

    ``field`` names the field of a record that holds the id, such as ``conversation_id``. Raises `UsageProblem`.
    """
    ids: list[str] = []
    for word in words:
        ids += ids_in(_stdin(), field) if word == "-" else [_bare(word)]
    if "" in ids:
        raise UsageProblem("an id is empty")
    if not ids:
        raise UsageProblem("give at least one id" + (": there is none on stdin" if "-" in words else ""))
    return list(dict.fromkeys(ids))


def ids_in(text: str, field: str) -> list[str]:
    """Return the ids in a text of lines, of JSON, or of CSV whose header names ``field``. Raises `UsageProblem`."""
    if text.lstrip()[:1] in ("{", "["):
        return list(_from_json(text, field))
    lines = text.splitlines()
    first = next((line for line in lines if line.strip()), "")
    if field in map(_bare, re.split(r"[,;\t]", first)):
        return list(_from_csv(lines, field))
    return [word for number, line in enumerate(lines, start=1) if (word := _from_line(number, line, field))]


def _stdin() -> str:
    """Read stdin to its end; it may begin with a byte order mark, and be in UTF-16 where it does."""
    with interruptible():
        content = sys.stdin.buffer.read()
    encoding = next((name for mark, name in _MARKS if content.startswith(mark)), "utf-8")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        raise UsageProblem("the ids on stdin are not text in UTF-8") from None
    if "\0" in text:
        raise UsageProblem("the ids on stdin are not text in UTF-8: write them as UTF-8 (they look like UTF-16)")
    return text


def _from_line(number: int, line: str, field: str) -> str:
    word = _bare(line)
    if field.startswith("crm_"):
        return word  # ids of a CRM may hold anything
    if re.search(r"\s", word):
        raise UsageProblem(
            f"line {number} on stdin holds more than an id: {line.strip()[:60]!r}; give one id a line, "
            f"the JSON lines of zra list, or CSV whose header names {field}"
        )
    return word


def _bare(word: str) -> str:
    """An id without what copying leaves around it: blanks, a comma or semicolon at its end, quotes."""
    word = word.strip().removeprefix("\ufeff").rstrip(",;").strip()
    if len(word) >= 2 and word[0] == word[-1] and word[0] in _QUOTES:
        word = word[1:-1].strip()
    return word


def _from_csv(lines: Sequence[str], field: str) -> Iterator[str]:
    filled = [line for line in lines if line.strip()]
    header = filled[0]
    delimiter = next((mark for mark in (",", ";", "\t") if mark in header), ",")
    for row in csv.DictReader(filled, delimiter=delimiter, skipinitialspace=True):
        named = {_bare(name): value for name, value in row.items() if isinstance(name, str)}  # pyright: ignore[reportUnnecessaryIsInstance]
        if word := _bare(named.get(field) or ""):
            yield word


def _from_json(text: str, field: str) -> Iterator[str]:
    """The ids in JSON values that follow each other, on a line each or over several lines."""
    decoder = json.JSONDecoder()
    at = 0
    while at < len(text):
        if text[at].isspace() or text[at] == ",":
            at += 1
            continue
        try:
            value, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            number = text.count("\n", 0, at) + 1
            raise UsageProblem(f"the JSON on stdin cannot be read from line {number} on") from None
        yield from _in_value(value, field)


def _in_value(value: Any, field: str) -> Iterator[str]:
    """The id in a record, those in a list, or those in the page of a list."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for one in cast("list[Any]", value):  # type: ignore[redundant-cast]
            yield from _in_value(one, field)
    elif isinstance(value, dict) and (found := _in_record(cast("dict[str, Any]", value), field)) is not None:
        yield from found
    else:
        raise UsageProblem(f"no {field} in {json.dumps(value)[:80]} on stdin")


def _in_record(record: dict[str, Any], field: str) -> list[str] | None:
    for name in (field, "id"):
        if isinstance(record.get(name), str):
            return [cast("str", record[name])]
    pages: list[list[Any]] = [value for value in record.values() if isinstance(value, list)]
    if len(pages) == 1 and all(isinstance(item, dict) for item in pages[0]):
        return [word for item in pages[0] for word in _in_value(item, field)]
    return None


def folder_name(name: str) -> str:
    """An id as the name of a folder: slashes and the like become ``_``."""
    return re.sub(r"[^A-Za-z0-9=+_-]", "_", name)[:200] or "_"
