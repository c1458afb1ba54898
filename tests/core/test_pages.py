"""Lists in pages, on real sockets: nothing lost, nothing doubled, nothing left behind."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec
import pytest

from tests.core.clients import client_of
from tests.core.server import Behaviour, Server, answer, error, hang_up, stand_still, when
from zra_async import ListOperation, Pages, RetryPolicy, ZRAClient, errors
from zra_async.core.operation import Label


class Things(msgspec.Struct, frozen=True, kw_only=True):
    """An answer with a part of a list."""

    next_page_token: str = ""
    things: tuple[int, ...] = ()


LIST = ListOperation(
    name="things.list",
    method="GET",
    path="/things",
    label=Label.MEDIUM,
    result=Things,
    scopes=("things:read",),
    retry_safe=True,
    items=lambda answer: answer.things,
)


def page(things: Sequence[int], following: str = "") -> Behaviour:
    """One page; the last one has no token."""
    return answer(200, {"things": list(things), **({"next_page_token": following} if following else {})})


THREE = [page([1, 2], "to-2"), page([3, 4], "to-3"), page([5])]


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    """A server without a script yet."""
    async with Server() as server:
        yield server


@pytest.fixture
async def zra(server: Server) -> AsyncIterator[ZRAClient]:
    """Its client, which must leave no task behind."""
    before = asyncio.all_tasks()
    async with client_of(server) as zra:
        yield zra
        assert not zra._session._tasks
    assert not started_since(before)


def started_since(before: set[asyncio.Task[Any]]) -> set[asyncio.Task[Any]]:
    """The tasks that were started since and still run, without this one and the server's."""
    started = asyncio.all_tasks() - before - {asyncio.current_task()}
    return {task for task in started if "Server._connected" not in repr(task)}


async def read_into(got: list[int], pages: Pages[int]) -> None:
    """Keep what comes, also when an error follows."""
    async for item in pages:
        got.append(item)


def tokens(server: Server) -> list[str]:
    """The page tokens that were asked for."""
    return [seen.query.get("next_page_token", "") for seen in server.seen]


async def test_every_item_of_every_page(server: Server, zra: ZRAClient) -> None:
    """Items come in order over all pages, each page with the same query and the largest size."""
    server.script(*THREE)
    got = [item async for item in zra.list(LIST, query={"team_id": "t 1"})]
    assert got == [1, 2, 3, 4, 5]
    assert tokens(server) == ["", "to-2", "to-3"]
    assert all(seen.query["team_id"] == "t 1" and seen.query["page_size"] == "300" for seen in server.seen)


async def test_the_first_page_alone(server: Server, zra: ZRAClient) -> None:
    """Awaiting a list gives its first page, once, with the token of the next."""
    server.script(*THREE)
    pages = zra.list(LIST, page_size=2)
    first = await pages
    assert (first.items, first.next_page_token, first.answer.things) == ((1, 2), "to-2", (1, 2))
    assert await pages is first
    assert len(server.seen) == 1
    assert server.seen[0].query["page_size"] == "2"
    assert [item async for item in pages] == [1, 2, 3, 4, 5]


async def test_page_by_page(server: Server, zra: ZRAClient) -> None:
    """``pages()`` gives whole pages, and of one that was begun the rest."""
    server.script(*THREE)
    pages = zra.list(LIST)
    assert [await anext(pages) for _ in range(3)] == [1, 2, 3]
    assert [tuple(page.items) async for page in pages.pages()] == [(4,), (5,)]
    assert pages.cursor is None


async def test_an_empty_page_is_not_the_end(server: Server, zra: ZRAClient) -> None:
    """Only a missing token ends a list: pages without items are passed over, also the first and the last."""
    server.script(page([], "a"), page([1], "b"), page([], "c"), page([], "d"), page([2], "e"), page([]))
    assert [item async for item in zra.list(LIST)] == [1, 2]
    assert tokens(server) == ["", "a", "b", "c", "d", "e"]


@pytest.mark.parametrize("end", [{}, {"next_page_token": ""}, {"next_page_token": None}, {"things": None}])
async def test_every_kind_of_end(server: Server, zra: ZRAClient, end: dict[str, Any]) -> None:
    """A token that is missing, empty or null ends the list."""
    server.script(page([1], "a"), answer(200, end))
    assert [item async for item in zra.list(LIST)] == [1]
    assert len(server.seen) == 2


@pytest.mark.parametrize("again", ["a", "b"])
async def test_a_repeated_token_is_an_error(server: Server, zra: ZRAClient, again: str) -> None:
    """A token that came before, the last or an earlier one, would lead in a circle: an error, not an endless list."""
    server.script(page([1], "a"), page([2], "b"), page([3], again), page([4], "a"))
    got: list[int] = []
    pages = zra.list(LIST)
    with pytest.raises(errors.PageTokenRepeated, match="the service sent"):
        await read_into(got, pages)
    assert got == [1, 2]
    assert len(server.seen) == 3


