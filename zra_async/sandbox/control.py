"""The control endpoint: faults, clock, tokens and statistics of a sandbox in another process.

``GET /_sandbox/stats``, ``GET``, ``POST`` and ``DELETE /_sandbox/faults``, ``GET`` and ``POST /_sandbox/clock``
(``{"advance": seconds}`` or ``{"freeze": true}``) and ``DELETE /_sandbox/tokens``, all on the API host.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import msgspec
from aiohttp import web

from zra_async.sandbox.faults.faults import parse_faults
from zra_async.sandbox.service.answers import json_response

if TYPE_CHECKING:
    from zra_async.sandbox.clock import Clock
    from zra_async.sandbox.faults.faults import Faults
    from zra_async.sandbox.service.stats import Stats

PREFIX = "/_sandbox"


class Controlled(Protocol):
    """The parts of a sandbox that another process may read and change."""

    clock: Clock
    faults: Faults
    stats: Stats

    def revoke_tokens(self) -> None:
        """Kill every access token."""
        ...


def control_routes(sandbox: Controlled) -> list[web.RouteDef]:
    """The routes that put ``sandbox`` under remote control."""
    control = _Control(sandbox)
    return [
        web.get(f"{PREFIX}/stats", control.stats),
        web.get(f"{PREFIX}/faults", control.faults),
        web.post(f"{PREFIX}/faults", control.add_faults),
        web.delete(f"{PREFIX}/faults", control.clear_faults),
        web.get(f"{PREFIX}/clock", control.clock),
        web.post(f"{PREFIX}/clock", control.move_clock),
        web.delete(f"{PREFIX}/tokens", control.revoke_tokens),
    ]


class _Control:
    def __init__(self, sandbox: Controlled) -> None:
        self._sandbox = sandbox

    async def stats(self, _: web.Request) -> web.Response:
        """Give the counters of every label, operation and token."""
        return json_response(200, self._sandbox.stats.snapshot())

    async def faults(self, _: web.Request) -> web.Response:
        """List the faults that are armed."""
        return json_response(200, {"faults": list(self._sandbox.faults)})

    async def add_faults(self, request: web.Request) -> web.Response:
        """Arm one fault or a list of them."""
        body = await _json(request)
        try:
            faults = parse_faults([body] if isinstance(body, dict) else body)
        except ValueError as error:
            return _refuse(str(error))
        self._sandbox.faults.add(*faults)
        return json_response(201, {"faults": list(self._sandbox.faults)})

    async def clear_faults(self, _: web.Request) -> web.Response:
        """Disarm every fault."""
        self._sandbox.faults.clear()
        return json_response(204, None)

    async def clock(self, _: web.Request) -> web.Response:
        """Tell the sandbox's time."""
        clock = self._sandbox.clock
        return json_response(200, {"now": clock.now(), "frozen": clock.frozen})

    async def move_clock(self, request: web.Request) -> web.Response:
        """Advance or freeze the clock."""
        match await _json(request):
            case {"advance": int() | float() as seconds} if 0 <= seconds < 1e10:
                self._sandbox.clock.advance(seconds)
            case {"freeze": True}:
                self._sandbox.clock.freeze()
            case _:
                return _refuse('wanted {"advance": seconds} or {"freeze": true}')
        return await self.clock(request)

    async def revoke_tokens(self, _: web.Request) -> web.Response:
        """Kill every access token."""
        self._sandbox.revoke_tokens()
        return json_response(204, None)


async def _json(request: web.Request) -> Any:
    try:
        return msgspec.json.decode(await request.read())
    except msgspec.DecodeError:
        return None


def _refuse(message: str) -> web.Response:
    return json_response(400, {"code": 300, "message": message})
