"""The protocol of the client that a bulk job calls through."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol, Self

from zra_async.api.resource import Caller
from zra_async.core.clock import ServiceClock
from zra_async.core.limits import Lane, RateLimiter
from zra_async.files.recordings import Conversations
from zra_async.files.uploads import Files


class BulkCaller(Caller, Protocol):
    """The part of a client that exports and ingests use. `ZRAClient` is one.

    Of the resources only those that move files are here. For any other, a job makes the class of `zra_async.api` over
    this caller, as in ``Deals(caller)``.
    """

    @property
    def conversations(self) -> Conversations:
        """The conversations and their recordings."""
        ...

    @property
    def files(self) -> Files:
        """The uploads."""
        ...

    @property
    def account(self) -> str:
        """The name of the account, which ledgers remember; "" if it is not known."""
        ...

    @property
    def limits(self) -> RateLimiter:
        """The rate limits that all calls share."""
        ...

    @property
    def clock(self) -> ServiceClock:
        """The service's clock as its answers tell it."""
        ...

    @property
    def dropped_fields(self) -> Mapping[str, int]:
        """The number of answers' fields that could not be read, by operation."""
        ...

    async def service_time(self) -> datetime:
        """Return the service's time."""
        ...

    def with_options(self, *, deadline: float | None, lane: Lane) -> Self:
        """Return a view of this caller with another deadline and lane."""
        ...
