"""Records cut into chunks of one call each. The same records give the same chunks, on every run."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec
from msgspec import UnsetType

from zra_async.api.arguments import check_whole
from zra_async.api.crm.imports import MAX_RECORDS
from zra_async.api.crm.records import CrmRecord, DealRecord
from zra_async.bulk.crm.kinds import Kind, checked, crm_id
from zra_async.bulk.tables.record_files import TableRow
from zra_async.errors import InvalidArgument

#: how long the body of one call gets, in bytes: the documents limit the records alone
CHUNK_BYTES = 4_000_000
_LEAST_BYTES = 10_000


@dataclass(frozen=True, slots=True)
class ChunkEntry:
    """One record that is sent: the row that it came from, its CRM id, its bytes, and the stage where it is a deal."""

    row: TableRow
    crm_id: str
    data: bytes
    stage: str = ""


@dataclass(frozen=True, slots=True)
class Chunk:
    """The records of one call, and the number of the call within its kind."""

    kind: Kind
    number: int
    entries: Sequence[ChunkEntry]

    @property
    def body(self) -> dict[str, list[msgspec.Raw]]:
        """The request body."""
        return {"data": [msgspec.Raw(entry.data) for entry in self.entries]}

    def fingerprint(self) -> bytes:
        """Tells this chunk from one with other records."""
        digest = hashlib.blake2b(digest_size=16)
        for entry in self.entries:
            digest.update(b"%d:" % len(entry.data))
            digest.update(entry.data)
        return digest.digest()

    def halves(self) -> tuple[Chunk, Chunk]:
        """The same records as two chunks."""
        middle = len(self.entries) // 2
        first, second = self.entries[:middle], self.entries[middle:]
        return Chunk(self.kind, self.number, first), Chunk(self.kind, self.number, second)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A row that is not sent, and why."""

    row: TableRow
    crm_id: str
    reason: str


class Cutter:
    """Cuts the rows of one kind into chunks of at most ``most_records`` and about ``most_bytes``."""

    def __init__(self, kind: Kind, most_records: int = MAX_RECORDS, most_bytes: int = CHUNK_BYTES) -> None:
        self._kind = kind
        self._most_records = check_whole("chunk_records", most_records, 1, MAX_RECORDS)
        self._most_bytes = check_whole("chunk_bytes", most_bytes, _LEAST_BYTES, 1_000_000_000)
        self._number = 0
        self._entries: list[ChunkEntry] = []
        self._bytes = 0

    @property
    def count(self) -> int:
        """The number of chunks."""
        return self._number

    def add(self, rows: Iterable[TableRow]) -> tuple[list[Chunk], list[Refusal]]:
        """Take rows: the chunks that are full now, and the rows that cannot be sent."""
        chunks: list[Chunk] = []
        refusals: list[Refusal] = []
        for row in rows:
            try:
                entry = _entry(self._kind, row)
            except InvalidArgument as problem:
                refusals.append(Refusal(row, crm_id(self._kind, row.value), str(problem)))
                continue
            full = len(self._entries) == self._most_records or self._bytes + len(entry.data) > self._most_bytes
            if full and self._entries:
                chunks.append(self._cut())
            self._entries.append(entry)
            self._bytes += len(entry.data) + 1
        return chunks, refusals

    def rest(self) -> list[Chunk]:
        """The last chunk, if there is one."""
        return [self._cut()] if self._entries else []

    def _cut(self) -> Chunk:
        chunk = Chunk(self._kind, self._number, tuple(self._entries))
        self._number += 1
        self._entries, self._bytes = [], 0
        return chunk


def _entry(kind: Kind, row: TableRow) -> ChunkEntry:
    record = checked(kind, row)
    try:
        data = _ENCODER.encode(record)
    except (UnicodeEncodeError, OverflowError) as problem:
        raise InvalidArgument(f"the record cannot be sent as JSON: {problem}") from None
    return ChunkEntry(row, crm_id(kind, record), data, stage_of(record))


def stage_of(record: CrmRecord) -> str:
    """The stage that a deal wants to be in, "" for every other record."""
    if not isinstance(record, DealRecord) or record.deletion is True or isinstance(record.stage, UnsetType):
        return ""
    return record.stage


_ENCODER = msgspec.json.Encoder()
