"""The session manager: opened once, shared by all tasks, and closed without leaving anything behind."""

from __future__ import annotations

import asyncio
import gc
import logging
import warnings
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

import aiohttp
import pytest

from tests.core.clients import AT_ONCE, GET, POST, TOKEN, client_of, get, hosts_of, post
from tests.core.rows import row
from tests.core.server import Server, answer, hang_up, redirect, stand_still, when
from tests.leap import leap, stands_still, turns
from zra_async import (
    Label,
    Lane,
    LocalRateLimiter,
    Network,
    Rate,
    RetryPolicy,
    StaticToken,
    ZRAClient,
    errors,
)
from zra_async.core.events import CallDone, Event
from zra_async.sandbox import Fault, Sandbox

MOVE = row(name="teams.move", method="POST", path="/teams", retry_safe=False, exclusive=True)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    """A server that answers everything with the same thing."""
    async with Server() as server:
        yield server


# --------------------------------------------------------------------------- opening and closing

USES: list[Callable[[ZRAClient], Any]] = [
    get,
    lambda zra: zra.raw(GET, path={"thing_id": "1"}),
    lambda zra: zra.conversations.get("1"),
    lambda zra: zra.conversations.list(),
    lambda zra: anext(zra.conversations.list()),
    lambda zra: zra.legacy.deals.get("1"),
    lambda zra: zra.files.create_multipart_upload("call.mp4"),
    lambda zra: zra.with_options(timeout=1).conversations.get("1"),
    lambda zra: zra.call_named("conversations.get", conversation_id="1"),
]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("use", USES)
async def test_use_before_opening(server: Server, use: Callable[[ZRAClient], Any]) -> None:
    """Every way to make a call says that the client must be opened, and how."""
    with pytest.raises(errors.ClientNotOpen, match="inside `async with ZRAClient") as caught:
        await use(client_of(server))
    assert isinstance(caught.value, RuntimeError)
    assert server.connections == 0


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("use", USES)
async def test_use_after_closing(server: Server, use: Callable[[ZRAClient], Any]) -> None:
    """Every way to make a call says that the client is closed, and what to do."""
    async with client_of(server) as zra:
        await get(zra)
    with pytest.raises(errors.ClientNotOpen, match="closed: make a new one"):
        await use(zra)
    assert len(server.seen) == 1


async def test_the_limits_of_a_client_that_is_not_open(server: Server) -> None:
    """They belong to the event loop that the client is opened in."""
    zra = client_of(server)
    with pytest.raises(errors.ClientNotOpen):
        _ = zra.limits
    async with zra:
        assert zra.limits.snapshot()[Label.LIGHT].limit == 80


async def test_a_client_is_opened_once(server: Server) -> None:
    """Opening it twice, or again after its end, is refused; closing it twice is not."""
    zra = client_of(server)
    async with zra:
        with pytest.raises(errors.ClientNotOpen, match="make a new ZRAClient for each use"):
            await zra.__aenter__()
        await get(zra)
    with pytest.raises(errors.ClientNotOpen, match="closed before"):
        await zra.__aenter__()
    await zra.aclose()
    await client_of(server).aclose()


class Broken(StaticToken):
    """An authentication that cannot be bound."""

    def bind(self, context: Any) -> None:
        """Refuse."""
        raise errors.ConfigurationError("not with me")


@pytest.mark.parametrize(
    "options", [{"auth": Broken(TOKEN)}, {"limits": {Label.LIGHT: Rate(1)}, "share": 0.5, "auth": Broken(TOKEN)}]
)
async def test_an_opening_that_fails_leaves_nothing_open(server: Server, options: dict[str, Any]) -> None:
    """When the client cannot be opened its pools are closed again, and it is not half open."""
    zra = client_of(server, options.pop("auth"), **options)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with pytest.raises(errors.ConfigurationError, match="not with me"):
            await zra.__aenter__()
        with pytest.raises(errors.ClientNotOpen):
            await get(zra)
        del zra
        gc.collect()
    assert [str(w.message) for w in caught] == []


