"""Access tokens: one fetch however many callers wait, ahead of expiry, and never one refused token twice."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, Literal, Protocol
from urllib.parse import urlsplit

import msgspec

from zra_async import errors
from zra_async.core.address import checked_url
from zra_async.core.cancellation import CallersCode
from zra_async.core.events import Observer, TokenFetched
from zra_async.core.retry import passes
from zra_async.core.secret import Secret, hidden, partial_repr
from zra_async.core.tokenanswer import TokenAnswer, is_credential, read_answer, refusal, stored
from zra_async.core.tokenstore import GrantStore, MemoryTokenStore, TokenStore
from zra_async.osfiles.threads import wait_until_done

TOKEN_URL = "https://zoom.us/oauth/token"  # noqa: S105 (an address)
#: a token is renewed in the background when it has less than this many seconds left
_AHEAD = 300.0
_AHEAD_PAUSE = 15.0
_FETCH_TIMEOUT = 20.0
_FETCH_ATTEMPTS = 3
_FETCH_PAUSE = 1.0
#: how long a client that closes waits for a refresh token that is on its way: without it, its user must sign in again
_LAST_CALL = 5.0
#: the event loop alone would let a task be collected that nobody waits for
_RENEWALS: set[asyncio.Task[Any]] = set()


PostForm = Callable[[str, Mapping[str, str], str, float], Awaitable[tuple[int, bytes]]]
Spawn = Callable[[Coroutine[Any, Any, Any]], "asyncio.Task[Any]"]


class AuthContext(msgspec.Struct, frozen=True):
    """The tools that a client lends its authentication while `is_open`: post forms, start tasks, report events."""

    post_form: PostForm
    spawn: Spawn
    observe: Observer
    token_url: str
    is_open: Callable[[], bool] = lambda: True
    check: Callable[[], None] = lambda: None  #: raises `WrongLoop` in another event loop or process


class Auth(Protocol):
    """The source of a client's Authorization header."""

    api_url: str  #: the account's own API host as the token answer named it, "" before or without one

    def bind(self, context: AuthContext) -> None:
        """Take the means of the client that opens."""
        ...

    async def header(self) -> Secret:
        """The Authorization header for an attempt that is sent now."""
        ...

    def invalidate(self, header: str) -> bool:
        """Drop the token of a refused ``header``, unless it was replaced meanwhile; False when there is no other."""
        ...


def account_of(auth: Auth) -> str:
    """Return the name of the account that ``auth`` belongs to: its attribute ``account``, "" without one."""
    return str(getattr(auth, "account", ""))


class StaticToken:
    """An access token that you manage yourself; it is used as it is until the service refuses it."""

    api_url: str = ""

    def __init__(self, token: str) -> None:
        token = hidden(token)  # this frame may end up in a traceback with its values
        self._header = _bearer(_required(token, "token"))

    def bind(self, context: AuthContext) -> None:
        """Need nothing."""

    async def header(self) -> Secret:
        """The header with the token."""
        return self._header

    def invalidate(self, header: str) -> bool:  # noqa: ARG002 (part of the protocol)
        """There is no other token."""
        return False

    def __repr__(self) -> str:
        return "StaticToken('***')"


class _Grant(msgspec.Struct, frozen=True):
    header: Secret
    expires_at: float


