"""An access token that somebody else fetches."""

from __future__ import annotations

from zra_async.core.auth.base import AuthContext, bearer, required
from zra_async.core.secret import Secret, hidden


class StaticToken:
    """An access token that you manage yourself; it is used as it is until the service refuses it."""

    api_url: str = ""

    def __init__(self, token: str) -> None:
        token = hidden(token)  # this frame may end up in a traceback with its values
        self._header = bearer(required(token, "token"))

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
