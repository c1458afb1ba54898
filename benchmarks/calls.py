"""How fast calls are: the client on one core, a server that answers from memory on the other.

Small calls read one conversation, pages list 300. Every client runs the same calls at concurrency 8 and 32, in turn,
round after round; a ratio compares two clients within one round, and its median over the rounds is held to the target.
Rounds are short and many, since a neighbour on the machine slows one down or the other. The slow clients, whose ratios
are far from their bounds, take part in some of them.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.peers.by_hand import open_by_hand, open_tuned
from benchmarks.peers.contract import OpenPeer
from benchmarks.peers.on_httpx import open_constructing, open_validating
from benchmarks.peers.ours import open_ours
from benchmarks.report import Options, Report, Row, Target, at_least, progress, spread
from benchmarks.rig.answers import CONVERSATION_ID, TOKEN
from benchmarks.rig.cores import pin
from benchmarks.rig.process import first_line, served

ITEMS = 300
CONCURRENCIES = (8, 32)
OURS, BY_HAND, TUNED = "zra_async", "aiohttp + msgspec by hand", "the same, tuned"
VALIDATING, CONSTRUCTING = "httpx + pydantic", "httpx + lenient constructor"
PEERS: Mapping[str, OpenPeer] = {
    OURS: open_ours,
    BY_HAND: open_by_hand,
    TUNED: open_tuned,
    VALIDATING: open_validating,
    CONSTRUCTING: open_constructing,
}
SMALL, PAGES, ODD = "small calls", f"pages of {ITEMS}", f"pages of {ITEMS}, 10 of them odd"
FAST = (OURS, BY_HAND, TUNED)
_SELDOM = 6  # the others take part in every sixth round
#: how many times the rate of a peer ours must reach
BOUNDS = {(SMALL, BY_HAND): 0.8, (PAGES, BY_HAND): 0.85, (SMALL, VALIDATING): 3.0, (PAGES, VALIDATING): 5.0} | {
    (PAGES, CONSTRUCTING): 25.0
}


@dataclass(frozen=True, slots=True)
class Run:
    """One client making one kind of call for a while."""

    calls: int
    seconds: float
    cpu: float

    @property
    def rate(self) -> float:
        """Calls a second."""
        return self.calls / self.seconds

    @property
    def cpu_per_call(self) -> float:
        """Microseconds of this process's time."""
        return self.cpu / self.calls * 1e6


Runs = dict[tuple[str, int, str], dict[int, Run]]  # by kind, concurrency and client: the rounds


def main(options: Options) -> Report:
    """Measure every client, and hold ours to its ratios."""
    pin(0)
    rounds, seconds = (1, 0.15) if options.quick else (25, 0.3)
    runs: Runs = {}
    with served("benchmarks.rig.fast") as server:
        base = f"http://127.0.0.1:{first_line(server)}/v2"
        for number in range(rounds):
            progress(f"calls: round {number + 1} of {rounds}")
            for kind in (SMALL, PAGES, ODD):
                for concurrency in CONCURRENCIES:
                    for name in _taking_part(kind, number):
                        run = asyncio.run(_measure(name, kind, base, concurrency, seconds))
                        runs.setdefault((kind, concurrency, name), {})[number] = run
    return Report("calls", _tables(runs), _targets(runs), _NOTES)


def _taking_part(kind: str, number: int) -> Iterable[str]:
    if kind == ODD:
        return () if number % _SELDOM else (OURS,)
    return FAST if number % _SELDOM else PEERS


async def _measure(name: str, kind: str, base: str, concurrency: int, seconds: float) -> Run:
    async with PEERS[name](base, TOKEN, concurrency) as peer:
        call = _call(peer, kind)
        await _repeat(call, concurrency, min(0.1, seconds))  # connections, caches, the first import
        gc.collect()
        started, cpu = time.perf_counter(), time.process_time()
        calls = await _repeat(call, concurrency, seconds)
        return Run(calls, time.perf_counter() - started, time.process_time() - cpu)


def _call(peer: Any, kind: str) -> Callable[[], Awaitable[Any]]:
    if kind == SMALL:
        return lambda: peer.detail(CONVERSATION_ID)
    if kind == ODD:
        return peer.odd_page  # type: ignore[no-any-return]
    return lambda: peer.page(ITEMS)


async def _repeat(call: Callable[[], Awaitable[Any]], concurrency: int, seconds: float) -> int:
    until = time.perf_counter() + seconds

    async def worker() -> int:
        calls = 0
        while time.perf_counter() < until:
            answer = await call()
            assert answer, "an answer was empty"
            calls += 1
        return calls

    return sum(await asyncio.gather(*(worker() for _ in range(concurrency))))


def _tables(runs: Runs) -> dict[str, list[Row]]:
    tables: dict[str, list[Row]] = {}
    for (kind, concurrency, name), measured in runs.items():
        row: dict[str, Any] = {
            "client": name,
            "concurrency": concurrency,
            "calls/s": spread(r.rate for r in measured.values()),
            "CPU µs/call": spread(r.cpu_per_call for r in measured.values()),
        }
        if kind != SMALL:
            row["records/s"] = spread(r.rate * ITEMS for r in measured.values())
        if name != OURS:
            row["ours is"] = spread(_ratios(runs, kind, concurrency, name))
        tables.setdefault(kind, []).append(row)
    return tables


def _ratios(runs: Runs, kind: str, concurrency: int, peer: str) -> list[float]:
    ours = runs[kind, concurrency, OURS]
    return [ours[number].rate / other.rate for number, other in runs[kind, concurrency, peer].items()]


def _targets(runs: Runs) -> list[Target]:
    return [
        at_least(
            f"{kind} at concurrency {concurrency}, times {peer}",
            spread(_ratios(runs, kind, concurrency, peer)).median,
            bound,
        )
        for (kind, peer), bound in BOUNDS.items()
        for concurrency in CONCURRENCIES
    ]


_NOTES = (
    "Medians of the rounds with least and greatest. “By hand” keeps no limits, repeats nothing and renews no token; "
    "“tuned” is the same without cookies and time bounds and has no target. The lenient constructor is written for "
    "this benchmark after what generated SDKs do.",
)
