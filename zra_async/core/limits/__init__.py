"""Rate limits: never more calls in any window than the service permits, and nearly as many."""

from zra_async.core.limits.base import Lane, LimitState, Permit, RateLimiter, SharedLimiter
from zra_async.core.limits.local import MARGIN, LocalRateLimiter
from zra_async.core.limits.plans import PLANS, SHARED_DAILY, Plan, Rate

__all__ = [
    "MARGIN",
    "PLANS",
    "SHARED_DAILY",
    "Lane",
    "LimitState",
    "LocalRateLimiter",
    "Permit",
    "Plan",
    "Rate",
    "RateLimiter",
    "SharedLimiter",
]
