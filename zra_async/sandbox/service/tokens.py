"""The OAuth side of the account: three grants, rotating refresh tokens, and which access tokens are alive."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zra_async.sandbox.service.table import CLASSIC_SCOPES, GRANULAR_SCOPES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zra_async.sandbox.clock import Clock
    from zra_async.sandbox.options import Options

LIFETIME = 3600.0
REFRESH_LIFETIME = 90 * 24 * 3600.0
CODE_LIFETIME = 600.0


@dataclass(frozen=True, slots=True)
class Credentials:
    """Credentials with which a client asks for tokens."""

    account_id: str
    client_id: str
    client_secret: str


@dataclass(frozen=True, slots=True)
class Token:
    """One issued access or refresh token; ``expires`` is a time of the sandbox clock."""

    user_id: str
    scopes: frozenset[str]
    expires: float


@dataclass(frozen=True, slots=True)
class _Code:
    challenge: str
    redirect_uri: str
    token: Token


class TokenError(Exception):
    """A refusal of the token endpoint."""

    def __init__(self, status: int, error: str, reason: str) -> None:
        super().__init__(f"{status} {error}: {reason}")
        self.status = status
        self.error = error
        self.reason = reason


def credentials_of(seed: int) -> Credentials:
    """The credentials of the account that grows from ``seed``."""

    def name(kind: str, length: int) -> str:
        digest = hashlib.sha256(f"{kind} of sandbox {seed}".encode()).digest()
        return base64.urlsafe_b64encode(digest).decode()[:length]

    return Credentials(name("account", 22), name("client", 22), name("secret", 32))


class Tokens:
    """Issues tokens and tells which are alive.

    ``api_url`` is announced in every answer; ``issued`` counts access tokens.
    """

    def __init__(self, options: Options, clock: Clock, credentials: Credentials, *, owner_id: str) -> None:
        self._clock = clock
        self._credentials = credentials
        self._owner_id = owner_id
        self._single = options.single_token
        every = GRANULAR_SCOPES if options.granular_scopes else CLASSIC_SCOPES
        self._scopes = frozenset(every if options.scopes is None else options.scopes)
        self._secret = f"token secret {options.seed}".encode()
        self._access: dict[str, Token] = {}
        self._refresh: dict[str, Token] = {}
        self._codes: dict[str, _Code] = {}
        self._made = 0
        self.api_url = ""
        self.issued: int = 0

    def find(self, authorization: str | None) -> Token | None:
        """The living token of an ``Authorization`` header, if there is one."""
        if authorization is None or authorization[:7].lower() != "bearer ":
            return None
        token = self._access.get(authorization[7:].strip())
        return token if token is not None and token.expires > self._clock.time() else None

    def authorize(self, code_challenge: str, redirect_uri: str, *, user_id: str | None = None) -> str:
        """Consent in the name of a user, by default the account owner, and return the authorization code."""
        code = self._name("code")
        token = Token(user_id or self._owner_id, self._scopes, self._clock.time() + CODE_LIFETIME)
        self._codes[code] = _Code(code_challenge, redirect_uri, token)
        return code

    def revoke(self) -> None:
        """Kill every access token now; refresh tokens stay good."""
        self._access.clear()

    def grant(self, authorization: str | None, form: Mapping[str, str]) -> dict[str, Any]:
        """Answer a request to the token endpoint, or raise `TokenError`."""
        if not self._is_client(authorization):
            raise TokenError(401, "invalid_client", "Invalid client_id or client_secret")
        match form.get("grant_type"):
            case "account_credentials":
                if form.get("account_id") != self._credentials.account_id:
                    raise TokenError(400, "invalid_request", "Bad Request")
                return self._issue(self._owner_id, self._scopes, refreshable=False)
            case "refresh_token":
                return self._rotate(form.get("refresh_token", ""))
            case "authorization_code":
                return self._redeem(form)
            case _:
                raise TokenError(400, "unsupported_grant_type", "Unsupported grant type")

    def _is_client(self, authorization: str | None) -> bool:
        scheme, _, encoded = (authorization or "").partition(" ")
        try:
            given = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            return False
        wanted = f"{self._credentials.client_id}:{self._credentials.client_secret}".encode()
        return scheme.lower() == "basic" and hmac.compare_digest(given, wanted)

    def _rotate(self, refresh_token: str) -> dict[str, Any]:
        token = self._refresh.pop(refresh_token, None)
        if token is None or token.expires <= self._clock.time():
            raise TokenError(400, "invalid_grant", "Invalid Token!")
        return self._issue(token.user_id, token.scopes, refreshable=True)

    def _redeem(self, form: Mapping[str, str]) -> dict[str, Any]:
        code = self._codes.pop(form.get("code", ""), None)
        if code is None or code.token.expires <= self._clock.time():
            raise TokenError(400, "invalid_grant", "Invalid authorization code")
        if form.get("redirect_uri") != code.redirect_uri:
            raise TokenError(400, "invalid_request", "Redirect URI mismatch")
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != code.challenge:
            raise TokenError(400, "invalid_grant", "Invalid code verifier")
        return self._issue(code.token.user_id, code.token.scopes, refreshable=True)

    def _issue(self, user_id: str, scopes: frozenset[str], *, refreshable: bool) -> dict[str, Any]:
        now = self._clock.time()
        self._forget(now)
        access = self._name("access")
        self._access[access] = Token(user_id, scopes, now + LIFETIME)
        self.issued += 1
        answer: dict[str, Any] = {
            "access_token": access,
            "token_type": "bearer",
            "expires_in": int(LIFETIME),
            "scope": " ".join(sorted(scopes)),
            "api_url": self.api_url,
        }
        if refreshable:
            refresh = answer["refresh_token"] = self._name("refresh")
            self._refresh[refresh] = Token(user_id, scopes, now + REFRESH_LIFETIME)
        return answer

    def _forget(self, now: float) -> None:
        """Drop what has died, so that a long-lived sandbox does not grow."""
        if self._single:
            self._access.clear()
        self._access = {name: token for name, token in self._access.items() if token.expires > now}
        self._refresh = {name: token for name, token in self._refresh.items() if token.expires > now}
        self._codes = {name: code for name, code in self._codes.items() if code.token.expires > now}

    def _name(self, kind: str) -> str:
        self._made += 1
        digest = hmac.new(self._secret, f"{kind} {self._made}".encode(), hashlib.sha384).digest()
        return base64.urlsafe_b64encode(digest).decode()
