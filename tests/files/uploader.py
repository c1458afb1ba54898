"""One upload in a process of its own, to be killed."""

from __future__ import annotations

import asyncio

from tests.children import observe
from zra_async import Label, Rate, ZRAClient
from zra_async.files import uploads

assert uploads  # loaded before the fork, so that a child starts at once


def run(path: str, part_size: int, journal: str, concurrency: int) -> None:
    """Upload one file with a journal."""
    asyncio.run(_upload(path, part_size, journal, concurrency))


async def _upload(path: str, part_size: int, journal: str, concurrency: int) -> None:
    limits = {label: Rate(100_000) for label in Label}
    async with ZRAClient.from_env(limits=limits, observer=observe) as zra:
        await zra.files.upload(path, part_size=part_size, journal=journal, concurrency=concurrency)
