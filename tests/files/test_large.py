"""Files of gigabytes, whose bytes the other side throws away."""

from __future__ import annotations

import mmap
import tracemalloc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from benchmarks.transfer import arena
from tests.files.conftest import MIB
from zra_async import Hosts, Label, Rate, StaticToken, ZRAClient
from zra_async.files import Progress

pytestmark = pytest.mark.slow


@asynccontextmanager
async def client_of_a_sink(path: Path) -> AsyncIterator[ZRAClient]:
    """A client whose file host takes everything and keeps nothing."""
    with arena.sink(path, 64 * MIB, None, None) as url:
        hosts = Hosts(api=url, file=url, token=f"{url}/oauth/token")
        limits = {Label.MULTIPART: Rate(100_000)}
        async with ZRAClient(StaticToken("t0k3n-of-a-test"), hosts=hosts, limits=limits) as zra:
            yield zra


async def test_two_gigabytes_go_through_a_few_mebibytes(video: Callable[..., Path]) -> None:
    """A large file takes no more memory than a small one, in as many parts as were planned."""
    path = video(2_000_000_000, sparse=True)
    seen: list[Progress] = []
    async with client_of_a_sink(path) as zra:
        await zra.files.upload(b"warm", file_name="call.mp4", part_size=5 * MIB)
        tracemalloc.start()
        try:
            file = await zra.files.upload(path, on_progress=seen.append)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert (file.parts, seen[-1].sent, seen[-1].parts_done) == (30, 2_000_000_000, 30)
    assert peak < 10 * MIB


async def test_nearly_ten_gigabytes_take_all_the_parts_there_are(video: Callable[..., Path]) -> None:
    """The largest files go in 100 parts of nearly 100 MB."""
    size = 9_900_000_000
    seen: list[Progress] = []
    with mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE) as nothing:  # address space without memory behind it
        async with client_of_a_sink(video(1)) as zra:
            file = await zra.files.upload(memoryview(nothing), file_name="call.mp4", on_progress=seen.append)
    assert (file.parts, file.size, seen[-1].sent, seen[-1].parts_done) == (100, size, size, 100)
