"""Stores that keep a rotating refresh token between uses."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol, TypeVar, runtime_checkable

import msgspec

from zra_async import errors
from zra_async.core.auth.token_file import NoToken, TokenFile, lock_token, read_token, write_token
from zra_async.core.secret import Secret, partial_repr
from zra_async.osfiles.paths import StrPath, as_path
from zra_async.osfiles.threads import to_thread

T = TypeVar("T")
_FIRST_PAUSE, _LONGEST_PAUSE = 0.001, 0.05  #: seconds between two attempts to get a lock


class TokenStore(Protocol):
    """Keeps one refresh token; `lock` is held from reading the old one until the new one is written.

    `lock` should prove that a new token can be written: it raises `TokenError` before the old one is spent.
    """

    def lock(self) -> AbstractAsyncContextManager[None]:
        """Keep every other user of the same token out."""
        ...

    async def load(self) -> Secret | None:
        """Return the latest refresh token, or None."""
        ...

    async def save(self, token: Secret) -> None:
        """Keep ``token`` for good before returning."""
        ...


class StoredGrant(msgspec.Struct, frozen=True, kw_only=True):
    """The last answer of a token endpoint, as a `GrantStore` keeps it: `expires_at` is in seconds since 1970."""

    access_token: str
    expires_at: float
    lifetime: float
    refresh_token: str = ""
    scope: str | None = None
    api_url: str | None = None

    def __repr__(self) -> str:
        return partial_repr(self, "expires_at", "lifetime", "scope", "api_url")


@runtime_checkable
class GrantStore(TokenStore, Protocol):
    """A store that keeps the access token as well, so that processes share it and one renewal serves all of them."""

    async def load_grant(self) -> StoredGrant | None:
        """Return the latest grant, or None."""
        ...

    async def save_grant(self, grant: StoredGrant) -> None:
        """Keep ``grant`` for good before returning; called under `lock`."""
        ...


class MemoryTokenStore:
    """Keeps the refresh token in this process only: it is lost when the process ends.

    Clients in several threads, each with an event loop of its own, can share it.
    """

    def __init__(self) -> None:
        self._token: Secret | None = None
        self._lock = threading.Lock()  # a lock of asyncio belongs to one event loop

    @asynccontextmanager
    async def lock(self) -> AsyncGenerator[None, None]:
        """Let one task at a time in."""
        await _polled(lambda: self._lock.acquire(blocking=False) or None)
        try:
            yield
        finally:
            self._lock.release()

    async def load(self) -> Secret | None:
        """Return the token in memory."""
        return self._token

    async def save(self, token: Secret) -> None:
        """Replace it."""
        self._token = token

    def __repr__(self) -> str:
        return "MemoryTokenStore()"


class FileTokenStore:
    """Keeps the refresh token in a file that only its owner can read (mode 0600), and that is replaced atomically.

    Processes, threads and tasks that share the file renew the token in turn. Links are followed, and the lock file lies
    beside the file that they lead to. A file that cannot be replaced, because it is mounted by itself or its folder
    cannot be written, is overwritten in place.
    """

    def __init__(self, path: StrPath) -> None:
        try:
            self._path = as_path(path)
        except OSError as problem:
            raise errors.ConfigurationError(f"the token store cannot be used: {problem.strerror}") from None
        self._open: TokenFile | None = None  # while the lock is held

    @asynccontextmanager
    async def lock(self) -> AsyncGenerator[None, None]:
        """Let one task of one process at a time in, and prove that a new token can be stored. Raises `TokenError`."""
        file = await _polled(self._lock, in_thread=True)
        try:
            try:
                await to_thread(file.prepare)
            except NoToken:
                raise self._problem("read", "it holds no token") from None
            except OSError as problem:
                raise self._problem("written", f"{problem.strerror}; the stored token was not used") from None
            self._open = file
            try:
                yield
            finally:
                self._open = None
        finally:
            file.close()

    async def load(self) -> Secret | None:
        """Return the token in the file, or None without one. Raises `TokenError`."""
        return await to_thread(self._read)

    async def save(self, token: Secret) -> None:
        """Store the token so that it survives a crash, under `lock` or by itself. Raises `TokenError`."""
        file = self._open
        try:
            if file is None:
                await to_thread(write_token, self._path, token)
            else:
                await to_thread(file.write, token)
        except OSError as problem:
            raise self._problem("written", str(problem.strerror)) from None

    def _lock(self) -> TokenFile:
        try:
            return lock_token(self._path)
        except OSError as problem:
            raise self._problem("locked", str(problem.strerror)) from None

    def _read(self) -> Secret | None:
        try:
            return read_token(self._path)
        except NoToken:
            raise self._problem("read", "it holds no token") from None
        except OSError as problem:
            raise self._problem("read", str(problem.strerror)) from None

    def _problem(self, done: str, why: str) -> errors.TokenError:
        return errors.TokenError(f"the token store {self._path} cannot be {done}: {why}")

    def __repr__(self) -> str:
        return f"FileTokenStore({str(self._path)!r})"


async def _polled(attempt: Callable[[], T | None], *, in_thread: bool = False) -> T:
    """Repeat ``attempt`` until it gives a lock: a thread that blocks for one could be neither cancelled nor ended."""
    pause = _FIRST_PAUSE
    while True:
        with contextlib.suppress(errors.InUse):
            found = await to_thread(attempt) if in_thread else attempt()
            if found is not None:
                return found
        await asyncio.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)
