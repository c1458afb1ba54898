"""Recordings on their way to a file or to the caller: whole, and never out of place."""

from __future__ import annotations

import asyncio
import hashlib
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from tests.core.server import Seen, answer
from tests.files.conftest import Desk, StallsPass, quick_transfers
from tests.files.store import DATA, Store, served
from zra_async import ZRAClient
from zra_async.errors import DownloadInterrupted, InUse, InvalidArgument, NoRecording, NotFound, TargetExists
from zra_async.files import Progress
from zra_async.osfiles.locks import open_locked
from zra_async.sandbox import Fault


async def recording(desk: Desk, zra: ZRAClient) -> tuple[str, str]:
    """A conversation of the sandbox that has a recording, and the hash of that."""
    async for conversation in zra.conversations.list():
        conversation_id = conversation.conversation_id
        if await zra.conversations.download_link(conversation_id):
            desk.sandbox.stats.operations.clear()
            return conversation_id, desk.files.content(conversation_id).sha256()
    raise AssertionError("no conversation has a recording")


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
async def test_a_download_survives_faults(
    desk: Desk, tmp_path: Path, fault: dict[str, Any], stalls_pass: StallsPass
) -> None:
    """Broken connections, failing hosts and links that have expired are got over."""
    async with desk.client() as zra:
        stalls_pass()
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


@pytest.mark.parametrize("leads", ["victim", "nowhere", "call.mp4"])
async def test_a_link_at_the_target_is_neither_replaced_nor_followed(tmp_path: Path, leads: str) -> None:
    """A symbolic link somebody has put there is refused before anything is sent, in a folder as well."""
    victim = tmp_path / "victim"
    victim.write_bytes(b"mine")
    (tmp_path / "call.mp4").symlink_to(leads)
    store = Store()
    store.headers = {"Content-Disposition": 'attachment; filename="call.mp4"'}
    async with served(store) as (server, zra):
        with pytest.raises(InvalidArgument, match=r"cannot be downloaded to"):
            await zra.conversations.download_recording("1", to=tmp_path / "call.mp4", overwrite=True)
        assert server.seen == []
        with pytest.raises(InvalidArgument, match=r"cannot be downloaded to"):
            await zra.conversations.download_recording("1", to=tmp_path, overwrite=True)
    assert victim.read_bytes() == b"mine"
    assert (tmp_path / "call.mp4").readlink() == Path(leads)


@pytest.mark.parametrize("overwrite", [True, False])
@pytest.mark.parametrize("kind", ["pipe", "socket", "descriptor"])
async def test_what_is_no_file_is_not_replaced(tmp_path: Path, kind: str, overwrite: bool) -> None:
    """A pipe, a socket or an open descriptor as the target is refused before anything is sent, and stays."""
    target, opened = tmp_path / "call.mp4", os.open(tmp_path / "open", os.O_CREAT | os.O_RDWR)
    if kind == "pipe":
        os.mkfifo(target)
    elif kind == "socket":
        os.mknod(target, 0o600 | stat.S_IFSOCK)
    else:
        target = Path(f"/proc/self/fd/{opened}")
    before = target.lstat()
    try:
        async with served(Store()) as (server, zra):
            with pytest.raises(InvalidArgument, match="open_recording"):
                await zra.conversations.download_recording("1", to=target, overwrite=overwrite)
            assert server.seen == []
        assert os.path.samestat(before, target.lstat())
    finally:
        os.close(opened)


async def test_a_finished_recording_is_not_emptied_through_its_partial_name(tmp_path: Path) -> None:
    """A process that was killed after it named the finished file leaves both names, and the next changes neither."""
    store = Store()
    store.cut = [1000, 0, 0, 0, 0]
    async with served(store) as (_, zra):
        with pytest.raises(DownloadInterrupted) as caught:
            await zra.conversations.download_recording("1", to=tmp_path / "call.mp4")
        part = caught.value.part
        assert part is not None
        part.write_bytes(DATA + b"and more than the service has")
        (tmp_path / "call.mp4").hardlink_to(part)
        (tmp_path / "kept.mp4").hardlink_to(part)
        await zra.conversations.download_recording("1", to=tmp_path / "call.mp4", overwrite=True)
    assert (tmp_path / "kept.mp4").read_bytes() == DATA + b"and more than the service has"
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


# Many at once


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
