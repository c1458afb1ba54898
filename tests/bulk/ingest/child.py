"""One ingest in a process of its own, to be killed or measured: ``python -m tests.bulk.ingest.child manifest ledger``.

It prints its report as one JSON object. Files above 6 MB go in parts, which costs a test less than 100 MB.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import msgspec

from tests.bulk.crm.child import peak_kib
from tests.bulk.ingest.data import FAST, SOON
from tests.children import observe
from zra_async import RetryPolicy, ZRAClient
from zra_async.bulk.ingest.job import IngestPlan, ingest
from zra_async.bulk.ingest.manifest import Manifest
from zra_async.config import Transfers

LIMIT = 6_000_000


most_handles = 0


def count_handles(_: object) -> None:
    """Note how many files and sockets are open."""
    global most_handles
    most_handles = max(most_handles, sum(1 for _ in Path("/proc/self/fd").iterdir()))


def run(manifest: str, ledger: str) -> dict[str, Any]:
    """Ingest a manifest and return the report."""
    return asyncio.run(main(Path(manifest), Path(ledger)))


async def main(manifest: Path, ledger: Path, *, concurrency: int = 8) -> dict[str, Any]:
    """Ingest a manifest that is known to be good."""
    transfers = Transfers(single_upload_limit=LIMIT)
    async with ZRAClient.from_env(
        limits=FAST, transfers=transfers, retry=RetryPolicy(base=0.02), observer=observe
    ) as zra:
        plan = IngestPlan(ledger=ledger, concurrency=concurrency, on_outcome=count_handles, **SOON)  # type: ignore[arg-type]
        report = await ingest(zra, Manifest(path=manifest), plan, lambda progress: None, LIMIT)
    return {
        "counts": dict(report.counts),
        "problems": [(one.key, one.outcome, one.reason) for one in report.problems[:5]],
        "sent": report.sent,
        "seconds": report.seconds,
        "peak_kib": peak_kib(),
        "handles": most_handles,
    }


if __name__ == "__main__":
    print(msgspec.json.encode(run(*sys.argv[1:])).decode())
