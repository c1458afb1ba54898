"""A client belongs to the event loop and the process that opened it: everything else is refused at once."""

from __future__ import annotations

import asyncio
import os
import pickle
import threading
import traceback
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest

from tests.core.clients import GET, client_of, get
from tests.core.server import Server, stand_still
from zra_async import Label, Rate, ServerToServer, ZRAClient, errors
from zra_async.sandbox import SandboxThread

Use = Callable[[ZRAClient], Awaitable[Any]]


async def _records(zra: ZRAClient) -> None:
    async for _ in zra.export_records(streams="deals"):
        pass


async def _recording(zra: ZRAClient) -> None:
    async with zra.conversations.open_recording("c"):
        pass


USES: dict[str, Use] = {
    "call": lambda zra: zra.deals.get("d"),
    "raw": lambda zra: zra.raw("deals.get", path={"deal_id": "d"}),
    "view": lambda zra: zra.with_options(timeout=1).deals.get("d"),
    "page": lambda zra: zra.conversations.list().__anext__(),
    "pages": lambda zra: anext(zra.conversations.list().pages()),
    "ahead": lambda zra: zra.conversations.list().look_ahead().__anext__(),
    "write": lambda zra: zra.comments.add("c", comment="a"),
    "upload": lambda zra: zra.files.upload(b"12345", file_name="a.mp4"),
    "parts": lambda zra: zra.files.upload(bytes(11_000_000), file_name="a.mp4", part_size=6_000_000),
    "recording": _recording,
    "download": lambda zra: zra.conversations.download_recording("c", to=os.devnull + "-none"),
    "export": lambda zra: zra.export("/nonexistent/zra"),
    "records": _records,
    "ingest": lambda zra: zra.ingest([], ledger="/nonexistent/zra"),
    "token": lambda zra: zra._session.authorization(),
    "close": lambda zra: zra.aclose(),
}


