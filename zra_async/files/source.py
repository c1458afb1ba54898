"""The sources of an upload: bytes that can be read at any offset, any number of times."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import stat
import threading
from typing import Any, Protocol, cast

from zra_async.core.cancellation import told
from zra_async.errors import InvalidArgument, SourceChanged, SourceError
from zra_async.files.names import path_argument
from zra_async.osfiles.paths import StrPath
from zra_async.osfiles.threads import to_thread
from zra_async.results.uploads import Fingerprint

_AHEAD = 1024 * 1024  #: what the system is asked to fetch after a read that had to wait for the disk; more is slower
_SAMPLE = 64 * 1024
_SAMPLES = 8
_BLOCK = 1024 * 1024
#: reading without waiting: Linux, on most of its file systems
_NOWAIT: int | None = getattr(os, "RWF_NOWAIT", None)


class UploadSource(Protocol):
    """The bytes of one file."""

    name: str  #: what the file is called, "" where it has no name
    path: str  #: where it lies, "" where it is no file of its own
    size: int

    async def chunk(self, offset: int, size: int, buffer: memoryview) -> memoryview:
        """At least one and at most ``size`` bytes from ``offset`` on, in ``buffer`` or in memory of the source."""
        ...

    def read(self, offset: int, buffer: memoryview) -> int:
        """Fill ``buffer`` from ``offset`` on, in a thread; how many bytes were there."""
        ...

    def mtime_ns(self) -> int:
        """Return the time of the last change in nanoseconds, 0 if unknown."""
        ...

    def close(self) -> None:
        """Let go of the file."""
        ...


class FileSource:
    """A regular file. What is in the page cache is read in place, the rest in a thread."""

    def __init__(self, fd: int, *, name: str, path: str = "", start: int = 0, timed: bool = True) -> None:
        self.name = name
        self.path = path
        self.size: int = os.fstat(fd).st_size - start
        self._fd = fd
        self._start = start
        self._timed = timed
        self._in_place = _NOWAIT is not None
        self._seeking = threading.Lock()

    async def chunk(self, offset: int, size: int, buffer: memoryview) -> memoryview:
        """Read one chunk into ``buffer``."""
        view = buffer[:size]
        read = self._read_cached(offset, view) if self._in_place else 0
        if not read:
            read = await to_thread(self._read_waiting, offset, view)
        return view[:read]

    def read(self, offset: int, buffer: memoryview) -> int:
        """Fill ``buffer``, in a thread."""
        filled = 0
        while filled < len(buffer) and (read := self._read_at(offset + filled, buffer[filled:])):
            filled += read
        return filled

    def mtime_ns(self) -> int:
        """Return the time of the last change in nanoseconds; 0 for a temporary copy."""
        return os.fstat(self._fd).st_mtime_ns if self._timed else 0

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)

    def _read_cached(self, offset: int, view: memoryview) -> int:
        assert _NOWAIT is not None
        try:
            return os.preadv(self._fd, [view], self._start + offset, _NOWAIT)
        except BlockingIOError:
            return 0
        except OSError as problem:
            if problem.errno in {errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}:
                self._in_place = False  # this file system cannot tell
                return 0
            raise _unreadable(self.name, problem) from problem

    def _read_waiting(self, offset: int, view: memoryview) -> int:
        read = self._read_at(offset, view)
        if not read:
            raise SourceChanged(f"{self.name!r} is shorter than it was: it ends at byte {offset} of {self.size}")
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(self._fd, self._start + offset + read, _AHEAD, os.POSIX_FADV_WILLNEED)
        return read

    def _read_at(self, offset: int, view: memoryview) -> int:
        try:
            if hasattr(os, "preadv"):
                return os.preadv(self._fd, [view], self._start + offset)
            with self._seeking:
                os.lseek(self._fd, self._start + offset, os.SEEK_SET)
                data = os.read(self._fd, len(view))
                view[: len(data)] = data
                return len(data)
        except OSError as problem:
            raise _unreadable(self.name, problem) from problem


class ObjectSource:
    """A file object that can seek but is no plain file of the system: read in threads, one read at a time."""

    def __init__(self, file: Any, *, name: str) -> None:
        self.name = name
        self.path = ""
        self._file = file
        self._start = file.tell()
        self.size: int = file.seek(0, os.SEEK_END) - self._start
        file.seek(self._start)
        self._seeking = threading.Lock()

    async def chunk(self, offset: int, size: int, buffer: memoryview) -> memoryview:
        """Read one chunk into ``buffer``."""
        read = await to_thread(self.read, offset, buffer[:size])
        if not read:
            raise SourceChanged(f"{self.name!r} is shorter than it was: it ends at byte {offset} of {self.size}")
        return buffer[:read]

    def read(self, offset: int, buffer: memoryview) -> int:
        """Fill ``buffer``, in a thread."""
        filled = 0
        try:
            with self._seeking:
                self._file.seek(self._start + offset)
                while filled < len(buffer) and (data := self._file.read(len(buffer) - filled)):
                    buffer[filled : filled + len(data)] = data
                    filled += len(data)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as problem:  # the object may be of any class
            raise SourceError(f"{self.name!r} can no longer be read: {told(problem)}") from problem
        return filled

    def mtime_ns(self) -> int:
        """Not known."""
        return 0

    def close(self) -> None:
        """Put the position back; the file stays open, since it is not ours."""
        if not self._file.closed:
            self._file.seek(self._start)


class MemorySource:
    """Bytes in memory, sent from where they are."""

    def __init__(self, data: memoryview, *, name: str) -> None:
        self.name = name
        self.path = ""
        self.size: int = data.nbytes
        self._data = data

    async def chunk(self, offset: int, size: int, buffer: memoryview) -> memoryview:  # noqa: ARG002
        """The chunk itself; ``buffer`` is not needed."""
        return self._data[offset : offset + size]

    def read(self, offset: int, buffer: memoryview) -> int:
        """Copy from ``offset`` on."""
        piece = self._data[offset : offset + len(buffer)]
        buffer[: len(piece)] = piece
        return len(piece)

    def mtime_ns(self) -> int:
        """Not known."""
        return 0

    def close(self) -> None:
        """Let the memory be resized again."""
        self._data.release()


def open_path(path: StrPath) -> FileSource:
    """Open the regular file at ``path``, in a thread. Raises `InvalidArgument`."""
    place = path_argument(path)
    try:
        mode = place.stat().st_mode  # before it is opened: opening a pipe would wait for its other end
        if not stat.S_ISREG(mode):
            kind = "a directory" if stat.S_ISDIR(mode) else "not a regular file"
            raise InvalidArgument(f"{place} is {kind}: give the path of one file")
        fd = os.open(place, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    except OSError as problem:
        raise InvalidArgument(f"{place} cannot be read: {problem.strerror}") from problem
    return FileSource(fd, name=place.name, path=str(place))


def open_object(file: Any, name: str) -> FileSource | ObjectSource:
    """A source that reads a file object from its present position to its end, and leaves the position as it is."""
    if isinstance(file, io.BufferedRandom):
        file.flush()
    raw: object = cast(Any, file).raw if isinstance(file, (io.BufferedReader, io.BufferedRandom)) else file
    # Only these are what their descriptor says: that of a GzipFile, say, leads to other bytes than the object gives.
    if isinstance(raw, io.FileIO) and stat.S_ISREG(os.fstat(raw.fileno()).st_mode):
        return FileSource(os.dup(raw.fileno()), name=name, start=file.tell())
    return ObjectSource(file, name=name)


def fingerprint(source: UploadSource) -> Fingerprint:
    """Read a few blocks all over the source, in a thread."""
    digest = hashlib.sha256()
    last = max(0, source.size - _SAMPLE)
    buffer = memoryview(bytearray(_SAMPLE))
    for offset in sorted({last * i // (_SAMPLES - 1) for i in range(_SAMPLES)}):
        digest.update(buffer[: source.read(offset, buffer)])
    return Fingerprint(size=source.size, mtime_ns=source.mtime_ns(), sample=digest.hexdigest())


def md5_of(source: UploadSource, offset: int, size: int) -> str:
    """The md5 of ``size`` bytes from ``offset`` on, in a thread."""
    digest = hashlib.md5(usedforsecurity=False)
    buffer = memoryview(bytearray(min(_BLOCK, size)))
    end = offset + size
    while offset < end and (read := source.read(offset, buffer[: end - offset])):
        digest.update(buffer[:read])
        offset += read
    return digest.hexdigest()


def _unreadable(name: str, problem: OSError) -> SourceError:
    return SourceError(f"{name!r} can no longer be read: {problem.strerror}")
