"""One import in a process of its own, to be killed or measured.

``python -m tests.bulk.crm.child folder chunk [ledger]`` reads ``<kind>.jsonl`` or ``<kind>.csv`` of the folder, writes
``failed/failed.jsonl`` there, and prints its report as one JSON object. ``chunk`` is how many records a call takes.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import msgspec

from tests.children import observe
from zra_async import Label, Rate, ZRAClient
from zra_async.bulk.polling import Polling

FAST = {label: Rate(100_000) for label in Label}


def peak_kib() -> int:
    """The most memory that this process has held: ``ru_maxrss`` would count what its parent held when it forked."""
    status = Path("/proc/self/status").read_text("ascii")
    return int(status.partition("VmHWM:")[2].split()[0])


def run(folder: str, chunk: int, ledger: str | None = None) -> dict[str, Any]:
    """Import what is in ``folder`` and return the report."""
    return asyncio.run(main(Path(folder), chunk, ledger))


async def main(folder: Path, chunk: int, ledger: str | None) -> dict[str, Any]:
    """Import what is in ``folder``."""
    found: dict[str, Any] = {path.stem: path for path in folder.iterdir() if path.suffix in (".jsonl", ".csv")}
    async with ZRAClient.from_env(limits=FAST, observer=observe) as zra:
        report = await zra.crm.import_all(
            **found,
            ledger=ledger,
            chunk_records=chunk,
            failed_to=folder / "failed" / "failed.jsonl",
            polling=Polling(first=0.05, longest=0.2),
        )
    return {
        "kinds": {kind: msgspec.to_builtins(counts) for kind, counts in report.kinds.items()},
        "failed": report.failed,
        "seconds": report.seconds,
        "peak_kib": peak_kib(),
    }


if __name__ == "__main__":
    print(msgspec.json.encode(run(sys.argv[1], int(sys.argv[2]), *sys.argv[3:])).decode())
