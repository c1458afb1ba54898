"""A pipeline whose network is a script, so that its waits can be measured in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from multidict import CIMultiDict

from tests.core.clients import GET, TOKEN
from zra_async import StaticToken, errors
from zra_async.core import wire
from zra_async.core.events import Event
from zra_async.core.limits import LocalRateLimiter
from zra_async.core.operation import Operation
from zra_async.core.pipeline import CallOptions, Pipeline
from zra_async.core.retry import RetryPolicy
from zra_async.core.transport.attempt import Attempt

#: what one attempt meets; it may wait, and calls its argument when its request leaves
Outcome = Callable[[Callable[[], None]], Awaitable[wire.Reply]]


def says(status: int, body: bytes = b"{}", headers: Mapping[str, str] | None = None, *, after: float = 0.01) -> Outcome:
    """An answer that takes a while."""

    async def outcome(on_sent: Callable[[], None]) -> wire.Reply:
        on_sent()
        await asyncio.sleep(after)
        return wire.Reply(status, CIMultiDict(headers or {}), body)

    return outcome


def breaks(error: errors.TransportError, *, after: float = 0.01) -> Outcome:
    """A connection that breaks, before or after the request has left."""

    async def outcome(on_sent: Callable[[], None]) -> wire.Reply:
        if error.sent:
            on_sent()
        await asyncio.sleep(after)
        raise error

    return outcome


@dataclass
class Stage:
    """Plays a script, one outcome for each attempt, and keeps when each attempt was sent."""

    script: list[Outcome] = field(default_factory=list)
    otherwise: Outcome = field(default_factory=lambda: says(200))
    retry: RetryPolicy = field(default_factory=lambda: RetryPolicy(random=lambda: 1.0))
    auth: Any = field(default_factory=lambda: StaticToken(TOKEN))
    limits: Any = None
    sent: list[float] = field(default_factory=list)
    headers: list[str] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    async def send(
        self, request: wire.Request, url: str, authorization: str, *, timeout: float | None, attempt: Attempt
    ) -> wire.Reply:
        """Play the next outcome."""
        outcome = self.script.pop(0) if self.script else self.otherwise
        attempt.sent = False

        def left() -> None:
            self.sent.append(asyncio.get_running_loop().time())
            self.headers.append(authorization)
            attempt.sent = True
            attempt.permit.sent()

        return await outcome(left)

    async def call(
        self,
        operation: Operation[Any] = GET,
        *,
        timeout: float | None = 30.0,
        deadline: float | None = None,
        **options: Any,
    ) -> wire.Reply:
        """Make one call of ``operation``."""
        if self.limits is None:
            self.limits = LocalRateLimiter("business")
        pipeline = Pipeline(
            transport=self,  # type: ignore[arg-type]
            limits=self.limits,
            auth=self.auth,
            retry=self.retry,
            base=lambda _: "https://api.zoom.us/v2",
            trusted=("zoom.us",),
            observe=self.events.append,
            wants_call_events=lambda: True,
        )
        path = {"thing_id": "1"} if "{thing_id}" in operation.path else {}
        request = wire.encode(operation, path=path)
        return await pipeline.call(request, CallOptions(timeout=timeout, deadline=deadline, **options))


def now() -> float:
    """The virtual time."""
    return asyncio.get_running_loop().time()
