"""One refresh token in a file: locked, proven writable, and replaced. All of this blocks, and runs in threads."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from contextlib import ExitStack
from pathlib import Path

from zra_async.core.secret import Secret
from zra_async.osfiles.locks import FileLock, open_locked
from zra_async.osfiles.paths import StrPath, is_mounted, regular_file
from zra_async.osfiles.replace import Replacement, write_all

_LONGEST = 64 * 1024  #: bytes; tokens have one or two thousand
_ROOM = 16 * 1024  #: bytes; as much is reserved for the next token
_FILLER = b"\n"
_EXISTING = os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}


class NoToken(ValueError):
    """The file holds something that is no token."""


def read_token(path: StrPath) -> Secret | None:
    """Read the token that ``path`` leads to; None for an empty file or none. Raises OSError and `NoToken`."""
    return _read(regular_file(path)) or None


def _read(target: Path) -> Secret:
    try:
        with target.open("rb") as file:
            token = Secret(file.read(_LONGEST + 1).decode("ascii", "replace").strip())
    except FileNotFoundError:
        return Secret("")
    if len(token) > _LONGEST or not token.isascii() or not token.isprintable():
        raise NoToken
    return token


def write_token(path: StrPath, token: Secret) -> None:
    """Store a token without a lock. Raises OSError."""
    with Replacement(regular_file(path), private=True, keep_links=True) as new:
        new.file.write(token.encode("ascii"))
        new.commit()


class TokenFile:
    """The file of a token while it is locked; made by `lock_token`. `close` it in the end."""

    def __init__(self, target: Path, locks: ExitStack) -> None:
        self._target = target
        self._locks = locks  # what is opened later is closed earlier
        self._next: Replacement | None = None
        self._in_place: int | None = None
        self._size = 0  # of the token in a file that is overwritten in place

    def prepare(self) -> None:
        """Prove that a new token can be stored: put the old one in place once more, and reserve room for the next.

        Raises OSError, and `NoToken` for a file that holds something else; the file stays as it is then.
        """
        current = _read(self._target).encode("ascii")
        if os.name != "nt" and is_mounted(self._target):
            self._prepare_in_place(current)
            return
        again = self._replacement()
        again.file.write(current)
        again.commit()
        if again.renamed:
            self._next = self._replacement()
            self._next.reserve(_ROOM)
        else:
            again.discard()
            self._prepare_in_place(current)

    def write(self, token: Secret) -> None:
        """Store ``token``. Raises OSError."""
        content = token.encode("ascii")
        if self._in_place is not None:
            self._overwrite(self._in_place, content)
            return
        new, self._next = self._next or self._replacement(), None
        new.file.seek(0)
        new.file.write(content)
        new.file.truncate()
        new.commit()

    def close(self) -> None:
        """Let others use the file."""
        self._locks.close()

    def _replacement(self) -> Replacement:
        return self._locks.enter_context(Replacement(self._target, private=True, keep_links=True))

    def _prepare_in_place(self, current: bytes) -> None:
        fd = os.open(self._target, _EXISTING)
        self._locks.callback(os.close, fd)
        self._in_place, self._size = fd, len(current)
        self._locks.callback(self._trim)
        write_all(fd, current.ljust(_ROOM, _FILLER))
        os.fsync(fd)

    def _trim(self) -> None:
        """Remove what was reserved and not used."""
        assert self._in_place is not None
        with contextlib.suppress(OSError):
            os.ftruncate(self._in_place, self._size)

    def _overwrite(self, fd: int, content: bytes) -> None:
        """Write a token over the old one in a single call, so that a killed process leaves one of the two."""
        os.lseek(fd, 0, os.SEEK_SET)
        self._size = len(content)
        write_all(fd, content.ljust(os.fstat(fd).st_size, _FILLER))
        os.ftruncate(fd, self._size)
        os.fsync(fd)


def lock_token(path: StrPath) -> TokenFile:
    """Lock the file that ``path`` leads to. Raises `InUse` while somebody else has it, and OSError.

    The lock is on a file beside it, and on the file itself, which may be mounted elsewhere or have other hard links.
    """
    target = regular_file(path)
    with ExitStack() as locks:
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            beside = FileLock.beside(target, purpose=f"the token store {path!s}")
            locks.callback(beside.release, remove=False)
        except OSError as problem:
            if problem.errno not in _FORBIDDEN or not target.exists():
                raise
        if sys.platform != "win32":  # where the file itself could not be read while it is locked
            with contextlib.suppress(FileNotFoundError):
                locks.callback(os.close, _locked(target, path))
        return TokenFile(target, locks.pop_all())


def _locked(target: Path, path: StrPath) -> int:
    purpose = f"the token store {path!s}"
    try:
        return open_locked(target, 0o600, purpose, create=False)
    except OSError as problem:
        if problem.errno not in _FORBIDDEN:
            raise
        return open_locked(target, 0o600, purpose, create=False, read_only=True)
