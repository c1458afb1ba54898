"""The control endpoint: faults, clock, tokens and statistics of a sandbox in another process.

``GET /_sandbox/stats``, ``GET``, ``POST`` and ``DELETE /_sandbox/faults``, ``GET`` and ``POST /_sandbox/clock``
(``{"advance": seconds}`` or ``{"freeze": true}``), ``DELETE /_sandbox/tokens``, ``POST /_sandbox/reset``,
``POST /_sandbox/snapshots/{name}`` to take a snapshot and ``POST /_sandbox/snapshots/{name}/restore`` to put it back,
and ``POST /_sandbox/live`` (``{"steps": number}``) to let the account change, all on the API host.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
from aiohttp import web

from zra_async.sandbox.faults.faults import parse_faults
from zra_async.sandbox.service.answers import json_response

if TYPE_CHECKING:
    from zra_async.sandbox.clock import Clock
    from zra_async.sandbox.faults.faults import Faults
    from zra_async.sandbox.life import Life
    from zra_async.sandbox.service.stats import Stats
    from zra_async.sandbox.snapshots import Snapshot

PREFIX = "/_sandbox"
MOST_STEPS = 1000  #: changes of one request


class Controlled(Protocol):
    """The parts of a sandbox that another process may read and change."""

    clock: Clock
    faults: Faults
    stats: Stats

    def revoke_tokens(self) -> None:
        """Kill every access token."""
        ...

    def reset(self) -> None:
        """Give the account the state with which it opened."""
        ...

    def snapshot(self) -> Snapshot:
        """Copy the state of the account."""
        ...

    def restore(self, snapshot: Snapshot) -> None:
        """Give the account the state of a snapshot."""
        ...

    def live(self, rate: float) -> Life:
        """Let the account change, by itself or step by step."""
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
        web.post(f"{PREFIX}/reset", control.reset),
        web.post(f"{PREFIX}/snapshots/{{name}}", control.take_snapshot),
        web.post(f"{PREFIX}/snapshots/{{name}}/restore", control.restore_snapshot),
        web.post(f"{PREFIX}/live", control.live),
    ]


class _Control:
    def __init__(self, sandbox: Controlled) -> None:
        self._sandbox = sandbox
        self._snapshots: dict[str, Snapshot] = {}
        self._life: Life | None = None

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

    async def reset(self, _: web.Request) -> web.Response:
        """Give the account the state with which it opened."""
        self._sandbox.reset()
        return json_response(204, None)

    async def take_snapshot(self, request: web.Request) -> web.Response:
        """Keep the state of the account under a name; an older one of that name is replaced."""
        self._snapshots[request.match_info["name"]] = self._sandbox.snapshot()
        return json_response(201, {"snapshots": sorted(self._snapshots)})

    async def restore_snapshot(self, request: web.Request) -> web.Response:
        """Give the account the state that was kept under a name."""
        snapshot = self._snapshots.get(request.match_info["name"])
        if snapshot is None:
            return json_response(404, {"code": 300, "message": "no snapshot has this name; take one first"})
        self._sandbox.restore(snapshot)
        return json_response(204, None)

    async def live(self, request: web.Request) -> web.Response:
        """Make some changes now, and tell them."""
        match await _json(request):
            case {"steps": int() as steps} if 0 < steps <= MOST_STEPS:
                life = self._life = self._life or self._sandbox.live(0)
                return json_response(200, {"changes": [asdict(life.step()) for _ in range(steps)]})
            case _:
                return _refuse(f'wanted {{"steps": number}}, from 1 to {MOST_STEPS}')


async def _json(request: web.Request) -> Any:
    try:
        return msgspec.json.decode(await request.read())
    except msgspec.DecodeError:
        return None


def _refuse(message: str) -> web.Response:
    return json_response(400, {"code": 300, "message": message})
