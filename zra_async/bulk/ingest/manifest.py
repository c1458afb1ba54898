"""Manifests: files that list what is to be ingested, checked completely before the first byte is sent."""

from __future__ import annotations

import contextlib
import hashlib
import re
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import msgspec

from zra_async.bulk.ingest.item import (
    Checked,
    CloudRecording,
    ConversationFields,
    IngestItem,
    attachment_warnings,
    checked,
    is_address,
)
from zra_async.bulk.tables.cells import moment
from zra_async.bulk.tables.people import Person, mail_or_id, people
from zra_async.bulk.tables.record_files import PathLike, TableRow, read_rows, reader_of
from zra_async.errors import InvalidArgument
from zra_async.files.names import path_argument

_FILES = ("recording", "transcript", "metadata")
_ITEM = ("key", *_FILES, "source", "file_name")
_CLOUD = ("key", "user_id", "meeting_uuid", "recording_link")
_CONVERSATION = ConversationFields.__struct_fields__
#: the columns of a manifest, and the fields of its objects
COLUMNS = (*_ITEM, *_CLOUD[1:], *_CONVERSATION)
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII)
_SOURCES = {"1": "gong", "2": "chorus", "gong": "gong", "chorus": "chorus"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A manifest that was looked through: an async iterable of its items, with what was found.

    `items` counts the rows, `files` and `bytes` what would be uploaded. `problems` are the rows that cannot be sent, as
    pairs of line number and reason; as long as there are any, no item is given out. `warnings` are pairs of a line
    number and what is odd about an item that can be sent: the service may ignore its transcript or metadata.
    """

    path: Path
    items: int = 0
    files: int = 0
    bytes: int = 0
    problems: tuple[tuple[int, str], ...] = field(default=(), repr=False)
    warnings: tuple[tuple[int, str], ...] = field(default=(), repr=False)

    def __len__(self) -> int:
        return self.items

    async def __aiter__(self) -> AsyncIterator[IngestItem | CloudRecording]:
        if self.problems:
            line, reason = self.problems[0]
            raise InvalidArgument(f"{self.path} has {len(self.problems)} bad rows; the first is line {line}: {reason}")
        async with contextlib.aclosing(read_rows(reader_of(self.path, COLUMNS))) as batches:
            async for batch in batches:
                for row in batch:
                    yield item_of(row, self.path.parent)


async def check_manifest(path: PathLike) -> Manifest:
    """Look through the whole manifest at ``path``, and at every file that it names.

    It is ``.jsonl``, one object a line, or ``.csv`` with the same names as its header. Every row has a ``key`` of its
    own, and

    - ``recording``: the path of a video, from the manifest's folder on, or an http(s) address; with it
      ``transcript``, ``metadata``, ``source`` (gong or chorus), ``file_name``, and the fields of the conversation:
      ``conversation_type`` and ``meeting_start_time`` are required, ``meeting_end_time``, ``conversation_topic``,
      ``host_id``, ``deal_id``, ``participants``, ``timeline``, ``primary_language`` and ``timezone`` are not;
    - or ``user_id`` with ``meeting_uuid`` or ``recording_link``: a cloud recording.

    In a CSV file an empty cell is a field that is not there. ``participants`` are one or several people in the notation
    of a mail program, such as ``Name <mail>; mail; Name``, or JSON as ``timeline`` is. The separator may be a comma, a
    semicolon or a tab, the encoding UTF-8 or UTF-16. Raises `InvalidArgument` when the file cannot be read at all.
    """
    place = path_argument(path)
    read = reader_of(place, COLUMNS)
    problems: list[tuple[int, str]] = []
    warnings: list[tuple[int, str]] = []
    items = files = size = 0
    with contextlib.closing(_Keys()) as keys:
        async with contextlib.aclosing(read_rows(read)) as batches:
            async for batch in batches:
                for row in batch:
                    items += 1
                    try:
                        found = await _looked_at(row, place.parent, keys)
                    except InvalidArgument as problem:
                        problems.append((row.line or 0, str(problem)))
                    else:
                        warnings += [(row.line or 0, text) for text in found.warnings]
                        files += len(found.files)
                        size += found.size
    return Manifest(
        path=place, items=items, files=files, bytes=size, problems=tuple(problems), warnings=tuple(warnings)
    )


async def _looked_at(row: TableRow, folder: Path, keys: _Keys) -> Checked:
    item = item_of(row, folder)
    found = await checked(item)
    first = keys.first_line(found.key, row.line or 0)
    if first is not None:
        raise InvalidArgument(f"the key {found.key!r} is that of line {first}, too")
    return replace(found, warnings=(*found.warnings, *await attachment_warnings(found)))


class _Keys:
    """On which line each key was seen first, in a temporary database that goes to disk when it grows."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._database.execute("CREATE TABLE keys (key BLOB PRIMARY KEY, line INTEGER) WITHOUT ROWID")
        self._database.execute("BEGIN")

    def first_line(self, key: str, line: int) -> int | None:
        """The line of an earlier row with the same key."""
        digest = hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        with contextlib.suppress(sqlite3.IntegrityError):
            self._database.execute("INSERT INTO keys VALUES (?, ?)", (digest, line))
            return None
        found: int = self._database.execute("SELECT line FROM keys WHERE key = ?", (digest,)).fetchone()[0]
        return found

    def close(self) -> None:
        """Forget all keys."""
        self._database.close()


def item_of(row: TableRow, folder: Path) -> IngestItem | CloudRecording:
    """The item that a row describes; paths begin at ``folder``. Raises `InvalidArgument`."""
    if row.problem:
        raise InvalidArgument(row.problem)
    fields = dict(_given(row))
    unknown = [name for name in fields if name not in COLUMNS]
    if unknown:
        raise InvalidArgument(f"unknown: {', '.join(unknown[:10])}")
    for name in (*_ITEM, *_CLOUD):
        if not isinstance(fields.get(name, ""), str):
            raise InvalidArgument(f"{name} must be a text")
    key = fields.get("key", "")
    if "recording" not in fields:
        return _cloud_recording(key, fields)
    foreign = [name for name in _CLOUD[1:] if name in fields]
    if foreign:
        raise InvalidArgument(f"{', '.join(foreign)} cannot go with a recording")
    conversation = {name: fields[name] for name in _CONVERSATION if name in fields}
    files = {name: _resolved(fields[name], folder) for name in _FILES if name in fields}
    return IngestItem(
        key, conversation=conversation, source=fields.get("source"), file_name=fields.get("file_name"), **files
    )


def _cloud_recording(key: str, fields: Mapping[str, Any]) -> CloudRecording:
    foreign = [name for name in fields if name not in _CLOUD]
    if "user_id" not in fields or foreign:
        raise InvalidArgument("recording is missing; or user_id with meeting_uuid or recording_link, and nothing else")
    return CloudRecording(
        key,
        fields["user_id"],
        meeting_uuid=fields.get("meeting_uuid"),
        recording_link=fields.get("recording_link"),
    )


def _resolved(name: str, folder: Path) -> str:
    return name if is_address(name) else str(folder / name)


def _given(row: TableRow) -> Iterator[tuple[str, Any]]:
    """The fields that are there: no nulls, no empty cells."""
    for name, value in cast("Mapping[str, Any]", row.value).items():
        if not row.cells:
            if value is not None:
                yield name, value
        elif text := value.strip():
            yield name, _from_cell(name, text)


def _from_cell(name: str, text: str) -> Any:
    match name:
        case "timeline":
            return _json(name, text)
        case "participants" if text.startswith(("[", "{")):
            return _participants(_json(name, text))
        case "participants":
            return _named(name, lambda: [_participant(person) for person in people(text)])
        case "host_id" | "user_id":
            return mail_or_id(name, text)
        case "meeting_start_time" | "meeting_end_time":
            return text if _TIME.fullmatch(text) else moment(name, text).isoformat()
        case "source":
            return _SOURCES.get(text.casefold(), text)
        case "conversation_type" | "primary_language":
            return text.casefold()
        case _:
            return text


def _json(name: str, text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, ValueError, RecursionError) as problem:
        raise InvalidArgument(f"{name}: {problem}") from None


def _participants(found: Any) -> list[Any]:
    """A JSON list whose texts are people in the notation of a cell, or a single object."""
    if not isinstance(found, list):
        return [found]
    given = list[Any](found)  # pyright: ignore[reportUnknownArgumentType]
    return [one for each in given for one in (_people_in(each) if isinstance(each, str) else [each])]


def _people_in(text: str) -> list[Any]:
    return _named("participants", lambda: [_participant(person) for person in people(text)])


def _participant(person: Person) -> dict[str, str]:
    return {"display_name": person.shown} | ({"email": person.address} if person.address else {})


def _named(name: str, read: Callable[[], list[dict[str, str]]]) -> list[dict[str, str]]:
    try:
        return read()
    except InvalidArgument as problem:
        raise InvalidArgument(f"{name}: {problem}") from None
