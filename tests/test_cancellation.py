"""What calls leave on the task that makes them: no cancellation that nobody asked for, and none that is lost."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.bulk.crm import data as crm_data
from tests.bulk.ingest.service import run
from zra_async import Label, Network, Pool, Rate, RetryPolicy, ZRAClient
from zra_async.bulk import IngestItem, Polling
from zra_async.config import Transfers
from zra_async.errors import ZRAError
from zra_async.sandbox import Fault, Sandbox

FAST = {label: Rate(100_000) for label in Label}
START = datetime(2025, 3, 1, 9, tzinfo=UTC)
LARGE, SMALL = bytes(6_500_000), bytes(3_000_000)
SOON = Polling(first=0.01, longest=0.05, limit=0.5)
EVERYTHING = "* /*"

Call = Callable[[ZRAClient, Path], Awaitable[object]]


async def _pieces() -> AsyncIterator[bytes]:
    for _ in range(3):
        yield bytes(1_000_000)


async def _read(chunks: contextlib.AbstractAsyncContextManager[Any]) -> int:
    async with chunks as found:
        return len([one async for one in found])


def _items() -> list[IngestItem]:
    fields = {"conversation_type": "meeting", "meeting_start_time": START}
    return [
        IngestItem(f"k{n}", LARGE if n % 2 else b"video", file_name="a.mp4", conversation=fields | {"host_id": f"h{n}"})
        for n in range(4)
    ]


async def _conversation(zra: ZRAClient) -> str:
    async for one in zra.conversations.list():
        if (await zra.conversations.get(one.conversation_id)).download_link:
            return one.conversation_id
    raise AssertionError("no conversation has a recording")


async def _download(zra: ZRAClient, folder: Path) -> object:
    return await zra.conversations.download_recording(await _conversation(zra), to=folder / "a.mp4", overwrite=True)


async def _stream(zra: ZRAClient, folder: Path) -> object:
    return await _read(zra.conversations.open_recording(await _conversation(zra)))


async def _ahead(zra: ZRAClient, folder: Path) -> object:
    return [one async for one in zra.conversations.list(page_size=2).look_ahead()]


async def _listed(zra: ZRAClient, folder: Path) -> object:
    return [one async for one in zra.deals.list()]


CALLS: dict[str, Call] = {
    "get": lambda zra, folder: zra.conversations.get("a"),
    "first page": lambda zra, folder: zra.deals.list().__anext__(),
    "list": _listed,
    "look ahead": _ahead,
    "write": lambda zra, folder: zra.conversations.add(
        conversation_type="meeting", meeting_start_time=START, download_url="https://example.com/a.mp4"
    ),
    "exclusive": lambda zra, folder: zra.teams.create("a team"),
    "upload": lambda zra, folder: zra.files.upload(SMALL, file_name="a.mp4"),
    "upload in parts": lambda zra, folder: zra.files.upload(LARGE, file_name="a.mp4", part_size=5 * 1024**2),
    "upload with journal": lambda zra, folder: zra.files.upload(
        LARGE, file_name="a.mp4", part_size=5 * 1024**2, journal=folder / "journal"
    ),
    "upload of an iterator": lambda zra, folder: zra.files.upload(_pieces(), file_name="a.mp4"),
    "recording": lambda zra, folder: zra.files.upload_recording(SMALL, b"{}", b"{}", file_name="a.mp4"),
    "download": _download,
    "stream": _stream,
    "ingest": lambda zra, folder: run(zra, _items(), folder / "ingest"),
    "ingest and wait": lambda zra, folder: run(
        zra, _items(), folder / "waiting", wait_for_analysis=True, analysis=SOON
    ),
    "import": lambda zra, folder: zra.crm.import_all(
        leads=[{"crm_lead_id": f"L{n}", "lead_name": "a", "modify_time": START.isoformat()} for n in range(30)],
        chunk_records=5,
        polling=SOON,
    ),
    "export": lambda zra, folder: zra.export(folder / "export", streams="all"),
    "records": lambda zra, folder: _read(zra.export_records(streams="all")),
}

TROUBLES: dict[str, list[Fault]] = {
    "none": [],
    "400": [Fault(operation=EVERYTHING, status=400)],
    "403": [Fault(operation=EVERYTHING, status=403)],
    "a few 503": [Fault(operation=EVERYTHING, status=503, times=3)],
    "503 for ever": [Fault(operation=EVERYTHING, status=503)],
    "a 401": [Fault(operation=EVERYTHING, status=401, times=1)],
    "a few 429": [Fault(operation=EVERYTHING, status=429, times=2)],
    "reset": [Fault(operation=EVERYTHING, reset="after", times=3)],
    "reset before the body": [Fault(operation=EVERYTHING, reset="before")],
    "lost answers": [Fault(operation=EVERYTHING, lose_answer=True, times=2)],
    "refused parts": [Fault(operation="POST /files/multipart", status=400, times=1)],
    "half answers": [Fault(operation=EVERYTHING, truncate=3)],
    "no token": [Fault(operation="token", status=400)],
}


@contextlib.asynccontextmanager
async def account(faults: Iterable[Fault] = (), **options: Any) -> AsyncIterator[tuple[Desk, ZRAClient]]:
    """A small account, a client that gives up soon, and one that is patient."""
    settings: dict[str, Any] = {
        "limits": FAST,
        "retry": RetryPolicy(base=0.0, server=3, transport=2),
        "transfers": Transfers(single_upload_limit=6_000_000),
        "network": Network(file=Pool(connections=32, read_timeout=options.pop("silence", 30.0))),
        "observer": lambda _: None,
        **options,
    }
    async with (
        Sandbox(conversations=6, limits=False, processing_seconds=0, task_seconds=0) as sandbox,
        sandbox.client(limits=FAST, observer=lambda _: None) as patient,
        sandbox.client(**settings) as zra,
    ):
        await patient.crm.register("test", deal_stages=crm_data.STAGES)
        sandbox.faults.add(*faults)
        yield Desk(sandbox, patient), zra


class Desk:
    """A sandbox, and a client of it that no timeout of a test touches."""

    def __init__(self, sandbox: Sandbox, patient: ZRAClient) -> None:
        self.faults = sandbox.faults
        self._patient = patient

    async def still_works(self) -> None:
        """The next calls of this task are not touched by what came before."""
        self.faults.clear()
        assert (await self._patient.files.upload(SMALL, file_name="b.mp4")).file_id
        assert await self._patient.deals.list()

    def stall(self) -> None:
        """Let the service be silent from now on."""
        self.faults.struck.clear()
        self.faults.add(Fault(operation=EVERYTHING, stall=True))

    async def struck(self) -> None:
        """Wait until a request has come since the service is silent."""
        while not self.faults.struck:
            await asyncio.sleep(0.001)


def own() -> asyncio.Task[Any]:
    """The task that runs this."""
    task = asyncio.current_task()
    assert task is not None
    return task


async def tried(call: Awaitable[object]) -> BaseException | None:
    """What a call raises; whatever that is, the task is left as it was."""
    before = own().cancelling()
    problem: BaseException | None = None
    try:
        await call
    except (ZRAError, OSError) as raised:
        problem = raised
    assert own().cancelling() == before
    return problem


_numbers = itertools.count()


def new(folder: Path) -> Path:
    """A new folder for one call."""
    made = folder / str(next(_numbers))
    made.mkdir()
    return made


@pytest.mark.parametrize("trouble", TROUBLES)
async def test_no_call_leaves_a_cancellation(trouble: str, tmp_path: Path) -> None:
    """After any call, failed or not, the count of its task is what it was, and the next calls work."""
    async with account() as (desk, zra):
        for name, call in CALLS.items():
            desk.faults.add(*TROUBLES[trouble])
            problem = await tried(call(zra, new(tmp_path)))
            assert trouble != "none" or name == "get" or problem is None, name
            await desk.still_works()


def bounded(bound: str, seconds: float, call: Call) -> Call:
    """The call with a timeout of its caller's around it, made of one of three kinds."""

    async def with_asyncio(zra: ZRAClient, folder: Path) -> None:
        async with asyncio.timeout(seconds):
            await call(zra, folder)

    async def with_anyio(zra: ZRAClient, folder: Path) -> None:
        with anyio.fail_after(seconds):
            await call(zra, folder)

    async def with_wait_for(zra: ZRAClient, folder: Path) -> None:
        await asyncio.wait_for(call(zra, folder), seconds)

    kinds: dict[str, Call] = {"asyncio": with_asyncio, "anyio": with_anyio, "wait_for": with_wait_for}
    return kinds[bound]


