"""Views of a client, its answers and lists outside of the place where they were made."""

from __future__ import annotations

import asyncio
import copy
import gc
import pickle
import threading
import warnings
from functools import cached_property
from typing import Any

import pytest

from tests.core.clients import GET, TOKEN, client_of, get, hosts_of
from tests.core.server import Server, answer, stand_still
from zra_async import Pages, RetryPolicy, StaticToken, ZRAClient, errors
from zra_async.core.pages import Page
from zra_async.sandbox import Fault, Sandbox


class Reports(ZRAClient):
    """A client with more of its own."""

    kind = "reports"

    def __init__(self, region: str, **options: Any) -> None:
        super().__init__(StaticToken(TOKEN), **options)
        self.region = region

    @cached_property
    def caller(self) -> tuple[str, Any]:
        """Something that calls through this very client."""
        return self.region, self

    def place(self) -> str:
        """Say where it is."""
        return f"{self.kind} of {self.region}"


async def test_a_view_of_a_subclass_has_its_attributes() -> None:
    """Attributes, methods and properties of a subclass are there, and call with the bounds of the view."""
    async with Server() as server, Reports("emea", hosts=hosts_of(server)) as zra:
        assert zra.caller[1] is zra
        resources = [zra.deals, zra.conversations, zra.files, zra.legacy]
        view = zra.with_options(timeout=1.5)
        assert (view.region, view.place(), type(view)) == ("emea", "reports of emea", Reports)
        assert view.caller == ("emea", view)
        own = [view.deals, view.conversations, view.files, view.legacy]
        assert all(one is not other for one, other in zip(resources, own, strict=True))
        again = view.with_options(deadline=7.0)
        assert (again._options.timeout, again._options.deadline, zra._options.deadline) == (1.5, 7.0, None)
        again.region = "apac"
        assert (zra.region, again.with_options().region) == ("emea", "apac")
        assert (await get(view)).name == "default"


async def test_a_view_of_a_subclass_with_slots() -> None:
    """The values of its slots are copied as well."""

    class Slotted(ZRAClient):
        __slots__ = ("tag",)

    zra = Slotted(StaticToken(TOKEN))
    zra.tag = "a"  # type: ignore[attr-defined]
    assert zra.with_options(timeout=1).tag == "a"  # type: ignore[attr-defined]


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
async def test_a_reply_can_be_pickled(protocol: int) -> None:
    """What ``raw`` returns travels to other processes and can be copied, with headers that ignore case."""
    async with Server(answer(200, {"a": 1}, {"X-One": "1"})) as server, client_of(server) as zra:
        reply = await zra.raw(GET, path={"thing_id": "1"})
    for other in (pickle.loads(pickle.dumps(reply, protocol)), copy.copy(reply), copy.deepcopy(reply)):
        assert (other.status, other.body, other.url, other.tracking_id) == (200, b'{"a": 1}', reply.url, "WEB_1")
        assert other.headers["x-one"] == "1"
        assert other == reply


async def test_an_attempt_that_timed_out_is_a_timeout() -> None:
    """Code that catches TimeoutError catches it, and it travels with its attributes."""
    async with Server(otherwise=stand_still) as server, client_of(server, timeout=0.05) as zra:
        with pytest.raises(TimeoutError) as caught:
            await get(zra)
    assert isinstance(caught.value, errors.AttemptTimeout)
    other = pickle.loads(pickle.dumps(caught.value))
    assert (str(other), other.sent, other.operation) == (str(caught.value), True, "things.get")


async def test_a_list_that_is_dropped_in_another_thread() -> None:
    """Its page ahead is cancelled in the event loop, and by nobody else."""
    cancelled: list[int] = []
    asked = asyncio.Event()

    async def fetch(token: str) -> Page[int]:
        if not token:
            return Page([1], "more", None)
        asked.set()
        try:
            return await asyncio.Event().wait()  # type: ignore[return-value]
        except asyncio.CancelledError:
            cancelled.append(threading.get_ident())
            raise

    loop = asyncio.get_running_loop()
    loop.set_debug(True)  # which refuses a call from another thread
    pages: list[Pages[int]] = [Pages("things.list", fetch, asyncio.ensure_future).look_ahead()]  # type: ignore[arg-type]
    assert await anext(pages[0]) == 1
    await asked.wait()

    def drop() -> None:
        pages.clear()
        gc.collect()

    await asyncio.to_thread(drop)
    async with asyncio.timeout(10):
        while not cancelled:
            await asyncio.sleep(0.001)
    assert cancelled == [threading.get_ident()]


def test_a_list_that_outlives_its_loop() -> None:
    """Dropping it then says nothing and does nothing."""
    kept: list[Pages[int]] = []

    async def run() -> None:
        async def fetch(token: str) -> Page[int]:
            return await asyncio.Event().wait() if token else Page([1], "more", None)  # type: ignore[return-value]

        kept.append(Pages("things.list", fetch, asyncio.ensure_future).look_ahead())  # type: ignore[arg-type]
        await anext(kept[0])

    asyncio.run(run())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        kept.clear()
        gc.collect()


async def test_a_deprecated_method_as_a_task() -> None:
    """The warning points at the line that called, however the coroutine is run."""
    async with Server() as server, client_of(server) as zra:
        ways: list[Any] = [
            lambda: asyncio.create_task(zra.legacy.deals.get("1")),
            lambda: asyncio.gather(zra.legacy.deals.get("1"), zra.legacy.deals.get("2")),
            lambda: asyncio.wait_for(zra.legacy.deals.get("1"), 30),
            lambda: zra.with_options(timeout=20).legacy.deals.get("1"),
            lambda: zra.call_named("legacy.deals.get", deal_id="1"),
            lambda: zra.legacy.conversations.list(),
        ]
        for way in ways:
            with pytest.warns(DeprecationWarning, match="leave out .legacy") as caught:
                await way()
            assert {warning.filename for warning in caught} == {__file__}
        pages = zra.legacy.conversations.get
        assert pages.__name__ == "get"
        assert pages.__doc__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert type(zra.legacy.deals).__name__ == "Deals"


async def test_the_retries_of_a_view_hold_for_its_uploads() -> None:
    """An upload through a view without retries ends at the first 503; through its original it is repeated."""
    async with Sandbox(conversations=1) as sandbox, sandbox.client(retry=RetryPolicy(base=0)) as zra:
        for view, stored in ((zra, True), (zra.with_options(retry=RetryPolicy.none()), False)):
            sandbox.faults.clear()
            sandbox.faults.add(Fault(operation="POST /files", status=503, times=1))
            if stored:
                assert (await view.files.upload(b"video", file_name="a.mp4")).file_id
            else:
                with pytest.raises(errors.ServerError):
                    await view.files.upload(b"video", file_name="a.mp4")
