"""Lock files for one task of one process at a time.

A lock ends with the process that holds it, however that process ends. It excludes other processes, and other tasks and
threads of the same process as well.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
from pathlib import Path

from zra_async.errors import InUse
from zra_async.osfiles.paths import Unsuitable, beside, kind_of

_FLAGS = (
    getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_BINARY", 0)
    | getattr(os, "O_CLOEXEC", 0)
)
ENDING = ".lock"


class FileLock:
    """An exclusive lock on the file ``path``, from when it is made until `release`."""

    def __init__(self, path: Path, *, purpose: str, mode: int = 0o600) -> None:
        """Take the lock, and create the file if needed.

        Raises `InUse`, with ``purpose`` in "another task or process works with …", and OSError.
        """
        self.path = path
        self.fd: int = open_locked(path, mode, purpose)

    @classmethod
    def beside(cls, target: Path, *, purpose: str) -> FileLock:
        """Lock ``target``, a resolved path, by a lock file beside it."""
        return cls(beside(target, ENDING), purpose=purpose)

    @property
    def held(self) -> bool:
        """True if the lock file still has its name; a folder that was moved or replaced took the lock with it."""
        return is_still(self.path, self.fd)

    def release(self, *, remove: bool = True) -> None:
        """Let others have the lock, and remove its file unless somebody keeps something in it."""
        with contextlib.suppress(OSError):
            if remove and os.fstat(self.fd).st_size == 0 and self.held:
                self.path.unlink()
        os.close(self.fd)


def open_locked(path: Path, mode: int, purpose: str, *, create: bool = True, read_only: bool = False) -> int:
    """Open or create the regular file ``path``, and lock it until its descriptor is closed.

    Raises `InUse` if somebody else has the lock, and OSError.
    """
    flags = _FLAGS | (os.O_RDONLY if read_only else os.O_RDWR) | (os.O_CREAT if create else 0)
    while True:
        try:
            fd = os.open(path, flags, mode)
        except OSError as problem:
            if problem.errno == errno.ELOOP and path.is_symlink():
                raise Unsuitable(errno.ELOOP, f"{path.name} is a link") from None
            raise
        try:
            found = os.fstat(fd)
            if not stat.S_ISREG(found.st_mode):
                raise Unsuitable(errno.EINVAL, f"{path.name} is {kind_of(found)}, not a regular file")
            lock(fd)
            if is_still(path, fd):
                return fd
        except BlockingIOError:
            os.close(fd)
            raise InUse(f"another task or process works with {purpose}") from None
        except BaseException:
            os.close(fd)
            raise
        # its last owner removed or renamed it between the two calls: the lock is on a file without this name
        os.close(fd)


def is_still(path: Path, fd: int) -> bool:
    """Return whether ``path`` is the name of the open file ``fd``."""
    try:
        return os.path.samestat(path.lstat(), os.fstat(fd))
    except (FileNotFoundError, NotADirectoryError):
        return False


if sys.platform == "win32":
    import msvcrt

    def lock(fd: int) -> None:
        """Lock an open file. Raises `BlockingIOError` if somebody else has the lock."""
        try:
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
        except OSError:
            raise BlockingIOError from None
else:
    import fcntl

    def lock(fd: int) -> None:
        """Lock an open file. Raises `BlockingIOError` if somebody else has the lock."""
        # flock and not lockf: POSIX locks would be dropped when any descriptor of the file is closed
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