class _FetchedToken:
    """The single flight around a token endpoint; subclasses say what to ask it."""

    api_url: str = ""

    def __init__(self, client_id: str, client_secret: str, token_url: str | None) -> None:
        self._client_id = client_id
        self._client_secret = Secret(_required(client_secret, "client_secret"))
        self._token_url = None if token_url is None else checked_url("token", token_url)
        pair = f"{_required(client_id, 'client_id')}:{self._client_secret}"
        self._basic = Secret("Basic " + base64.b64encode(pair.encode()).decode())
        self._context: AuthContext | None = None
        self._grant: _Grant | None = None
        self._flight: asyncio.Task[_Grant] | None = None
        self._lifetime = 3600.0
        self._refused = ""  # the header that the service has refused
        self._ahead_again_at = 0.0  # a renewal ahead of time that failed is not tried again at once

    def bind(self, context: AuthContext) -> None:
        """Take the means of the client that opens; a token from an earlier opening stays in use."""
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
            self._flight.add_done_callback(_retrieve)
        return self._flight

    async def _fetch(self, context: AuthContext) -> _Grant:
        answer = await self._ask(context)
        grant = _Grant(_bearer(answer.access_token), _now() + answer.lifetime)
        self._grant = grant
        self._lifetime = answer.lifetime
        if answer.api_url:
            self.api_url = answer.api_url
        context.observe(TokenFetched(answer.lifetime))
        return grant

    async def _ask(self, context: AuthContext) -> TokenAnswer:
        return await self._request_token(context, self._form())

    async def _shared_grant(self, store: TokenStore) -> TokenAnswer | None:
        """Return the grant that another process has stored, unless it is due for renewal or was refused."""
        found = await store.load_grant() if isinstance(store, GrantStore) else None
        if found is None or _bearer(found.access_token) == self._refused:
            return None
        left = found.expires_at - time.time()
        if not min(_AHEAD, 0.5 * found.lifetime) < left <= found.lifetime + 1:  # or a clock was set
            return None
        return TokenAnswer(found.access_token, left, found.refresh_token, found.scope, found.api_url)

    def _form(self) -> dict[str, str]:
        raise NotImplementedError

    async def _request_token(self, context: AuthContext, form: Mapping[str, str]) -> TokenAnswer:
        url = self._token_url or context.token_url
        known = [
            self._client_secret,
            Secret(self._basic.removeprefix("Basic ")),
            *(value for value in form.values() if isinstance(value, Secret)),
        ]
        problem = errors.TokenError("the token endpoint was not asked")
        for attempt in range(_FETCH_ATTEMPTS):
            if attempt:
                await asyncio.sleep(_FETCH_PAUSE * attempt)
            try:
                status, body = await context.post_form(url, form, self._basic, _FETCH_TIMEOUT)
            except (OSError, TimeoutError, errors.CallError) as trouble:
                host = urlsplit(url).hostname
                why = trouble.problem if isinstance(trouble, errors.TransportError) else type(trouble).__name__
                problem = errors.TokenError(f"{host} cannot be reached ({why})", passing=True)
                problem.__cause__ = trouble
                continue
            if status == 200:
                return read_answer(body)
            problem = refusal(status, body, known)
            if not passes(status):
                break
        raise problem

    def __repr__(self) -> str:
        return f"{type(self).__name__}(client_id={self._client_id!r})"


class ServerToServer(_FetchedToken):
    """A server-to-server OAuth app: account id, client id and client secret from the app's page.

    ``token_url`` is the client's own unless it is given here. One token is cached and renewed five minutes ahead of
    its expiry; any number of callers share one fetch, and with a ``store`` any number of processes.
    """

    def __init__(
        self,
        account_id: str,
        client_id: str,
        client_secret: str,
        *,
        store: GrantStore | None = None,
        token_url: str | None = None,
    ) -> None:
        client_secret = hidden(client_secret)
        super().__init__(client_id, client_secret, token_url)
        self._account_id = _required(account_id, "account_id")
        self.account: str = f"account {self._account_id}"  #: the name that ledgers remember
        self._store = store

    async def _ask(self, context: AuthContext) -> TokenAnswer:
        if self._store is None:
            return await self._request_token(context, self._form())
        async with contextlib.AsyncExitStack() as stack:
            try:
                await stack.enter_async_context(self._store.lock())
                answer = await self._shared_grant(self._store)
            except errors.TokenError as problem:
                if not problem.passing:
                    raise
                return await self._request_token(context, self._form())  # a store that is away costs no call
            if answer is None:
                answer = await self._request_token(context, self._form())
                with contextlib.suppress(errors.TokenError):
                    await self._store.save_grant(stored(answer, ""))
            return answer

    def _form(self) -> dict[str, str]:
        return {"grant_type": "account_credentials", "account_id": self._account_id}


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