async def test_a_cursor_that_comes_back_is_a_circle_too(server: Server, zra: ZRAClient) -> None:
    """The token that a list was resumed from counts as seen."""
    server.script(page([1], "a"))
    with pytest.raises(errors.PageTokenRepeated):
        await zra.list(LIST, cursor="a")


async def test_an_expired_token_tells_where_to_begin(server: Server, zra: ZRAClient) -> None:
    """The error carries the query and the token; the position has not moved."""
    server.script(page([1, 2], "old"), error(400, 300, "The next page token is invalid or expired."))
    pages = zra.list(LIST, query={"from": "2026-01-01T00:00:00Z", "host_id": None})
    got: list[int] = []
    with pytest.raises(errors.PageTokenExpired, match="start the list again") as caught:
        await read_into(got, pages)
    assert got == [1, 2]
    assert caught.value.cursor == "old"
    assert caught.value.query == {"from": "2026-01-01T00:00:00Z", "page_size": "300"}
    assert pages.cursor == "old"
    assert len(server.seen) == 2


async def test_a_500_in_the_middle_of_page_3(server: Server, zra: ZRAClient) -> None:
    """A page that fails once is asked for again with the same token; no item is lost or doubled."""
    server.script(*THREE[:2], error(500, 5000, "oops"), hang_up, THREE[2])
    assert [item async for item in zra.list(LIST)] == [1, 2, 3, 4, 5]
    assert tokens(server) == ["", "to-2", "to-3", "to-3", "to-3"]


async def test_after_an_error_the_list_goes_on_where_it_stopped(server: Server) -> None:
    """The position moves with a page that has arrived, and only then."""
    server.script(*THREE[:2], error(500, 5000, "oops"), THREE[2])
    async with client_of(server, retry=RetryPolicy.none()) as zra:
        pages = zra.list(LIST)
        got: list[int] = []
        for _ in range(2):
            try:
                await read_into(got, pages)
            except errors.ServerError:
                assert pages.cursor == "to-3"
        assert got == [1, 2, 3, 4, 5]


async def test_resuming_from_a_cursor(server: Server, zra: ZRAClient) -> None:
    """The cursor is the token of the first page with unread items."""
    server.script(*THREE)
    pages = zra.list(LIST)
    assert pages.cursor == ""
    seen = [(await anext(pages), pages.cursor) for _ in range(5)]
    assert seen == [(1, ""), (2, "to-2"), (3, "to-2"), (4, "to-3"), (5, None)]
    server.script(*THREE[1:])
    assert [item async for item in zra.list(LIST, cursor="to-2")] == [3, 4, 5]


@pytest.mark.parametrize("ahead", [False, True])
async def test_a_break_leaves_no_task_behind(server: Server, zra: ZRAClient, ahead: bool) -> None:
    """An iteration that is left, also through its pages and also with look-ahead, leaves nothing running."""
    server.script(*THREE, *THREE, stand_still)
    before = asyncio.all_tasks()

    async def leave() -> None:
        async for _ in _listed(zra, ahead):
            break
        async for _ in _listed(zra, ahead).pages():
            break

    await leave()
    gc.collect()
    for _ in range(5):
        await asyncio.sleep(0)
    assert not started_since(before)


def _listed(zra: ZRAClient, ahead: bool) -> Pages[int]:
    pages = zra.list(LIST)
    return pages.look_ahead() if ahead else pages


@pytest.mark.parametrize("ahead", [False, True])
async def test_steps_from_different_tasks(server: Server, zra: ZRAClient, ahead: bool) -> None:
    """Each step may be made by a task of its own, with a timeout of its own: nothing is held across steps."""
    server.script(*THREE)
    pages = _listed(zra, ahead)
    got: list[int] = []
    for _ in range(5):
        async with asyncio.timeout(300), asyncio.TaskGroup() as group:
            step = group.create_task(pages.__anext__())
        got.append(step.result())
    with pytest.raises(StopAsyncIteration):
        await asyncio.create_task(anext(pages))
    assert got == [1, 2, 3, 4, 5]


async def test_pages_from_different_tasks(server: Server, zra: ZRAClient) -> None:
    """The same holds for ``pages()``, also when it is closed by another task."""
    server.script(*THREE)
    pages = zra.list(LIST).pages()
    first = await asyncio.create_task(anext(pages))
    second = await asyncio.create_task(anext(pages))
    assert (first.items, second.items) == ((1, 2), (3, 4))
    await asyncio.create_task(pages.aclose())


