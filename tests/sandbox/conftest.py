"""A plain HTTP client that knows nothing of ours, handlers that only echo, and single parts of an account."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
from yarl import URL

from tests.sandbox.file_host import Host, running
from tests.sandbox.team_caller import Caller
from zra_async.sandbox.operations.route import HANDLERS, Answer, Call
from zra_async.sandbox.server import Sandbox
from zra_async.sandbox.service.table import ROWS


@dataclass(frozen=True)
class Reply:
    """An answer, read to its end."""

    status: int
    headers: Any
    content: bytes

    @property
    def body(self) -> Any:
        """The JSON body."""
        return json.loads(self.content)


class Plain:
    """Talks to one sandbox over real sockets."""

    def __init__(self, sandbox: Sandbox, session: aiohttp.ClientSession) -> None:
        self.sandbox = sandbox
        self.session = session
        self.bearer = ""

    async def grant(self, **form: str) -> Reply:
        """Ask the token endpoint, by default as a server-to-server app."""
        form = form or {"grant_type": "account_credentials", "account_id": self.sandbox.account_id}
        credentials = f"{self.sandbox.client_id}:{self.sandbox.client_secret}".encode()
        headers = {"Authorization": f"Basic {base64.b64encode(credentials).decode()}"}
        async with self.session.post(self.sandbox.token_url, data=form, headers=headers) as response:
            return Reply(response.status, response.headers.copy(), await response.read())

    async def sign_in(self) -> None:
        """Use a new token from now on."""
        self.bearer = (await self.grant()).body["access_token"]

    async def send(self, method: str, path: str, *, base: str = "", headers: Any = None, **kwargs: Any) -> Reply:
        """Send one request to a raw path, by default of the API host, and follow no redirect."""
        sent = {"Authorization": f"Bearer {self.bearer}"} if self.bearer else {}
        url = URL((base or self.sandbox.api_url) + path, encoded=True)
        async with self.session.request(
            method, url, headers=sent | (headers or {}), allow_redirects=False, **kwargs
        ) as response:
            return Reply(response.status, response.headers.copy(), await response.read())


Start = Callable[..., Awaitable[Plain]]


@pytest.fixture
async def start(caplog: pytest.LogCaptureFixture) -> AsyncIterator[Start]:
    """Start sandboxes, each with a client that is signed in; all stop after the test, and must have logged no error."""
    async with AsyncExitStack() as stack:

        async def started(*, sign_in: bool = True, **options: Any) -> Plain:
            sandbox = await stack.enter_async_context(Sandbox(**{"conversations": 10, **options}))
            connector = aiohttp.TCPConnector(limit=0)
            jar = aiohttp.DummyCookieJar()
            session = await stack.enter_async_context(aiohttp.ClientSession(connector=connector, cookie_jar=jar))
            plain = Plain(sandbox, session)
            if sign_in:
                await plain.sign_in()
            return plain

        yield started
    assert not [record for record in caplog.get_records("call") if record.levelname == "ERROR"]


async def _echo(call: Call) -> Answer:
    return Answer(
        {
            "template": call.template,
            "path": dict(call.path),
            "query": dict(call.query),
            "body": call.body,
            "legacy": call.legacy,
            "user_id": call.user_id,
        }
    )


@pytest.fixture
def echo(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every operation answer with what its handler got."""
    for row in ROWS:
        monkeypatch.setitem(HANDLERS, (row.method, row.template), _echo)


@pytest.fixture
async def host() -> AsyncIterator[Host]:
    """A host that drops the bytes and takes parts of any size."""
    async with running() as host:
        host.files.min_part = 10
        yield host


@pytest.fixture
async def keeper() -> AsyncIterator[Host]:
    """A host that keeps the bytes and takes parts of any size."""
    async with running(store_parts=True) as host:
        host.files.min_part = 10
        yield host


@pytest.fixture
def api() -> Caller:
    """Calls of the teams of an account of middling size, in which editing the structure takes no time."""
    return Caller()
