"""Outputs that are written from their beginning to their end: files, and what is no file, such as pipes and devices."""

from __future__ import annotations

import asyncio
import errno
import os
import select
import stat
from pathlib import Path

from zra_async.osfiles.paths import StrPath, Unsuitable, as_path, descriptor, kind_of, regular_file
from zra_async.osfiles.replace import Replacement
from zra_async.osfiles.threads import to_thread

_PIECE = 4096  #: bytes; a pipe that is ready takes as many without blocking
_PAUSE = 0.02


class Output:
    """A file that appears as a whole when it is finished, or replaces the one that was there. Made by `open_output`."""

    def __init__(self, new: Replacement) -> None:
        self._new = new

    async def write(self, content: bytes) -> None:
        """Append ``content``. Raises OSError."""
        await to_thread(self._new.file.write, content)

    async def finish(self) -> None:
        """Put the file in place. Raises OSError."""
        try:
            await to_thread(self._new.commit)
        finally:
            self.close()

    def close(self) -> None:
        """Leave what was there before, unless the output is finished; safe to call twice."""
        self._new.discard()


class StreamOutput(Output):
    """A pipe, a device or an open descriptor: it gets everything at once, and is never replaced."""

    def __init__(self, fd: int) -> None:
        self._fd: int | None = fd

    async def write(self, content: bytes) -> None:
        """Write ``content``, and wait while the reader is slow. Raises OSError, such as `BrokenPipeError`."""
        left = memoryview(content)
        while left:
            # by small pieces and not in a thread, where a reader that stops would make a cancellation wait for ever
            if self._fd is None:
                raise OSError(errno.EBADF, "the output is closed")
            while not _ready(self._fd):  # noqa: ASYNC110 (devices cannot be watched by every event loop)
                await asyncio.sleep(_PAUSE)
            try:
                left = left[os.write(self._fd, left[:_PIECE]) :]
            except BlockingIOError:
                await asyncio.sleep(_PAUSE)

    async def finish(self) -> None:
        """Close the output."""
        self.close()

    def close(self) -> None:
        """Close the output; safe to call twice."""
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)


def open_output(path: StrPath, *, mode: int = 0o666) -> Output:
    """Open an output. Links are followed; only a regular file is ever replaced, when the output is finished.

    Raises OSError, and `Unsuitable` for folders, sockets and block devices, and for a pipe that nobody reads.
    """
    place = as_path(path)
    number = descriptor(place)
    if number is not None:
        if number < 0:
            raise Unsuitable(errno.EINVAL, "it is an open file of another process")
        return StreamOutput(os.dup(number))  # with the position of the original, so that nothing is overwritten
    try:
        found = place.stat()
    except FileNotFoundError:
        found = None
    if found is None or stat.S_ISREG(found.st_mode):
        return Output(Replacement(regular_file(place), mode=mode))
    if stat.S_ISFIFO(found.st_mode) or stat.S_ISCHR(found.st_mode):
        return StreamOutput(_open_stream(place))
    raise Unsuitable(errno.EINVAL, f"it is {kind_of(found)}, which cannot be written like a file")


def _open_stream(place: Path) -> int:
    try:
        return os.open(place, os.O_WRONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0))
    except OSError as problem:
        if problem.errno == errno.ENXIO:
            raise Unsuitable(errno.ENXIO, "nobody reads this named pipe: start its reader first") from None
        raise


def _ready(fd: int) -> bool:
    if not hasattr(select, "poll"):
        return True
    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    return bool(poll.poll(0))
