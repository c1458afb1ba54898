"""Webhooks: signed as documented, delivered at least once on the sandbox clock, to loopback only."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import jsonschema
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.sandbox.conftest import Start
from zra_async.sandbox.clock import Clock
from zra_async.sandbox.world.webhooks import Webhooks

SECRET = "a secret token"
EVENT = "revenue_accelerator.post_comment_completed"
OBJECT = {"comment_id": "c", "conversation_id": "a%2Fb==,1", "text": "well done – ü"}
SCHEMAS = {
    entry["event"]: entry["schema"]
    for entry in json.loads((Path(__file__).parents[2] / "contract" / "webhooks.json").read_text())
}


def sign(secret: str, message: bytes) -> str:
    """HMAC-SHA256 in hex."""
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()


class Receiver:
    """Takes webhooks and answers with the statuses it was told, then 200."""

    def __init__(self) -> None:
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.statuses: list[int] = []
        self.secret = SECRET
        self.arrived = asyncio.Event()
        self.url = ""

    async def handle(self, request: web.Request) -> web.Response:
        content = await request.read()
        self.requests.append((dict(request.headers), content))
        self.arrived.set()
        body = json.loads(content)
        if body["event"] == "endpoint.url_validation":
            plain = body["payload"]["plainToken"]
            return web.json_response({"plainToken": plain, "encryptedToken": sign(self.secret, plain.encode())})
        return web.Response(status=self.statuses.pop(0) if self.statuses else 200)

    async def next(self) -> None:
        """Wait for one more request."""
        async with asyncio.timeout(300):
            await self.arrived.wait()
        self.arrived.clear()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A receiver on loopback."""
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/hook", receiver.handle)
    async with TestServer(app) as server:
        receiver.url = str(server.make_url("/hook"))
        yield receiver


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still."""
    return Clock(datetime(2026, 3, 1, tzinfo=UTC), frozen=True)


@pytest.fixture
async def webhooks(receiver: Receiver, clock: Clock) -> AsyncIterator[Webhooks]:
    """Webhooks that post to the receiver."""
    webhooks = Webhooks(receiver.url, SECRET, clock, account_id="an account")
    yield webhooks
    await webhooks.close()


async def test_an_event_has_the_documented_shape(receiver: Receiver, webhooks: Webhooks) -> None:
    """The body validates against the contract's schema and carries account, operator and object."""
    webhooks.emit(EVENT, OBJECT, operator="ann@example.com", operator_id="u1")
    await webhooks.drain()
    body = json.loads(receiver.requests[0][1])
    jsonschema.validate(body, SCHEMAS[EVENT])
    assert body == {
        "event": EVENT,
        "event_ts": 1772323200000,
        "payload": {"account_id": "an account", "operator_id": "u1", "operator": "ann@example.com", "object": OBJECT},
    }


async def test_the_signature_is_over_timestamp_and_raw_body(receiver: Receiver, webhooks: Webhooks) -> None:
    """The receiver can verify the signature with the secret, the timestamp header and the bytes it got."""
    webhooks.emit(EVENT, OBJECT)
    await webhooks.drain()
    headers, content = receiver.requests[0]
    timestamp = headers["x-zm-request-timestamp"]
    assert timestamp == "1772323200"
    assert headers["x-zm-signature"] == "v0=" + sign(SECRET, f"v0:{timestamp}:".encode() + content)


@pytest.mark.parametrize("status", [200, 204, 400, 404])
async def test_an_answer_below_500_ends_the_delivery(receiver: Receiver, webhooks: Webhooks, status: int) -> None:
    """What the receiver takes or refuses is not sent again."""
    receiver.statuses = [status]
    webhooks.emit(EVENT, OBJECT)
    await webhooks.drain()
    assert [(d.attempt, d.status) for d in webhooks.deliveries] == [(1, status)]


async def test_failures_are_repeated_after_5_20_and_60_minutes(
    receiver: Receiver, webhooks: Webhooks, clock: Clock
) -> None:
    """The same event comes again on the sandbox clock, not a second earlier, and at most four times in all."""
    receiver.statuses = [500] * 9
    webhooks.emit(EVENT, OBJECT)
    await receiver.next()
    for minutes in (5, 20, 60):
        while len(webhooks.deliveries) < len(receiver.requests):
            await asyncio.sleep(0)
        before = len(receiver.requests)
        clock.advance(minutes * 60 - 1)
        for _ in range(20):
            await asyncio.sleep(0)
        assert len(receiver.requests) == before
        clock.advance(1)
        await receiver.next()
    await webhooks.drain()
    assert [(d.attempt, d.status) for d in webhooks.deliveries] == [(1, 500), (2, 500), (3, 500), (4, 500)]
    assert len({content for _, content in receiver.requests}) == 1
    timestamps = [int(headers["x-zm-request-timestamp"]) for headers, _ in receiver.requests]
    assert [later - timestamps[0] for later in timestamps] == [0, 300, 1500, 5100]


async def test_a_dead_receiver_is_tried_again(clock: Clock, unused_tcp_port: int) -> None:
    """No answer at all counts as a failure and is noted with its error."""
    webhooks = Webhooks(f"http://127.0.0.1:{unused_tcp_port}/", SECRET, clock)
    webhooks.emit(EVENT, OBJECT)
    while not webhooks.deliveries:
        await asyncio.sleep(0.01)
    assert webhooks.deliveries[0].status is None
    assert "ClientConnectorError" in webhooks.deliveries[0].error
    await webhooks.close()