def elsewhere(work: Callable[[], Coroutine[Any, Any, Any]]) -> BaseException | None:
    """Run something in a thread with an event loop of its own, and return what it raised."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            asyncio.run(work())
        except BaseException as problem:
            raised.append(problem)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(60)
    assert not thread.is_alive()
    return raised[0] if raised else None


@pytest.mark.parametrize("used_up", [False, True])
@pytest.mark.parametrize("name", USES)
async def test_another_thread(name: str, used_up: bool) -> None:
    """Every use in the loop of another thread is refused, also while a limit is used up; the client goes on."""
    limits = {label: Rate(1, 1000.0) for label in Label} if used_up else None
    async with Server() as server, client_of(server, limits=limits) as zra:
        if used_up:
            await get(zra)
            asked = asyncio.create_task(get(zra))
            await asyncio.sleep(0)
        before = len(server.seen)

        async def use() -> None:
            await USES[name](zra)

        problem = await asyncio.to_thread(elsewhere, use)
        if name == "download":
            assert isinstance(problem, (errors.WrongLoop, errors.InvalidArgument))
        else:
            assert isinstance(problem, errors.WrongLoop), problem
            assert "another event loop" in str(problem)
        assert len(server.seen) == before
        if used_up:
            asked.cancel()
        else:
            await get(zra)


def test_one_asyncio_run_after_another() -> None:
    """A client that was opened in one run is refused in the next, for every call and for closing it."""
    with SandboxThread(conversations=2) as sandbox:
        zra = sandbox.client()

        async def open_it() -> None:
            await zra.__aenter__()
            await zra.deals.list()
            await zra._session._transport.close()  # no socket may outlive its loop

        asyncio.run(open_it())
        for use in (zra.deals.list, zra.aclose):

            async def again(use: Any = use) -> None:
                await use()

            with pytest.raises(errors.WrongLoop, match="another event loop"):
                asyncio.run(again())


async def test_objects_that_were_begun_here() -> None:
    """A list, a stream of records and a recording that are under way are refused elsewhere, and go on here."""
    with SandboxThread(conversations=40, plan="business") as sandbox:
        async with sandbox.client() as zra:
            pages = zra.conversations.list(page_size=5).look_ahead()
            records = zra.export_records(streams="conversations")
            first = [await anext(pages) for _ in range(5)]  # the next step needs a page
            await anext(records)
            records._ready.clear()
            links = {
                item.conversation_id: await zra.conversations.download_link(item.conversation_id) for item in first
            }
            conversation = next(known for known, link in links.items() if link)
            async with zra.conversations.open_recording(conversation) as recording:
                for step in (pages.__anext__, pages.aclose, records.__anext__, records.aclose, recording.read):

                    async def use(step: Any = step) -> None:
                        await step()

                    assert isinstance(await asyncio.to_thread(elsewhere, use), errors.WrongLoop)
                assert await recording.read()
            assert await anext(pages)
            assert await anext(records)
            await records.aclose()
            await pages.aclose()


async def test_an_authentication_in_another_loop() -> None:
    """A token that is fetched for an open client cannot be asked for elsewhere, and nothing hangs."""
    async with Server(otherwise=stand_still) as server:
        auth = ServerToServer("a", "c", "secret-7f11a90c35")
        async with client_of(server, auth) as zra:
            waiting = asyncio.create_task(get(zra))
            await server.requests(1)
            assert isinstance(await asyncio.to_thread(elsewhere, auth.header), errors.WrongLoop)
            waiting.cancel()


def in_child(work: Callable[[], None]) -> str:
    """Fork, run ``work`` in the child, and return what it reported of itself."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            work()
            told = "done"
        except BaseException:
            told = traceback.format_exc()
        os.write(writer, told.encode()[-4000:])
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        told = pipe.read()
    os.waitpid(child, 0)
    return told


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("same_loop", [False, True])
def test_a_forked_child(same_loop: bool) -> None:
    """Nothing in the child touches the parent's sockets, closing is harmless, and the parent goes on."""
    with SandboxThread(conversations=5) as sandbox:
        loop = asyncio.new_event_loop()
        zra = sandbox.client()
        loop.run_until_complete(zra.__aenter__())
        pages = zra.conversations.list(page_size=2)
        loop.run_until_complete(anext(pages))

        async def uses() -> None:
            for name, use in USES.items():
                if name in {"close", "download"}:
                    continue
                with pytest.raises(errors.WrongLoop, match=r"process that forked this one: make a new ZRAClient"):
                    await use(zra)
            await zra.aclose()
            with pytest.raises(errors.ClientNotOpen):
                await zra.deals.list()
            async with sandbox.client() as own:
                assert (await own.conversations.list()).items

        def child() -> None:
            if same_loop:
                asyncio.events._set_running_loop(None)
                loop.run_until_complete(uses())
            else:
                asyncio.run(uses())

        before = sandbox.stats.operations["GET /zra/conversations"]
        assert in_child(child) == "done"
        assert sandbox.stats.operations["GET /zra/conversations"] == before + 1  # by the child's own client
        assert [topic.conversation_id for topic in loop.run_until_complete(_rest(pages))]
        loop.run_until_complete(zra.aclose())
        loop.close()


async def _rest(pages: Any) -> list[Any]:
    return [item async for item in pages]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_child_that_leaves_the_block() -> None:
    """A child that was forked inside of ``async with`` leaves it in silence and takes no connection down."""
    with SandboxThread(conversations=5) as sandbox:
        told: list[str] = []

        async def main() -> None:
            child = 0
            async with sandbox.client() as zra:
                await zra.deals.list()
                reader, writer = os.pipe()
                child = os.fork()
                if child == 0:
                    try:
                        await zra.deals.list()
                    except errors.WrongLoop as problem:
                        os.write(writer, str(problem).encode())
                else:
                    os.close(writer)
                    with os.fdopen(reader) as pipe:
                        told.append(pipe.read())
                    await zra.deals.list()
            if child == 0:
                os._exit(0)
            os.waitpid(child, 0)

        asyncio.run(main())
        assert "process that forked this one" in told[0]
        assert sandbox.stats.operations["GET /zra/deals"] == 2


async def test_the_error_travels() -> None:
    """It is a `ClientNotOpen` and a RuntimeError, and can be pickled."""
    error = pickle.loads(pickle.dumps(errors.WrongLoop("this client belongs to another event loop")))
    assert isinstance(error, errors.ClientNotOpen)
    assert isinstance(error, RuntimeError)
    async with Server() as server, client_of(server) as zra:
        assert await zra.call(GET, path={"thing_id": "1"})
