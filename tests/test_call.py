"""Any operation can be called by its row or by its name, decoded or as it came."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.core.clients import GET, client_of
from tests.core.server import Server, answer
from zra_async import OPERATIONS, CallDone, Event, RetryPolicy, ZRAClient, collect_calls, errors
from zra_async.sandbox import Sandbox


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    """A server that answers everything with the same thing."""
    async with Server() as server:
        yield server


async def test_call_and_raw_with_a_row(server: Server) -> None:
    """``call`` decodes, ``raw`` gives the answer as it came: status, headers, body and tracking id."""
    server._otherwise = answer(201, b'{"name": "raw", "new": 1}', {"X-Extra": "yes"})
    async with client_of(server) as zra:
        thing = await zra.call(GET, path={"thing_id": "1"})
        reply = await zra.raw(GET, path={"thing_id": "1"}, query={"a": True})
        assert thing.name == "raw"
        assert (reply.status, reply.headers["x-extra"], reply.tracking_id) == (201, "yes", "WEB_1")
        assert reply.body == b'{"name": "raw", "new": 1}'
        assert reply.url == f"{server.url}/v2/zra/things/1"


async def test_raw_by_name(server: Server) -> None:
    """Any operation, with the names of its path; errors are those of every call."""
    server.script(answer(200, {"id": "d"}), answer(404, {"code": 1005, "message": "no such deal"}))
    async with client_of(server) as zra:
        operation = OPERATIONS["deals.get"]
        (name,) = operation.path.partition("{")[2].partition("}")[:1]
        assert (await zra.raw("deals.get", path={name: "d/1"})).status == 200
        assert server.seen[0].target == "/v2/zra/deals/d%252F1"
        with pytest.raises(errors.NotFound, match=r"deals\.get"):
            await zra.raw("deals.get", path={name: "d"})
        with pytest.raises(errors.InvalidArgument, match="is missing in path"):
            await zra.raw("deals.get")


async def test_call_by_name() -> None:
    """The arguments are those of the method, and a list gives its first page."""
    async with Sandbox(conversations=5) as sandbox, sandbox.client() as zra:
        page = await zra.call_named("conversations.list", page_size=2)
        assert len(page.items) == 2
        found = await zra.call_named("conversations.get", conversation_id=page.items[0].conversation_id)
        assert found.conversation_id == page.items[0].conversation_id
        with pytest.warns(DeprecationWarning, match="/iq/"):
            legacy = await zra.call_named("legacy.conversations.get", conversation_id=found.conversation_id)
        assert legacy.conversation_id == found.conversation_id


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("conversations.read", {}, "no operation is called 'conversations.read'"),
        ("__class__", {}, "no operation is called"),
        ("aclose", {}, "no operation is called"),
        ("", {}, "no operation is called"),
        ("conversations.get", {}, "conversations.get: .*missing"),
        ("conversations.get", {"conversation_id": "1", "colour": "red"}, "colour"),
        ("conversations.get", {"conversation_id": ""}, "must not be empty"),
        ("conversations.get", {"path": {"conversation_id": "1"}}, "arguments of the method"),
        ("conversations.get", {"conversation_id": "1", "body": {}}, "arguments of the method"),
    ],
)
async def test_a_call_by_name_that_makes_no_sense(
    server: Server, name: str, arguments: dict[str, Any], words: str
) -> None:
    """Unknown names and arguments, and those of another way to call, are refused before anything is sent."""
    async with client_of(server) as zra:
        with pytest.raises(errors.InvalidArgument, match=words):
            await zra.call_named(name, **arguments)
    assert server.seen == []


async def test_each_way_to_call_refuses_the_other(server: Server) -> None:
    """A row takes no arguments of a method, which would be lost, and a name is refused with a hint."""
    call: Any = ZRAClient.call
    async with client_of(server) as zra:
        with pytest.raises(TypeError, match="thing_id"):
            await call(zra, GET, thing_id="1")
        with pytest.raises(errors.InvalidArgument, match="call_named"):
            await call(zra, "conversations.get")
    assert server.seen == []


async def test_calls_are_collected(server: Server) -> None:
    """A collection has each call that ended in its block, with its tracking id, also those of tasks and failures."""
    server.script(
        answer(200, {"name": "a"}),
        answer(503),
        answer(200, {"name": "b"}),
        answer(404, {"code": 1005, "message": "none"}),
    )
    async with client_of(server, retry=RetryPolicy(base=0)) as zra:
        with collect_calls() as calls:
            await zra.call(GET, path={"thing_id": "1"})
            with collect_calls() as inner:
                await asyncio.create_task(zra.call(GET, path={"thing_id": "2"}))
            with pytest.raises(errors.NotFound):
                await zra.call(GET, path={"thing_id": "3"})
        await zra.call(GET, path={"thing_id": "4"})
    assert [(done.operation, done.status, done.attempts, done.error) for done in calls] == [
        ("things.get", 200, 1, None),
        ("things.get", 200, 2, None),
        ("things.get", 404, 1, "NotFound"),
    ]
    assert inner == calls[1:2]
    assert {done.tracking_id for done in calls} == {"WEB_1"}


async def test_a_collection_and_an_observer(server: Server) -> None:
    """The observer of the client is told of the same calls, and one that fails loses nothing of the collection."""
    seen: list[Event] = []

    def observe(event: Event, /) -> None:
        seen.append(event)
        raise ValueError("from the observer")

    async with client_of(server, observer=observe) as zra:
        with collect_calls() as calls:
            await zra.call(GET, path={"thing_id": "1"})
    assert [event for event in seen if isinstance(event, CallDone)] == calls
    assert len(calls) == 1


async def test_a_view_has_its_own_retries(server: Server) -> None:
    """A view with another policy repeats as that says, and its original as before."""
    server.script(answer(503), answer(200, {"name": "a"}), answer(503))
    async with client_of(server, retry=RetryPolicy(base=0)) as zra:
        assert (await zra.call(GET, path={"thing_id": "1"})).name == "a"
        with pytest.raises(errors.ServerError):
            await zra.with_options(retry=RetryPolicy.none()).call(GET, path={"thing_id": "1"})
        with pytest.raises(errors.ConfigurationError, match="retry must be a RetryPolicy"):
            zra.with_options(retry=3)  # type: ignore[arg-type]
    assert len(server.seen) == 3


async def test_a_deprecated_method_warns_where_it_is_used(server: Server) -> None:
    """The warning points at the line of the caller, for calls and for lists."""
    async with client_of(server) as zra:
        with pytest.warns(DeprecationWarning, match="GET /iq/deals/.*leave out .legacy") as caught:
            await zra.legacy.deals.get("1")
        assert caught[0].filename == __file__
        with pytest.warns(DeprecationWarning, match="GET /iq/conversations") as caught:
            await zra.legacy.conversations.list()
        assert caught[0].filename == __file__
    assert [seen.target.partition("?")[0] for seen in server.seen] == ["/v2/iq/deals/1", "/v2/iq/conversations"]
