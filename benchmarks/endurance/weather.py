"""What goes wrong in a soak: every kind of fault, each of them rarely, all of the time; and a clock that leaps."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.request import Request, urlopen

from benchmarks.rig.process import Account

LEAP = 20 * 60  #: seconds of the account's clock: page tokens expire each time, access tokens every third time
_PATIENCE = 10.0

_HTML = "<html>bad gateway</html>"
_EXPIRED = {"code": 300, "message": "The next page token is invalid or expired."}
FAULTS: Sequence[Mapping[str, Any]] = (
    {"operation": "GET /conversations", "status": 400, "body": _EXPIRED, "probability": 0.03},
    {"operation": "*", "status": 500, "probability": 0.01},
    {"operation": "*", "status": 502, "body": _HTML, "content_type": "text/html", "probability": 0.005},
    {"operation": "*", "status": 503, "retry_after": "seconds", "retry_seconds": 1, "probability": 0.005},
    {"operation": "*", "status": 429, "probability": 0.004},
    {"operation": "*", "reset": "before", "probability": 0.008},
    {"operation": "*", "reset": "after", "probability": 0.008},
    {"operation": "*", "lose_answer": True, "probability": 0.01},
    {"operation": "*", "stall": True, "probability": 0.004},
    {"operation": "*", "revoke_token": True, "probability": 0.004},
    {"operation": "*", "truncate": 20, "probability": 0.006},
    {"operation": "*", "drip": 4000.0, "probability": 0.004},
    {"operation": "*", "delay": 0.3, "probability": 0.01},
)  # fmt: skip


class Weather:
    """Makes it storm over an account in another process, and moves its clock."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self.leaps = 0

    async def storm(self) -> None:
        """Arm every fault."""
        await self._ask("POST", "faults", list(FAULTS))

    async def clear(self) -> None:
        """Disarm every fault."""
        await self._ask("DELETE", "faults")

    async def leap(self, seconds: float = LEAP) -> None:
        """Let time pass on the account."""
        self.leaps += 1
        await self._ask("POST", "clock", {"advance": seconds})

    async def leap_every(self, seconds: float, times: int) -> None:
        """Let time leap so often."""
        for _ in range(times):
            await asyncio.sleep(seconds)
            await self.leap()

    async def stats(self) -> Mapping[str, Any]:
        """What the account has counted."""
        return await asyncio.to_thread(self._account.stats)

    async def _ask(self, method: str, what: str, body: Any = None) -> None:
        url = f"{self._account.hosts.api.removesuffix('/v2')}/_sandbox/{what}"
        data = None if body is None else json.dumps(body).encode()
        request = Request(url, data, {"Content-Type": "application/json"}, method=method)
        await asyncio.to_thread(_send, request)


def _send(request: Request) -> None:
    with urlopen(request, timeout=_PATIENCE) as answer:
        answer.read()
