"""Rate limits and tokens that the processes of an account share through Postgres; needs the extra ``postgres``."""

from zra_async.postgres.limiter import PostgresRateLimiter

__all__ = ["PostgresRateLimiter"]
