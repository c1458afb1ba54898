"""One ingest in a process of its own: ``python -m benchmarks.intake.job NAME BASE FOLDER COUNT ATTACHED``.

It prints one line of JSON: items, seconds, CPU seconds of this process, and the most memory it had, in MiB.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.harvest.job import peak_mib
from benchmarks.intake import by_hand, ours
from benchmarks.intake.load import items
from benchmarks.rig.answers import TOKEN
from benchmarks.rig.cores import pin

OURS, OURS_MANY, SEQUENTIAL, AT_ONCE = "ours", "ours_many", "sequential", "at_once"


def main(name: str, base: str, folder: str, count: str, attached: str) -> None:
    """Run and tell."""
    pin(0)
    given = items(Path(folder), int(count), attached=attached == "yes")
    with tempfile.TemporaryDirectory() as place:
        if name in (OURS, OURS_MANY):
            work = ours.run(base, TOKEN, given, Path(place), many=name == OURS_MANY)
        else:
            work = by_hand.run(base, TOKEN, given, at_once=name == AT_ONCE)
        started, cpu = time.perf_counter(), time.process_time()
        done = asyncio.run(work)
        seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    print(json.dumps({"items": done, "seconds": seconds, "cpu": cpu, "peak": peak_mib()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