@pytest.mark.parametrize("bound", ["asyncio", "anyio", "wait_for"])
async def test_no_timeout_of_the_caller_leaves_a_cancellation(bound: str, tmp_path: Path) -> None:
    """A timeout that strikes while the service is silent is raised as one, and leaves nothing."""
    async with account() as (desk, zra):
        for name, call in CALLS.items():
            desk.stall()
            problem = await tried(bounded(bound, 0.05, call)(zra, new(tmp_path)))
            assert type(problem) is TimeoutError, name
            await desk.still_works()


@pytest.mark.parametrize("bound", ["timeout", "deadline"])
async def test_no_timeout_of_ours_leaves_a_cancellation(bound: str, tmp_path: Path) -> None:
    """A bound of the client that strikes while the service is silent leaves nothing."""
    # a job has no deadline, so that its calls end by their timeout
    options: dict[str, Any] = {"timeout": 0.1, bound: 0.05, "retry": RetryPolicy.none(), "silence": 0.05}
    async with account(**options) as (desk, zra):
        for call in CALLS.values():
            desk.stall()
            await tried(call(zra, new(tmp_path)))
            await desk.still_works()


async def test_a_cancellation_from_outside_gets_through_once(tmp_path: Path) -> None:
    """A task that is cancelled during a call ends as cancelled, with the one request that was made."""
    async with account() as (desk, zra):
        for name, call in CALLS.items():
            desk.stall()
            task = asyncio.ensure_future(call(zra, new(tmp_path)))
            await desk.struck()
            task.cancel()
            await asyncio.wait([task])
            assert (task.cancelled(), task.cancelling()) == (True, 1), name
            desk.faults.clear()


