"""Where a rotating refresh token is kept between uses."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import tempfile
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Protocol

from zra_async import errors
from zra_async.core.secret import Secret
from zra_async.osfiles.threads import to_thread

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl


_LOCK_FLAGS = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)
_LONGEST = 64 * 1024  #: bytes; tokens have one or two thousand


class TokenStore(Protocol):
    """Keeps one refresh token; `lock` is held from reading the old one to writing the new one."""

    def lock(self) -> AbstractAsyncContextManager[None]:
        """Keep every other user of the same token out."""
        ...

    async def load(self) -> Secret | None:
        """The latest refresh token, or None."""
        ...

    async def save(self, token: Secret) -> None:
        """Keep ``token`` for good before returning."""
        ...


class MemoryTokenStore:
    """Keeps the refresh token in this process only: it is lost when the process ends."""

    def __init__(self) -> None:
        self._token: Secret | None = None
        self._lock = asyncio.Lock()

    @asynccontextmanager
    async def lock(self) -> AsyncGenerator[None, None]:
        """One task at a time."""
        async with self._lock:
            yield

    async def load(self) -> Secret | None:
        """The token in memory."""
        return self._token

    async def save(self, token: Secret) -> None:
        """Replace it."""
        self._token = token

    def __repr__(self) -> str:
        return "MemoryTokenStore()"


class FileTokenStore:
    """Keeps the refresh token in a file that only its owner can read (mode 0600), replaced atomically.

    A lock file beside it lets several processes share one token: they renew it in turn.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        self._tasks = asyncio.Lock()

    @asynccontextmanager
    async def lock(self) -> AsyncGenerator[None, None]:
        """One task of one process at a time."""
        async with self._tasks:
            opening = asyncio.ensure_future(to_thread(self._open_lock))
            try:
                handle = await asyncio.shield(opening)
            except asyncio.CancelledError:
                opening.add_done_callback(_close_again)  # the thread goes on, and opens what nobody would close
                raise
            try:
                # polled: a thread that blocks in flock could be neither cancelled nor ended
                while not _try_lock(handle):  # noqa: ASYNC110 (another process holds it, nothing here can signal)
                    await asyncio.sleep(0.05)
                yield
            finally:
                os.close(handle)

    async def load(self) -> Secret | None:
        """The token in the file, or None without one."""
        return await to_thread(self._read)

    async def save(self, token: Secret) -> None:
        """Write the token beside the file, then put it in its place. Raises `TokenError`."""
        try:
            await to_thread(self._write, token)
        except OSError as problem:
            raise errors.TokenError(f"the token store {self._path} cannot be written: {problem.strerror}") from None

    def _open_lock(self) -> int:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            return os.open(f"{self._path}.lock", _LOCK_FLAGS, 0o600)
        except OSError as problem:
            raise errors.TokenError(f"the token store {self._path} cannot be locked: {problem.strerror}") from None

    def _read(self) -> Secret | None:
        try:
            with self._path.open("rb") as file:
                token = Secret(file.read(_LONGEST + 1).decode("ascii", "replace").strip())
        except FileNotFoundError:
            return None
        except OSError as problem:
            raise errors.TokenError(f"the token store {self._path} cannot be read: {problem.strerror}") from None
        if len(token) > _LONGEST or not token.isascii() or not token.isprintable():
            raise errors.TokenError(f"the token store {self._path} cannot be read: it holds no token")
        return token or None

    def _write(self, token: Secret) -> None:
        handle, name = tempfile.mkstemp(dir=self._path.parent, prefix=self._path.name)  # mkstemp makes it 0600
        try:
            with os.fdopen(handle, "w", encoding="ascii") as file:
                file.write(token)
                file.flush()
                os.fsync(file.fileno())
            os.replace(name, self._path)  # noqa: PTH105 (the one call that is atomic)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name)  # noqa: PTH108
            raise

    def __repr__(self) -> str:
        return f"FileTokenStore({str(self._path)!r})"


def _close_again(opening: asyncio.Future[int]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        os.close(opening.result())


def _try_lock(handle: int) -> bool:
    try:
        if sys.platform == "win32":
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
