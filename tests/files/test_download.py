"""Recordings on their way to a file or to the caller: whole, from where they stopped, and never out of place."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.core.clients import TOKEN, client_of
from tests.core.server import Behaviour, Seen, Server, answer, hang_up, raw, redirect, stand_still
from tests.files.conftest import Desk, quick_transfers
from zra_async import Network, Pool, RetryPolicy, ZRAClient
from zra_async.errors import (
    ConnectionLost,
    DownloadInterrupted,
    InUse,
    InvalidArgument,
    LinkRefused,
    NoRecording,
    NotFound,
    PermissionDenied,
    TargetExists,
    UnexpectedAnswer,
    UnsafeRedirect,
)
from zra_async.files import Progress
from zra_async.files import progress as progress_module
from zra_async.files.locked import open_locked
from zra_async.sandbox import Fault

DATA = os.urandom(700_000)
ETAG = '"v1"'
SECRET = "k3y-0f-the-l1nk-5f7a"


async def recording(desk: Desk, zra: ZRAClient) -> tuple[str, str]:
    """A conversation of the sandbox that has a recording, and the hash of that."""
    async for conversation in zra.conversations.list():
        conversation_id = conversation.conversation_id
        if await zra.conversations.download_link(conversation_id):
            desk.sandbox.stats.operations.clear()
            return conversation_id, desk.files.content(conversation_id).sha256()
    raise AssertionError("no conversation has a recording")


class Store:
    """A server that gives links to one recording, and the recording."""

    def __init__(self, data: bytes = DATA, *, etag: str = ETAG) -> None:
        self.data = data
        self.etag = etag
        self.links = 0
        self.asked: list[Seen] = []
        self.cut: list[int | None] = []  #: after how many bytes each answer breaks off
        self.name = "call.mp4"
        self.headers: dict[str, str] = {}
        self.ranges = True
        self.link = ""

    async def serve(self, seen: Seen, writer: asyncio.StreamWriter) -> bool:
        """Answer one request."""
        if "/zra/conversations/" in seen.target:
            self.links += 1
            link = self.link or f"http://{seen.headers['host']}/file/{self.links}?filename=x.mp4&jwt={SECRET}"
            return await answer(200, {"recording_download_url": link})(seen, writer)
        self.asked.append(seen)
        start = 0
        if self.ranges and "range" in seen.headers and seen.headers.get("if-range", self.etag) == self.etag:
            start = int(seen.headers["range"].removeprefix("bytes=").rstrip("-"))
        if start > len(self.data):
            return await answer(416, b"")(seen, writer)
        head = {
            "Content-Type": "video/mp4",
            "ETag": self.etag,
            "Content-Disposition": f'attachment; filename="{self.name}"',
            "Content-Length": str(len(self.data) - start),
            **({"Content-Range": f"bytes {start}-{len(self.data) - 1}/{len(self.data)}"} if start else {}),
            **self.headers,
        }
        lines = [f"HTTP/1.1 {206 if start else 200} Fine", *(f"{k}: {v}" for k, v in head.items() if v)]
        cut = self.cut.pop(0) if self.cut else None
        body = self.data[start:] if cut is None else self.data[start : start + cut]
        return await raw("\r\n".join(lines) + "\r\n\r\n", body, keep=cut is None)(seen, writer)


@asynccontextmanager
async def served(store: Store, *script: Behaviour, **options: Any) -> AsyncIterator[tuple[Server, ZRAClient]]:
    """A client of ``store``; ``script`` answers the first requests instead."""
    async with Server(*script, otherwise=store.serve) as server, client_of(server, **options) as zra:
        yield server, zra


@pytest.fixture
def every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Progress is told at each step, and not every 50 ms."""
    monkeypatch.setattr(progress_module, "_EVERY", 0.0)


# The sandbox


