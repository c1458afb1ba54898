"""Who uploads: the library itself, the limits of the machine, and other clients doing the same."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.transfer.job import Job, Round

T = TypeVar("T")
_PIECE = 512 * 1024


@asynccontextmanager
async def zra(job: Job) -> AsyncGenerator[Round]:
    """``zra.files.upload`` with its journal switched off and everything else as it is."""
    from zra_async import Hosts, Label, Network, Rate, ServerToServer, ZRAClient

    hosts = Hosts(api=f"{job.url}/v2", file=f"{job.url}/v2", token=f"{job.url}/oauth/token")
    network = Network(ssl=job.client_context() or True)
    limits = {Label.MULTIPART: Rate(1_000_000)}  # the service would let 20 parts a second through
    auth = ServerToServer("account", "client", "secret")
    async with ZRAClient(auth, hosts=hosts, network=network, limits=limits) as client:
        await client.files.create_multipart_upload("warm.mp4")

        async def once() -> None:
            await client.files.upload(job.path, part_size=job.part_size, concurrency=job.concurrency)

        yield once


@asynccontextmanager
async def sendfile(job: Job) -> AsyncGenerator[Round]:
    """``loop.sock_sendfile`` over bare sockets: what the machine can do in plain HTTP."""
    loop = asyncio.get_running_loop()
    sockets = [socket.create_connection(job.address) for _ in range(job.concurrency)]
    for each in sockets:
        each.setblocking(False)
        each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    async def work(connection: socket.socket, waiting: list[int]) -> None:
        with Path(job.path).open("rb") as file:
            while waiting:
                offset = waiting.pop()
                size = min(job.part_size, job.size - offset)
                await loop.sock_sendall(connection, _head(size))
                await loop.sock_sendfile(connection, file, offset, size, fallback=False)
                await loop.sock_recv(connection, 65536)

    async def once() -> None:
        waiting = list(reversed(job.offsets))
        await asyncio.gather(*(work(each, waiting) for each in sockets))

    yield once
    for each in sockets:
        each.close()


@asynccontextmanager
async def raw_socket(job: Job) -> AsyncGenerator[Round]:
    """Blocking sockets, one in each thread, fed from one buffer: what the machine can do in TLS."""
    context = job.client_context()
    sockets: list[Any] = [socket.create_connection(job.address) for _ in range(job.concurrency)]
    if context is not None:
        sockets = [context.wrap_socket(each, server_hostname="127.0.0.1") for each in sockets]
    fd = os.open(job.path, os.O_RDONLY)

    def work(connection: Any, waiting: list[int]) -> None:
        buffer = memoryview(bytearray(_PIECE))
        while waiting:
            offset = waiting.pop()
            end = min(offset + job.part_size, job.size)
            connection.sendall(_head(end - offset))
            while offset < end:
                read = os.preadv(fd, [buffer[: min(_PIECE, end - offset)]], offset)
                connection.sendall(buffer[:read])
                offset += read
            connection.recv(65536)

    async def once() -> None:
        waiting = list(reversed(job.offsets))
        await _in_threads([partial(work, each, waiting) for each in sockets])

    yield once
    os.close(fd)
    for each in sockets:
        each.close()


@asynccontextmanager
async def curl(job: Job) -> AsyncGenerator[Round]:
    """``curl -F``, as a shell script does it: a process for each part, so many of them at once."""
    pieces = job.split()
    yield lambda: _workers(pieces, job.concurrency, lambda piece: _run_curl(job, [piece]))


@asynccontextmanager
async def curl_kept_alive(job: Job) -> AsyncGenerator[Round]:
    """The same with as few processes as there are connections, each of which sends its share of the parts."""
    pieces = job.split()
    shares = [pieces[first :: job.concurrency] for first in range(job.concurrency)]
    yield lambda: _workers(shares, job.concurrency, lambda share: _run_curl(job, share))


async def _run_curl(job: Job, pieces: Sequence[Path]) -> None:
    command: list[str] = []
    for piece in pieces:
        form = f"file=@{piece};type=application/octet-stream"
        command += ["--next"] if command else []
        command += ["-sS", "-o", os.devnull, "-H", "Expect:", "-F", form, f"{job.url}/v2/zra/files/multipart"]
        command += ["--cacert", job.certificate] if job.certificate else []
    process = await asyncio.create_subprocess_exec("curl", *command)
    if await process.wait():
        raise RuntimeError("curl failed")


@asynccontextmanager
async def httpx(job: Job) -> AsyncGenerator[Round]:
    """httpx's AsyncClient, which knows no part of a file: each part is read into memory, as its forms allow."""
    import httpx as library

    async with library.AsyncClient(verify=job.client_context() or True, timeout=None) as client:

        async def send(offset: int) -> None:
            with Path(job.path).open("rb") as file:
                file.seek(offset)
                form = {"file": (f"part-{offset}", file.read(job.part_size))}
                response = await client.post(f"{job.url}/v2/zra/files/multipart", files=form)
            response.raise_for_status()

        yield lambda: _workers(job.offsets, job.concurrency, send)


