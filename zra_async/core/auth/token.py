"""The answers of a token endpoint: a token, or a refusal that says what to do."""

from __future__ import annotations

import time
from collections.abc import Iterable

import msgspec

from zra_async import errors
from zra_async.core.auth.stores import StoredGrant
from zra_async.core.retry import passes


class Token(msgspec.Struct, frozen=True):
    """An access token with its lifetime, as a token endpoint grants it.

    `expires_in` is in seconds, by default an hour. `api_url` is the account's own API host. `refresh_token`
    replaces the refresh token that was spent.
    """

    access_token: str
    expires_in: float | None = None
    refresh_token: str | None = None
    scope: str | None = None
    api_url: str | None = None

    @property
    def lifetime(self) -> float:
        """The lifetime in seconds."""
        return 3600.0 if self.expires_in is None else self.expires_in

    def __repr__(self) -> str:
        return f"Token(expires_in={self.expires_in}, scope={self.scope!r}, api_url={self.api_url!r})"


class _Refusal(msgspec.Struct, frozen=True):
    reason: str | None = None
    error: str | None = None
    error_description: str | None = None
    message: str | None = None


def stored(answer: Token, refresh_token: str) -> StoredGrant:
    """Return what a store keeps of an answer."""
    return StoredGrant(
        access_token=answer.access_token,
        expires_at=time.time() + answer.lifetime,
        lifetime=answer.lifetime,
        refresh_token=refresh_token,
        scope=answer.scope,
        api_url=answer.api_url,
    )


def read_answer(body: bytes) -> Token:
    """Read the grant in an answer. Raises `TokenError`."""
    try:
        answer = msgspec.json.decode(body, type=Token, strict=False)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise errors.TokenError("its answer is not the JSON of a token: check the token URL", status=200) from None
    usable = is_credential(answer.access_token) and is_credential(answer.refresh_token or "")
    if not answer.access_token or not usable or not answer.lifetime > 0:
        raise errors.TokenError("its answer holds no token that could be used", status=200)
    return answer


def is_credential(text: str) -> bool:
    """Return True if this can be sent in a header and stored in a file as one line."""
    return text.isascii() and text.isprintable()


def refusal(status: int, body: bytes, known: Iterable[str]) -> errors.TokenError:
    """Return the error for a refusal, without the ``known`` secrets, and what to do about it."""
    try:
        told = msgspec.json.decode(body[:8192], type=_Refusal, strict=False)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        told = _Refusal()
    reason = told.reason or told.error_description or told.message or told.error or ""
    for secret in known:
        reason = reason.replace(secret, "***")  # what a careless endpoint repeats must not get into a log
    reason = reason[:200]
    passing = passes(status)
    if passing:
        advice = "the token endpoint has trouble: try again later"
    elif status < 400 or status in {404, 405}:
        advice = "check the token URL"
    elif told.error == "invalid_grant":
        advice = "the refresh token or the code of the sign-in is used up, expired or revoked: sign in again"
    else:
        advice = "check account id, client id and client secret, and that the app is activated"
    return errors.TokenError(advice, status=status, reason=reason, passing=passing)
