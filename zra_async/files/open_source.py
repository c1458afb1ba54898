"""Open a source: path, file, bytes or iterator become a source that can be read at any offset, again and again."""

from __future__ import annotations

import contextlib
import inspect
import io
import os
from collections.abc import AsyncIterable, AsyncIterator
from pathlib import PurePath
from typing import IO, Any

from zra_async.errors import InvalidArgument, SourceError
from zra_async.files.caller_source import Piece, pieces_of, reading
from zra_async.files.chunk_writer import ChunkWriter
from zra_async.files.source import FileSource, MemorySource, UploadSource, open_object, open_path
from zra_async.osfiles.temporary import temporary_file
from zra_async.osfiles.threads import to_thread
from zra_async.results.uploads import LARGEST_FILE

#: what can be uploaded
Uploadable = (
    str
    | os.PathLike[str]
    | os.PathLike[bytes]
    | bytes
    | bytearray
    | memoryview
    | IO[bytes]
    | io.BufferedIOBase
    | AsyncIterable[bytes]
)


def name_of(given: Uploadable) -> str:
    """Return the name of a source, "" if it has none."""
    if isinstance(given, (str, os.PathLike)):
        return PurePath(os.fsdecode(given)).name
    name: object = getattr(given, "name", "")
    return PurePath(name).name if isinstance(name, str) else ""


async def open_source(given: Uploadable, *, name: str, size: int | None) -> UploadSource:
    """Make a source of ``given``, which is spooled to disk where it can be read only once.

    ``size`` is what the caller knows of its length. Raises `InvalidArgument` for what cannot be uploaded: an empty or
    too large file, a directory, an unreadable file, a text.
    """
    source = await _open(given, name, size)
    if not 0 < source.size <= LARGEST_FILE or (size is not None and size != source.size):
        actual = source.size
        source.close()
        raise _wrong_size(name, actual, size)
    source.name = name
    return source


async def _open(given: Uploadable, name: str, size: int | None) -> UploadSource:
    if isinstance(given, (str, os.PathLike)):
        return await to_thread(open_path, given)
    if isinstance(given, (bytes, bytearray, memoryview)):
        try:
            return MemorySource(memoryview(given).cast("B"), name=name)
        except TypeError:
            raise InvalidArgument("a memoryview must be contiguous to be uploaded") from None
    if hasattr(given, "__aiter__"):
        return await _spooled(given, name, size)
    if not hasattr(given, "read"):
        raise InvalidArgument(
            "give a path, a binary file object, bytes or an async iterator of bytes to upload, "
            f"not {type(given).__name__}"
        )
    file: Any = given
    if inspect.iscoroutinefunction(file.read):
        raise InvalidArgument(f"{name!r} is read with await: give its .file, or an async iterator of what it reads")
    with reading(name, own=True):
        text = isinstance(file, io.TextIOBase) or isinstance(await to_thread(_first_read, file), str)
        seekable = hasattr(file, "seekable") and file.seekable()
    if text:
        raise InvalidArgument(f"{name!r} is open as text: open it as binary ('rb')")
    if not seekable:
        return await _spooled(file, name, size)
    with reading(name, own=True):
        return await to_thread(open_object, file, name)
    raise AssertionError("unreachable: `reading` ends no error")


async def _spooled(given: Any, name: str, size: int | None) -> FileSource:
    async with contextlib.aclosing(pieces_of(given, name, own=True)) as pieces:
        return await _spool(pieces, name, size)


def _first_read(file: Any) -> object:
    try:
        return file.read(0)
    except (OSError, ValueError) as problem:
        raise InvalidArgument(f"the file object cannot be read: {problem}") from problem


async def _spool(pieces: AsyncIterator[Piece], name: str, size: int | None) -> FileSource:
    """Copy what can be read only once to a temporary file, which has no name: nothing is left of it in any case."""
    if size is not None and not 0 < size <= LARGEST_FILE:
        raise _wrong_size(name, size, None)
    try:
        opened = await to_thread(temporary_file)
    except OSError as problem:
        raise SourceError(f"{name!r} cannot be spooled to disk: {problem.strerror}") from problem
    with opened as spool:
        writer = ChunkWriter(spool.fileno())
        total = 0
        try:
            async for piece in pieces:
                view = memoryview(piece).cast("B")
                total += len(view)
                if total > LARGEST_FILE or (size is not None and total > size):
                    raise _wrong_size(name, total, size)
                await writer.write(view)
            await writer.flush()
        except OSError as problem:
            raise SourceError(f"{name!r} cannot be spooled to disk: {problem.strerror}") from problem
        finally:
            await writer.settle()
        return FileSource(os.dup(spool.fileno()), name=name, timed=False)


def _wrong_size(name: str, actual: int, wanted: int | None) -> InvalidArgument:
    if actual <= 0:
        return InvalidArgument(f"{name!r} is empty")
    if wanted is not None and actual <= LARGEST_FILE:
        return InvalidArgument(f"{name!r} has {actual} bytes where size={wanted} was announced")
    return InvalidArgument(f"{name!r} is larger than the service takes: {LARGEST_FILE} bytes (100 parts of 100 MB)")
