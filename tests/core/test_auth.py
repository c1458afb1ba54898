"""Tokens on real sockets: one fetch for everybody, never a refused token twice, and clear errors."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.core.clients import TOKEN, client_of, get, post
from tests.core.server import Behaviour, Seen, Server, answer, error, hang_up, stand_still, token
from zra_async import Label, Rate, RetryPolicy, ServerToServer, StaticToken, ZRAClient, errors
from zra_async.core.events import TokenFetched, TokenRefused

SECRET = "client-secret-2b9d07"
FREE = {Label.LIGHT: Rate(100_000)}
INVALID = error(401, 124, "Invalid access token.")


class Zoom:
    """A token endpoint that numbers its tokens, and an API that takes those of ``good``."""

    def __init__(self) -> None:
        self.granted: list[Seen] = []
        self.called: list[Seen] = []
        self.good: set[str] = set()
        self.grants: list[Behaviour] = []  # scripted answers of the token endpoint, before its usual ones
        self.refusal = INVALID
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, seen: Seen, writer: asyncio.StreamWriter) -> bool:
        """Answer one request."""
        if not seen.target.startswith("/oauth/token"):
            self.called.append(seen)
            return await (answer(200, {"name": "fine"}) if seen.bearer in self.good else self.refusal)(seen, writer)
        self.granted.append(seen)
        await self.gate.wait()
        behave = self.grants.pop(0) if self.grants else token(self.name(len(self.granted)))
        return await behave(seen, writer)

    @staticmethod
    def name(number: int) -> str:
        """The n-th token."""
        return f"granted-token-{number}-c4e7"


@pytest.fixture
def zoom() -> Zoom:
    """Nothing granted yet."""
    return Zoom()


@pytest.fixture
async def server(zoom: Zoom) -> AsyncIterator[Server]:
    """The service on a socket."""
    async with Server(otherwise=zoom) as server:
        yield server


def s2s() -> ServerToServer:
    """A server-to-server app."""
    return ServerToServer("account-1", "client-1", SECRET)


def client(server: Server, auth: Any = None, **options: Any) -> ZRAClient:
    """A client with this app and hardly any limits."""
    return client_of(server, auth or s2s(), **{"limits": FREE} | options)


async def test_how_a_token_is_asked_for(server: Server, zoom: Zoom) -> None:
    """One POST with the account in a form and the app in the Authorization header, for any number of calls."""
    zoom.good = {zoom.name(1)}
    async with client(server) as zra:
        await asyncio.gather(*(get(zra) for _ in range(20)))
    (asked,) = zoom.granted
    assert (asked.method, asked.target) == ("POST", "/oauth/token")
    assert asked.form == {"grant_type": "account_credentials", "account_id": "account-1"}
    assert base64.b64decode(asked.headers["authorization"].removeprefix("Basic ")).decode() == f"client-1:{SECRET}"
    assert {seen.bearer for seen in zoom.called} == {zoom.name(1)}


async def test_a_hundred_callers_with_an_expired_token(server: Server, zoom: Zoom) -> None:
    """The service refuses everybody's token, and the caller who began to renew it is cancelled: one renewal for 99."""
    told: list[object] = []
    zoom.good = {zoom.name(2)}
    refuse = zoom.refusal

    async def refuse_and_hold(seen: Seen, writer: asyncio.StreamWriter) -> bool:
        zoom.gate.clear()  # the token that is asked for from here on
        return await refuse(seen, writer)

    zoom.refusal = refuse_and_hold
    async with client(server, observer=told.append) as zra:
        calls = [asyncio.create_task(get(zra)) for _ in range(100)]
        await server.requests(1 + 100)
        while len(zoom.granted) < 2:
            await asyncio.sleep(0.001)
        refused = [calls.index(call) for call in calls if not call.done()]
        assert len(refused) == 100
        calls[0].cancel()
        await asyncio.sleep(0)
        zoom.gate.set()
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(outcomes[0], asyncio.CancelledError)
    assert [o.name for o in outcomes[1:] if not isinstance(o, BaseException)] == ["fine"] * 99
    assert len(zoom.granted) == 2
    assert len([event for event in told if isinstance(event, TokenFetched)]) == 2


async def test_a_late_refusal_of_the_old_token_leaves_the_new_one(server: Server, zoom: Zoom) -> None:
    """Compare and swap: who hears late that the old token is refused uses the one that came meanwhile."""
    zoom.good = {zoom.name(2)}
    late = asyncio.Event()
    held = 0

    async def refuse(seen: Seen, writer: asyncio.StreamWriter) -> bool:
        nonlocal held
        held += 1
        if held == 1:
            await late.wait()
        return await INVALID(seen, writer)

    zoom.refusal = refuse
    async with client(server) as zra:
        slow = asyncio.create_task(get(zra))
        await server.requests(2)
        assert (await get(zra)).name == "fine"
        late.set()
        assert (await slow).name == "fine"
    assert len(zoom.granted) == 2


