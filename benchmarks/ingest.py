"""How fast, how lean and how steady an ingest is.

With the limits lifted, a service that keeps nothing takes in small items, near and far, and large files, from this
ingest and from two loops by hand: one that sends an item after the other, and one that sends all at once. Under the
Business+ limits a sandbox that counts as the service does takes in items with attachments, and the time is held against
what the limits impose for the calls that were made. At last the number of items grows a hundredfold, and the memory
must not.
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
from pathlib import Path
from urllib.request import urlopen

from benchmarks.intake.job import AT_ONCE, OURS, OURS_MANY, SEQUENTIAL
from benchmarks.intake.load import items, make_files
from benchmarks.report import Options, Report, Row, Target, at_least, at_most, progress, spread
from benchmarks.rig.cores import pin
from benchmarks.rig.least import under_limits
from benchmarks.rig.process import Account, first_line, sandbox, served
from zra_async import ZRAClient
from zra_async.bulk import IngestItem, IngestReport
from zra_async.core.limits import MARGIN

KB, MB = 1_000, 1_000_000
FAR = 0.02  #: seconds until a far service answers
NAMES = {
    OURS: "zra.ingest",
    OURS_MANY: "zra.ingest, 100 at once",
    SEQUENTIAL: "aiohttp, one after the other",
    AT_ONCE: "aiohttp, gather all",
}
GROWTH = 1.1


@dataclass(frozen=True, slots=True)
class Job:
    """One ingest in a process of its own."""

    items: int
    seconds: float
    cpu: float
    peak: float  #: MiB
    bytes: int


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured."""

    rounds: int
    near: int
    far: int
    large: int
    large_mb: int
    limited: int
    memory: tuple[int, ...]


FULL = Sizes(rounds=3, near=500, far=100, large=8, large_mb=95, limited=250, memory=(100, 10_000))
QUICK = Sizes(rounds=1, near=60, far=20, large=2, large_mb=20, limited=20, memory=(50, 200))


def main(options: Options) -> Report:
    """Measure all of it, and hold it to its targets."""
    pin(0)
    sizes = QUICK if options.quick else FULL
    with tempfile.TemporaryDirectory(prefix="zra-bench-") as place:
        small, large = Path(place) / "small", Path(place) / "large"
        small.mkdir()
        large.mkdir()
        make_files(small, 50 * KB)
        make_files(large, sizes.large_mb * MB)
        tables, targets = _lifted(sizes, small, large)
        limits, limit_targets = _under_limits(sizes, small)
        memory, memory_targets = _memory(sizes, small)
    tables["under the Business+ limits, three files each"] = limits
    tables["memory"] = memory
    return Report("ingest", tables, [*targets, *limit_targets, *memory_targets], _NOTES)


# --------------------------------------------------------------------------- limits lifted


def _lifted(sizes: Sizes, small: Path, large: Path) -> tuple[dict[str, Sequence[Row]], list[Target]]:
    everybody = (OURS, OURS_MANY, SEQUENTIAL, AT_ONCE)
    near = _compete(f"{sizes.near} small items, near", 0.0, everybody, small, sizes.near, sizes.rounds)
    far = _compete(f"{sizes.far} small items, far", FAR, everybody, small, sizes.far, sizes.rounds)
    # one file each: how many of them travel at once is what the contenders differ in
    files = _compete(
        f"{sizes.large} large files", 0.0, (OURS, SEQUENTIAL, AT_ONCE), large, sizes.large, sizes.rounds, attached=False
    )
    tables: dict[str, Sequence[Row]] = {
        "limits lifted: items of 50 kB with transcript and metadata": [_item_row(n, near[n]) for n in near],
        f"the same from {FAR * 1000:.0f} ms away": [_item_row(n, far[n]) for n in far],
        f"limits lifted: files of {sizes.large_mb} MB": [_file_row(n, files[n]) for n in files],
    }
    return tables, [
        at_least("items/s from afar, times one after the other", _ratio(far, OURS, SEQUENTIAL), 3.0),
        at_least("items/s from afar, 100 at once, times gather", _ratio(far, OURS_MANY, AT_ONCE), 0.5),
        at_least("MB/s of large files, times one after the other", _ratio(files, OURS, SEQUENTIAL), 1.0),
        at_least("MB/s of large files, times gather", _ratio(files, OURS, AT_ONCE), 1.0),
    ]


