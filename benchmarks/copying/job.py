"""One run of an export in a process of its own, which may be killed: ``python -m benchmarks.copying.job FOLDER``."""

from __future__ import annotations

import asyncio
import sys

from zra_async import ZRAClient

PARTIAL = 3  #: the status of a run whose report is not complete


async def run(folder: str, streams: str) -> bool:
    """Bring the folder up to date, and tell if the report calls it complete."""
    async with ZRAClient.from_env(share=0.6) as zra:
        print("ready", flush=True)
        report = await zra.export(folder, streams=streams)
        return not report.partial


if __name__ == "__main__":
    sys.exit(0 if asyncio.run(run(*sys.argv[1:])) else PARTIAL)