@pytest.mark.parametrize(
    ("status", "code"), [(401, 124), (400, 124), (401, 30031004), (400, 30031004), (200, 124), (401, None)]
)
async def test_every_way_to_refuse_a_token(server: Server, zoom: Zoom, status: int, code: int | None) -> None:
    """By status or by code: one new token and one repeat, also for an unsafe write."""
    zoom.good = {zoom.name(2)}
    zoom.refusal = answer(status, {"code": code, "message": "Invalid access token."})
    told: list[object] = []
    async with client(server, observer=told.append, retry=RetryPolicy.none()) as zra:
        assert (await post(zra)).name == "fine"
        assert [seen.bearer for seen in zoom.called] == [zoom.name(1), zoom.name(2)]
        assert [event for event in told if isinstance(event, TokenRefused)] == [TokenRefused("things.add")]


async def test_a_second_refusal_is_the_end(server: Server, zoom: Zoom) -> None:
    """A new token that is refused as well: two requests, two tokens, and an error that says what to check."""
    async with client(server) as zra:
        with pytest.raises(errors.AuthenticationFailed, match="check that the app is activated") as caught:
            await get(zra)
    assert (caught.value.status, caught.value.code, caught.value.tracking_id) == (401, 124, "WEB_1")
    assert (len(zoom.called), len(zoom.granted)) == (2, 2)


@pytest.mark.parametrize("code", [4711, 104, 4700])
async def test_missing_scopes_are_no_reason_for_another_token(server: Server, zoom: Zoom, code: int) -> None:
    """The scopes are named, nothing is repeated, and the token stays in use."""
    zoom.refusal = error(400, code, "Invalid access token, does not contain scopes:[zra:read:a, zra:read:b].")
    async with client(server) as zra:
        with pytest.raises(errors.MissingScopes, match="zra:read:a, zra:read:b") as caught:
            await get(zra)
        assert caught.value.scopes == ("zra:read:a", "zra:read:b")
        zoom.good = {zoom.name(1)}
        await get(zra)
    assert (len(zoom.called), len(zoom.granted)) == (2, 1)


async def test_a_static_token_is_used_as_it_is(server: Server, zoom: Zoom) -> None:
    """A token of one's own goes out unchanged; when it is refused there is no other, and one request was made."""
    zoom.good = {TOKEN}
    async with client(server, StaticToken(f" {TOKEN} ")) as zra:
        await get(zra)
        zoom.good = set()
        with pytest.raises(errors.AuthenticationFailed):
            await get(zra)
    assert (len(zoom.called), len(zoom.granted)) == (2, 0)


@pytest.mark.parametrize("text", ["", "  ", "tok\nen-1234", "tökén-1234", "tok\x00en-12", None, 5])
def test_credentials_that_cannot_be(text: Any) -> None:
    """Blank, with a line break, or not ASCII: refused before anything is sent, and not shown."""
    for make in (StaticToken, lambda t: ServerToServer("a", "b", t), lambda t: ServerToServer("a", t, "c")):
        with pytest.raises(errors.ConfigurationError) as caught:
            make(text)
        assert "1234" not in str(caught.value)


@pytest.mark.parametrize("url", ["http://zoom.us/oauth/token", "zoom.us", "https://", "https://a b/"])
def test_a_token_endpoint_that_cannot_be(url: str) -> None:
    """The secret goes to https, or to this machine, only."""
    with pytest.raises(errors.ConfigurationError, match="token URL"):
        ServerToServer("account", "client", SECRET, token_url=url)


async def test_a_token_endpoint_of_its_own(server: Server, zoom: Zoom) -> None:
    """``token_url`` comes before the client's hosts."""
    zoom.good = {zoom.name(1)}
    async with Server(token(zoom.name(1))) as other:
        auth = ServerToServer("account-1", "client-1", SECRET, token_url=f"{other.url}/t")
        async with client(server, auth) as zra:
            await get(zra)
        assert other.seen[0].target == "/t"
    assert zoom.granted == []


# --------------------------------------------------------------------------- the token endpoint fails