async def test_a_recording_arrives_in_a_folder(desk: Desk, zra: ZRAClient, tmp_path: Path) -> None:
    """A recording gets its own name, is whole, and nothing else stays in the folder."""
    conversation_id, digest = await recording(desk, zra)
    seen: list[Progress] = []
    got = await zra.conversations.download_recording(conversation_id, to=tmp_path, on_progress=seen.append)
    assert hashlib.sha256(got.path.read_bytes()).hexdigest() == digest
    assert list(tmp_path.iterdir()) == [got.path]
    assert got.path.name == got.name
    assert (seen[-1].sent, seen[-1].total, seen[-1].parts_done) == (got.size, got.size, 1)
    assert [p.sent for p in seen] == sorted(p.sent for p in seen)


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 500},
        {"status": 503, "retry_after": "seconds", "retry_seconds": 0.01},
        {"status": 403, "body": "<html>expired</html>", "content_type": "text/html"},
        {"status": 200, "body": "<html>expired</html>", "content_type": "text/html; charset=utf-8"},
        {"status": 401},
        {"status": 404},
        {"reset": "before"},
        {"truncate": 0},
        {"truncate": 77_777},
        {"stall": True},
        {"delay": 0.05},
    ],
)
async def test_a_download_survives_faults(desk: Desk, tmp_path: Path, fault: dict[str, Any]) -> None:
    """Broken connections, failing hosts and links that have expired are got over."""
    async with desk.client(silence=0.3) as zra:
        conversation_id, digest = await recording(desk, zra)
        refused = fault.get("status") in {401, 403, 404, 200}
        desk.sandbox.faults.add(Fault(operation="download", times=1 if refused else 2, **fault))
        got = await zra.conversations.download_recording(conversation_id, to=tmp_path / "call.mp4")
    assert hashlib.sha256(got.path.read_bytes()).hexdigest() == digest
    assert list(tmp_path.iterdir()) == [tmp_path / "call.mp4"]


@pytest.mark.usefixtures("every_step")
async def test_a_link_that_expires_half_way_is_replaced(desk: Desk, tmp_path: Path) -> None:
    """When the hour is over in the middle of a recording, the rest comes over a fresh link."""
    desk.sandbox.faults.add(Fault(operation="download", truncate=50_000, times=1))

    def later(progress: Progress) -> None:
        if 0 < progress.sent < 60_000:
            desk.sandbox.clock.advance(3700)

    async with desk.client() as zra:
        conversation_id, digest = await recording(desk, zra)
        got = await zra.conversations.download_recording(conversation_id, to=tmp_path, on_progress=later)
    assert hashlib.sha256(got.path.read_bytes()).hexdigest() == digest
    assert desk.sandbox.stats.operations["download"] == 3  # the beginning, the refusal, and the rest


async def test_chunks_as_they_come(desk: Desk, zra: ZRAClient) -> None:
    """A recording can be read without a file; each step may run in a task of its own."""
    conversation_id, digest = await recording(desk, zra)
    desk.sandbox.faults.add(Fault(operation="download", truncate=90_000, times=2))
    found = hashlib.sha256()
    async with zra.conversations.open_recording(conversation_id) as stream:
        chunks = aiter(stream)
        size = stream.size
        while chunk := await asyncio.create_task(anext(chunks, b"")):  # type: ignore[arg-type]
            found.update(chunk)
    assert (found.hexdigest(), stream.position) == (digest, size)


async def test_a_reader_that_stops_early_leaves_no_connection(desk: Desk, zra: ZRAClient) -> None:
    """Whoever has seen enough leaves the block, and its slot is free for others."""
    conversation_id, _ = await recording(desk, zra)
    for _ in range(20):  # more than may run at once
        async with zra.conversations.open_recording(conversation_id) as stream:
            async for _chunk in stream:
                break


async def test_a_conversation_without_a_recording(tmp_path: Path) -> None:
    """Where there is nothing to download, that is said, and no file is made."""
    nothing = answer(200, {"conversation_id": "1"})
    async with served(Store(), nothing) as (_, zra):
        with pytest.raises(NoRecording):
            await zra.conversations.download_recording("1", to=tmp_path)
    assert list(tmp_path.iterdir()) == []


async def test_an_unknown_conversation(desk: Desk, zra: ZRAClient, tmp_path: Path) -> None:
    """The error of the conversation is what comes out, not one about a download."""
    with pytest.raises(NotFound):
        await zra.conversations.download_recording("unknown", to=tmp_path)


# From where it stopped


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
        async with asyncio.timeout(5):
            while not any(path.stat().st_size for path in tmp_path.iterdir()):
                await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        (part,) = tmp_path.iterdir()
        kept = part.read_bytes()
        assert store.data.startswith(kept)
        got = await zra.conversations.download_recording("1", to=tmp_path / "call.mp4")
    assert (got.reused, got.path.read_bytes()) == (len(kept), store.data)


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
        return await stand_still(seen, writer)

    network = Network(file=Pool(connections=32, read_timeout=0.2))
    async with served(store, store.serve, half, network=network) as (_, zra):
        got = await zra.conversations.download_recording("1", to=tmp_path / "call.mp4")
    assert got.path.read_bytes() == DATA


# Places


@pytest.mark.parametrize("name", ["../../outside.mp4", "/tmp/outside.mp4", "..\\..\\outside.mp4", "..", "", ".", "CON"])
async def test_never_outside_the_folder(tmp_path: Path, name: str) -> None:
    """Whatever the service calls a recording, it lands in the folder that was given."""
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    store = Store()
    store.name = name
    async with served(store) as (_, zra):
        got = await zra.conversations.download_recording("1", to=folder)
    assert got.path.parent == folder
    assert got.path.read_bytes() == DATA
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == [got.path]


