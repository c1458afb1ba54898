"""Rate limits and tokens that the processes of an account share through Postgres; needs the extra ``postgres``."""

from zra_async.core.auth import Auth, account_of
from zra_async.core.events import Observer, log_event
from zra_async.core.limits import Plan
from zra_async.errors import ConfigurationError
from zra_async.postgres.limiter import PostgresRateLimiter
from zra_async.postgres.tokens import PostgresTokenStore

__all__ = ["PostgresRateLimiter", "PostgresTokenStore", "shared_limiter"]


def shared_limiter(dsn: str, auth: Auth, plan: Plan, observer: Observer | None = None) -> PostgresRateLimiter:
    """Make the limiter that all processes with the credentials of one account share.

    The account is named by ``auth.account``. Raises `ConfigurationError` without a name, or without the extra.
    """
    account = account_of(auth)
    if not account:
        raise ConfigurationError("this authentication names no account: make a PostgresRateLimiter with a name")
    return PostgresRateLimiter(dsn, account=account, plan=plan, observer=observer or log_event)
