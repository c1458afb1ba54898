"""The interface of a handler: one `Call` in, one `Answer` out, or an `ApiError`.

A handler registers for a path without its prefix and serves the current operation and its deprecated twin alike:

    @route("GET", "/deals/{dealId}")
    async def get_deal(call: Call) -> Answer: ...
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aiohttp import web

    from zra_async.sandbox.world.account import Account


@dataclass(frozen=True, slots=True)
class Call:
    """One authenticated, admitted and decoded request."""

    account: Account
    method: str
    template: str  #: the path without its prefix, for example ``/deals/{dealId}``
    path: Mapping[str, str]  #: decoded path values by their name in the template
    query: Mapping[str, str]
    body: Any  #: the decoded JSON body, None without one (multipart bodies are read from `request`)
    legacy: bool  #: called through the deprecated ``/iq`` prefix
    user_id: str  #: on whose behalf the token was issued
    request: web.Request


@dataclass(frozen=True, slots=True)
class Answer:
    """A successful answer; `body` is encoded as JSON unless it is None."""

    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


Handler = Callable[[Call], Awaitable[Answer]]
HANDLERS: dict[tuple[str, str], Handler] = {}


def route(method: str, template: str) -> Callable[[Handler], Handler]:
    """Register a handler for ``method`` and a path template without its ``/zra`` or ``/iq`` prefix."""

    def register(handler: Handler) -> Handler:
        key = (method, template)
        if key in HANDLERS:
            raise ValueError(f"two handlers for {method} {template}")
        HANDLERS[key] = handler
        return handler

    return register
