"""How many requests the sandbox serves on one core, and so how far it carries the other benchmarks.

The load is plain aiohttp on the other core. Besides the rate that was seen, each row tells the rate that the server's
own CPU time would allow: on a busy machine, or with a slow load, that is the number to plan with.
"""

from __future__ import annotations

import asyncio
import time

import aiohttp
import psutil
from yarl import URL

from benchmarks.report import Cell, Options, Report, spread
from benchmarks.rig.cores import pin
from benchmarks.rig.process import Account, sandbox
from zra_async import ZRAClient
from zra_async.core.wire import quote_path_value

_CONCURRENCY = 32
_PAGE = 300


def main(options: Options) -> Report:
    """Load one sandbox with each kind of request in turn."""
    rounds, seconds = (2, 1.0) if options.quick else (5, 3.0)
    pin(0)
    with sandbox("--no-limits", "--conversations", "5000") as account:
        rows = asyncio.run(_measure(account, rounds, seconds))
    return Report(
        "sandbox",
        {f"requests a second at concurrency {_CONCURRENCY}, server on one core": rows},
        notes=[
            "Business+ limits ask for 80 details and 60 pages a second at most: the sandbox is "
            "far from being the bottleneck. With limits lifted, `calls` and `export` use a faster server.",
        ],
    )


async def _measure(account: Account, rounds: int, seconds: float) -> list[dict[str, Cell]]:
    async with ZRAClient(account.auth, hosts=account.hosts) as zra:
        first = await zra.conversations.list(page_size=1)
        header = await zra._session.authorization()
    root = f"{account.hosts.api}/zra/conversations"
    urls = {
        "conversation detail": f"{root}/{quote_path_value(first.items[0].conversation_id)}",
        f"page of {_PAGE} conversations": f"{root}?page_size={_PAGE}",
    }
    rates: dict[str, list[tuple[float, float]]] = {name: [] for name in urls}
    connector = aiohttp.TCPConnector(limit=_CONCURRENCY)
    async with aiohttp.ClientSession(headers={"Authorization": str(header)}, connector=connector) as session:
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
