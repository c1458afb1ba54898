"""How far an upload in parts has come, and the file that remembers it.

The journal holds no token. It does hold the upload context, with which anyone who also has a token of the account
could add to the upload: it is readable by its owner only, and does not show in logs.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

import msgspec

from zra_async.errors import JournalError
from zra_async.files.plan import LARGEST_FILE, MOST_PARTS, Part, cut
from zra_async.osfiles.locks import FileLock
from zra_async.osfiles.paths import StrPath, regular_file, require_one_name, shown
from zra_async.osfiles.replace import replace_file

VERSION = 1
#: the service forgets an upload after 7 days; one that is nearly that old would not be finished in time
LIFETIME = timedelta(days=7) - timedelta(hours=1)

_LONGEST = 1024 * 1024  #: bytes; a journal of a hundred parts has some 20 000


class Fingerprint(msgspec.Struct, frozen=True, kw_only=True):
    """What tells one file from another: its size, its time (0 when it has none), and a hash of blocks all over it."""

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
        """How many parts there are."""
        return -(-self.fingerprint.size // self.part_size)

    @property
    def missing(self) -> tuple[Part, ...]:
        """The parts that the service does not have yet."""
        stored = {part.number for part in self.parts}
        return tuple(part for part in self.plan if part.number not in stored)

    @property
    def sound(self) -> bool:
        """Whether this can be the state of an upload."""
        if not 0 < self.fingerprint.size <= LARGEST_FILE or self.part_size < 1 or self.parts_total > MOST_PARTS:
            return False
        numbers = {part.number for part in self.parts}
        return len(numbers) == len(self.parts) and numbers <= set(range(1, self.parts_total + 1))

    def expired(self, now: datetime) -> bool:
        """Whether the service has forgotten this upload by ``now``, which is its own time."""
        return now - self.created > LIFETIME

    def __repr__(self) -> str:
        return (
            f"UploadState({self.file_name!r}, {len(self.parts)} of {self.parts_total} parts, "
            f"begun {self.created.isoformat()}, file_id={self.file_id!r})"
        )


class _Versioned(msgspec.Struct):
    version: int


class JournalFile:
    """A journal on disk, locked against others for as long as it is open; every `save` replaces it atomically.

    Links are followed. Raises `InUse`, and `JournalError` for what is no regular file or has several hard links.
    """

    def __init__(self, path: StrPath) -> None:
        try:
            self.path: Path = regular_file(path)
            require_one_name(self.path)
            self._lock = FileLock.beside(self.path, purpose=f"the journal {self.path}")
        except OSError as problem:
            words = f"the journal {shown(path)} cannot be locked: {problem.strerror}"
            raise JournalError(words) from problem

    def load(self) -> UploadState | None:
        """Read the journal; None where it does not exist yet. Raises `JournalError` for what is no sound journal."""
        try:
            with self.path.open("rb") as file:
                content = file.read(_LONGEST + 1)
        except FileNotFoundError:
            return None
        except OSError as problem:
            raise JournalError(f"the journal {self.path} cannot be read: {problem.strerror}") from problem
        if not content.strip():
            raise JournalError(
                f"the journal {self.path} is empty, which no journal ever is: put it back from a copy, or remove it to "
                "upload the file from its beginning"
            )
        if len(content) > _LONGEST:
            raise JournalError(f"{self.path} is too large to be the journal of an upload")
        try:
            if msgspec.json.decode(content, type=_Versioned).version != VERSION:
                raise JournalError(f"the journal {self.path} was written by another version of this library")
            state = msgspec.json.decode(content, type=UploadState)
        except (msgspec.MsgspecError, ValueError, RecursionError) as problem:
            raise JournalError(f"{self.path} is not the journal of an upload: {problem}") from None
        if not state.sound:
            raise JournalError(f"the journal {self.path} contradicts itself: remove it to begin anew")
        return state

    def save(self, state: UploadState) -> None:
        """Write ``state`` so that the journal holds either it or what was there before, whatever happens."""
        content = msgspec.json.format(msgspec.json.encode(state), indent=1)
        try:
            replace_file(self.path, [content], private=True)
        except OSError as problem:
            raise JournalError(f"the journal {self.path} cannot be written: {problem.strerror}") from problem

    def close(self) -> None:
        """Let others work with the journal."""
        self._lock.release()
