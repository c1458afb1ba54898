"""What the service may answer, on a real socket: limits, nonsense, and errors in the clothes of a success."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine

from tests.core.clients import POST, client_of, get, post
from tests.core.rows import row
from tests.core.server import Behaviour, Seen, Server, answer, error, raw
from zra_async import Label, Rate, RetryPolicy, errors
from zra_async.core import wire
from zra_async.core.events import Event, Retrying

JUST_BEFORE = datetime(2026, 3, 1, 12, 0, 0, 950_000, UTC)  # a Retry-After of 12:00:01 is 50 ms away
PER_SECOND = "You have reached the maximum per-second rate limit for this API. Try again later."
DAILY = "You have reached the maximum daily rate limit for this API."


class Clocked:
    """Refuses the first request, takes the others, and notes when each came."""

    def __init__(self, refusal: Behaviour) -> None:
        self.refusal = refusal
        self.at: list[float] = []

    async def __call__(self, seen: Seen, writer: asyncio.StreamWriter) -> bool:
        """Answer one request."""
        self.at.append(time.perf_counter())
        return await (self.refusal if len(self.at) == 1 else answer(200, {"name": "fine"}))(seen, writer)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    """A server without a script yet."""
    async with Server() as server:
        yield server


@pytest.mark.parametrize(
    ("header", "least"),
    [
        ("0.05", 0.05),
        ("2026-03-01T12:00:01Z", 0.05),
        ("Sun, 01 Mar 2026 12:00:01 GMT", 0.05),
        (None, 0),
        ("soon, perhaps", 0),
        ("2026-02-01T00:00:00Z", 0),
    ],
    ids=["seconds", "instant", "date", "absent", "garbage", "past"],
)
async def test_retry_after(header: str | None, least: float) -> None:
    """The repeat of a 429 comes when the service said, in whatever form; without a usable form after the jitter."""
    clocked = Clocked(error(429, 429, PER_SECOND, {"Retry-After": header} if header else None))
    events: list[Event] = []
    with time_machine.travel(JUST_BEFORE, tick=False):
        async with Server(otherwise=clocked) as server, client_of(server, observer=events.append) as zra:
            assert (await get(zra)).name == "fine"
    assert len(clocked.at) == 2
    waited = clocked.at[1] - clocked.at[0]
    assert least - 0.002 <= waited
    assert all(event.delay < 1 for event in events if isinstance(event, Retrying))


async def test_a_daily_429(server: Server) -> None:
    """It is raised at once with the moment of its end; no repeat, and the next calls of the label are not even sent."""
    server.script(error(429, 429, DAILY, {"X-RateLimit-Type": "Daily-limit", "Retry-After": "2026-03-02T00:00:00Z"}))
    with time_machine.travel(JUST_BEFORE, tick=False):
        async with client_of(server) as zra:
            with pytest.raises(errors.RateLimited, match="2026-03-02T00:00:00") as caught:
                await get(zra)
            assert (caught.value.kind, caught.value.local, caught.value.status) == ("daily", False, 429)
            assert caught.value.resets_at == datetime(2026, 3, 2, tzinfo=UTC)
            with pytest.raises(errors.RateLimited) as again:
                await get(zra)
            assert (again.value.kind, again.value.local) == ("daily", True)
    assert len(server.seen) == 1


async def test_a_day_is_over_after_a_day(server: Server) -> None:
    """A nonsensical end of a daily limit, weeks ahead, does not close the label for longer than a day."""
    server.script(error(429, 429, DAILY, {"Retry-After": "2026-06-01T00:00:00Z"}))
    async with client_of(server) as zra:
        with time_machine.travel(JUST_BEFORE, tick=False), pytest.raises(errors.RateLimited):
            await get(zra)
        with time_machine.travel(datetime(2026, 3, 2, 12, 0, 1, tzinfo=UTC), tick=False):
            assert (await get(zra)).name == "default"


async def test_a_deadline_shorter_than_the_wait_for_the_limit(server: Server) -> None:
    """The call is refused at once, with the time of the next slot, and is not sent."""
    async with client_of(server, limits={Label.LIGHT: Rate(1, 3600.0)}) as zra:
        await get(zra)
        with pytest.raises(errors.RateLimited, match="past the deadline") as caught:
            await get(zra.with_options(deadline=20))
        assert caught.value.local
        assert caught.value.resets_at is not None
        assert 3000 < (caught.value.resets_at - datetime.now(UTC)).total_seconds() < 3700
    assert len(server.seen) == 1


@pytest.mark.parametrize(
    "content",
    [b"", b"<html><body>Welcome</body></html>", b'{"name": "cut o', b"[1, 2]", b"\xff\xfe\xfd", b"[" * 100_000],
)
async def test_a_success_that_is_not_json(server: Server, content: bytes) -> None:
    """HTML, nothing, a part of something: an `UnexpectedAnswer` with status and tracking id, and no repeat."""
    server.script(answer(200, content))
    async with client_of(server) as zra:
        with pytest.raises(
            errors.UnexpectedAnswer, match=r"not the JSON that was expected.*tracking id WEB_1"
        ) as caught:
            await get(zra)
    assert caught.value.status == 200
    assert len(server.seen) == 1


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"code": 1005, "message": "No such thing."}, errors.NotFound),
        ({"code": 300, "error_message": "Validation Failed."}, errors.BadRequest),
        ({"code": 4711, "message": "does not contain scopes:[a]"}, errors.MissingScopes),
        ({"code": 0, "message": "Route Not Found"}, errors.NotFound),
    ],
)
async def test_a_success_with_an_error_inside(server: Server, body: Any, kind: type[errors.APIError]) -> None:
    """A 200 that holds an error is raised as that error."""
    server.script(answer(200, body))
    async with client_of(server) as zra:
        with pytest.raises(kind) as caught:
            await get(zra)
    assert (caught.value.status, caught.value.tracking_id) == (200, "WEB_1")
    assert len(server.seen) == 1


async def test_a_success_with_a_rate_limit_inside(server: Server) -> None:
    """Even a 429 that comes as a 200 is waited for and repeated."""
    server.script(answer(200, {"code": 429, "message": PER_SECOND}))
    async with client_of(server) as zra:
        assert (await get(zra)).name == "default"
    assert len(server.seen) == 2


async def test_an_error_page(server: Server) -> None:
    """HTML with a 502 is a server error like any other: repeated, then raised in few words."""
    server._otherwise = answer(502, b"<html>" + b"Bad gateway " * 1000)
    async with client_of(server, retry=RetryPolicy(base=0.0, server=2)) as zra:
        with pytest.raises(errors.ServerError, match="HTTP 502") as caught:
            await get(zra)
        with pytest.raises(errors.AmbiguousWrite):
            await post(zra, POST)
    assert len(server.seen) == 3 + 1
    assert len(str(caught.value)) < 500


async def test_a_server_error_that_asks_for_time(server: Server) -> None:
    """A 503 with a Retry-After of hours is raised with that moment."""
    server.script(error(503, 1, "maintenance", {"Retry-After": "7200"}))
    async with client_of(server) as zra:
        with pytest.raises(errors.ServerError) as caught:
            await get(zra)
    assert caught.value.resets_at is not None
    assert 7100 < (caught.value.resets_at - datetime.now(UTC)).total_seconds() < 7201
    assert len(server.seen) == 1


async def test_a_header_that_is_too_long(server: Server) -> None:
    """An answer whose headers never end is a broken connection."""
    server.script(raw("HTTP/1.1 200 OK\r\n" + "X-Long: " + "x" * 200_000 + "\r\n\r\n"))
    async with client_of(server, retry=RetryPolicy.none()) as zra:
        with pytest.raises(errors.ConnectionLost):
            await get(zra)


def test_an_upload_context_is_not_repeated_in_an_error() -> None:
    """The service names the context that it does not know; the error leaves it out."""
    body = b'{"code":1005,"message":"Upload context AbC-123_xyz~45 not exist."}'
    error = wire.failure(row(), wire.Reply(404, {}, body))
    assert isinstance(error, errors.NotFound)
    assert error.message == "Upload context … not exist."