async def test_closing_leaves_nothing_behind(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    """No task, no socket, no warning, and no error in the log, whatever was going on."""
    server.script(*[stand_still] * 4)
    before = asyncio.all_tasks()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        async with client_of(server) as zra:
            pages = zra.conversations.list().look_ahead()
            calls = [asyncio.create_task(get(zra)) for _ in range(3)]
            first = asyncio.create_task(anext(pages))
            await server.requests(4)
        outcomes = await asyncio.gather(*calls, first, return_exceptions=True)
        del pages, zra
        gc.collect()
    assert [type(outcome) for outcome in outcomes] == [errors.ClientNotOpen] * 4
    assert [str(w.message) for w in caught] == []
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []
    left = asyncio.all_tasks() - before - {asyncio.current_task()}
    assert {task for task in left if "_connected" not in repr(task)} == set()


@pytest.mark.parametrize("retry", [AT_ONCE, RetryPolicy.none(), RetryPolicy(base=0.05)])
async def test_a_call_that_is_under_way_when_the_client_closes(server: Server, retry: RetryPolicy) -> None:
    """It ends at once, with an error of the tree: the client was closed, or the connection is lost."""
    server.script(stand_still, stand_still)
    async with client_of(server, retry=retry) as zra:
        safe, unsafe = asyncio.create_task(get(zra)), asyncio.create_task(post(zra))
        await server.requests(2)
    with pytest.raises((errors.ClientNotOpen, errors.ConnectionLost)):
        await safe
    with pytest.raises(errors.AmbiguousWrite):
        await unsafe
    assert len(server.seen) == 2


async def test_a_call_that_waits_for_its_limit_when_the_client_closes(server: Server) -> None:
    """It is not sent any more, and says why."""
    async with client_of(server, limits={Label.LIGHT: Rate(1, 3600.0)}) as zra:
        await get(zra)
        waiting = asyncio.create_task(get(zra))
        await turns()
    leap(7200)
    with pytest.raises(errors.ClientNotOpen):
        await waiting
    assert len(server.seen) == 1


async def test_a_task_of_the_client_ends_with_it(server: Server) -> None:
    """What the client started is cancelled and waited for, also what takes a while to end."""
    ended: list[str] = []

    async def stubborn() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.01)
            ended.append("task")

    async with client_of(server) as zra:
        zra._session.spawn(stubborn())
        await asyncio.sleep(0)
    assert ended == ["task"]
    with pytest.raises(errors.ClientNotOpen):
        zra._session.spawn(stubborn())


async def test_sockets_are_closed(server: Server) -> None:
    """After the client every connection of its pools is gone."""
    async with client_of(server) as zra:
        await asyncio.gather(*(get(zra) for _ in range(5)))
        sessions = list(zra._session._transport._sessions.values())
        assert server.open_connections > 0
    assert all(session.closed and session.connector is None for session in sessions)
    while server.open_connections:
        await asyncio.sleep(0)


async def test_one_client_serves_many_tasks(server: Server) -> None:
    """Hundreds of tasks share the pools: no more connections than the pool has."""
    async with client_of(server, limits={Label.LIGHT: Rate(10_000)}) as zra:
        names = [thing.name for thing in await asyncio.gather(*(get(zra) for _ in range(300)))]
    assert names == ["default"] * 300
    assert server.connections <= 100


# --------------------------------------------------------------------------- views


async def test_a_view_has_bounds_of_its_own(server: Server) -> None:
    """``with_options`` changes what is given, keeps the rest, and leaves the client as it was."""
    server.script(stands_still(17))
    async with client_of(server, timeout=30, deadline=60) as zra:
        quick = zra.with_options(timeout=15)
        bulk = quick.with_options(lane=Lane.BULK, deadline=None)
        assert (zra._options.timeout, zra._options.deadline, zra._options.lane) == (30, 60, Lane.INTERACTIVE)
        assert (quick._options.timeout, quick._options.deadline) == (15, 60)
        assert (bulk._options.timeout, bulk._options.deadline, bulk._options.lane) == (15, None, Lane.BULK)
        assert (await get(quick)).name == "default"  # after a stall and a repeat
        assert quick.limits is zra.limits
        assert quick.conversations is not zra.conversations
    with pytest.raises(errors.ClientNotOpen):
        await get(quick)


async def test_a_view_may_be_made_before_the_client_opens(server: Server) -> None:
    """It opens and closes with the client."""
    zra = client_of(server)
    view = zra.with_options(timeout=1)
    async with zra:
        assert (await get(view)).name == "default"


@pytest.mark.parametrize("options", [{"timeout": 0}, {"deadline": -1}, {"timeout": "1"}, {"lane": "express"}])
def test_bad_bounds_of_a_view_are_refused(options: dict[str, Any]) -> None:
    """They are checked like those of the client."""
    with pytest.raises(errors.ConfigurationError):
        ZRAClient(StaticToken(TOKEN)).with_options(**options)


async def test_the_deadline_of_a_view_holds(server: Server) -> None:
    """A deadline ends the call with all its repeats."""
    server._otherwise = hang_up
    async with client_of(server, retry=RetryPolicy(base=0.01, transport=1000)) as zra:
        with pytest.raises((errors.DeadlineExceeded, errors.ConnectionLost)):
            await get(zra.with_options(deadline=0.05))


# --------------------------------------------------------------------------- team structure


