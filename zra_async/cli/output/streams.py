"""The standard streams of a command: stdout, whose loss is told, and stderr, whose loss changes nothing."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import select
import sys
from collections.abc import Generator
from typing import TYPE_CHECKING, TextIO

from zra_async.cli.exits import Exit
from zra_async.cli.output.wording import clean
from zra_async.cli.stopping import interruptible

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_GONE = frozenset({errno.EPIPE, errno.ECONNRESET, errno.ESHUTDOWN})
_PATIENCE = 1.0  #: seconds that a message waits for a stderr that takes nothing


class StdoutLost(Exception):
    """stdout cannot be written. `reader_left` says that whoever read a pipe has closed it, as ``head`` does.

    It is no `OSError`, because click ends the process by itself for some of those.
    """

    def __init__(self, problem: OSError) -> None:
        self.reader_left: bool = problem.errno in _GONE
        super().__init__(f"stdout cannot be written: {problem.strerror or problem}")


class _Raw(io.FileIO):
    """The file behind a standard stream. Once it has failed, it takes everything and writes nothing.

    Python flushes the streams once more at the end, and that flush must not fail a second time.
    """

    def __init__(self, fd: int, *, lost: bool = False) -> None:
        super().__init__(fd, "w", closefd=False)
        self.lost = lost

    def _sent(self, data: ReadableBuffer, patience: float | None) -> int:
        """Write what the file takes now, and wait for one that is full, as a non-blocking pipe can be."""
        while (written := super().write(data)) is None:
            if not select.select([], [self.fileno()], [], patience)[1]:
                raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        return written


class _Stdout(_Raw):
    def write(self, data: ReadableBuffer, /) -> int:
        """Write what the file takes. Raises `StdoutLost`, once."""
        if self.lost:
            return memoryview(data).nbytes
        try:
            return self._sent(data, None)
        except OSError as problem:
            self.lost = True
            raise StdoutLost(problem) from None


class _ClosedStdout(_Stdout):
    def write(self, data: ReadableBuffer, /) -> int:
        """Raise `StdoutLost`, once."""
        if not self.lost:
            self.lost = True
            raise StdoutLost(OSError(errno.EBADF, "it is closed"))
        return memoryview(data).nbytes


class _Stderr(_Raw):
    def write(self, data: ReadableBuffer, /) -> int:
        """Write what the file takes, and drop what it does not take."""
        if not self.lost:
            try:
                return self._sent(data, _PATIENCE)
            except BlockingIOError:
                pass  # its reader is slow, and may read again
            except OSError:
                self.lost = True
        return memoryview(data).nbytes


@contextlib.contextmanager
def standard_streams() -> Generator[None]:
    """Replace the standard streams of the process for the duration of a block.

    A stream that was closed, as a service manager may do, gets the null device. That takes the lowest free number,
    which is the stream's own: without it a ledger could become the stderr. Streams that are no longer those of the
    process, such as those of a test, are left alone.
    """
    before = sys.stdin, sys.stdout, sys.stderr
    closed = [stream is None for stream in before]  # pyright: ignore[reportUnnecessaryComparison]
    for fd, missing in enumerate(closed):
        if missing:
            _open_null(fd)
    if closed[0]:
        sys.stdin = io.TextIOWrapper(io.FileIO(0, closefd=False), "utf-8")
    if closed[1]:
        sys.stdout = _text(_ClosedStdout(1), None)
    elif sys.stdout is sys.__stdout__:
        sys.stdout = _text(_Stdout(1), sys.stdout)
    if closed[2] or sys.stderr is sys.__stderr__:
        sys.stderr = _text(_Stderr(2, lost=closed[2]), sys.stderr)
    try:
        yield
    finally:
        ours = sys.stdout, sys.stderr
        sys.stdin, sys.stdout, sys.stderr = before
        for stream in ours:
            with contextlib.suppress(StdoutLost, ValueError):
                stream.flush()


def _open_null(fd: int) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    if null != fd:
        os.dup2(null, fd)
        os.close(null)
    os.set_inheritable(fd, True)


def _text(raw: _Raw, like: TextIO | None) -> TextIO:
    """A text stream in the encoding of ``like``, which shows as escapes what that encoding lacks."""
    encoding = "utf-8" if like is None else like.encoding
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding, errors="backslashreplace", line_buffering=True)


def write(content: bytes) -> None:
    """Write to stdout now, so that a reader at the other end of a pipe need not wait for more.

    Raises `StdoutLost`. A signal ends a write whose reader has stopped reading.
    """
    with interruptible():
        sys.stdout.flush()
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()


def write_text(text: str) -> None:
    """Write text for people to stdout, in the encoding of the terminal."""
    write(text.encode(sys.stdout.encoding or "utf-8", "backslashreplace"))


def say(text: str) -> None:
    """Tell the person at the keyboard, on stderr; where that cannot be shown, nothing else changes."""
    with contextlib.suppress(OSError, ValueError):
        print(clean(text), file=sys.stderr, flush=True)


def ended_without_stdout(lost: StdoutLost) -> Exit:
    """Say that stdout failed a command which changed nothing, and return the exit code."""
    if lost.reader_left:
        return Exit.READER_LEFT  # as quiet as any filter: the reader has had what it wanted
    say(f"error: {lost}")
    return Exit.ERROR