async def test_an_event_can_lie_in_the_future(receiver: Receiver, webhooks: Webhooks, clock: Clock) -> None:
    """An event with ``at`` is sent when the clock reaches it, and stamped with that time."""
    webhooks.emit(EVENT, OBJECT, at=clock.time() + 90)
    for _ in range(20):
        await asyncio.sleep(0)
    assert not receiver.requests
    clock.advance(90)
    await webhooks.drain()
    assert json.loads(receiver.requests[0][1])["event_ts"] == 1772323290000


async def test_the_url_is_validated_by_its_secret(receiver: Receiver, webhooks: Webhooks) -> None:
    """A receiver that knows the secret passes, one that does not fails."""
    assert await webhooks.validate() is True
    receiver.secret = "another"
    assert await webhooks.validate() is False


async def test_a_url_that_cannot_be_reached_is_not_valid(clock: Clock, unused_tcp_port: int) -> None:
    """Validation of a dead address is False and not an error."""
    webhooks = Webhooks(f"http://127.0.0.1:{unused_tcp_port}/", SECRET, clock)
    assert await webhooks.validate() is False
    await webhooks.close()


@pytest.mark.parametrize(
    "url", ["http://example.com/", "http://10.0.0.1/", "http://127.0.0.1.evil.example/", "ftp://127.0.0.1/", "", "x"]
)
def test_only_loopback_is_posted_to(url: str, clock: Clock) -> None:
    """Any other address is refused when it is configured."""
    with pytest.raises(ValueError, match="loopback"):
        Webhooks(url, SECRET, clock)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "http://127.8.9.1/", "http://[::1]:8/x", "https://localhost/"])
def test_every_loopback_is_accepted(url: str, clock: Clock) -> None:
    """All of 127.0.0.0/8, ::1 and localhost are this machine."""
    Webhooks(url, SECRET, clock)


async def test_without_a_url_nothing_happens(clock: Clock) -> None:
    """Events are dropped and nothing is scheduled where no URL is configured."""
    webhooks = Webhooks(None, SECRET, clock)
    before = asyncio.all_tasks()
    webhooks.emit(EVENT, OBJECT)
    assert asyncio.all_tasks() == before
    assert await webhooks.validate() is False
    await webhooks.close()
    assert not webhooks.deliveries


async def test_closing_cancels_what_is_pending(receiver: Receiver, webhooks: Webhooks, clock: Clock) -> None:
    """After ``close`` no repetition comes and no task is left."""
    receiver.statuses = [500]
    before = asyncio.all_tasks()
    webhooks.emit(EVENT, OBJECT)
    await receiver.next()
    await webhooks.close()
    clock.advance(3600)
    assert {task for task in asyncio.all_tasks() - before if "_deliver" in repr(task)} == set()
    assert len(receiver.requests) == 1


async def test_the_running_clock_serves_too(receiver: Receiver) -> None:
    """With a clock that runs, a repetition comes when real time and advances together reach it."""
    clock = Clock()
    webhooks = Webhooks(receiver.url, SECRET, clock)
    receiver.statuses = [503]
    webhooks.emit(EVENT, OBJECT)
    while not webhooks.deliveries:
        await asyncio.sleep(0)
    clock.advance(5 * 60 - 0.05)
    await webhooks.drain()
    assert [d.status for d in webhooks.deliveries] == [503, 200]
    await webhooks.close()


async def test_what_happens_in_the_account_is_posted(start: Start, receiver: Receiver, clock: Clock) -> None:
    """A comment, a new conversation once it is analysed, and a changed deal each give their documented event."""
    plain = await start(webhook_url=receiver.url, webhook_secret=SECRET, clock=clock, awkward=0, processing_seconds=60)
    emitted = plain.sandbox.account.webhooks
    users = plain.sandbox.world.users

    async def do(method: str, path: str, **body: Any) -> Any:
        reply = await plain.send(method, path, json=body or None)
        assert reply.status < 300, reply.content
        return reply.body if reply.content else None

    rows = list(plain.sandbox.truth.conversations())
    commented = quote(quote(rows[0]["conversation_id"], safe=""), safe="")
    await do("POST", f"/zra/conversations/{commented}/comments", comment="well done")
    await emitted.drain()

    start_time = "2026-02-01T10:00:00Z"
    new = {"conversation_type": "meeting", "meeting_start_time": start_time, "host_id": users[0].user_id}
    added = await do("POST", "/zra/conversations", download_url="https://example.com/a.mp4", **new)
    for _ in range(20):
        await asyncio.sleep(0)
    assert len(receiver.requests) == 1
    clock.advance(60)
    await emitted.drain()

    for deal in plain.sandbox.truth.deals():
        listed = await do("GET", f"/zra/deals/{quote(deal['deal_id'])}/activities")
        ids = [item["conversation_id"] for item in listed["activities"] if item.get("conversation_id")]
        if ids:
            gone = quote(ids[0], safe="")
            await do("DELETE", f"/zra/deals/{quote(deal['deal_id'])}/activities?conversation_id={gone}")
            break
    await emitted.drain()

    bodies = [json.loads(content) for _, content in receiver.requests]
    assert [body["event"].removeprefix("revenue_accelerator.") for body in bodies] == [
        "post_comment_completed",
        "conversation_analysis_completed",
        "conversation_crm_associations_changed",
    ]
    for body in bodies:
        jsonschema.validate(body, SCHEMAS[body["event"]])
        assert body["payload"]["account_id"] == plain.sandbox.account_id
    assert unquote(bodies[1]["payload"]["object"]["conversation_id"]) == added["conversation_id"]
