"""What a contender is to do, and how it is told to do it: once, and again, whenever the benchmark says so."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import os
import ssl
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

Round = Callable[[], Awaitable[None]]
Contender = Callable[["Job"], AbstractAsyncContextManager[Round]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One file, its parts, the sink, and the core to run on."""

    url: str
    path: str
    part_size: int
    concurrency: int
    certificate: str = ""
    folder: str = ""  #: for what a contender has to write
    core: int | None = None

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return Path(self.path).stat().st_size

    @property
    def offsets(self) -> list[int]:
        """Where the parts begin."""
        return list(range(0, self.size, self.part_size))

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of the sink."""
        parts = urlsplit(self.url)
        return parts.hostname or "", parts.port or 0

    def output(self, name: str) -> Path:
        """Where the contender of this name writes what it downloads."""
        return Path(self.folder) / f"{name}.mp4"

    def client_context(self) -> ssl.SSLContext | None:
        """The TLS settings of a client, None for plain HTTP."""
        return ssl.create_default_context(cafile=self.certificate) if self.certificate else None

    def split(self) -> list[Path]:
        """The parts as files of their own, for contenders that cannot send a part of a file."""
        pieces = [Path(self.folder) / f"part-{number:02}" for number in range(len(self.offsets))]
        if not pieces[0].exists():
            with Path(self.path).open("rb") as file:
                for piece in pieces:
                    piece.write_bytes(file.read(self.part_size))
        return pieces


async def obey(job: Job, contender: Contender, name: str) -> None:
    """Print ``{"ready": …}``, then for each line on standard input do one round and print what it took."""
    loop = asyncio.get_running_loop()
    async with contender(job) as once:
        print(json.dumps({"ready": True}), flush=True)
        while command := (await loop.run_in_executor(None, sys.stdin.readline)).strip():
            if command == "cold":
                _forget_cached(job.path)
            if job.folder:
                job.output(name).unlink(missing_ok=True)  # to free a gibibyte is not part of writing another
            print(json.dumps(await _measure(once)), flush=True)


async def _measure(once: Round) -> dict[str, float]:
    idle = _reset_peak()
    ticker = asyncio.create_task(_longest_stall())
    await asyncio.sleep(0)
    began, cpu = time.perf_counter(), _cpu()
    await once()
    seconds, cpu = time.perf_counter() - began, _cpu() - cpu
    ticker.cancel()
    stall = (await asyncio.gather(ticker, return_exceptions=True))[0]
    longest = stall.args[0] if isinstance(stall, _Stalls) else 0.0
    return {"seconds": seconds, "cpu": cpu, "memory": _peak() - idle, "stall": longest}


def _cpu() -> float:
    """Seconds that this process and those that it started have used."""
    return sum(os.times()[:4])


class _Stalls(Exception):
    """The longest time for which the loop did nothing else."""


async def _longest_stall() -> None:
    longest = 0.0
    try:
        while True:
            before = time.perf_counter()
            await asyncio.sleep(0.001)
            longest = max(longest, time.perf_counter() - before - 0.001)
    except asyncio.CancelledError:
        raise _Stalls(longest) from None


def _reset_peak() -> int:
    """Bytes in memory now; the peak is counted from here on."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return 0
    return _status("VmRSS")


def _peak() -> int:
    return _status("VmHWM")


def _status(name: str) -> int:
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(name)), 0)


def _forget_cached(path: str) -> None:
    """Drop a file from the page cache."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(fd)


def main() -> None:
    """Be the contender that the command line names."""
    from benchmarks.transfer.download_peers import DOWNLOADERS
    from benchmarks.transfer.upload_peers import UPLOADERS

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("direction", choices=["upload", "download"])
    parser.add_argument("name")
    parser.add_argument("job", help="a Job as JSON")
    chosen = parser.parse_args()
    job = Job(**json.loads(chosen.job))
    if job.core is not None:
        os.sched_setaffinity(0, {job.core})
    contender = (UPLOADERS if chosen.direction == "upload" else DOWNLOADERS)[chosen.name]
    asyncio.run(obey(job, contender, chosen.name))


def encoded(job: Job) -> str:
    """A job for a command line."""
    return json.dumps(dataclasses.asdict(job))


if __name__ == "__main__":
    main()
