"""Sources that run code of the caller: an async iterator of bytes, or a file object. Their errors are `SourceError`."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Generator
from typing import Any

from zra_async.core.cancellation import CallersCode, told
from zra_async.errors import InvalidArgument, SourceError
from zra_async.osfiles.threads import to_thread

_READ = 1024 * 1024
_END: Any = object()
Piece = bytes | bytearray | memoryview


@contextlib.contextmanager
def reading(name: str) -> Generator[None]:
    """Raise `SourceError` for whatever code of the caller raises inside, a stray `CancelledError` included."""
    code = CallersCode()
    try:
        yield
    except BaseException as problem:
        if not code.raised(problem):
            raise
        # also for our own errors: one of another client, which the source uses, is no error of this upload's calls
        raise SourceError(f"{name!r} cannot be read: {told(problem)}") from problem


async def pieces_of(source: Any, name: str) -> AsyncGenerator[Piece]:
    """Read an async iterator of bytes, or a file object, piece by piece.

    Raises `SourceError` for whatever the source raises, and `InvalidArgument` for a piece that is not bytes.
    """
    with reading(name):
        pieces = aiter(source) if hasattr(source, "__aiter__") else None
    while True:
        with reading(name):
            if pieces is None:
                piece = await to_thread(source.read, _READ) or _END
            else:
                piece = await anext(pieces, _END)
        if piece is _END:
            return
        if not isinstance(piece, (bytes, bytearray, memoryview)):
            kind = "file object" if pieces is None else "iterator"
            raise InvalidArgument(f"the {kind} must give bytes, not {type(piece).__name__}")
        yield piece
