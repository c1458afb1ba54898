"""Replace files atomically: after a crash a file holds either its new content or the old one.

The new content is written to a temporary file beside the target, brought to the disk, and renamed. Where a file cannot
be renamed over the target (a single file that is mounted, a folder that cannot be written), it is overwritten in place.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import IO

from zra_async.errors import InUse
from zra_async.osfiles.locks import is_still, lock, open_locked
from zra_async.osfiles.paths import StrPath, Unsuitable, beside, kind_of, regular_file

_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
_EXISTING = os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
#: what says that nothing can be made, or renamed, in a folder whose files may be writable all the same
_NOT_IN_THIS_FOLDER = {errno.EACCES, errno.EPERM, errno.EROFS, errno.EBUSY, errno.EXDEV, errno.ETXTBSY}
_BLOCK = 1024 * 1024
_ATTEMPTS = 10
ENDING = ".tmp"


def replace_file(path: StrPath, content: Iterable[bytes], *, mode: int = 0o666, private: bool = False) -> None:
    """Replace the regular file that ``path`` leads to, or create it with ``mode``.

    An existing file keeps its mode and its owner; with ``private`` it gets the mode 0600. Raises OSError, `Unsuitable`
    for what is no regular file, and leaves the old content then.
    """
    with Replacement(regular_file(path), mode=mode, private=private) as new:
        for piece in content:
            new.file.write(piece)
        new.commit()


def put_in_place(temporary: Path, target: Path, *, durable: bool = True) -> None:
    """Rename a finished temporary file to ``target``, or copy it over it where that is not possible.

    ``target`` is a resolved path in the same folder. With ``durable`` the content is on the disk before. Raises
    OSError; the temporary file stays then.
    """
    fd = os.open(temporary, _EXISTING)
    try:
        _take_over(fd, target, private=False, keep_links=False)
        if durable:
            os.fsync(fd)
    finally:
        os.close(fd)
    if not _renamed(temporary, target, private=False):
        temporary.unlink()
    sync_folder(target.parent)


class Replacement:
    """New content for the regular file ``target``, a resolved path: write it to `file`, then `commit` it.

    It is dropped if the block that it is used in is left without `commit`. The temporary file is locked, and stays
    locked as the new target until the block is left. With ``keep_links`` a file that has several hard links, or belongs
    to somebody else, is overwritten in place, so that all its users see the new content.
    """

    def __init__(self, target: Path, *, mode: int = 0o666, private: bool = False, keep_links: bool = False) -> None:
        self.target = target
        self._private = private
        self._keep_links = keep_links
        self._temporary: Path | None
        fd, self._temporary = _temporary(target, 0o600 if private else mode)
        self.file: IO[bytes] = os.fdopen(fd, "w+b")
        self.renamed: bool = False  #: whether `commit` could rename it, or had to overwrite the old file

    def __enter__(self) -> Replacement:
        return self

    def __exit__(self, *_: object) -> None:
        self.discard()

    @property
    def temporary(self) -> Path | None:
        """The temporary file, None where it has no name."""
        return self._temporary

    def reserve(self, size: int) -> None:
        """Make room for ``size`` bytes on the disk. Raises OSError."""
        reserve(self.file.fileno(), size)

    def commit(self) -> None:
        """Put the content in place. Raises OSError."""
        self.file.flush()
        fd = self.file.fileno()
        alike = _take_over(fd, self.target, private=self._private, keep_links=self._keep_links)
        os.fsync(fd)
        if self._temporary is None or not alike:
            _overwrite(fd, self.target, private=self._private)
        else:
            if os.name == "nt":
                self.file.close()  # an open file cannot be renamed there
            self.renamed = _renamed(self._temporary, self.target, private=self._private)
            if self.renamed:
                self._temporary = None
        sync_folder(self.target.parent)

    def discard(self) -> None:
        """Remove what was not put in place, and close the file; safe to call twice."""
        if self._temporary is not None:
            with contextlib.suppress(OSError):
                if self.file.closed or is_still(self._temporary, self.file.fileno()):
                    self._temporary.unlink()
            self._temporary = None
        with contextlib.suppress(OSError):  # what could not be written is dropped
            self.file.close()


def sync_folder(folder: Path) -> None:
    """fsync a folder, so that new names in it survive a loss of power."""
    if os.name == "nt":
        return  # a folder cannot be opened there
    try:
        fd = os.open(folder, os.O_RDONLY)
    except PermissionError:
        return  # it may be written and not read
    try:
        os.fsync(fd)
    except OSError as problem:
        if problem.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.EROFS):
            raise  # others are file systems that cannot do it
    finally:
        os.close(fd)


def _temporary(target: Path, mode: int) -> tuple[int, Path | None]:
    """Create and lock a file beside ``target``; where none can be made there, one without a name and somewhere else."""
    try:
        return _made_beside(target, mode)
    except OSError as problem:
        if problem.errno not in _NOT_IN_THIS_FOLDER or not target.exists():
            raise
        os.close(os.open(target, _EXISTING))  # it will have to be overwritten
        import tempfile

        with tempfile.TemporaryFile("w+b") as file:
            return os.dup(file.fileno()), None


def _made_beside(target: Path, mode: int) -> tuple[int, Path]:
    for attempt in range(_ATTEMPTS):
        # the first name is always the same, so that what a killed process left is found and removed
        path = beside(target, f".{secrets.token_hex(4)}{ENDING}" if attempt > _ATTEMPTS // 2 else ENDING)
        try:
            fd = os.open(path, _NEW, mode)
        except FileExistsError:
            _remove_leftover(path)
            continue
        if os.name == "nt":
            return fd, path  # where a lock would keep others from the content as well
        with contextlib.suppress(BlockingIOError):
            lock(fd)
            if is_still(path, fd):
                return fd, path
        os.close(fd)  # somebody took it for a leftover
    raise Unsuitable(errno.EEXIST, f"no temporary file can be made beside {target.name}")


def _remove_leftover(path: Path) -> None:
    """Remove a temporary file that nobody has open, if it is one."""
    with contextlib.suppress(OSError, InUse):
        fd = open_locked(path, 0o600, "", create=False)
        try:
            found = os.fstat(fd)
            if found.st_nlink == 1 and found.st_uid == _user():
                path.unlink()
        finally:
            os.close(fd)


def _user() -> int:
    return os.geteuid() if hasattr(os, "geteuid") else 0


def _take_over(fd: int, target: Path, *, private: bool, keep_links: bool) -> bool:
    """Give the temporary file the mode and owner of ``target``; False if only the old file itself can have them."""
    try:
        old = target.lstat()
    except FileNotFoundError:
        return True
    if not stat.S_ISREG(old.st_mode):
        raise Unsuitable(errno.EINVAL, f"it is {kind_of(old)}, not a regular file")
    if os.name == "nt":
        return True
    new = os.fstat(fd)
    if (new.st_uid, new.st_gid) != (old.st_uid, old.st_gid):
        try:
            os.fchown(fd, old.st_uid, old.st_gid)
        except PermissionError:
            if keep_links:
                return False
    if not private:
        with contextlib.suppress(PermissionError):  # a file system without modes
            os.fchmod(fd, stat.S_IMODE(old.st_mode) & 0o777)
    return not (keep_links and old.st_nlink > 1)


def _renamed(temporary: Path, target: Path, *, private: bool) -> bool:
    """Rename a file to ``target``; where that is not possible, copy it there, and return False."""
    try:
        os.replace(temporary, target)  # noqa: PTH105 (the one call that is atomic)
    except OSError as problem:
        if problem.errno not in _NOT_IN_THIS_FOLDER or not target.exists():
            raise
    else:
        return True
    source = os.open(temporary, _EXISTING)
    try:
        _overwrite(source, target, private=private)
    finally:
        os.close(source)
    return False


def _overwrite(source: int, target: Path, *, private: bool) -> None:
    """Copy the open file ``source`` over ``target``."""
    fd = os.open(target, _EXISTING)
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise Unsuitable(errno.EINVAL, f"it is {kind_of(os.fstat(fd))}, not a regular file")
        size = os.fstat(source).st_size
        reserve(fd, size)
        at = 0
        os.lseek(source, 0, os.SEEK_SET)
        os.lseek(fd, 0, os.SEEK_SET)
        while block := os.read(source, _BLOCK):
            write_all(fd, block)
            at += len(block)
        os.ftruncate(fd, at)
        os.fsync(fd)
        if private and os.name != "nt":
            with contextlib.suppress(PermissionError):  # of another owner, who has set it so
                os.fchmod(fd, 0o600)
    finally:
        os.close(fd)


def reserve(fd: int, size: int) -> None:
    """Make room for ``size`` bytes, so that writing them cannot fail for want of room. Raises OSError."""
    allocate = getattr(os, "posix_fallocate", None)
    if allocate is None or size <= os.fstat(fd).st_size:
        return
    try:
        allocate(fd, 0, size)
    except OSError as problem:
        if problem.errno not in (errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS):
            raise


def write_all(fd: int, content: bytes) -> None:
    """Write all of ``content`` at the present position."""
    view = memoryview(content)
    while view:
        view = view[os.write(fd, view) :]
