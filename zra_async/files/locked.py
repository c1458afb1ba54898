"""Files that one task or process at a time may work with."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from zra_async.errors import InUse

_FLAGS = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


def open_locked(path: Path, mode: int, purpose: str) -> int:
    """Open or create ``path`` and lock it until its descriptor is closed. Raises `InUse` when somebody else has it."""
    while True:
        fd = os.open(path, _FLAGS, mode)
        try:
            _lock(fd)
            if is_still(path, fd):
                return fd
        except BlockingIOError:
            os.close(fd)
            raise InUse(f"another task or process works with {purpose}") from None
        except BaseException:
            os.close(fd)
            raise
        # its last owner has removed or renamed it between the two calls: this is not the file of that name any more
        os.close(fd)


def is_still(path: Path, fd: int) -> bool:
    """Whether ``path`` is the name of the open file ``fd``."""
    try:
        return os.path.samestat(path.stat(), os.fstat(fd))
    except FileNotFoundError:
        return False


if sys.platform == "win32":
    import msvcrt

    def _lock(fd: int) -> None:
        try:
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
        except OSError:
            raise BlockingIOError from None
else:
    import fcntl

    def _lock(fd: int) -> None:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
