"""Uploads of one large file in parts, over plain HTTP and TLS, against the limits of the machine and other clients.

1 GiB as 16 parts of 64 MiB, 4 at a time. The client runs on one core, the sink on another; every contender is a process
of its own, they take turns, and the first round of each is not counted but checked: the sink hashes all that arrives.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.report import Options, Report, Row, Spread, Target, at_least, at_most, progress, spread
from benchmarks.transfer import arena
from benchmarks.transfer.job import Job

MIB = 1024**2
PART = 64 * MIB
CONCURRENCY = 4
PLAIN = ("zra", "sendfile", "curl", "curl, kept alive", "httpx", "httpx, cut files", "requests", "aiohttp", "boto3")
TLS = ("zra", "raw socket", "curl", "curl, kept alive", "httpx", "httpx, cut files", "requests", "aiohttp", "boto3")


def main(options: Options) -> Report:
    """Run it all."""
    parts, rounds, large = (4, 1, 1024 * MIB) if options.quick else (16, 9, 9_900_000_000)
    with tempfile.TemporaryDirectory(prefix="zra-bench-") as folder:
        progress("making the files")
        path = arena.make_file(Path(folder) / "call.mp4", parts * PART)
        tls = arena.certificate(Path(folder))
        results: dict[str, Sequence[Row]] = {}
        targets: list[Target] = []
        for title, names, secret in (("plain HTTP", PLAIN, None), ("TLS", TLS, tls)):
            progress(title)
            measured = _compete(path, names, rounds, secret)
            results[title] = [_row(name, rows, parts * PART) for name, rows in measured.items()]
            targets += _targets(title, measured)
        progress("memory and stalls")
        rows, more = _alone(path, Path(folder) / "large.mp4", large, rounds)
        results["zra alone"] = rows
        targets += more
    return Report("upload", results, targets, _NOTES)


_NOTES = (
    "MB are 10**6 bytes. cpu is the share of its core that the client used; memory is the peak above the idle client; "
    "stall is the longest time for which its event loop did nothing else.",
    "The rate limit of the file host (20 parts a second) is lifted; the etags of the sink are no md5s, so none is "
    "computed. curl, requests, aiohttp and the second row of httpx send parts that were cut into files before, which "
    "is not counted. The targets hold zra to curl and httpx as one would use them for parts of one file: a process of "
    "curl for each part, and a part in memory for httpx. The rows with a comma show what they can do at best.",
)


def _compete(
    path: Path, names: Sequence[str], rounds: int, tls: tuple[str, str] | None
) -> dict[str, list[arena.Measured]]:
    where = arena.cores()
    wanted = arena.digests(path, PART)
    with arena.sink(path, PART, tls, where.sink) as url:
        job = Job(
            url=url,
            path=str(path),
            part_size=PART,
            concurrency=CONCURRENCY,
            certificate=tls[0] if tls else "",
            folder=str(path.parent),
            core=where.client,
        )

        def check(player: arena.Player) -> None:
            arena.ask(job, "/verify")
            player.round()
            if arena.ask(job, "/digests") != wanted:
                raise RuntimeError(f"what {player.name} sent is not what arrived")

        return arena.compete("upload", arena.available(names), job, rounds, check=check)


def _row(name: str, rows: Sequence[arena.Measured], size: int) -> Row:
    return {
        "client": name,
        "MB/s": _speed(rows, size),
        "cpu": round(spread(row["cpu"] / row["seconds"] for row in rows).median, 2),
        "memory MiB": round(spread(row["memory"] / MIB for row in rows).median, 1),
        "stall ms": spread(row["stall"] * 1000 for row in rows),
    }


def _speed(rows: Sequence[arena.Measured], size: int) -> Spread:
    return spread(size / row["seconds"] / 1e6 for row in rows)


def _targets(title: str, measured: dict[str, list[arena.Measured]]) -> list[Target]:
    bounds = (
        {"sendfile": 0.9, "curl": 1.4, "httpx": 3.5}
        if title == "plain HTTP"
        else {"raw socket": 0.9, "curl": 1.2, "httpx": 1.8}
    )
    seconds = {name: spread(row["seconds"] for row in rows).median for name, rows in measured.items()}
    return [
        at_least(f"{title}: zra against {peer}", seconds[peer] / seconds["zra"], bound)
        for peer, bound in bounds.items()
        if peer in seconds
    ]


def _alone(path: Path, large: Path, size: int, rounds: int) -> tuple[list[Row], list[Target]]:
    """Memory and stalls of the library: as above, with a cold page cache, and with the largest file."""
    where = arena.cores()
    with large.open("wb") as file:
        file.truncate(size)
    rows: list[Row] = []
    targets: list[Target] = []
    for title, source, part, command, times in (
        ("1 GiB, cached", path, PART, "go", rounds),
        ("1 GiB, cold", path, PART, "cold", min(rounds, 5)),
        ("largest file", large, 100_000_000, "cold", 1),
    ):
        with arena.sink(path, part, None, where.sink) as url:
            job = Job(url=url, path=str(source), part_size=part, concurrency=CONCURRENCY, core=where.client)
            player = arena.Player("upload", "zra", job)
            player.round()
            measured = [player.round(command) for _ in range(times)]
            player.close()
        row = _row(title, measured, source.stat().st_size)
        rows.append(row)
        targets.append(at_most(f"{title}: memory MiB", max(m["memory"] for m in measured) / MIB, 16))
        if source is path:  # the largest file is a hole, whose pages the system makes as they are read: its own stall
            stall = spread(m["stall"] * 1000 for m in measured).median
            targets.append(at_most(f"{title}: longest stall ms", stall, 20))
    return rows, targets
