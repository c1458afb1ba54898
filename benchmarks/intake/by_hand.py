"""aiohttp by hand, as somebody would write it in an hour: no limits, no repeats, no ledger."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import aiohttp

from benchmarks.intake.load import Item


async def run(base: str, token: str, given: Iterator[Item], *, at_once: bool) -> int:
    """Send all items, one after the other or all ``at_once``; returns how many became conversations."""
    headers = {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession(headers=headers, timeout=aiohttp.ClientTimeout(total=None)) as session:
        if at_once:
            return len(await asyncio.gather(*(_send(session, base, item) for item in given)))
        done = 0
        for item in given:
            await _send(session, base, item)
            done += 1
        return done


async def _send(session: aiohttp.ClientSession, base: str, item: Item) -> str:
    main = ""
    for path in item.files:
        file_id = await _upload(session, base, path, main)
        main = main or file_id
    async with session.post(f"{base}/zra/conversations", json={**item.fields, "file_id": main}) as answer:
        answer.raise_for_status()
        conversation_id: str = (await answer.json())["conversation_id"]
        return conversation_id


async def _upload(session: aiohttp.ClientSession, base: str, path: Path, main: str) -> str:
    form = aiohttp.FormData()
    if main:
        form.add_field("main_file_id", main)
    with path.open("rb") as file:
        form.add_field("file", file, filename=path.name)
        async with session.post(f"{base}/zra/files", data=form) as answer:
            answer.raise_for_status()
            file_id: str = (await answer.json())["file_id"]
            return file_id
