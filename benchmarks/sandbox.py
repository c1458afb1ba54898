"""How many requests the sandbox serves on one core, and so how far it carries the other benchmarks.

The load is plain aiohttp on the other core. Besides the rate that was seen, each row tells the rate that the server's
own CPU time would allow: on a busy machine, or with a slow load, that is the number to plan with.

Then a second sandbox shows that its size costs nothing: a million conversations are listed to the end, and a file of
2 GB is uploaded, while somebody watches the server's memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import psutil
from yarl import URL

from benchmarks.report import Options, Report, Row, at_most, spread
from benchmarks.rig.cores import pin
from benchmarks.rig.process import Account, sandbox
from zra_async import ZRAClient
from zra_async.core.wire import quote_path_value

_CONCURRENCY = 32
_PAGE = 300
_MANY, _MANY_QUICK = 1_000_000, 30_000  # conversations
_LARGE, _LARGE_QUICK = 2_000_000_000, 50_000_000  # bytes
_MIB = 1024**2
_GROWTH = 50  # MiB that the server may grow by


def main(options: Options) -> Report:
    """Load one sandbox with each kind of request in turn."""
    rounds, seconds = (2, 1.0) if options.quick else (5, 2.0)
    many, large = (_MANY_QUICK, _LARGE_QUICK) if options.quick else (_MANY, _LARGE)
    pin(0)
    with sandbox("--no-limits", "--conversations", "5000") as account:
        rows = asyncio.run(_measure(account, rounds, seconds))
    with sandbox("--no-limits", "--conversations", str(many)) as account:
        listing, upload = asyncio.run(_remember(account, many, large))
    return Report(
        "sandbox",
        {
            f"requests a second at concurrency {_CONCURRENCY}, server on one core": rows,
            "memory of the server": [
                {"work": f"{many:,} conversations listed", "growth MiB": listing},
                {"work": f"{large:,} bytes uploaded", "growth MiB": upload},
            ],
        },
        [
            at_most("growth while all conversations are listed, MiB", listing, _GROWTH),
            at_most("growth while the file is uploaded, MiB", upload, _GROWTH),
        ],
        notes=[
            "Business+ limits ask for 80 details and 60 pages a second at most: the sandbox is "
            "far from being the bottleneck. With limits lifted, `calls` and `export` use a faster server.",
        ],
    )


async def _measure(account: Account, rounds: int, seconds: float) -> list[Row]:
    async with ZRAClient(account.auth, hosts=account.hosts) as zra, _plain_session(zra) as session:
        first = await zra.conversations.list(page_size=1)
        root = f"{account.hosts.api}/zra/conversations"
        urls = {
            "conversation detail": f"{root}/{quote_path_value(first.items[0].conversation_id)}",
            f"page of {_PAGE} conversations": f"{root}?page_size={_PAGE}",
        }
        rates: dict[str, list[tuple[float, float]]] = {name: [] for name in urls}
        for _ in range(rounds):
            for name, url in urls.items():
                rates[name].append(await _load(session, URL(url, encoded=True), account.pid, seconds))
    return [
        {
            "request": name,
            "per second": spread(seen for seen, _ in pairs),
            "per second of server CPU": spread(possible for _, possible in pairs),
        }
        for name, pairs in rates.items()
    ]


@contextlib.asynccontextmanager
async def _plain_session(zra: ZRAClient) -> AsyncIterator[aiohttp.ClientSession]:
    """A session of aiohttp with the client's token, and nothing else of the client."""
    header = await zra._session.authorization()
    connector = aiohttp.TCPConnector(limit=_CONCURRENCY)
    async with aiohttp.ClientSession(headers={"Authorization": str(header)}, connector=connector) as session:
        yield session


async def _load(session: aiohttp.ClientSession, url: URL, pid: int, seconds: float) -> tuple[float, float]:
    """Requests a second of time, and a second of the server's CPU."""
    server = psutil.Process(pid)
    before, started = server.cpu_times(), time.perf_counter()
    count = 0

    async def ask() -> None:
        nonlocal count
        while time.perf_counter() - started < seconds:
            async with session.get(url) as answer:
                await answer.read()
                answer.raise_for_status()
                count += 1

    await asyncio.gather(*(ask() for _ in range(_CONCURRENCY)))
    took, after = time.perf_counter() - started, server.cpu_times()
    cpu = after.user + after.system - before.user - before.system
    return count / took, count / max(cpu, 1e-9)


async def _remember(account: Account, many: int, large: int) -> tuple[float, float]:
    """By how many MiB the server grows while it lists ``many`` conversations, and while ``large`` bytes come in."""
    async with ZRAClient(account.auth, hosts=account.hosts) as zra, _plain_session(zra) as session:
        url = URL(f"{account.hosts.api}/zra/conversations").with_query(page_size=_PAGE)
        async with session.get(url) as answer:
            answer.raise_for_status()
        async with _watch(account.pid) as listing:
            await _list_all(session, url, many)
        with tempfile.TemporaryDirectory(prefix="zra-sandbox-") as folder:
            file = Path(folder) / "call.mp4"
            with file.open("wb") as sparse:
                sparse.truncate(large)
            async with _watch(account.pid) as upload:
                await zra.files.upload(file)
    return max(listing) / _MIB, max(upload) / _MIB


async def _list_all(session: aiohttp.ClientSession, url: URL, many: int) -> None:
    seen, token = 0, ""
    while seen == 0 or token:
        async with session.get(url.update_query(next_page_token=token) if token else url) as answer:
            page = await answer.json()
            answer.raise_for_status()
        seen, token = seen + len(page["conversations"]), page.get("next_page_token", "")
    if seen != many:
        raise RuntimeError(f"{seen} of {many} conversations were listed")


@contextlib.asynccontextmanager
async def _watch(pid: int) -> AsyncIterator[list[float]]:
    """Note by how many bytes a process has grown since now, again and again."""
    server, grown = psutil.Process(pid), [0.0]
    before = server.memory_info().rss

    async def look() -> None:
        while True:
            await asyncio.sleep(0.02)
            grown.append(server.memory_info().rss - before)

    looking = asyncio.create_task(look())
    try:
        yield grown
    finally:
        looking.cancel()
