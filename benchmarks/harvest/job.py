"""One export in a process of its own: ``python -m benchmarks.harvest.job PEER BASE CONCURRENCY [STREAMS]``.

It prints one line of JSON: records, seconds, CPU seconds of this process, and the most memory it had, in MiB.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.rig.answers import TOKEN
from benchmarks.rig.cores import pin


def peak_mib() -> float:
    """The most memory that this process has held; ``ru_maxrss`` would count what its parent held when it forked."""
    status = Path("/proc/self/status").read_text("ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def main(peer: str, base: str, concurrency: str, streams: str = "") -> None:
    """Run and tell."""
    pin(0)
    run = importlib.import_module(f"benchmarks.harvest.{peer}").run
    more = (tuple(streams.split(",")),) if streams else ()
    with tempfile.TemporaryDirectory() as folder:
        started, cpu = time.perf_counter(), time.process_time()
        records = asyncio.run(run(base, TOKEN, Path(folder), int(concurrency), *more))
        seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    print(json.dumps({"records": records, "seconds": seconds, "cpu": cpu, "peak": peak_mib()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
