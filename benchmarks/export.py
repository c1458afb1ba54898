"""How fast, how lean and how steady an export is.

Under the Business+ limits a sandbox that counts as the service does gives an account's conversations, and the time that
the export takes is held against what the limits impose for the calls that were made. With the limits lifted, a server
that answers from memory gives an account to this export and to two written without it: a loop on aiohttp and msgspec,
and one on httpx and pydantic. At last the size of the account grows a hundredfold, and the memory must not.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.report import Options, Report, Row, Target, at_least, at_most, progress, spread
from benchmarks.rig.cores import pin
from benchmarks.rig.least import under_limits
from benchmarks.rig.process import Account, first_line, sandbox, served
from zra_async import ZRAClient
from zra_async.bulk import ExportReport

UTTERANCES = 120
CONCURRENCY = 32
LIMITED_STREAMS = "conversations,participants,transcripts"
OURS, BY_HAND, ON_HTTPX = "ours", "by_hand", "on_httpx"
NAMES = {OURS: "zra.export", BY_HAND: "aiohttp + msgspec by hand", ON_HTTPX: "httpx + pydantic"}
OF_BY_HAND, OF_HTTPX, GROWTH = 0.7, 3.0, 1.1


@dataclass(frozen=True, slots=True)
class Job:
    """One export in a process of its own."""

    records: int
    seconds: float
    cpu: float
    peak: float  #: MiB

    @property
    def rate(self) -> float:
        """Records a second."""
        return self.records / self.seconds

    @property
    def cpu_per_record(self) -> float:
        """Microseconds."""
        return self.cpu / self.records * 1e6


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured."""

    limited: int
    rounds: int
    speed: int
    slow: int
    memory: tuple[int, ...]


FULL = Sizes(limited=2_000, rounds=9, speed=3_000, slow=150, memory=(1_000, 10_000, 100_000))
QUICK = Sizes(limited=150, rounds=1, speed=100, slow=20, memory=(200, 2_000))


def main(options: Options) -> Report:
    """Measure all three, and hold them to their targets."""
    pin(0)
    sizes = QUICK if options.quick else FULL
    limits, limit_targets = _under_limits(sizes)
    speed, speed_targets = _speed(sizes)
    memory, memory_targets = _memory(sizes)
    tables = {
        "under the Business+ limits": limits,
        f"limits lifted, {UTTERANCES} utterances a conversation, concurrency {CONCURRENCY}": speed,
        "memory": memory,
    }
    return Report("export", tables, [*limit_targets, *speed_targets, *memory_targets], _NOTES)


# --------------------------------------------------------------------------- the limits


def _under_limits(sizes: Sizes) -> tuple[list[Row], list[Target]]:
    progress(f"export: {sizes.limited} conversations under the Business+ limits")
    with sandbox("--conversations", str(sizes.limited), "--plan", "business") as account:
        report = asyncio.run(_limited(account))
        labels = account.stats()["labels"]
    records = sum(report.records.values())
    return under_limits(labels, "the export", report.seconds, {"records/s": records / report.seconds})


async def _limited(account: Account) -> ExportReport:
    async with ZRAClient(account.auth, hosts=account.hosts, plan="business") as zra:
        with tempfile.TemporaryDirectory() as folder:
            return await zra.export(folder, streams=LIMITED_STREAMS)


# --------------------------------------------------------------------------- speed and memory


def _speed(sizes: Sizes) -> tuple[list[Row], list[Target]]:
    jobs: dict[str, list[Job]] = {OURS: [], BY_HAND: [], ON_HTTPX: []}
    with _account(sizes.speed) as base, _account(sizes.slow) as small:
        for number in range(sizes.rounds):
            progress(f"export: speed, round {number + 1} of {sizes.rounds}")
            for peer, place in ((OURS, base), (BY_HAND, base), (ON_HTTPX, small)):
                jobs[peer].append(_job(peer, place))
    rows: list[Row] = [_speed_row(peer, jobs) for peer in jobs]
    return rows, [
        at_least(f"{what}, times {NAMES[peer]}", spread(ratios[what]).median, bound)
        for peer, bound in ((BY_HAND, OF_BY_HAND), (ON_HTTPX, OF_HTTPX))
        for ratios in [_ratios(jobs[OURS], jobs[peer])]
        for what in ratios
    ]


def _speed_row(peer: str, jobs: Mapping[str, Sequence[Job]]) -> Row:
    row: dict[str, Any] = {
        "export": NAMES[peer],
        "records/s": spread(job.rate for job in jobs[peer]),
        "CPU µs/record": spread(job.cpu_per_record for job in jobs[peer]),
    }
    if peer != OURS:
        ratios = _ratios(jobs[OURS], jobs[peer])
        row |= {f"ours in {what}": spread(values) for what, values in ratios.items()}
    return row


def _ratios(ours: Sequence[Job], others: Sequence[Job]) -> dict[str, list[float]]:
    pairs = list(zip(ours, others, strict=True))
    return {
        "records/s": [a.rate / b.rate for a, b in pairs],
        "records per CPU second": [b.cpu_per_record / a.cpu_per_record for a, b in pairs],
    }


def _memory(sizes: Sizes) -> tuple[list[Row], list[Target]]:
    rows: list[Row] = []
    peaks: list[float] = []
    for conversations in sizes.memory:
        progress(f"export: memory with {conversations} conversations")
        with _account(conversations) as base:
            job = _job(OURS, base, "conversations")
        peaks.append(job.peak)
        rows.append({"conversations": conversations, "peak MiB": job.peak, "seconds": job.seconds})
    growth = max(peaks) / min(peaks)
    return rows, [at_most(f"peak memory from {sizes.memory[0]:,} to {sizes.memory[-1]:,}, times", growth, GROWTH)]


@contextlib.contextmanager
def _account(conversations: int) -> Iterator[str]:
    with served("benchmarks.rig.bulk", str(conversations), str(UTTERANCES)) as server:
        yield f"http://127.0.0.1:{first_line(server)}/v2"


def _job(peer: str, base: str, *streams: str) -> Job:
    command = [sys.executable, "-m", "benchmarks.harvest.job", peer, base, str(CONCURRENCY), *streams]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    return Job(**json.loads(done.stdout))


_NOTES = (
    "The least possible time lets the first windowful of calls go at once and every further one a period later. "
    "By hand means: no limits, no repeats, no ledger, nothing brought to the disk; when it dies, it begins anew. "
    "Speed and memory are measured on a client in a process of its own, pinned to one core with all its threads; "
    "memory with conversations alone, since what a unit holds does not depend on how many there are.",
)
