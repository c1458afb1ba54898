"""The journal of an upload in parts: the file that stores its progress.

The journal holds no token. It does hold the upload context, with which anyone who also has a token of the account
could add to the upload: it is readable by its owner only, and does not show in logs.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from zra_async.errors import JournalError
from zra_async.osfiles.locks import FileLock
from zra_async.osfiles.paths import StrPath, regular_file, require_one_name, shown
from zra_async.osfiles.replace import replace_file
from zra_async.results.uploads import VERSION, UploadState

_LONGEST = 1024 * 1024  #: bytes; a journal of a hundred parts has some 20 000


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