def _compete(
    title: str, delay: float, names: Sequence[str], folder: Path, count: int, rounds: int, *, attached: bool = True
) -> dict[str, list[Job]]:
    """Let every contender do its rounds in turn, so that a busy moment of the machine hits all of them alike."""
    jobs: dict[str, list[Job]] = {name: [] for name in names}
    with _service(delay) as base:
        for number in range(rounds):
            progress(f"ingest: {title}, round {number + 1} of {rounds}")
            for name in names:
                jobs[name].append(_job(name, base, folder, count, attached=attached))
    return jobs


def _item_row(name: str, jobs: Sequence[Job]) -> Row:
    return {
        "ingest": NAMES[name],
        "items/s": spread(job.items / job.seconds for job in jobs),
        "CPU ms/item": spread(job.cpu / job.items * 1e3 for job in jobs),
        "peak MiB": spread(job.peak for job in jobs),
    }


def _file_row(name: str, jobs: Sequence[Job]) -> Row:
    return {
        "ingest": NAMES[name],
        "MB/s": spread(job.bytes / job.seconds / MB for job in jobs),
        "CPU ms/MB": spread(job.cpu / job.bytes * MB * 1e3 for job in jobs),
        "peak MiB": spread(job.peak for job in jobs),
    }


def _ratio(jobs: Mapping[str, Sequence[Job]], ours: str, other: str) -> float:
    pairs = zip(jobs[ours], jobs[other], strict=True)
    return spread(theirs.seconds / mine.seconds for mine, theirs in pairs).median


@contextlib.contextmanager
def _service(delay: float) -> Iterator[str]:
    with served("benchmarks.intake.service", str(delay)) as server:
        yield f"http://127.0.0.1:{first_line(server)}/v2"


def _job(name: str, base: str, folder: Path, count: int, *, attached: bool) -> Job:
    command = [sys.executable, "-m", "benchmarks.intake.job", name, base, str(folder), str(count)]
    done = subprocess.run([*command, "yes" if attached else "no"], stdout=subprocess.PIPE, check=True, text=True)
    with urlopen(base.removesuffix("/v2") + "/counts", timeout=10) as answer:
        counts: dict[str, int] = json.load(answer)
    files = count * (3 if attached else 1)
    if (counts["conversations"], counts["files"]) != (count, files):
        raise RuntimeError(f"{NAMES[name]} has sent {counts}, where {count} items of {files} files were to be sent")
    return Job(**json.loads(done.stdout), bytes=counts["bytes"])


# --------------------------------------------------------------------------- the limits


def _under_limits(sizes: Sizes, folder: Path) -> tuple[list[Row], list[Target]]:
    progress(f"ingest: {sizes.limited} items under the Business+ limits")
    with sandbox("--conversations", "10", "--plan", "business") as account:
        report = asyncio.run(_limited(account, folder, sizes.limited))
        labels = account.stats()["labels"]
    return under_limits(labels, "the ingest", report.seconds, {"items/s": report.done / report.seconds})


async def _limited(account: Account, folder: Path, count: int) -> IngestReport:
    async with ZRAClient(account.auth, hosts=account.hosts, plan="business") as zra:
        given = (
            IngestItem(item.key, item.main, item.transcript, item.metadata, conversation=item.fields)
            for item in items(folder, count, attached=True)
        )
        with tempfile.TemporaryDirectory() as place:
            report = await zra.ingest(given, ledger=Path(place) / "ledger")
    if report.partial:
        raise RuntimeError(f"not everything could be sent: {report.problems[:3]}")
    return report


# --------------------------------------------------------------------------- memory


def _memory(sizes: Sizes, folder: Path) -> tuple[list[Row], list[Target]]:
    rows: list[Row] = []
    peaks: list[float] = []
    with _service(0.0) as base:
        for count in sizes.memory:
            progress(f"ingest: memory with {count} items")
            job = _job(OURS, base, folder, count, attached=False)
            peaks.append(job.peak)
            rows.append({"items": count, "peak MiB": job.peak, "seconds": job.seconds})
    growth = peaks[-1] / peaks[0]
    return rows, [at_most(f"peak memory from {sizes.memory[0]:,} to {sizes.memory[-1]:,} items, times", growth, GROWTH)]


_NOTES = (
    "By hand means: no limits, no repeats, no ledger; when it dies, nobody knows what was sent. Where the service is "
    "near, an item costs this ingest five waits for the disk, which are what makes it sure.",
    "By default, four files are on their way at once and sixteen items: that fills the permitted rate (20 files a "
    "second) up to a round trip of 200 ms. The row with 100 at once has as many connections as gather.",
    "The least possible time lets the first windowful of calls go at once and every further one a period later. The "
    f"limiter adds {MARGIN * 1000:.0f} ms to each second for the jitter of the network.",
    "Each contender is a process of its own, pinned to one core with all its threads; the service has the other.",
)