async def test_a_cancellation_that_the_caller_takes_back_is_over(tmp_path: Path) -> None:
    """A caller that swallows its cancellation, as a timeout does, can make the next call at once."""

    async def stubborn(call: Call, desk: Desk, zra: ZRAClient) -> None:
        before = own().cancelling()
        with pytest.raises(asyncio.CancelledError):
            await call(zra, new(tmp_path))
        assert own().cancelling() == before + 1
        own().uncancel()
        await desk.still_works()

    async with account() as (desk, zra):
        for call in CALLS.values():
            desk.stall()
            task = asyncio.ensure_future(stubborn(call, desk, zra))
            await desk.struck()
            task.cancel()
            await task


@pytest.mark.parametrize("seconds", [0.0, 0.001, 0.003, 0.01, 0.03])
async def test_a_timeout_may_strike_at_any_moment(seconds: float, tmp_path: Path) -> None:
    """Wherever a call is when its time is up, it ends as done or as too late, and leaves nothing."""
    async with account() as (desk, zra):
        for call in CALLS.values():
            for bound in ("asyncio", "anyio", "wait_for"):
                await tried(bounded(bound, seconds, call)(zra, new(tmp_path)))
        await desk.still_works()


async def test_a_count_of_the_caller_does_no_harm(tmp_path: Path) -> None:
    """On a task that has a count from elsewhere, as CPython 3.11 leaves one, every call works."""

    async def counted(zra: ZRAClient) -> None:
        own().cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.sleep(0)
        for name, call in CALLS.items():
            problem = await tried(call(zra, new(tmp_path)))
            assert name == "get" or problem is None, name

    async with account() as (_, zra):
        await asyncio.ensure_future(counted(zra))


async def test_a_client_that_closes_says_so_to_a_task_with_a_count(tmp_path: Path) -> None:
    """A call of such a task, whose client closes meanwhile, raises an error and no CancelledError."""

    async def counted(call: Call, zra: ZRAClient) -> BaseException | None:
        own().cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.sleep(0)
        return await tried(call(zra, new(tmp_path)))

    for name in ("get", "look ahead", "upload", "stream", "records"):
        async with account() as (desk, zra):
            desk.stall()
            task = asyncio.ensure_future(counted(CALLS[name], zra))
            await desk.struck()
            await zra.aclose()
            assert isinstance(await task, ZRAError), name
