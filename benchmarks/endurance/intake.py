"""Recordings by the batch in a soak: each batch is ingested until nothing is missing, and killed now and then."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.endurance.books import Books
from benchmarks.endurance.jobs import Until
from zra_async import ZRAClient, errors
from zra_async.bulk.ingest.item import IngestItem
from zra_async.bulk.ingest.job import IngestPlan, ingest
from zra_async.bulk.ingest.report import GOOD, IngestReport
from zra_async.bulk.polling import Polling

_BATCH, _KILL_AFTER, _MOST_RUNS = 6, 0.4, 30
_SINGLE_LIMIT = 1024**2  # every fourth recording is larger, and goes in parts
_FIRST_MEETING = datetime(2023, 3, 1, tzinfo=UTC)
_SOON = Polling(first=0.2, longest=0.5, limit=1.5)


async def ingest_batches(zra: ZRAClient, folder: Path, books: Books, until: Until) -> None:
    """Ingest batch after batch; each recording becomes exactly one conversation."""
    for number in itertools.count():
        items = [_item(number * _BATCH + n) for n in range(_BATCH)]
        await _to_the_end(zra, folder / "ingest", items, books, kill=number % 2 == 1)
        books.topics |= {item.key for item in items}
        await asyncio.sleep(1.0)
        if not until:
            return


async def _to_the_end(zra: ZRAClient, ledger: Path, items: Sequence[IngestItem], books: Books, *, kill: bool) -> None:
    for run in range(_MOST_RUNS):
        try:
            async with asyncio.timeout(_KILL_AFTER if kill and run == 0 else None):
                report = await _ingest(zra, ledger, items)
        except TimeoutError:
            books.done["ingest, killed"] += 1
            continue
        except errors.ZRAError as problem:
            books.gave_up[f"ingest: {type(problem).__name__}"] += 1
            continue
        for item in report.problems:
            books.gave_up[f"ingest: {item.outcome}"] += 1
        if sum(report.counts.get(name, 0) for name in GOOD) == len(items):
            books.done["ingest"] += len(items)
            return
    books.wrong.append(f"an ingest does not come to an end: {items[0].key} …")


async def _ingest(zra: ZRAClient, ledger: Path, items: Sequence[IngestItem]) -> IngestReport:
    plan = IngestPlan(ledger=ledger, concurrency=4, retry_failed=True, settle=_SOON, patience=_SOON)
    return await ingest(zra, list(items), plan, lambda _: None, _SINGLE_LIMIT)


def _item(number: int) -> IngestItem:
    start = _FIRST_MEETING + timedelta(minutes=number)
    topic = f"Soak ingest {number}"
    return IngestItem(
        topic,
        bytes(6_000_000 if number % 4 == 3 else 40_000),
        transcript=b'{"soak": true}' if number % 3 == 0 else None,
        conversation={"conversation_type": "meeting", "meeting_start_time": start, "conversation_topic": topic},
        file_name="call.mp4",
    )
