"""Who downloads: the library, a careful loop over aiohttp, curl and httpx."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

from benchmarks.transfer.job import Job, Round


@asynccontextmanager
async def zra(job: Job) -> AsyncGenerator[Round]:
    """``zra.conversations.download_recording``."""
    from zra_async import Hosts, Label, Network, Rate, ServerToServer, ZRAClient

    hosts = Hosts(api=f"{job.url}/v2", file=f"{job.url}/v2", token=f"{job.url}/oauth/token", trusted=("127.0.0.1",))
    network = Network(ssl=job.client_context() or True)
    auth = ServerToServer("account", "client", "secret")
    async with ZRAClient(auth, hosts=hosts, network=network, limits={Label.LIGHT: Rate(1_000_000)}) as client:
        await client.conversations.download_link("warm")

        async def once() -> None:
            await client.conversations.download_recording("conversation", to=job.output("zra"), overwrite=True)

        yield once


@asynccontextmanager
async def aiohttp(job: Job) -> AsyncGenerator[Round]:
    """aiohttp by hand: ``iter_chunked`` of a mebibyte, each written in a thread."""
    import aiohttp as library

    connector = library.TCPConnector(ssl=job.client_context() or True)
    async with library.ClientSession(timeout=library.ClientTimeout(total=None), connector=connector) as session:

        async def once() -> None:
            with job.output("aiohttp").open("wb") as file:
                async with session.get(f"{job.url}/download") as response:
                    response.raise_for_status()
                    async for chunk in response.content.iter_chunked(1024 * 1024):
                        await asyncio.to_thread(file.write, chunk)

        yield once


@asynccontextmanager
async def httpx(job: Job) -> AsyncGenerator[Round]:
    """httpx by hand: ``aiter_bytes`` of a mebibyte, each written in a thread."""
    import httpx as library

    async with library.AsyncClient(verify=job.client_context() or True, timeout=None) as client:

        async def once() -> None:
            with job.output("httpx").open("wb") as file:
                async with client.stream("GET", f"{job.url}/download") as response:
                    response.raise_for_status()
                    async for chunk in response.aiter_bytes(1024 * 1024):
                        await asyncio.to_thread(file.write, chunk)

        yield once


@asynccontextmanager
async def curl(job: Job) -> AsyncGenerator[Round]:
    """``curl -o``."""
    command = ["curl", "-sS", "-o", str(job.output("curl")), f"{job.url}/download"]
    command += ["--cacert", job.certificate] if job.certificate else []

    async def once() -> None:
        process = await asyncio.create_subprocess_exec(*command)
        if await process.wait():
            raise RuntimeError("curl failed")

    yield once


DOWNLOADERS: dict[str, Callable[[Job], Any]] = {"zra": zra, "aiohttp": aiohttp, "curl": curl, "httpx": httpx}
