"""User-managed OAuth apps: a refresh token that changes with every use, kept in a store."""

from __future__ import annotations

import asyncio
from typing import Any, Literal

import msgspec

from zra_async import errors
from zra_async.core.auth.base import AuthContext, required
from zra_async.core.auth.cached import CachedToken, retrieve
from zra_async.core.auth.endpoint import TokenEndpoint
from zra_async.core.auth.stores import GrantStore, MemoryTokenStore, TokenStore
from zra_async.core.auth.token import Token, stored
from zra_async.core.secret import Secret, hidden, partial_repr
from zra_async.osfiles.threads import wait_until_done

#: how long a client that closes waits for a refresh token that is on its way: without it, its user must sign in again
_LAST_CALL = 5.0
#: the event loop alone would let a task be collected that nobody waits for
_RENEWALS: set[asyncio.Task[Any]] = set()


class AuthorizationCode(msgspec.Struct, frozen=True):
    """The end of a sign-in: the code that came back, to be exchanged for the first pair of tokens.

    `code_verifier` is the PKCE secret whose S256 challenge went along with the sign-in. A code serves once.
    """

    code: str
    redirect_uri: str
    code_verifier: str = ""

    def form(self) -> dict[str, str]:
        """The fields to send to the token endpoint."""
        form = {"grant_type": "authorization_code", "code": Secret(self.code), "redirect_uri": self.redirect_uri}
        return form | ({"code_verifier": Secret(self.code_verifier)} if self.code_verifier else {})

    def __repr__(self) -> str:
        return partial_repr(self, "redirect_uri")


class UserOAuth(CachedToken):
    """A user-managed OAuth app, whose refresh token changes with every use and lives for 90 days.

        sign_in = AuthorizationCode(code, redirect_uri="https://your.app/signed-in")  # from the query of that request
        auth = UserOAuth(client_id, client_secret, sign_in=sign_in, store=FileTokenStore("jo.token"))
        async with ZRAClient(auth) as zra: ...  # from the next time on without sign_in

    The latest refresh token is kept in ``store`` and is written there before the access token that came with it is
    used. An empty store is seeded by ``refresh_token``; a ``sign_in`` that has just come back replaces what is stored,
    unless its code was used before. Processes that share a `FileTokenStore` renew in turn.
    """

    def __init__(
        self,
        client_id: str,
        client_secret: str,
        *,
        refresh_token: str | None = None,
        sign_in: AuthorizationCode | None = None,
        store: TokenStore | None = None,
        token_url: str | None = None,
    ) -> None:
        client_secret, refresh_token = hidden(client_secret), hidden(refresh_token)
        self._endpoint = TokenEndpoint(client_id, client_secret, token_url)
        # a refresh token does not tell its user
        super().__init__(self._fetch_shielded, account=f"a user of the app {client_id}")
        if refresh_token is None and sign_in is None and store is None:
            raise errors.ConfigurationError("UserOAuth needs a refresh_token, a sign_in, or a store that holds a token")
        self._seed = Secret("" if refresh_token is None else required(refresh_token, "refresh_token"))
        self._sign_in = sign_in
        self._store: TokenStore = MemoryTokenStore() if store is None else store
        self._unsaved: Secret | None = None  # granted and not stored yet; the next renewal uses and stores it
        self._phase: Literal["", "asking", "saving"] = ""

    async def _fetch_shielded(self, context: AuthContext) -> Token:
        renewal = asyncio.ensure_future(self._renew_locked(context))
        _RENEWALS.add(renewal)
        renewal.add_done_callback(_RENEWALS.discard)
        renewal.add_done_callback(retrieve)
        try:
            return await asyncio.shield(renewal)
        except asyncio.CancelledError:
            await self._give_up(renewal)
            raise

    async def _give_up(self, renewal: asyncio.Task[Token]) -> None:
        """End a renewal that nobody waits for any more, without losing a token that the endpoint has granted."""
        if self._phase == "asking":
            # the endpoint may have changed the refresh token already, and the answer is the only copy
            await wait_until_done(renewal, _LAST_CALL)
        if self._phase != "saving":
            renewal.cancel()
        # a write that hangs goes on without its client, and keeps the lock until it has ended
        await wait_until_done(renewal, _LAST_CALL)

    async def _renew_locked(self, context: AuthContext) -> Token:
        async with self._store.lock():
            try:
                return await self._renew(context)
            finally:
                self._phase = ""

    async def _renew(self, context: AuthContext) -> Token:
        current = hidden(self._unsaved or await self._store.load() or self._seed)
        if self._sign_in is None and not self._unsaved:
            shared = await self._shared_grant(self._store)
            if shared is not None:
                return shared
        self._phase = "asking"
        answer = await self._signed_in(context, otherwise=bool(current))
        if answer is None:
            if not current:
                raise errors.TokenError("the token store is empty: sign in again, or give a refresh_token")
            answer = await self._endpoint.request(context, {"grant_type": "refresh_token", "refresh_token": current})
        if answer.refresh_token:
            self._phase = "saving"
            self._unsaved = Secret(answer.refresh_token)
        if isinstance(self._store, GrantStore):
            await self._store.save_grant(stored(answer, answer.refresh_token or current))
        elif self._unsaved:
            await self._store.save(self._unsaved)
        self._unsaved = None
        return answer

    async def _signed_in(self, context: AuthContext, *, otherwise: bool) -> Token | None:
        if self._sign_in is None:
            return None
        try:
            answer = await self._endpoint.request(context, self._sign_in.form())
        except errors.TokenError as problem:
            if problem.passing:
                raise  # the code is still good
            self._sign_in = None
            if otherwise:
                return None
            raise
        self._sign_in = None
        return answer

    def __repr__(self) -> str:
        return f"UserOAuth(client_id={self._endpoint.client_id!r})"