@pytest.mark.parametrize(
    ("behaviour", "status", "words"),
    [
        (
            answer(400, {"reason": "Invalid client_id or client_secret", "error": "invalid_client"}),
            400,
            "Invalid cl.*check",
        ),
        (answer(401, {"error": "invalid_client"}), 401, "HTTP 401: invalid_client.*check account id"),
        (answer(400, b"<html>"), 400, r"HTTP 400\): check"),
        (answer(400, {"reason": 5, "error": None}), 400, "HTTP 400"),
        (answer(302, headers={"Location": "https://evil.test/"}), 302, "HTTP 302"),
        (answer(200, b"<html>sign in</html>"), 200, "not the JSON of a token: check the token URL"),
        (answer(200, b""), 200, "not the JSON of a token"),
        (answer(200, []), 200, "not the JSON of a token"),
        (answer(200, {"token": "x"}), 200, "not the JSON of a token"),
        (answer(200, {"access_token": ""}), 200, "holds no token"),
        (answer(200, {"access_token": "odd-token-1\r\nX-Evil: 1"}), 200, "holds no token"),
        (answer(200, {"access_token": "odd-token-2", "expires_in": 0}), 200, "holds no token"),
        (answer(200, {"access_token": "odd-token-3", "expires_in": -5}), 200, "holds no token"),
    ],
)
async def test_what_the_token_endpoint_may_say(
    server: Server, zoom: Zoom, behaviour: Behaviour, status: int, words: str
) -> None:
    """A refusal or nonsense is a `TokenError` with the status and the reason, at once, and without a token in it."""
    zoom.grants = [behaviour]
    async with client(server) as zra:
        with pytest.raises(errors.TokenError, match=words) as caught:
            await get(zra)
        assert caught.value.status == status
        assert "odd-token" not in str(caught.value)
        assert len(zoom.granted) == 1
        zoom.good = {zoom.name(2)}
        assert (await get(zra)).name == "fine"  # the next caller tries again


@pytest.mark.parametrize(
    "fields",
    [
        {"expires_in": "3599"},
        {"expires_in": 3599.5},
        {"scope": None, "api_url": None, "refresh_token": None},
        {"expires_in": None},
        {"new": {"deep": [1]}},
    ],
)
async def test_odd_but_usable_token_answers(server: Server, zoom: Zoom, fields: dict[str, Any]) -> None:
    """A number in quotes, null for what is not there, and new fields are no reason to fail."""
    zoom.grants = [token(zoom.name(1), **fields)]
    zoom.good = {zoom.name(1)}
    async with client(server) as zra:
        assert (await get(zra)).name == "fine"


@pytest.mark.parametrize(
    "trouble", [hang_up, error(500, 1, "oops"), error(429, 429, "slow down"), answer(200, b"x", length=9, keep=False)]
)
async def test_a_token_endpoint_in_trouble_is_asked_again(
    server: Server, zoom: Zoom, trouble: Behaviour, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reset, a 500, a 429 and a cut answer are repeated after a while; when they go on, they are a `TokenError`."""
    monkeypatch.setattr("zra_async.core.auth.endpoint._FETCH_PAUSE", 0.0)
    zoom.grants = [trouble, trouble]
    zoom.good = {zoom.name(3)}
    async with client(server) as zra:
        assert (await get(zra)).name == "fine"
        assert len(zoom.granted) == 3
    zoom.grants = [trouble] * 3
    async with client(server) as zra:
        with pytest.raises(errors.TokenError, match=r"try again later|cannot be reached"):
            await get(zra)
    assert len(zoom.granted) == 6


async def test_nobody_listens_at_the_token_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refused connection is a `TokenError` that names the host."""
    monkeypatch.setattr("zra_async.core.auth.endpoint._FETCH_PAUSE", 0.0)
    async with Server() as server:
        pass
    async with client(server) as zra:
        with pytest.raises(errors.TokenError, match=r"127\.0\.0\.1 cannot be reached \(.*the connection was refused"):
            await get(zra)


async def test_closing_the_client_while_a_token_is_fetched(server: Server, zoom: Zoom) -> None:
    """Whoever waits for the token is told that the client was closed; nobody is cancelled, nothing is left."""
    zoom.grants = [stand_still]
    async with client(server) as zra:
        calls = [asyncio.create_task(get(zra)) for _ in range(3)]
        await server.requests(1)
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [errors.ClientNotOpen] * 3


async def test_a_token_outlives_its_client(server: Server, zoom: Zoom) -> None:
    """One authentication serves one client after the other, and goes on with its token."""
    zoom.good = {zoom.name(1)}
    auth = s2s()
    for _ in range(2):
        async with client(server, auth) as zra:
            await get(zra)
    assert len(zoom.granted) == 1


async def test_an_authentication_serves_one_open_client(server: Server, zoom: Zoom) -> None:
    """A second client with the same authentication is refused while the first is open, and leaves nothing open."""
    zoom.good = {zoom.name(1)}
    auth = s2s()
    async with client(server, auth) as zra:
        with pytest.raises(errors.ConfigurationError, match="give each client its own"):
            async with client(server, auth):
                pass
        assert (await get(zra)).name == "fine"


def test_nothing_shows_a_secret() -> None:
    """The repr of an authentication names the app and no more."""
    assert repr(s2s()) == "ServerToServer(client_id='client-1')"
    assert repr(StaticToken(TOKEN)) == "StaticToken('***')"
    assert SECRET not in repr(vars(s2s()))
    assert TOKEN not in repr(vars(StaticToken(TOKEN)))
