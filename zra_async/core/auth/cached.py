"""Access tokens: one fetch for all callers who wait, ahead of expiry, and never one refused token twice."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Any

import msgspec

from zra_async import errors
from zra_async.core.auth.base import AuthContext, TokenSource, bearer
from zra_async.core.auth.stores import GrantStore, TokenStore
from zra_async.core.auth.token import Token
from zra_async.core.cancellation import CallersCode
from zra_async.core.events import TokenFetched
from zra_async.core.secret import Secret

#: a token is renewed in the background when it has less than this many seconds left
_AHEAD = 300.0
_AHEAD_PAUSE = 15.0


class _Grant(msgspec.Struct, frozen=True):
    header: Secret
    expires_at: float


class CachedToken:
    """An authentication that fetches access tokens from a `TokenSource`: one fetch for all callers who wait.

        async def fetch(context: AuthContext) -> Token:
            return Token(access_token=await my_vault.token(), expires_in=3600)

        async with ZRAClient(CachedToken(fetch, account="sales")) as zra: ...

    A token is renewed in the background five minutes ahead of its expiry. One that the service refuses is replaced once
    for each call. ``account`` is the name by which ledgers know the account.
    """

    api_url: str = ""

    def __init__(self, source: TokenSource, *, account: str = "") -> None:
        self.account: str = account
        self._source = source
        self._context: AuthContext | None = None
        self._grant: _Grant | None = None
        self._flight: asyncio.Task[_Grant] | None = None
        self._lifetime = 3600.0
        self._refused = ""  # the header that the service has refused
        self._ahead_again_at = 0.0  # a renewal ahead of time that failed is not tried again at once

    def bind(self, context: AuthContext) -> None:
        """Bind this authentication to the client that is opening; a token from an earlier opening stays in use."""
        if self._context is not None and self._context is not context and self._context.is_open():
            raise errors.ConfigurationError("this authentication serves an open client: give each client its own")
        self._context = context
        self._flight = None

    async def header(self) -> Secret:
        """The header of a token that is still good: from memory, or fetched once for all who wait."""
        grant = self._grant
        left = grant.expires_at - _now() if grant else 0.0
        if grant is None or left <= 0:
            grant = await self._shared(self._start())
        elif left < min(_AHEAD, 0.5 * self._lifetime) and _now() >= self._ahead_again_at:
            self._ahead_again_at = _now() + _AHEAD_PAUSE
            self._start()
        return grant.header

    @staticmethod
    async def _shared(flight: asyncio.Task[_Grant]) -> _Grant:
        code = CallersCode()
        try:
            # shielded: a caller who is cancelled must not take the token away from the others
            return await asyncio.shield(flight)
        except asyncio.CancelledError:
            if flight.cancelled() and not code.cancelled:
                raise errors.ClientNotOpen("the client was closed while a token was fetched") from None
            raise

    def invalidate(self, header: str) -> bool:
        """Drop the token that was refused, if it is still the one in use."""
        if self._grant is not None and self._grant.header == header:
            self._grant = None
        self._refused = header
        return True

    def _start(self) -> asyncio.Task[_Grant]:
        if self._context is None:
            raise errors.ClientNotOpen("this authentication belongs to no open client")
        self._context.check()
        if self._flight is None or self._flight.done():
            self._flight = self._context.spawn(self._fetch(self._context))
            self._flight.add_done_callback(retrieve)
        return self._flight

    async def _fetch(self, context: AuthContext) -> _Grant:
        answer = await self._source(context)
        grant = _Grant(bearer(answer.access_token), _now() + answer.lifetime)
        self._grant = grant
        self._lifetime = answer.lifetime
        if answer.api_url:
            self.api_url = answer.api_url
        context.observe(TokenFetched(answer.lifetime))
        return grant

    async def _shared_grant(self, store: TokenStore) -> Token | None:
        """Return the grant that another process has stored, unless it is due for renewal or was refused."""
        found = await store.load_grant() if isinstance(store, GrantStore) else None
        if found is None or bearer(found.access_token) == self._refused:
            return None
        left = found.expires_at - time.time()
        if not min(_AHEAD, 0.5 * found.lifetime) < left <= found.lifetime + 1:  # or a clock was set
            return None
        return Token(found.access_token, left, found.refresh_token, found.scope, found.api_url)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.account!r})"


def _now() -> float:
    return asyncio.get_running_loop().time()


def retrieve(task: asyncio.Task[Any]) -> None:
    """Retrieve the exception of a task that nobody waits for."""
    # a refresh that fails in the background must not be reported as "exception was never retrieved": the next
    # caller who needs a token starts another one and gets its error
    with contextlib.suppress(asyncio.CancelledError):
        task.exception()
