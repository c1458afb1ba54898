"""The seams of authentication: `Auth`, and the token source that most authentications are made of."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, Protocol

import msgspec

from zra_async import errors
from zra_async.core.auth.token import Token, is_credential
from zra_async.core.events import Observer
from zra_async.core.secret import Secret

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


#: fetches a new access token through the client that is open. Raises `TokenError`
TokenSource = Callable[[AuthContext], Awaitable[Token]]


def account_of(auth: Auth) -> str:
    """Return the name of the account that ``auth`` belongs to: its attribute ``account``, "" without one."""
    return str(getattr(auth, "account", ""))


def bearer(token: str) -> Secret:
    """Return the Authorization header of a token."""
    return Secret("Bearer " + token)


def required(value: str, name: str) -> str:
    """Return a credential without blanks around it. Raises `ConfigurationError` for what cannot be one."""
    if not isinstance(value, str) or not value.strip():  # pyright: ignore[reportUnnecessaryIsInstance]
        raise errors.ConfigurationError(f"{name} must not be empty")
    if not is_credential(value):
        raise errors.ConfigurationError(f"{name} holds characters that no credential has; was it cut or pasted badly?")
    return value.strip()
