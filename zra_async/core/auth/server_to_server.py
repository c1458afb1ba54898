"""Server-to-server OAuth apps."""

from __future__ import annotations

import contextlib

from zra_async import errors
from zra_async.core.auth.base import AuthContext, required
from zra_async.core.auth.cached import CachedToken
from zra_async.core.auth.endpoint import TokenEndpoint
from zra_async.core.auth.stores import GrantStore
from zra_async.core.auth.token import Token, stored
from zra_async.core.secret import hidden


class ServerToServer(CachedToken):
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
        self._endpoint = TokenEndpoint(client_id, client_secret, token_url)
        self._account_id = required(account_id, "account_id")
        self._store = store
        super().__init__(self._fetch_stored, account=f"account {self._account_id}")

    async def _fetch_stored(self, context: AuthContext) -> Token:
        if self._store is None:
            return await self._request(context)
        async with contextlib.AsyncExitStack() as stack:
            try:
                await stack.enter_async_context(self._store.lock())
                answer = await self._shared_grant(self._store)
            except errors.TokenError as problem:
                if not problem.passing:
                    raise
                return await self._request(context)  # a store that is away costs no call
            if answer is None:
                answer = await self._request(context)
                with contextlib.suppress(errors.TokenError):
                    await self._store.save_grant(stored(answer, ""))
            return answer

    async def _request(self, context: AuthContext) -> Token:
        form = {"grant_type": "account_credentials", "account_id": self._account_id}
        return await self._endpoint.request(context, form)

    def __repr__(self) -> str:
        return f"ServerToServer(client_id={self._endpoint.client_id!r})"
