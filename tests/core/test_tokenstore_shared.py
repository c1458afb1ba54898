"""One store of a token for several clients, threads and event loops."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.core.clients import client_of, get
from tests.core.server import Server
from tests.core.test_tokenstore import stored
from tests.core.test_user_oauth import SEED, Zoom, user
from zra_async import FileTokenStore, MemoryTokenStore, TokenStore, errors
from zra_async.core.secret import Secret
from zra_async.osfiles import replace


@pytest.fixture
def zoom() -> Zoom:
    """An account whose refresh token is the seed."""
    return Zoom()


@pytest.fixture
async def server(zoom: Zoom) -> AsyncIterator[Server]:
    """It on a socket."""
    async with Server(otherwise=zoom) as server:
        yield server


# --------------------------------------------------------------------------- held to the end


class Slow:
    """An fsync of the store that waits, from when the endpoint has granted a token."""

    def __init__(self, zoom: Zoom, monkeypatch: pytest.MonkeyPatch) -> None:
        self.began, self.go, self._zoom, self._real = threading.Event(), threading.Event(), zoom, os.fsync
        monkeypatch.setattr(replace.os, "fsync", self)

    def __call__(self, fd: int) -> None:
        if self._zoom.granted:
            self.began.set()
            assert self.go.wait(500)
        self._real(fd)


@pytest.mark.parametrize("patience", [5.0, 0.01])
async def test_the_lock_is_held_until_the_last_write_has_ended(
    server: Server, zoom: Zoom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, patience: float
) -> None:
    """A client that closes while its token is written keeps others out until it is, and the token is not lost."""
    monkeypatch.setattr("zra_async.core.auth.user_oauth._LAST_CALL", patience)
    path = tmp_path / "token"
    path.write_text(SEED)
    slow = Slow(zoom, monkeypatch)
    order: list[str] = []

    async def closing() -> None:
        async with client_of(server, user(store=FileTokenStore(path))) as zra:
            call = asyncio.create_task(get(zra))
            while not slow.began.is_set():
                await asyncio.sleep(0)
        with pytest.raises(errors.ClientNotOpen):
            await call

    async def other() -> None:
        store = FileTokenStore(path)
        async with store.lock():
            order.append(str(await store.load()))

    first = asyncio.create_task(closing())
    while not slow.began.is_set():
        await asyncio.sleep(0)
    second = asyncio.create_task(other())
    done, _ = await asyncio.wait({second}, timeout=0.1)
    assert not done
    order.append("written")
    slow.go.set()
    await asyncio.gather(first, second)
    assert order == ["written", "refresh-number-1-9b"]


# --------------------------------------------------------------------------- shared by threads


@pytest.mark.parametrize("kind", ["file", "memory"])
def test_a_store_that_threads_share(tmp_path: Path, kind: str) -> None:
    """Threads with an event loop each use one store in turn, and none waits for ever, also when some are cancelled."""
    store: TokenStore = FileTokenStore(tmp_path / "token") if kind == "file" else MemoryTokenStore()
    inside, problems = 0, list[BaseException]()

    async def renewal(step: int = 1) -> None:
        nonlocal inside
        async with store.lock():
            inside += 1
            assert inside == 1
            try:
                number = int(await store.load() or "0")
                await asyncio.sleep(0.001)
                if step > 0:
                    await store.save(Secret(str(number + step)))
            finally:
                inside -= 1

    async def several() -> None:
        for _ in range(5):
            doomed = asyncio.create_task(renewal(-1))
            await asyncio.sleep(0)
            doomed.cancel()
            await asyncio.wait({doomed})
            await renewal()

    def work() -> None:
        try:
            asyncio.run(several())
        except BaseException as problem:
            problems.append(problem)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(50)
        assert not thread.is_alive()
    assert not problems
    assert asyncio.run(store.load()) == "20"


async def test_a_path_of_bytes(tmp_path: Path) -> None:
    """A path may be bytes; an empty one is refused."""
    await stored(os.fsencode(tmp_path / "tök\udcff"), "refresh-number-1")  # type: ignore[arg-type]
    assert (tmp_path / "tök\udcff").read_text() == "refresh-number-1"
    with pytest.raises(errors.ConfigurationError, match="the path is empty"):
        FileTokenStore("")