class UserOAuth(_FetchedToken):
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
        super().__init__(client_id, client_secret, token_url)
        if refresh_token is None and sign_in is None and store is None:
            raise errors.ConfigurationError("UserOAuth needs a refresh_token, a sign_in, or a store that holds a token")
        #: the name that ledgers remember; a refresh token does not tell its user
        self.account: str = f"a user of the app {client_id}"
        self._seed = Secret("" if refresh_token is None else _required(refresh_token, "refresh_token"))
        self._sign_in = sign_in
        self._store: TokenStore = MemoryTokenStore() if store is None else store
        self._unsaved: Secret | None = None  # granted and not stored yet; the next renewal uses and stores it
        self._phase: Literal["", "asking", "saving"] = ""

    async def _ask(self, context: AuthContext) -> TokenAnswer:
        renewal = asyncio.ensure_future(self._renew_locked(context))
        _RENEWALS.add(renewal)
        renewal.add_done_callback(_RENEWALS.discard)
        renewal.add_done_callback(_retrieve)
        try:
            return await asyncio.shield(renewal)
        except asyncio.CancelledError:
            await self._give_up(renewal)
            raise

    async def _give_up(self, renewal: asyncio.Task[TokenAnswer]) -> None:
        """End a renewal that nobody waits for any more, without losing a token that the endpoint has granted."""
        if self._phase == "asking":
            # the endpoint may have changed the refresh token already, and the answer is the only copy
            await wait_until_done(renewal, _LAST_CALL)
        if self._phase != "saving":
            renewal.cancel()
        # a write that hangs goes on without its client, and keeps the lock until it has ended
        await wait_until_done(renewal, _LAST_CALL)

    async def _renew_locked(self, context: AuthContext) -> TokenAnswer:
        async with self._store.lock():
            try:
                return await self._renew(context)
            finally:
                self._phase = ""

    async def _renew(self, context: AuthContext) -> TokenAnswer:
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
            answer = await self._request_token(context, {"grant_type": "refresh_token", "refresh_token": current})
        if answer.refresh_token:
            self._phase = "saving"
            self._unsaved = Secret(answer.refresh_token)
        if isinstance(self._store, GrantStore):
            await self._store.save_grant(stored(answer, answer.refresh_token or current))
        elif self._unsaved:
            await self._store.save(self._unsaved)
        self._unsaved = None
        return answer

    async def _signed_in(self, context: AuthContext, *, otherwise: bool) -> TokenAnswer | None:
        if self._sign_in is None:
            return None
        try:
            answer = await self._request_token(context, self._sign_in.form())
        except errors.TokenError as problem:
            if problem.passing:
                raise  # the code is still good
            self._sign_in = None
            if otherwise:
                return None
            raise
        self._sign_in = None
        return answer


def _required(value: str, name: str) -> str:
    if not isinstance(value, str) or not value.strip():  # pyright: ignore[reportUnnecessaryIsInstance]
        raise errors.ConfigurationError(f"{name} must not be empty")
    if not is_credential(value):
        raise errors.ConfigurationError(f"{name} holds characters that no credential has; was it cut or pasted badly?")
    return value.strip()


def _bearer(token: str) -> Secret:
    return Secret("Bearer " + token)


def _now() -> float:
    return asyncio.get_running_loop().time()


def _retrieve(task: asyncio.Task[Any]) -> None:
    # a refresh that fails in the background must not be reported as "exception was never retrieved": the next
    # caller who needs a token starts another one and gets its error
    with contextlib.suppress(asyncio.CancelledError):
        task.exception()