async def test_several_tasks_share_one_list(server: Server, zra: ZRAClient) -> None:
    """Workers that step through the same list get each item once between them."""
    server.script(*(page(range(n * 10, n * 10 + 10), f"t{n}") for n in range(6)), page([60]))
    pages = zra.list(LIST)
    got: list[int] = []

    async def work() -> None:
        async for item in pages:
            got.append(item)
            await asyncio.sleep(0.002)  # longer than a page takes

    await asyncio.gather(*(work() for _ in range(5)))
    assert sorted(got) == list(range(61))
    assert len(server.seen) == 7


async def test_a_cancelled_step_can_be_made_again(server: Server, zra: ZRAClient) -> None:
    """A step that is cancelled while its page is fetched takes nothing away."""
    gate = asyncio.Event()
    server.script(when(gate, page([1], "a")), page([1], "a"), page([2]))
    pages = zra.list(LIST)
    step = asyncio.create_task(pages.__anext__())
    await server.requests(1)
    step.cancel()
    with pytest.raises(asyncio.CancelledError):
        await step
    gate.set()
    assert [item async for item in pages] == [1, 2]


# --------------------------------------------------------------------------- look-ahead


async def test_one_page_of_look_ahead(server: Server, zra: ZRAClient) -> None:
    """While the items of a page are used the next one is fetched, one and not more."""
    server.script(*THREE)
    pages = zra.list(LIST).look_ahead()
    assert await anext(pages) == 1
    await server.requests(2)
    await asyncio.sleep(0.01)
    assert len(server.seen) == 2
    assert [item async for item in pages] == [2, 3, 4, 5]
    assert tokens(server) == ["", "to-2", "to-3"]


async def test_a_look_ahead_that_fails_is_raised_when_it_is_reached(server: Server) -> None:
    """The items in hand come first; then the error, and after it the same page again."""
    server.script(THREE[0], error(500, 5000, "oops"), *THREE[1:])
    async with client_of(server, retry=RetryPolicy.none()) as zra:
        pages = zra.list(LIST).look_ahead()
        assert [await anext(pages), await anext(pages)] == [1, 2]
        with pytest.raises(errors.ServerError):
            await anext(pages)
        assert pages.cursor == "to-2"
        assert [item async for item in pages] == [3, 4, 5]


async def test_a_look_ahead_that_fails_unseen_is_not_reported(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    """A page that nobody came for may fail: asyncio does not complain about an exception never retrieved."""
    server.script(THREE[0], error(500, 5000, "oops"))
    async with client_of(server, retry=RetryPolicy.none()) as zra:
        pages = zra.list(LIST).look_ahead()
        await anext(pages)
        await server.requests(2)
        await asyncio.sleep(0.02)
        del pages
        gc.collect()
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


async def test_a_cancelled_step_keeps_the_page_that_is_on_its_way(server: Server, zra: ZRAClient) -> None:
    """With look-ahead a cancelled step leaves the fetch running for the next one."""
    gate = asyncio.Event()
    server.script(THREE[0], when(gate, THREE[1]), THREE[2])
    pages = zra.list(LIST).look_ahead()
    assert [await anext(pages), await anext(pages)] == [1, 2]
    step = asyncio.create_task(pages.__anext__())
    await server.requests(2)
    await asyncio.sleep(0)
    step.cancel()
    with pytest.raises(asyncio.CancelledError):
        await step
    gate.set()
    assert [item async for item in pages] == [3, 4, 5]
    assert len(server.seen) == 3


async def test_closing_drops_the_page_that_is_on_its_way(server: Server, zra: ZRAClient) -> None:
    """``aclose()`` ends the look-ahead at once; the list can still go on."""
    server.script(THREE[0], stand_still, *THREE[1:])
    pages = zra.list(LIST).look_ahead()
    await anext(pages)
    await server.requests(2)
    await pages.aclose()
    await pages.aclose()
    assert not zra._session._tasks
    assert [item async for item in pages] == [2, 3, 4, 5]


async def test_closing_the_client_ends_a_look_ahead(server: Server) -> None:
    """Who waits for a page that is being fetched ahead is told that the client was closed, and is not cancelled."""
    server.script(THREE[0], stand_still)
    async with client_of(server) as zra:
        pages = zra.list(LIST).look_ahead()
        assert [await anext(pages), await anext(pages)] == [1, 2]
        step = asyncio.create_task(pages.__anext__())
        await server.requests(2)
        await asyncio.sleep(0)
    with pytest.raises(errors.ClientNotOpen, match="closed"):
        await step


async def test_an_item_in_hand_survives_the_client(server: Server) -> None:
    """Items of the page in hand can be used after the client was closed; the next page cannot."""
    server.script(*THREE)
    async with client_of(server) as zra:
        pages = zra.list(LIST)
        assert await anext(pages) == 1
    assert await anext(pages) == 2
    with pytest.raises(errors.ClientNotOpen):
        await anext(pages)
