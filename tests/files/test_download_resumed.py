"""Recordings that do not arrive at once: what goes on where it stopped, and what begins anew."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.core.server import Seen, raw, stand_still
from tests.files.store import DATA, ETAG, Store, served
from tests.leap import stands_still
from zra_async import Network, Pool, RetryPolicy
from zra_async.errors import ConnectionLost, DownloadInterrupted
from zra_async.files import Progress, download
from zra_async.osfiles.locks import open_locked


async def test_a_broken_download_goes_on_with_a_range(tmp_path: Path) -> None:
    """Only what is missing is asked for, on the condition that it is still the same recording."""
    store = Store()
    store.cut = [100_000, 0, 200_000]
    async with served(store) as (_, zra):
        got = await zra.conversations.download_recording("1", to=tmp_path / "call.mp4")
    assert got.path.read_bytes() == DATA
    assert [seen.headers.get("range") for seen in store.asked] == [
        None,
        "bytes=100000-",
        "bytes=100000-",
        "bytes=300000-",
    ]
    assert {seen.headers.get("if-range") for seen in store.asked[1:]} == {ETAG}
    assert store.links == 1


async def test_a_later_call_goes_on_where_an_interrupted_one_stopped(tmp_path: Path) -> None:
    """What an interrupted download has written is kept beside the target, and not asked for again."""
    store = Store()
    store.cut = [300_000, 0, 0, 0, 0]
    async with served(store) as (_, zra):
        with pytest.raises(DownloadInterrupted, match="the same call goes on from there") as caught:
            await zra.conversations.download_recording("1", to=tmp_path / "call.mp4")
        error = caught.value
        assert (error.received, error.total) == (300_000, len(DATA))
        assert error.part is not None
        assert error.part.read_bytes() == DATA[:300_000]
        assert isinstance(error.reason, ConnectionLost)
        store.cut = []
        got = await zra.conversations.download_recording("1", to=tmp_path / "call.mp4")
    assert (got.reused, got.path.read_bytes()) == (300_000, DATA)
    assert store.asked[-1].headers["range"] == "bytes=300000-"
    assert list(tmp_path.iterdir()) == [tmp_path / "call.mp4"]


async def test_a_cancelled_download_is_kept_too(tmp_path: Path) -> None:
    """A cancelled download leaves the beginning of the file, and no more than that."""
    store, standing = Store(os.urandom(3_000_000)), asyncio.Event()

    async def half(seen: Seen, writer: asyncio.StreamWriter) -> bool:
        store.cut = [2_000_000]
        await store.serve(seen, writer)
        standing.set()
        return await stand_still(seen, writer)

    async with served(store, store.serve, half) as (_, zra):
        task = asyncio.create_task(zra.conversations.download_recording("1", to=tmp_path / "call.mp4"))
        await standing.wait()
        while not any(path.stat().st_size for path in tmp_path.iterdir()):
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        (part,) = tmp_path.iterdir()
        kept = part.read_bytes()
        assert store.data.startswith(kept)
        got = await zra.conversations.download_recording("1", to=tmp_path / "call.mp4")
    assert (got.reused, got.path.read_bytes()) == (len(kept), store.data)


async def test_a_download_that_is_cancelled_while_its_part_is_opened_lets_go_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread that opens and locks the partial file cannot be stopped: what it gives is closed, and free again."""
    opening, may_open = threading.Event(), threading.Event()

    def slow(*arguments: Any) -> Any:
        opening.set()
        assert may_open.wait(500)
        return open_locked(*arguments)

    async with served(Store()) as (_, zra):
        with monkeypatch.context() as patch:
            patch.setattr(download, "open_locked", slow)
            task = asyncio.create_task(zra.conversations.download_recording("1", to=tmp_path / "call.mp4"))
            await asyncio.to_thread(opening.wait, 5)
            task.cancel()
            may_open.set()
            with pytest.raises(asyncio.CancelledError):
                await task
        got = await zra.conversations.download_recording("1", to=tmp_path / "call.mp4")
    assert got.path.read_bytes() == DATA