@asynccontextmanager
async def httpx_split(job: Job) -> AsyncGenerator[Round]:
    """The same with open files, where somebody has cut the parts into files before."""
    import httpx as library

    pieces = job.split()
    async with library.AsyncClient(verify=job.client_context() or True, timeout=None) as client:

        async def send(piece: Path) -> None:
            with piece.open("rb") as file:
                response = await client.post(f"{job.url}/v2/zra/files/multipart", files={"file": (piece.name, file)})
            response.raise_for_status()

        yield lambda: _workers(pieces, job.concurrency, send)


@asynccontextmanager
async def requests(job: Job) -> AsyncGenerator[Round]:
    """requests with ``files=``, in threads."""
    import requests as library

    pieces = job.split()
    local = threading.local()
    url = f"{job.url}/v2/zra/files/multipart"

    def send(piece: Path) -> None:
        if not hasattr(local, "session"):
            local.session = library.Session()
        with piece.open("rb") as file:
            form = {"file": (piece.name, file)}
            answer = local.session.post(url, files=form, verify=job.certificate or True)
        answer.raise_for_status()

    with ThreadPoolExecutor(job.concurrency) as pool:

        async def once() -> None:
            loop = asyncio.get_running_loop()
            await asyncio.gather(*(loop.run_in_executor(pool, send, piece) for piece in pieces))

        yield once


@asynccontextmanager
async def aiohttp(job: Job) -> AsyncGenerator[Round]:
    """aiohttp's own ``FormData`` with an open file."""
    import aiohttp as library

    pieces = job.split()
    timeout = library.ClientTimeout(total=None)
    connector = library.TCPConnector(ssl=job.client_context() or True)
    async with library.ClientSession(timeout=timeout, connector=connector) as session:

        async def send(piece: Path) -> None:
            with piece.open("rb") as file:
                form = library.FormData()
                form.add_field("file", file, filename=piece.name, content_type="application/octet-stream")
                async with session.post(f"{job.url}/v2/zra/files/multipart", data=form) as response:
                    response.raise_for_status()
                    await response.read()

        yield lambda: _workers(pieces, job.concurrency, send)


@asynccontextmanager
async def boto3(job: Job) -> AsyncGenerator[Round]:
    """boto3's managed multipart upload, to the same sink as if it were S3, without checksums of its own."""
    import boto3 as library  # type: ignore[import-untyped]
    from boto3.s3.transfer import TransferConfig  # type: ignore[import-untyped]
    from botocore import UNSIGNED  # type: ignore[import-untyped]
    from botocore.config import Config  # type: ignore[import-untyped]

    client = library.client(
        "s3",
        endpoint_url=job.url,
        region_name="us-east-1",
        verify=job.certificate or None,
        config=Config(
            signature_version=UNSIGNED,
            s3={"addressing_style": "path"},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )
    transfer = TransferConfig(
        multipart_threshold=job.part_size, multipart_chunksize=job.part_size, max_concurrency=job.concurrency
    )

    async def once() -> None:
        await asyncio.to_thread(client.upload_file, job.path, "bucket", "key", Config=transfer)

    yield once


UPLOADERS: dict[str, Callable[[Job], Any]] = {
    "zra": zra,
    "sendfile": sendfile,
    "raw socket": raw_socket,
    "curl": curl,
    "curl, kept alive": curl_kept_alive,
    "httpx": httpx,
    "httpx, cut files": httpx_split,
    "requests": requests,
    "aiohttp": aiohttp,
    "boto3": boto3,
}


def _head(size: int) -> bytes:
    return b"POST /v2/zra/files/multipart HTTP/1.1\r\nHost: sink\r\nContent-Length: %d\r\n\r\n" % size


async def _workers(pieces: Sequence[T], count: int, send: Callable[[T], Awaitable[None]]) -> None:
    waiting = list(reversed(pieces))

    async def work() -> None:
        while waiting:
            await send(waiting.pop())

    await asyncio.gather(*(work() for _ in range(count)))


async def _in_threads(jobs: list[Callable[[], None]]) -> None:
    with ThreadPoolExecutor(len(jobs)) as pool:
        loop = asyncio.get_running_loop()
        await asyncio.gather(*(loop.run_in_executor(pool, job) for job in jobs))
