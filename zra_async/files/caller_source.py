"""Sources that run code of the caller: an async iterator of bytes, or a file object."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Generator
from typing import Any

from zra_async.core.cancellation import CallersCode, told
from zra_async.errors import InvalidArgument, SourceError, ZRAError
from zra_async.osfiles.threads import to_thread

_READ = 1024 * 1024
_END: Any = object()
Piece = bytes | bytearray | memoryview


@contextlib.contextmanager
def reading(name: str, *, own: bool) -> Generator[None]:
    """Raise `SourceError` for what code of the caller raises inside.

    With ``own`` an ordinary exception of the caller's own is left as it is. What would be taken for something else is
    `SourceError` in any case: a `CancelledError` that nobody asked for, and an error of this library, which the source
    may get from another client.
    """
    code = CallersCode()
    try:
        yield
    except BaseException as problem:
        if not code.raised(problem) or (own and isinstance(problem, Exception) and not isinstance(problem, ZRAError)):
            raise
        raise SourceError(f"{name!r} cannot be read: {told(problem)}") from problem


async def pieces_of(source: Any, name: str, *, own: bool) -> AsyncGenerator[Piece]:
    """Read an async iterator of bytes, or a file object, piece by piece.

    Raises the errors of `reading`, and `InvalidArgument` for a piece that is not bytes.
    """
    with reading(name, own=own):
        pieces = aiter(source) if hasattr(source, "__aiter__") else None
    while True:
        with reading(name, own=own):
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
