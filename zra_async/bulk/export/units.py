"""The unit of work of an export, such as one conversation: as it was listed, as it was read, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from zra_async.results.exports import UnitKind

#: what became of a unit: read and written, gone from the account, not analysed yet, not to be had, or left as it was
UnitState = Literal["done", "deleted", "processing", "failed", "kept"]
#: the state of one stream of a unit: written, or refused to the account
PartState = Literal["done", "refused"]


class Listed(NamedTuple):
    """A unit as a list shows it. Its `version` changes when the unit does; `payload` is its row of the list as JSON.

    `at` is when it was processed, in UTC and in ISO form, "" where that is not known or does not matter.
    """

    id: str
    version: str
    payload: bytes
    processing: bool = False
    at: str = ""


class Waiting(NamedTuple):
    """A unit that is to be read; `seq` orders them. Without a `payload`, it is only asked whether it still exists.

    `streams` are the streams that are to be read; if it is empty, all streams of the kind are.
    """

    seq: int
    kind: UnitKind
    id: str
    version: str
    payload: bytes
    streams: frozenset[str] = frozenset()


class StreamPart(NamedTuple):
    """The records of a unit in one stream, each a line of JSON, or the `reason` why the stream was refused."""

    stream: str
    lines: bytes
    records: int
    state: PartState = "done"
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a unit; `people` are the ids of users that it names."""

    unit: Waiting
    state: UnitState
    parts: Sequence[StreamPart] = ()
    people: Sequence[str] = ()
    reason: str = ""

    @property
    def size(self) -> int:
        """Its bytes."""
        return sum(len(part.lines) for part in self.parts)


def id_of(record: Mapping[str, Any], key: Sequence[str]) -> str:
    """The id of the unit that a record belongs to: its key columns, joined."""
    return "|".join(str(record[name]) if record[name] is not None else "" for name in key)
