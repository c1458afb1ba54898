"""The token endpoint: a form is posted with the credentials of the app, and the answer is checked."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping
from urllib.parse import urlsplit

from zra_async import errors
from zra_async.core.address import checked_url
from zra_async.core.auth.base import AuthContext, required
from zra_async.core.auth.token import Token, read_answer, refusal
from zra_async.core.retry import passes
from zra_async.core.secret import Secret

TOKEN_URL = "https://zoom.us/oauth/token"  # noqa: S105 (an address)
_FETCH_TIMEOUT = 20.0
_FETCH_ATTEMPTS = 3
_FETCH_PAUSE = 1.0


class TokenEndpoint:
    """The token endpoint as one app asks it; by default that of the client."""

    def __init__(self, client_id: str, client_secret: str, token_url: str | None) -> None:
        self.client_id: str = required(client_id, "client_id")
        self._client_secret = Secret(required(client_secret, "client_secret"))
        self._token_url = None if token_url is None else checked_url("token", token_url)
        pair = f"{self.client_id}:{self._client_secret}"
        self._basic = Secret("Basic " + base64.b64encode(pair.encode()).decode())

    async def request(self, context: AuthContext, form: Mapping[str, str]) -> Token:
        """Post ``form`` and return the token, after up to three attempts. Raises `TokenError`."""
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