async def test_team_edits_never_overlap(server: Server) -> None:
    """Create, delete and move wait for each other, also over views; other calls go on beside them."""
    gates = [asyncio.Event() for _ in range(3)]
    server.script(*(when(gate, answer(200, {"name": "moved"})) for gate in gates))
    async with client_of(server) as zra:
        moves = [asyncio.create_task(post(view, MOVE)) for view in (zra, zra.with_options(timeout=5), zra)]
        for count, gate in enumerate(gates, start=1):
            await server.requests(count)
            await asyncio.sleep(0.01)
            assert len(server.seen) == count
            gate.set()
        await asyncio.gather(*moves)
        holding = asyncio.Event()
        server.script(when(holding, answer(200, {})))
        move = asyncio.create_task(post(zra, MOVE))
        await server.requests(4)
        await get(zra)
        holding.set()
        await move


async def test_a_failed_team_edit_lets_the_next_one_go(server: Server) -> None:
    """Neither an error nor a cancellation keeps the others out."""
    server.script(answer(404, {"code": 1005}), stand_still)
    async with client_of(server) as zra:
        with pytest.raises(errors.NotFound):
            await post(zra, MOVE)
        stuck = asyncio.create_task(post(zra, MOVE))
        await server.requests(2)
        stuck.cancel()
        with suppress(asyncio.CancelledError):
            await stuck
        assert (await post(zra, MOVE)).name == "default"


async def test_the_queue_of_team_edits_counts_for_the_deadline(server: Server) -> None:
    """Waiting behind another edit is waiting: past its deadline the call ends, nothing sent and nothing in doubt."""
    server.script(stand_still)
    async with client_of(server) as zra:
        first = asyncio.create_task(post(zra, MOVE))
        await server.requests(1)
        with pytest.raises(errors.DeadlineExceeded):
            await post(zra.with_options(deadline=0.05), MOVE)
        assert len(server.seen) == 1
        first.cancel()
        with suppress(asyncio.CancelledError):
            await first


async def test_a_busy_team_structure_is_tried_again() -> None:
    """Another admin holds it (400/5004): the edit waits and goes on."""
    busy = Fault(operation="POST /team", status=400, body={"code": 5004, "message": "busy"}, times=2)
    async with Sandbox(faults=[busy]) as sandbox, sandbox.client(retry=RetryPolicy(base=0.001)) as zra:
        assert (await zra.teams.create("A team")).added_team_id
        assert sandbox.stats.operations["POST /zra/team"] == 3


# --------------------------------------------------------------------------- observers, deadlines, limits


async def test_an_observer_that_fails_disturbs_nobody(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    """Its error is logged, once for each kind, and the calls go on."""
    told: list[Event] = []

    def observe(event: Event) -> None:
        told.append(event)
        raise ValueError("I am broken")

    async with client_of(server, observer=observe) as zra:
        for _ in range(3):
            assert (await get(zra)).name == "default"
    assert len([event for event in told if isinstance(event, CallDone)]) == 3
    assert len([record for record in caplog.records if "observer failed" in record.message]) == 1


async def test_a_deadline_that_falls_into_an_unsafe_write(server: Server) -> None:
    """The request was sent and no answer has come: `AmbiguousWrite`, and the body arrived once."""
    server.script(stands_still(22))
    async with client_of(server, timeout=None) as zra:
        with pytest.raises(errors.AmbiguousWrite, match=r"deadline of 20 s"):
            await post(zra.with_options(deadline=20), POST)
    assert [seen.body for seen in server.seen] == [b'{"name":"new"}']


async def test_a_deadline_that_falls_into_a_redirected_write(server: Server) -> None:
    """Behind a redirect the write is in doubt as well."""
    server.script(redirect(307, "/v2/elsewhere"), stands_still(22))
    async with client_of(server) as zra:
        with pytest.raises(errors.AmbiguousWrite):
            await post(zra.with_options(deadline=20), POST)
    assert len(server.seen) == 2


async def test_a_limiter_of_ones_own_is_shared(server: Server) -> None:
    """Two clients with one limiter count together."""
    limits = LocalRateLimiter("business")
    async with client_of(server, limits=limits) as one, client_of(server, limits=limits) as two:
        await get(one)
        await get(two)
        assert one.limits is two.limits
        assert limits.snapshot()[Label.LIGHT].in_window == 2


async def test_a_repr_tells_where_and_how(server: Server) -> None:
    """Plan and host, and nothing secret."""
    zra = client_of(server)
    assert repr(zra) == f"ZRAClient(plan='business', api='{hosts_of(server).api}')"
    assert TOKEN not in repr(vars(zra._session))


async def test_a_connector_that_is_closed_already(server: Server) -> None:
    """A connector of the caller's own that was closed gives an error of the tree, not aiohttp's."""
    connector = aiohttp.TCPConnector()
    await connector.close()
    async with client_of(server, network=Network(connector=connector), retry=RetryPolicy.none()) as zra:
        with pytest.raises(errors.ZRAError):
            await get(zra)