async def test_what_is_there_is_not_replaced(tmp_path: Path) -> None:
    """A file of that name is left alone unless it may be replaced; a given path is looked at before all else."""
    target, store = tmp_path / "call.mp4", Store()
    target.write_bytes(b"mine")
    async with served(store) as (server, zra):
        with pytest.raises(TargetExists, match="overwrite=True"):
            await zra.conversations.download_recording("1", to=target)
        assert server.seen == []
        with pytest.raises(FileExistsError):
            await zra.conversations.download_recording("1", to=tmp_path)
        assert target.read_bytes() == b"mine"
        await zra.conversations.download_recording("1", to=target, overwrite=True)
    assert target.read_bytes() == DATA


async def test_what_appears_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    """A file that somebody puts there during the download is left alone as well."""
    target = tmp_path / "call.mp4"
    async with served(Store()) as (_, zra):
        with pytest.raises(TargetExists):
            await zra.conversations.download_recording(
                "1", to=target, on_progress=lambda p: target.write_bytes(b"mine")
            )
        assert target.read_bytes() == b"mine"
        target.unlink()
        assert (await zra.conversations.download_recording("1", to=target)).reused == len(DATA)


async def test_a_link_at_the_target_is_replaced_and_not_followed(tmp_path: Path) -> None:
    """A symbolic link somebody has put there does not lead the bytes elsewhere."""
    victim = tmp_path / "victim"
    victim.write_bytes(b"mine")
    (tmp_path / "call.mp4").symlink_to(victim)
    async with served(Store()) as (_, zra):
        await zra.conversations.download_recording("1", to=tmp_path / "call.mp4", overwrite=True)
    assert victim.read_bytes() == b"mine"
    assert (tmp_path / "call.mp4").read_bytes() == DATA


async def test_one_download_at_a_time_to_one_place(tmp_path: Path) -> None:
    """A second task or process on the same download is refused."""
    store = Store()
    store.cut = [1000, 0, 0, 0, 0]
    async with served(store) as (_, zra):
        with pytest.raises(DownloadInterrupted) as caught:
            await zra.conversations.download_recording("1", to=tmp_path / "call.mp4")
        assert caught.value.part is not None
        held = open_locked(caught.value.part, 0o600, "a test")
        try:
            with pytest.raises(InUse, match="the download to"):
                await zra.conversations.download_recording("1", to=tmp_path / "call.mp4")
        finally:
            os.close(held)


@pytest.mark.parametrize("to", ["missing/call.mp4", "missing/"])
async def test_a_folder_that_is_not_there(tmp_path: Path, to: str) -> None:
    """Folders are not made, and their absence is said before anything is sent."""
    async with served(Store()) as (server, zra):
        with pytest.raises(InvalidArgument, match="no folder"):
            await zra.conversations.download_recording("1", to=f"{tmp_path}/{to}")
        assert server.seen == []


async def test_a_disk_that_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of the disk is raised as it is."""

    def full(fd: int, data: object) -> int:
        raise OSError(28, "No space left on device")

    async with served(Store(os.urandom(3_000_000))) as (_, zra):
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", full)
            with pytest.raises(OSError, match="No space left"):
                await zra.conversations.download_recording("1", to=tmp_path / "call.mp4")
    assert not (tmp_path / "call.mp4").exists()


# Links


async def test_a_link_carries_its_own_permission(tmp_path: Path) -> None:
    """The token goes to the API and not with the link."""
    store = Store()
    async with served(store) as (server, zra):
        await zra.conversations.download_recording("1", to=tmp_path)
        assert server.seen[0].bearer == TOKEN
        assert [seen.bearer for seen in store.asked] == [""]


async def test_a_trusted_host_that_wants_the_token_gets_it_in_the_end(tmp_path: Path) -> None:
    """Only after a fresh link was refused without it."""
    store = Store()
    no = answer(401, {"code": 124, "message": "Invalid access token."})
    async with served(store, store.serve, no) as (server, zra):
        await zra.conversations.download_recording("1", to=tmp_path)
        assert [seen.bearer for seen in server.seen[1:]] == ["", TOKEN]
        assert store.links == 1


async def test_a_link_that_is_always_refused(tmp_path: Path) -> None:
    """After a fresh link, with and without the token, the answer is no."""
    page = answer(403, b"<html>expired</html>", {"Content-Type": "text/html"})
    store = Store()
    async with served(store, store.serve, page, page) as (_, zra):
        with pytest.raises(LinkRefused):
            await zra.conversations.download_recording("1", to=tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "link",
    [
        "http://example.com/file?jwt={}",
        "https://example.com/file?jwt={}",
        "https://zoom.us.example.com/file?jwt={}",
        "https://zoom.us@example.com/{}",
        "file:///etc/passwd?{}",
        "https:///{}",
        "nonsense {}",
        "http://[broken/{}",
    ],
)
async def test_links_lead_to_trusted_hosts_only(tmp_path: Path, link: str, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever else a link says, nothing is sent there, and the link is not repeated in the error."""
    caplog.set_level(logging.DEBUG)
    store = Store()
    store.link = link.format(SECRET)
    async with served(store) as (server, zra):
        with pytest.raises(UnsafeRedirect) as caught:
            await zra.conversations.download_recording("1", to=tmp_path)
        assert len(server.seen) == 1
    assert SECRET not in f"{caught.value} {caught.value!r} {caplog.text}"


