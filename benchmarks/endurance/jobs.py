"""The bulk jobs of a soak: export with kills, uploads, CRM records in. Each goes on until it is told to stop."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.endurance.books import Books
from zra_async import ZRAClient, errors
from zra_async.bulk.crm.kinds import KindName
from zra_async.bulk.polling import Polling

STREAMS = "conversations,participants,transcripts,deals"
RECORDS = 120  #: of each kind in one import; every 40th is wrong
_PART = 5 * 1024**2
_KILL_AFTER = 1.5  # seconds
_UNITS = 8  # read at once: of more, none would get all of its pages between two leaps of the clock
_FIRST_MEETING = datetime(2024, 3, 1, tzinfo=UTC)
_TIME = "2025-06-01T00:00:00Z"
_POLLING = Polling(first=0.2, longest=0.5)
_A_WHILE = 0.3
#: the window of the dearest calls; what is begun later would only wait for the next one
_WINDOW = 60.0

T = TypeVar("T")


class Until:
    """A moment from which on nothing new is begun."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds until then."""
        return self._end - time.monotonic()

    def __bool__(self) -> bool:
        return self.left() > 0


async def insist(books: Books, job: str, attempt: Callable[[], Awaitable[T]]) -> T:
    """Do something again until it succeeds, as a worker does that must not lose its item; `AmbiguousWrite` passes."""
    for _ in range(50):
        try:
            return await attempt()
        except errors.AmbiguousWrite:
            raise
        except errors.ZRAError as problem:
            books.gave_up[f"{job}: {type(problem).__name__}"] += 1
            await asyncio.sleep(_A_WHILE)
    return await attempt()


# Export


async def export(zra: ZRAClient, folder: Path, books: Books, until: Until) -> None:
    """Export the account again and again, whole and incrementally.

    Every third run is killed at once, and each that takes too long; what was killed is gone on with.
    """
    for number in itertools.count():
        incremental = books.done["export"] % 2 == 1
        kill = min(_KILL_AFTER if number % 3 == 1 else _WINDOW, until.left())
        try:
            async with asyncio.timeout(kill):
                await zra.export(folder, streams=STREAMS, incremental=incremental, concurrency=_UNITS)
            books.done["export"] += 1
        except TimeoutError:
            books.done["export, killed"] += 1
        except errors.ZRAError as problem:
            books.gave_up[f"export: {type(problem).__name__}"] += 1
        await asyncio.sleep(_A_WHILE)
        if not until:
            return


# Uploads


async def upload(zra: ZRAClient, folder: Path, books: Books, until: Until) -> None:
    """Upload one recording after the other, every fourth in parts, and add exactly one conversation for each."""
    for number in itertools.count():
        topic = f"Soak upload {number}"
        start = _FIRST_MEETING + timedelta(minutes=number)
        file_id = await _uploaded(zra, folder / topic, books, in_parts=number % 4 == 3)
        while not await _added(zra, file_id, topic, start, books):
            pass
        books.topics.add(topic)
        books.done["upload"] += 1
        await asyncio.sleep(_A_WHILE)
        if not until:
            return


async def _uploaded(zra: ZRAClient, journal: Path, books: Books, *, in_parts: bool) -> str:
    content = bytes(_PART + 100_000) if in_parts else bytes(50_000)

    async def attempt() -> str:
        try:
            stored = await zra.files.upload(
                content, file_name="call.mp4", part_size=_PART if in_parts else None, journal=journal
            )
        except errors.AmbiguousWrite as lost:  # a file that nothing refers to does no harm
            raise (
                lost.__cause__ if isinstance(lost.__cause__, errors.CallError) else errors.ZRAError(str(lost))
            ) from lost
        return stored.file_id

    return await insist(books, "upload", attempt)


async def _added(zra: ZRAClient, file_id: str, topic: str, start: datetime, books: Books) -> bool:
    try:
        await insist(
            books,
            "add",
            lambda: zra.conversations.add(
                conversation_type="meeting", meeting_start_time=start, conversation_topic=topic, file_id=file_id
            ),
        )
    except errors.AmbiguousWrite:
        books.gave_up["add: AmbiguousWrite"] += 1
        return await insist(books, "look up", lambda: _is_there(zra, topic, start))
    return True


async def _is_there(zra: ZRAClient, topic: str, start: datetime) -> bool:
    return topic in [c.conversation_topic async for c in zra.conversations.list(from_=start, to=start)]


# CRM import


async def crm_import(
    zra: ZRAClient, folder: Path, owner: str, kinds: Sequence[KindName], books: Books, until: Until
) -> None:
    """Import batches of records of these kinds; every failure must come back, and only those."""
    for number in itertools.count():
        began = time.monotonic()
        batch = partial(_import_batch, zra, folder / f"crm{number}", number, owner, kinds, books)
        await insist(books, "import", batch)
        books.done["import"] += 1
        if until.left() < _WINDOW:
            return
        await asyncio.sleep(max(0.0, _WINDOW / 2 - (time.monotonic() - began)))


async def _import_batch(
    zra: ZRAClient, ledger: Path, number: int, owner: str, kinds: Sequence[KindName], books: Books
) -> None:
    batch = {kind: _records(kind, number, owner) for kind in kinds}
    bad = {kind: {r[_id_of(kind)] for r in rows[::40]} for kind, rows in batch.items()}
    given = {kind: _read(rows) for kind, rows in batch.items()}
    report = await zra.crm.import_all(
        accounts=given.get("accounts"),
        contacts=given.get("contacts"),
        deals=given.get("deals"),
        leads=given.get("leads"),
        ledger=ledger,
        polling=_POLLING,
    )
    for kind, rows in batch.items():
        found = {failure.crm_id for failure in report.failures if failure.kind == kind}
        if found != bad[kind] or report.kinds[kind].imported != len(rows) - len(found):
            books.wrong.append(f"import {number} of {kind}: failed {sorted(found ^ bad[kind])[:5]} {report.kinds}")
        books.crm[kind] |= {row[_id_of(kind)] for row in rows} - bad[kind]
        books.refused[kind] |= bad[kind]


async def _read(records: list[dict[str, Any]]) -> AsyncIterator[Mapping[str, object]]:
    for record in records:
        yield record


def _id_of(kind: str) -> str:
    return f"crm_{kind.removesuffix('s')}_id"


def _records(kind: str, batch: int, owner: str) -> list[dict[str, Any]]:
    noun = kind.removesuffix("s")
    ids = [f"{noun[0]}{batch}-{n}" for n in range(RECORDS)]
    rows = [{f"crm_{noun}_id": crm_id, f"{noun}_name": f"Soak {crm_id}", "modify_time": _TIME} for crm_id in ids]
    for row in rows:
        if kind in ("contacts", "deals"):
            row["crm_account_id"] = f"a{batch}-1"
        if kind == "deals":
            row |= {"owner_email": owner, "stage": "Open"}
    for row in rows[::40]:  # half of them are refused here, half by the service
        if kind in ("accounts", "leads"):
            del row["modify_time"]
        else:
            row["crm_account_id"] = "nowhere"
    return rows
