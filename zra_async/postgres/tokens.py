"""Tokens in a Postgres: processes of an account share the access token, and one of them renews it for all."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import msgspec

from zra_async import errors
from zra_async.core.auth.stores import StoredGrant
from zra_async.core.secret import Secret, SecretBytes
from zra_async.postgres.leases import lease
from zra_async.postgres.link import DatabaseLink, DatabaseLost

_LEASE = 5.0  #: seconds for which others wait for a process that was killed during a renewal


class PostgresTokenStore:
    """Keeps the whole grant of one user of an account: access token, refresh token and expiry.

        box = Fernet(key)  # of the package cryptography; keep the key outside of the database
        store = PostgresTokenStore(dsn, account="acme", user="jo", encrypt=box.encrypt, decrypt=box.decrypt)
        auth = UserOAuth(client_id, client_secret, store=store)

    One process at a time renews, under a lease; the others use what it has stored. No transaction is open while the
    token endpoint is asked. A process that is killed while it renews holds the others up for 5 s. ``encrypt`` and
    ``decrypt`` are applied to what is stored; without them the tokens lie in the database as they are. A connection is
    opened for each renewal and closed after it.
    """

    def __init__(
        self,
        dsn: str,
        *,
        account: str,
        user: str = "",
        encrypt: Callable[[bytes], bytes] | None = None,
        decrypt: Callable[[bytes], bytes] | None = None,
    ) -> None:
        if not account:
            raise errors.ConfigurationError("the account needs a name that all of its processes use")
        if (encrypt is None) != (decrypt is None):
            raise errors.ConfigurationError("give both encrypt and decrypt, or neither")
        self._dsn = Secret(dsn)
        self._account = account
        self._user = user
        self._encrypt = encrypt or bytes
        self._decrypt = decrypt or bytes
        self._held: DatabaseLink | None = None  # while the lock is held
        self._version = 0  # of the grant that was read last

    @asynccontextmanager
    async def lock(self) -> AsyncGenerator[None]:
        """Keep every other process out, and prove that the database can be written. Raises `TokenError`."""
        async with contextlib.AsyncExitStack() as stack:
            try:
                link = await stack.enter_async_context(self._link())
                await stack.enter_async_context(lease(link, self._account, f"token of {self._user!r}", _LEASE))
                await link.call("zra_token_touched", self._account, self._user)
            except DatabaseLost as problem:
                raise _away(problem) from None
            self._held = link
            try:
                yield
            finally:
                self._held = None

    async def load(self) -> Secret | None:
        """Return the refresh token, or None. Raises `TokenError`."""
        grant = await self.load_grant()
        return Secret(grant.refresh_token) if grant is not None and grant.refresh_token else None

    async def save(self, token: Secret) -> None:
        """Store a refresh token without an access token. Raises `TokenError`."""
        await self.load_grant()
        await self.save_grant(StoredGrant(access_token="", expires_at=0.0, lifetime=0.0, refresh_token=str(token)))

    async def load_grant(self) -> StoredGrant | None:
        """Return the grant, or None. Raises `TokenError`."""
        try:
            async with self._link() as link:
                row = await link.call("zra_token_of", self._account, self._user)
        except DatabaseLost as problem:
            raise _away(problem) from None
        if row.version is None:
            self._version = 0
            return None
        self._version = row.version
        try:
            return msgspec.json.decode(SecretBytes(self._decrypt(bytes(row.content))), type=StoredGrant)
        except Exception:
            raise errors.TokenError(
                "the token in the database cannot be read: was it encrypted with another key? Sign in again"
            ) from None

    async def save_grant(self, grant: StoredGrant) -> None:
        """Store a grant, unless another process has stored one since the last `load_grant`. Raises `TokenError`."""
        content = SecretBytes(self._encrypt(msgspec.json.encode(grant)))
        try:
            async with self._link() as link:
                row = await link.call("zra_swap", self._account, self._user, self._version, bytes(content))
        except DatabaseLost as problem:
            raise _away(problem) from None
        if row[0] is None:
            raise errors.TokenError("another process has renewed the token meanwhile: try again", passing=True)
        self._version = row[0]

    @asynccontextmanager
    async def _link(self) -> AsyncGenerator[DatabaseLink]:
        if self._held is not None:
            yield self._held
            return
        link = DatabaseLink(self._dsn, notified=_ignore, lost=_ignore)
        try:
            await link.open()
            yield link
        finally:
            link.close()

    def __repr__(self) -> str:
        return f"PostgresTokenStore(account={self._account!r}, user={self._user!r})"


def _ignore(text: str) -> None:
    """Need neither notifications nor the reason of a loss."""


def _away(problem: DatabaseLost) -> errors.TokenError:
    return errors.TokenError(f"the database of the tokens cannot be used: {problem}", passing=True)
