"""One export in a process of its own, to be killed."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.children import observe
from zra_async import Label, Rate, RetryPolicy, ZRAClient
from zra_async.bulk.export import job as export  # noqa: F401
from zra_async.bulk.export.folder import segments as sink  # noqa: F401 (loaded before the fork, so that a child starts at once)

UNLIMITED = {label: Rate(1_000_000) for label in Label}


def run(folder: str, streams: str) -> None:
    """Export into ``folder``."""
    asyncio.run(_export(Path(folder), streams))


async def _export(folder: Path, streams: str) -> None:
    async with ZRAClient.from_env(limits=UNLIMITED, retry=RetryPolicy(base=0.01), observer=observe) as zra:
        await zra.export(folder, streams=streams)
