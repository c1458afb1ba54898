"""The day of reckoning: what the account and the export hold, held against the books."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from benchmarks.endurance.books import Books
from benchmarks.endurance.jobs import STREAMS
from zra_async import ZRAClient
from zra_async.bulk.export.folder.present import read_stream

_AT_ONCE = 100


class Findings:
    """What is missing, and what is there too often."""

    def __init__(self) -> None:
        self.lost: list[str] = []
        self.doubled: list[str] = []
        self.checked = 0

    def compare(self, what: str, wanted: Iterable[str], found: Iterable[str]) -> None:
        """Each of ``wanted`` must be found exactly once; nothing else may be found twice."""
        counts = Counter(found)
        wanted = set(wanted)
        self.checked += len(wanted)
        self.lost += [f"{what}: {name}" for name in wanted if name not in counts]
        self.doubled += [f"{what}: {name}, {n} times" for name, n in counts.items() if n > 1]

    def absent(self, what: str, unwanted: Iterable[str], found: Iterable[str]) -> None:
        """None of ``unwanted`` may be found."""
        self.doubled += [f"{what}: {name} should not be there" for name in set(unwanted) & set(found)]


async def audit(zra: ZRAClient, folder: Path, books: Books) -> Findings:
    """Look at everything, when the weather is fine again and what was under way is processed."""
    findings = Findings()
    await zra.export(folder, streams=STREAMS)  # may go on with a killed run, whose list is as old as that is
    report = await zra.export(folder, streams=STREAMS)  # and this one brings what has come since
    findings.lost += [f"export: {failure.kind} {failure.id}: {failure.reason}" for failure in report.failures]
    await _conversations(zra, folder, books, findings)
    await _crm(zra, books, findings)
    await _comments(zra, books, findings)
    return findings


async def _conversations(zra: ZRAClient, folder: Path, books: Books, findings: Findings) -> None:
    listed = [c async for c in zra.conversations.list()]
    topics = [c.conversation_topic or "" for c in listed]
    ours = [topic for topic in topics if topic.startswith("Soak ")]
    findings.compare("added conversations", books.topics, ours)
    exported = [row["conversation_id"] for row in await asyncio.to_thread(_rows, folder, "conversations")]
    findings.compare("exported conversations", (c.conversation_id or "" for c in listed), exported)
    utterances = await asyncio.to_thread(_rows, folder, "transcripts")
    findings.compare("exported utterances", (), (f"{r['conversation_id']} {r['item_id']}" for r in utterances))
    deals = [deal.deal_id or "" async for deal in zra.deals.list()]
    findings.compare("exported deals", deals, [r["deal_id"] for r in await asyncio.to_thread(_rows, folder, "deals")])


def _rows(folder: Path, stream: str) -> list[dict[str, str]]:
    return list(read_stream(folder, stream))


async def _crm(zra: ZRAClient, books: Books, findings: Findings) -> None:
    for kind in ("accounts", "contacts", "deals", "leads"):
        wanted = [*books.crm[kind], *books.refused[kind]]
        found: list[str] = []
        for first in range(0, len(wanted), _AT_ONCE):
            rows = await getattr(zra.crm, kind).get(wanted[first : first + _AT_ONCE])
            found += [getattr(row, f"crm_{kind.removesuffix('s')}_id") for row in rows]
        findings.compare(f"CRM {kind}", books.crm[kind], found)
        findings.absent(f"CRM {kind}", books.refused[kind], found)


async def _comments(zra: ZRAClient, books: Books, findings: Findings) -> None:
    for conversation_id, wanted in books.comments.items():
        texts = [c.comment or "" async for c in zra.comments.list(conversation_id)]
        ours = [text for text in texts if text.startswith("Soak ")]
        findings.compare(f"comments on {conversation_id}", wanted, ours)
        findings.absent(f"comments on {conversation_id}", books.deleted, ours)
