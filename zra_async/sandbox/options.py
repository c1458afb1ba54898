"""The options of a sandbox account: how it is filled and how it behaves."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypedDict

Plan = Literal["free", "pro", "business"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The content and the behaviour of a sandbox account. Durations are in seconds."""

    conversations: int = 500
    plan: Plan = "business"
    seed: int = 7
    latency: float = 0.0  #: added before each answer
    jitter: float = 0.0  #: a random part of up to this much, before the request is counted and again before the answer
    limits: bool = True  #: False: no request is ever refused for its rate
    awkward: float = 0.03  #: share of records with an awkward trait
    processing_seconds: float = 2.0  #: how long a new conversation stays "in processing"
    task_seconds: float = 1.0  #: how long an import task waits, and again how long it runs
    store_parts: bool = False  #: False: uploaded bytes are hashed and dropped; True: kept in temporary files
    redirect_status: Literal[0, 301, 302, 303, 307, 308] = 307  #: how the public file host forwards; 0: serves itself
    scopes: tuple[str, ...] | None = None  #: scopes of the tokens; None: every scope
    granular_scopes: bool = False  #: issue the granular names instead of the classic ones
    single_token: bool = False  #: a new access token kills the older ones
    refused_token_status: Literal[400, 401] = 401  #: status of code 124, "Invalid access token."
    default_period: int | None = None  #: days that a list covers if no ``from`` is sent; None: everything
    longest_period: int | None = None  #: days that a list covers at most, back from ``to``; None: any number
    refuse_longer: bool = False  #: refuse a longer period with 400/1001, and do not narrow it
    echo_period: bool = True  #: answer with the period that a list covers
    largest_page: int | None = None  #: items that a page holds at most, whatever ``page_size`` says
    rate_limit_headers: frozenset[str] = field(
        default_factory=lambda: frozenset(
            {
                "X-RateLimit-Category",
                "X-RateLimit-Type",
                "X-RateLimit-Limit",
                "X-RateLimit-Remaining",
                "Retry-After",
            }
        )
    )

    def __post_init__(self) -> None:
        if self.plan not in ("free", "pro", "business"):
            raise ValueError(f"plan must be free, pro or business, not {self.plan!r}")
        if self.redirect_status not in (0, 301, 302, 303, 307, 308):
            raise ValueError(f"redirect_status must be 0, 301, 302, 303, 307 or 308, not {self.redirect_status}")
        if self.conversations < 0 or not 0 <= self.awkward <= 1:
            raise ValueError("conversations must not be negative, and awkward is a share between 0 and 1")
        if min(self.latency, self.jitter, self.processing_seconds, self.task_seconds) < 0:
            raise ValueError("durations must not be negative")


class OptionFields(TypedDict, total=False):
    """The fields of `Options` as keyword arguments."""

    conversations: int
    plan: Plan
    seed: int
    latency: float
    jitter: float
    limits: bool
    awkward: float
    processing_seconds: float
    task_seconds: float
    store_parts: bool
    redirect_status: Literal[0, 301, 302, 303, 307, 308]
    scopes: tuple[str, ...] | None
    granular_scopes: bool
    single_token: bool
    refused_token_status: Literal[400, 401]
    default_period: int | None
    longest_period: int | None
    refuse_longer: bool
    echo_period: bool
    largest_page: int | None
    rate_limit_headers: frozenset[str]
