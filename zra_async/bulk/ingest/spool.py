"""Sources that can be read only once, copied to disk for as long as their item is under way.

A file whose answer was lost is sent again: without the copy there would be nothing left to send.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import AsyncGenerator, AsyncIterable
from dataclasses import replace
from typing import Any

from zra_async.bulk.ingest.item import Checked, FileStep
from zra_async.errors import InvalidArgument, SourceError
from zra_async.files.caller_source import Piece, pieces_of, reading
from zra_async.osfiles.temporary import temporary_file
from zra_async.osfiles.threads import to_thread
from zra_async.results.uploads import LARGEST_FILE

_PIECE = 1024 * 1024


@contextlib.asynccontextmanager
async def replayable(item: Checked) -> AsyncGenerator[Checked]:
    """The item with files that can be read any number of times, and whose sizes are known where they were copied.

    Raises `InvalidArgument` for what is no file that can be sent.
    """
    if all(file.size is not None for file in item.files):
        yield item
        return
    with contextlib.ExitStack() as stack:
        yield replace(item, files=tuple([await _replayable(file, stack) for file in item.files]))


async def _replayable(file: FileStep, stack: contextlib.ExitStack) -> FileStep:
    source: Any = file.source
    with reading(file.name, own=False):
        ready = file.size is not None or (hasattr(source, "seekable") and source.seekable())
    if ready:
        return file
    if isinstance(source, io.TextIOBase):
        raise InvalidArgument(f"{file.step}: {file.name!r} is open as text: open it as binary ('rb')")
    try:
        spool = stack.enter_context(await to_thread(temporary_file))
        async with contextlib.aclosing(pieces_of(source, file.name, own=False)) as pieces:
            size = await _copy(pieces, spool, file)
        await to_thread(spool.seek, 0)
    except OSError as problem:
        raise SourceError(f"{file.name!r} cannot be copied to disk: {problem.strerror}") from problem
    return replace(file, source=spool, size=size)


async def _copy(pieces: AsyncIterable[Piece], spool: Any, file: FileStep) -> int:
    total, gathered = 0, bytearray()
    async for piece in pieces:
        gathered += piece
        total += len(piece)
        if total > LARGEST_FILE:
            break
        if len(gathered) >= _PIECE:
            await to_thread(_write_all, spool, bytes(gathered))
            gathered.clear()
    await to_thread(_write_all, spool, bytes(gathered))
    if not 0 < total <= LARGEST_FILE:
        raise InvalidArgument(f"{file.step}: {file.name!r} has {total} bytes, where 1 to {LARGEST_FILE} can be sent")
    return total


def _write_all(spool: Any, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[spool.write(view) :]