async def test_redirects_of_a_link(tmp_path: Path) -> None:
    """A redirect within the trusted hosts is followed, one out of them is not."""
    store = Store()
    async with served(store, store.serve, redirect(302, "/moved/file?jwt=" + SECRET)) as (_, zra):
        got = await zra.conversations.download_recording("1", to=tmp_path)
        assert got.path.read_bytes() == DATA
        assert store.asked[0].target.startswith("/moved/file")
    out = redirect(302, "https://example.com/file?jwt=" + SECRET)
    async with served(store, store.serve, out) as (_, zra):
        with pytest.raises(UnsafeRedirect, match=r"https://example\.com") as caught:
            await zra.conversations.download_recording("1", to=tmp_path / "other.mp4")
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("behaviour", [hang_up, answer(500, {}), raw("nonsense\r\n\r\n", keep=False)])
async def test_a_link_is_a_secret(tmp_path: Path, behaviour: Behaviour, caplog: pytest.LogCaptureFixture) -> None:
    """No error and no log record repeats a link, its path or its query."""
    caplog.set_level(logging.DEBUG)
    store = Store()
    async with served(store, store.serve, *[behaviour] * 9) as (_, zra):
        with pytest.raises(Exception) as caught:  # noqa: PT011 (each has an error of its own)
            await zra.conversations.download_recording("1", to=tmp_path)
    shown = f"{caught.value} {caught.value!r} {caught.value.__cause__} {caught.value.__context__!r} {caplog.text}"
    assert SECRET not in shown
    assert "/file/1" not in shown


async def test_a_refusal_of_the_host(tmp_path: Path) -> None:
    """An answer that is neither the recording nor a reason to try again is an error of its own."""
    for behaviour, kind in (
        (answer(400, {}), Exception),
        (answer(204), UnexpectedAnswer),
        (answer(206, DATA, {"Content-Type": "video/mp4"}), UnexpectedAnswer),
        (answer(200, DATA, {"Content-Type": "video/mp4", "Content-Encoding": "gzip"}), UnexpectedAnswer),
    ):
        store = Store()
        async with served(store, store.serve, behaviour) as (_, zra):
            with pytest.raises(kind):
                await zra.conversations.download_recording("1", to=tmp_path)
    assert list(tmp_path.iterdir()) == []


async def test_a_token_that_may_not_read_the_conversation(tmp_path: Path) -> None:
    """The errors of the conversation come out as they are, and are not repeated twice over."""
    no = answer(403, {"code": 1004, "message": "No permission."})
    async with served(Store(), no) as (server, zra):
        with pytest.raises(PermissionDenied):
            await zra.conversations.download_recording("1", to=tmp_path)
        assert len(server.seen) == 1
    async with served(Store(), *[answer(500, {})] * 20, retry=RetryPolicy(base=0.0, server=2)) as (server, zra):
        with pytest.raises(Exception, match="HTTP 500"):
            await zra.conversations.download_recording("1", to=tmp_path)
        assert len(server.seen) == 3


async def test_downloads_share_one_limit(tmp_path: Path) -> None:
    """No more recordings are on their way at once than the client allows."""
    store, release = Store(), asyncio.Event()
    running = most = 0
    serve = store.serve

    async def counted(seen: Seen, writer: asyncio.StreamWriter) -> bool:
        nonlocal running, most
        if "/file/" not in seen.target:
            return await serve(seen, writer)
        running, most = running + 1, max(most, running + 1)
        if running == 2:
            asyncio.get_running_loop().call_later(0.05, release.set)
        await release.wait()
        running -= 1
        return await serve(seen, writer)

    store.serve = counted  # type: ignore[method-assign]
    transfers = quick_transfers(download_concurrency=2)
    async with served(store, transfers=transfers) as (_, zra):
        jobs = (zra.conversations.download_recording("1", to=tmp_path / f"{i}.mp4") for i in range(6))
        await asyncio.gather(*jobs)
    assert most == 2
