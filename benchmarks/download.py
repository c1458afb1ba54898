"""Downloads of one large recording to a file, over plain HTTP and TLS, against aiohttp by hand, curl and httpx.

The client runs on one core, the server on another; every contender is a process of its own, they take turns, and what
arrived in the first round of each is compared byte for byte.
"""

from __future__ import annotations

import filecmp
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.report import Options, Report, Row, Target, at_least, progress, spread
from benchmarks.transfer import arena
from benchmarks.transfer.job import Job

MIB = 1024**2
NAMES = ("zra", "aiohttp", "curl", "httpx")


def main(options: Options) -> Report:
    """Run it all."""
    size, rounds = (128 * MIB, 1) if options.quick else (1024 * MIB, 7)
    with tempfile.TemporaryDirectory(prefix="zra-bench-", dir=_fast_folder()) as folder:
        progress("making the file")
        path = arena.make_file(Path(folder) / "recording.mp4", size)
        tls = arena.certificate(Path(folder))
        results: dict[str, Sequence[Row]] = {}
        targets: list[Target] = []
        for title, secret in (("plain HTTP", None), ("TLS", tls)):
            progress(title)
            measured = _compete(path, rounds, secret)
            results[title] = [_row(name, rows, size) for name, rows in measured.items()]
            seconds = {name: spread(row["seconds"] for row in rows).median for name, rows in measured.items()}
            targets += [
                at_least(f"{title}: zra against {peer}", seconds[peer] / seconds["zra"], bound)
                for peer, bound in (("aiohttp", 1.0), ("httpx", 2.0))
                if peer in seconds
            ]
    return Report("download", results, targets, _NOTES)


_NOTES = (
    "MB are 10**6 bytes. cpu is the share of its core that the client used; memory is the peak above the idle client; "
    "stall is the longest time for which its event loop did nothing else. Files are written in memory where the "
    "machine has a place for that, so that no disk is measured. zra checks the size, and puts the file in place whole.",
)


def _fast_folder() -> str | None:
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


def _compete(path: Path, rounds: int, tls: tuple[str, str] | None) -> dict[str, list[arena.Measured]]:
    where = arena.cores()
    with arena.sink(path, MIB, tls, where.sink) as url:
        job = Job(
            url=url,
            path=str(path),
            part_size=MIB,
            concurrency=1,
            certificate=tls[0] if tls else "",
            folder=str(path.parent),
            core=where.client,
        )

        def check(player: arena.Player) -> None:
            player.round()
            if not filecmp.cmp(path, job.output(player.name), shallow=False):
                raise RuntimeError(f"what {player.name} wrote is not what was sent")

        return arena.compete("download", arena.available(NAMES), job, rounds, check=check)


def _row(name: str, rows: Sequence[arena.Measured], size: int) -> Row:
    return {
        "client": name,
        "MB/s": spread(size / row["seconds"] / 1e6 for row in rows),
        "cpu": round(spread(row["cpu"] / row["seconds"] for row in rows).median, 2),
        "memory MiB": round(spread(row["memory"] / MIB for row in rows).median, 1),
        "stall ms": spread(row["stall"] * 1000 for row in rows),
    }
