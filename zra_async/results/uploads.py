"""The state of an upload in parts: its plan, and the parts that the service has stored."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

import msgspec

VERSION = 1  #: of the journal's format
#: the service forgets an upload after 7 days; one that is nearly that old would not be finished in time
LIFETIME = timedelta(days=7) - timedelta(hours=1)
MOST_PARTS = 100
LARGEST_PART = 100_000_000  #: bytes: right whether the documented MB is 10**6 or 2**20 bytes
LARGEST_FILE = MOST_PARTS * LARGEST_PART


@dataclass(frozen=True, slots=True)
class Part:
    """One part: its number from 1 on, and where it lies in the file, in bytes."""

    number: int
    offset: int
    size: int


class Fingerprint(msgspec.Struct, frozen=True, kw_only=True):
    """The identity of a file: its size, its time (0 if it has none), and a hash of blocks spread over it."""

    size: int
    mtime_ns: int
    sample: str


class StoredPart(msgspec.Struct, frozen=True, kw_only=True):
    """A part that the service has. `md5` is that of the bytes that were sent, where the etag looks like one."""

    number: int
    etag: str
    md5: str = ""


class UploadState(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is needed to go on with an upload, but the bytes."""

    version: int = VERSION
    file_name: str
    main_file_id: str = ""
    path: str = ""  #: of the source, where it is a file
    fingerprint: Fingerprint
    part_size: int
    upload_context: str = ""
    created: Annotated[datetime, msgspec.Meta(tz=True)]
    parts: tuple[StoredPart, ...] = ()
    completing: bool = False  #: the completion was sent, and its answer is not known
    file_id: str = ""  #: known once all is done

    @property
    def plan(self) -> tuple[Part, ...]:
        """All parts of the file."""
        return cut(self.fingerprint.size, self.part_size)

    @property
    def parts_total(self) -> int:
        """The number of parts."""
        return -(-self.fingerprint.size // self.part_size)

    @property
    def missing(self) -> tuple[Part, ...]:
        """The parts that the service does not have yet."""
        stored = {part.number for part in self.parts}
        return tuple(part for part in self.plan if part.number not in stored)

    @property
    def sound(self) -> bool:
        """True if this can be the state of an upload."""
        if not 0 < self.fingerprint.size <= LARGEST_FILE or self.part_size < 1 or self.parts_total > MOST_PARTS:
            return False
        numbers = {part.number for part in self.parts}
        return len(numbers) == len(self.parts) and numbers <= set(range(1, self.parts_total + 1))

    def expired(self, now: datetime) -> bool:
        """Return True if the service has forgotten this upload by ``now``, a time of the service."""
        return now - self.created > LIFETIME

    def __repr__(self) -> str:
        return (
            f"UploadState({self.file_name!r}, {len(self.parts)} of {self.parts_total} parts, "
            f"begun {self.created.isoformat()}, file_id={self.file_id!r})"
        )


def cut(size: int, part_size: int) -> tuple[Part, ...]:
    """Cut ``size`` bytes into parts of ``part_size``, the last of which is what is left."""
    offsets = range(0, size, part_size)
    return tuple(Part(number, offset, min(part_size, size - offset)) for number, offset in enumerate(offsets, start=1))
