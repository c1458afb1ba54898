"""Authentication: the seams `Auth`, `TokenSource` and `TokenStore`, and the usual ways to sign in."""

from zra_async.core.auth.base import Auth, AuthContext, TokenSource, account_of
from zra_async.core.auth.cached import CachedToken
from zra_async.core.auth.endpoint import TOKEN_URL
from zra_async.core.auth.server_to_server import ServerToServer
from zra_async.core.auth.static import StaticToken
from zra_async.core.auth.stores import FileTokenStore, GrantStore, MemoryTokenStore, StoredGrant, TokenStore
from zra_async.core.auth.token import Token
from zra_async.core.auth.user_oauth import AuthorizationCode, UserOAuth

__all__ = [
    "TOKEN_URL",
    "Auth",
    "AuthContext",
    "AuthorizationCode",
    "CachedToken",
    "FileTokenStore",
    "GrantStore",
    "MemoryTokenStore",
    "ServerToServer",
    "StaticToken",
    "StoredGrant",
    "Token",
    "TokenSource",
    "TokenStore",
    "UserOAuth",
    "account_of",
]
