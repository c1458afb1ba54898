"""Check what a path leads to before it is used: links, devices, pipes, and files with several names.

Errors are `OSError`, whose ``strerror`` is in words that a user can act on.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import stat
from pathlib import Path

StrPath = str | bytes | os.PathLike[str] | os.PathLike[bytes]

_MOUNTS = Path("/proc/self/mountinfo")
_DESCRIPTOR = re.compile(r"(?:/proc/(\d+)(?:/task/\d+)?/fd|/dev/fd)/(\d+)")
_MOST_LINKS = 40
_MOST_REPLACEMENTS = 100
_LONGEST_NAME = 255  #: bytes, on all common file systems
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe (FIFO)",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class Unsuitable(OSError):
    """A path that cannot be used for this purpose; ``strerror`` says why."""


def as_path(path: StrPath) -> Path:
    """Make an absolute path of whatever names a file. Raises `Unsuitable` for what names none."""
    text = _text(path)
    if not text:
        raise Unsuitable(errno.ENOENT, "the path is empty")
    if "\0" in text:
        raise Unsuitable(errno.EINVAL, "the path holds an embedded null character")
    return Path(text).absolute()


def shown(path: object) -> str:
    """Return the text of a path for a message, whatever was given as one."""
    return os.fsdecode(path) if isinstance(path, (str, bytes, os.PathLike)) else repr(path)  # pyright: ignore[reportUnknownArgumentType]


def descriptor(path: StrPath) -> int | None:
    """Return the descriptor that a path such as ``/dev/stdout`` or ``/proc/self/fd/1`` stands for.

    Returns None for other paths, and -1 for a descriptor of another process.
    """
    place = os.fspath(as_path(path))
    for _ in range(_MOST_LINKS):
        place = os.path.join(os.path.realpath(os.path.dirname(place)), os.path.basename(place))  # noqa: PTH118, PTH120, PTH119
        found = _DESCRIPTOR.fullmatch(place)
        if found is not None:
            return int(found[2]) if found[1] in (None, str(os.getpid())) else -1
        if not os.path.islink(place):  # noqa: PTH114
            return None
        place = os.path.join(os.path.dirname(place), os.readlink(place))  # noqa: PTH118, PTH120, PTH115
    return None


def regular_file(path: StrPath) -> Path:
    """Resolve the links of ``path``, and return the path of the regular file that it leads to, or that it may become.

    Two names of one file resolve to the same path, unless the file has several hard links or is mounted: see
    `require_one_name`. Raises `Unsuitable` for folders, devices, pipes, sockets and open descriptors.
    """
    place = as_path(path)
    found = _status(place)
    if found is not None and not stat.S_ISREG(found.st_mode):
        raise Unsuitable(errno.EINVAL, f"it is {kind_of(found)}, not a regular file")
    if descriptor(place) is not None:
        raise Unsuitable(errno.EINVAL, "it is an open file of a process, not the name of a file")
    real = Path(os.path.realpath(place))
    _require_same(place, real, found)
    return real


def require_one_name(path: Path) -> None:
    """Raise `Unsuitable` if the regular file at ``path`` can also be reached by a name that links do not tell."""
    found = _status(path)
    if found is None:
        return
    if found.st_nlink > 1:
        raise Unsuitable(
            errno.EMLINK,
            f"the file has {found.st_nlink} names (hard links), under which two jobs could use it at once: "
            "remove the other names, or make a copy",
        )
    if is_mounted(path):
        raise Unsuitable(
            errno.EBUSY,
            "it is mounted as a single file, which two jobs could use at once under two names: mount its folder",
        )


def is_mounted(path: Path) -> bool:
    """Return whether the resolved ``path`` is itself a mount point, such as a single file that a container is given."""
    try:
        lines = _MOUNTS.read_bytes().splitlines()
    except OSError:
        # without a list of mounts: a file on another device than its folder
        return path.exists() and path.stat().st_dev != path.parent.stat().st_dev
    wanted = os.fsencode(path)
    return any(_unescaped(fields[4]) == wanted for line in lines if len(fields := line.split(b" ")) > 4)


def kind_of(found: os.stat_result) -> str:
    """Return the kind of a file in words, such as "a folder"."""
    return _KINDS.get(stat.S_IFMT(found.st_mode), "a regular file")


def beside(path: Path, ending: str) -> Path:
    """Return the path beside ``path`` with its name and ``ending``, shortened where that would be too long."""
    name = os.fsencode(path.name)
    room = _LONGEST_NAME - len(os.fsencode(ending))
    if len(name) <= room:
        return path.with_name(path.name + ending)
    digest = hashlib.sha256(name).hexdigest()[:16]
    shared = name[: room - len(digest) - 1].decode(errors="ignore")
    return path.with_name(f"{shared}-{digest}{ending}")


def _text(path: StrPath) -> str:
    try:
        return os.fsdecode(path)
    except TypeError:
        what = type(path).__name__
        raise Unsuitable(errno.EINVAL, f"a path is text, bytes or an os.PathLike, not {what}") from None


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _require_same(place: Path, real: Path, found: os.stat_result | None) -> None:
    """Refuse a path that leads elsewhere than the text of its links says, as those below ``/proc/PID/root`` may do."""
    if found is None:
        if place.is_symlink():
            return  # it leads to a file that is not there yet
        place, real = place.parent, real.parent
    for _ in range(_MOST_REPLACEMENTS):  # another process may put a new file in place between the two looks
        found, resolved = _status(place), _status(real)
        if found is None or (resolved is not None and os.path.samestat(found, resolved)):
            return
    raise Unsuitable(errno.EINVAL, "its links cannot be resolved to the name of a file")


def _unescaped(field: bytes) -> bytes:
    return re.sub(rb"\\([0-7]{3})", lambda found: bytes([int(found[1], 8)]), field)