async def test_a_complete_part_is_only_put_in_place(tmp_path: Path) -> None:
    """A process that was killed between the last byte and the new name has left nothing to fetch."""
    store = Store()
    store.cut = [len(DATA) - 1, 0, 0, 0, 0]
    async with served(store) as (_, zra):
        with pytest.raises(DownloadInterrupted) as caught:
            await zra.conversations.download_recording("1", to=tmp_path / "call.mp4")
        assert caught.value.part is not None
        with caught.value.part.open("ab") as part:
            part.write(DATA[-1:])
        asked = len(store.asked)
        got = await zra.conversations.download_recording("1", to=tmp_path / "call.mp4")
    assert (got.reused, got.path.read_bytes()) == (len(DATA), DATA)
    assert len(store.asked) == asked + 1


@pytest.mark.usefixtures("every_step")
@pytest.mark.parametrize("with_etag", [True, False])
async def test_a_recording_that_was_replaced_is_not_mixed(tmp_path: Path, with_etag: bool) -> None:
    """The beginning of one version is never followed by the end of another: all of the new one is fetched."""
    store = Store(etag=ETAG if with_etag else "")
    store.headers = {} if with_etag else {"Last-Modified": "Mon, 05 Jan 2026 10:00:00 GMT"}
    store.cut = [300_000]
    new = os.urandom(len(DATA))

    def replace(progress: Progress) -> None:
        if progress.sent and store.data is DATA:
            store.data, store.etag = new, '"v2"' if with_etag else ""
            store.headers = {} if with_etag else {"Last-Modified": "Tue, 06 Jan 2026 10:00:00 GMT"}

    async with served(store) as (_, zra):
        got = await zra.conversations.download_recording("1", to=tmp_path / "call.mp4", on_progress=replace)
    assert got.path.read_bytes() == new
    assert list(tmp_path.iterdir()) == [tmp_path / "call.mp4"]


async def _rest(stream: AsyncIterator[bytes]) -> bytes:
    return b"".join([chunk async for chunk in stream])


async def test_a_stream_cannot_begin_anew(tmp_path: Path) -> None:
    """Chunks that the caller has seen cannot be taken back, so a recording that was replaced ends the stream."""
    store = Store()
    store.cut = [300_000]
    async with served(store) as (_, zra), zra.conversations.open_recording("1") as stream:
        assert DATA.startswith(await anext(stream))
        store.data, store.etag = os.urandom(len(DATA)), '"v2"'
        with pytest.raises(DownloadInterrupted, match="replaced"):
            await _rest(stream)


async def test_a_host_that_knows_no_ranges(tmp_path: Path) -> None:
    """Where every answer starts at the beginning, what is known already is skipped."""
    store = Store()
    store.ranges = False
    store.cut = [100_000, 400_000]
    async with served(store) as (_, zra):
        got = await zra.conversations.download_recording("1", to=tmp_path / "call.mp4")
    assert got.path.read_bytes() == DATA


async def test_an_unknown_size(tmp_path: Path) -> None:
    """A recording whose size is not told arrives as well, and its end is its end."""
    chunk = f"{len(DATA):x}\r\n".encode() + DATA + b"\r\n0\r\n\r\n"
    chunked = raw("HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\nTransfer-Encoding: chunked\r\n\r\n", chunk)
    cut = raw(
        "HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\nTransfer-Encoding: chunked\r\n\r\n", chunk[:5000], keep=False
    )
    store = Store()
    seen: list[Progress] = []
    async with served(store, store.serve, cut, chunked) as (_, zra):
        got = await zra.conversations.download_recording("1", to=tmp_path / "call.mp4", on_progress=seen.append)
    assert (got.path.read_bytes(), got.size) == (DATA, len(DATA))
    assert seen[0].total is None


async def test_the_budget_of_repeats_is_for_standstills(tmp_path: Path) -> None:
    """A connection that breaks often, but moves each time, is worth going on with."""
    store = Store()
    store.cut = [50_000] * 13
    async with served(store, retry=RetryPolicy(base=0.0, transport=1)) as (_, zra):
        got = await zra.conversations.download_recording("1", to=tmp_path / "call.mp4")
    assert got.path.read_bytes() == DATA
    assert len(store.asked) == 14


async def test_an_answer_that_stands_still(tmp_path: Path) -> None:
    """Silence in the middle ends the connection, not the download."""
    store = Store()

    async def half(seen: Seen, writer: asyncio.StreamWriter) -> bool:
        store.cut = [1000]
        await store.serve(seen, writer)
        return await stands_still(22)(seen, writer)

    network = Network(file=Pool(connections=32, read_timeout=20))
    async with served(store, store.serve, half, network=network) as (_, zra):
        got = await zra.conversations.download_recording("1", to=tmp_path / "call.mp4")
    assert got.path.read_bytes() == DATA
