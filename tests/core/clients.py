"""Clients of a scripted server."""

from __future__ import annotations

from typing import Any

from tests.core.rows import Thing, row
from tests.core.server import Server
from zra_async import Hosts, RetryPolicy, StaticToken, ZRAClient
from zra_async.core.operation import Operation

TOKEN = "tok-a81f33d9c2"
#: repeats without waiting
AT_ONCE = RetryPolicy(base=0.0)
GET = row()
POST = row(name="things.add", method="POST", path="/things", retry_safe=False)
SAFE_POST = row(name="things.put", method="POST", path="/things", retry_safe=True)


def hosts_of(server: Server) -> Hosts:
    """All hosts at one server."""
    return Hosts(api=f"{server.url}/v2", file=f"{server.url}/files/v2", token=f"{server.url}/oauth/token")


def client_of(server: Server, auth: Any = None, **options: Any) -> ZRAClient:
    """A client of ``server`` that repeats at once and is allowed a lot."""
    settings: dict[str, Any] = {"hosts": hosts_of(server), "retry": AT_ONCE, "plan": "business"}
    return ZRAClient(auth or StaticToken(TOKEN), **settings | options)


async def get(zra: ZRAClient, operation: Operation[Thing] = GET) -> Thing:
    """Get one thing."""
    thing: Thing = await zra.call(operation, path={"thing_id": "1"})
    return thing


async def post(zra: ZRAClient, operation: Operation[Thing] = POST, body: object = None) -> Thing:
    """Add one thing."""
    thing: Thing = await zra.call(operation, body={"name": "new"} if body is None else body)
    return thing
