"""Second implementations of the seams, made of public names alone, through which real calls go."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager

from multidict import CIMultiDict

from zra_async import (
    AuthContext,
    AuthorizationCode,
    CachedToken,
    CallDone,
    CallError,
    Event,
    Hosts,
    Lane,
    Operation,
    Reply,
    Request,
    Secret,
    StreamedResponse,
    Token,
    TransportError,
    UserOAuth,
    ZRAClient,
)
from zra_async.core.limits import LimitState
from zra_async.core.operation import Label
from zra_async.core.transport.attempt import Attempt
from zra_async.sandbox import Sandbox


class UrllibTransport:
    """A transport on the standard library: one request in a thread."""

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    def abandon(self) -> None: ...

    async def send(
        self, request: Request, url: str, authorization: str, *, timeout: float | None, attempt: Attempt
    ) -> Reply:
        return await asyncio.to_thread(self._send, request, url, {"Authorization": authorization}, timeout)

    def _send(self, request: Request, url: str, headers: dict[str, str], timeout: float | None) -> Reply:
        body = request.body if isinstance(request.body, bytes) else None
        asked = urllib.request.Request(url, body, headers, method=request.operation.method)
        try:
            with urllib.request.urlopen(asked, timeout=timeout) as answer:
                return Reply(answer.status, CIMultiDict(answer.headers.items()), answer.read(), url)
        except urllib.error.HTTPError as refusal:
            return Reply(refusal.code, CIMultiDict(refusal.headers.items()), refusal.read(), url)

    async def fetch(self, name: str, link: str, headers: Mapping[str, str]) -> StreamedResponse:
        raise TransportError(name, "this transport has no streams", sent=False)

    async def post_form(
        self, url: str, form: Mapping[str, str], authorization: str, timeout: float
    ) -> tuple[int, bytes]:
        data = urllib.parse.urlencode(form).encode()
        asked = urllib.request.Request(url, data, {"Authorization": authorization})
        answer = await asyncio.to_thread(urllib.request.urlopen, asked, timeout=timeout)
        return answer.status, answer.read()


async def test_a_transport() -> None:
    """A client makes its calls, and asks for its token, through the transport that it is given."""
    async with Sandbox(conversations=3) as sandbox, sandbox.client(transport=UrllibTransport()) as zra:
        assert len([found async for found in zra.conversations.list()]) == 3


class OneAtATime:
    """A limiter that lets one attempt at a time go; it is opened and closed by its clients."""

    waited = 0.0
    sent_at: float | None = None

    def __init__(self) -> None:
        self.calls: list[str] = []
        self._lock: asyncio.Lock | None = None

    async def open(self) -> None:
        self._lock = asyncio.Lock()

    async def aclose(self) -> None:
        self._lock = None

    @asynccontextmanager
    async def exclusive(self, name: str) -> AsyncGenerator[None]:
        yield

    async def acquire(self, operation: Operation[object], lane: Lane, deadline: float | None) -> OneAtATime:
        assert self._lock is not None
        await self._lock.acquire()
        self.calls.append(operation.name)
        return self

    def sent(self) -> None: ...

    def release(self) -> None:
        assert self._lock is not None
        self._lock.release()

    def observe(self, operation: Operation[object], headers: Mapping[str, str], error: CallError | None) -> None: ...

    def freeze(self, operation: Operation[object], seconds: float) -> None: ...

    def snapshot(self) -> Mapping[Label, LimitState]:
        return {}


async def test_a_limiter() -> None:
    """It is opened and closed with its client, and every attempt asks it."""
    limiter = OneAtATime()
    async with Sandbox(conversations=3) as sandbox, sandbox.client(limiter=limiter) as zra:
        ids = [found.conversation_id async for found in zra.conversations.list()]
        await asyncio.gather(*(zra.conversations.get(name) for name in ids))
        assert limiter._lock is not None
    assert limiter.calls == ["conversations.list", *["conversations.get"] * 3]
    assert limiter._lock is None


async def test_a_token_source() -> None:
    """Any async callable can fetch tokens; one is fetched for all callers, and another when it is refused."""
    async with Sandbox(conversations=1) as sandbox:
        form = {"grant_type": "account_credentials", "account_id": sandbox.account_id}
        pair = base64.b64encode(f"{sandbox.client_id}:{sandbox.client_secret}".encode()).decode()
        fetched: list[Token] = []

        async def fetch(context: AuthContext) -> Token:
            _, body = await context.post_form(sandbox.token_url, form, f"Basic {pair}", 10.0)
            fetched.append(Token(access_token=json.loads(body)["access_token"], expires_in=3600))
            return fetched[-1]

        hosts = Hosts(api=sandbox.api_url, file=sandbox.file_url, token=sandbox.token_url)
        async with ZRAClient(CachedToken(fetch, account="sales"), hosts=hosts) as zra:
            await asyncio.gather(*(zra.indicators.list() for _ in range(5)))
            assert len(fetched) == 1
            sandbox.revoke_tokens()
            await zra.indicators.list()
            assert len(fetched) == 2
            assert zra.account == "sales"


class DictStore:
    """A token store in a dict, with a lock for its users."""

    def __init__(self, tokens: dict[str, Secret]) -> None:
        self._tokens = tokens
        self._lock = asyncio.Lock()

    @asynccontextmanager
    async def lock(self) -> AsyncGenerator[None]:
        async with self._lock:
            yield

    async def load(self) -> Secret | None:
        return self._tokens.get("jo")

    async def save(self, token: Secret) -> None:
        self._tokens["jo"] = token


async def test_a_token_store() -> None:
    """The refresh token of a sign-in is kept in it, and replaced with every renewal."""
    tokens: dict[str, Secret] = {}
    verifier, redirect = "a" * 43, "https://app.example/signed-in"
    async with Sandbox(conversations=1) as sandbox:
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
        code = AuthorizationCode(sandbox.authorize(challenge, redirect), redirect, verifier)
        hosts = Hosts(api=sandbox.api_url, file=sandbox.file_url, token=sandbox.token_url)
        seen: set[str] = set()
        for sign_in in (code, None):
            store = DictStore(tokens)
            auth = UserOAuth(sandbox.client_id, sandbox.client_secret, sign_in=sign_in, store=store)
            async with ZRAClient(auth, hosts=hosts) as zra:
                await zra.indicators.list()
            seen.add(str(tokens["jo"]))
        assert len(seen) == 2


async def test_an_observer() -> None:
    """A plain function hears of every call."""
    heard: list[str] = []

    def observe(event: Event) -> None:
        match event:
            case CallDone(operation=operation, error=None):
                heard.append(operation)
            case _:
                pass

    async with Sandbox(conversations=1) as sandbox, sandbox.client(observer=observe) as zra:
        await zra.indicators.list()
    assert heard == ["indicators.list"]
