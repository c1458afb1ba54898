"""The ingest of this library, with every rate limit lifted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks.intake.load import Item
from zra_async import Hosts, Label, Network, Pool, Rate, StaticToken, ZRAClient
from zra_async.bulk import IngestItem
from zra_async.config import Transfers

UNLIMITED = {label: Rate(10**9) for label in Label}
#: as many connections as aiohttp opens when it is not told otherwise
MANY = 100
BY_DEFAULT = 16


async def run(base: str, token: str, given: Iterator[Item], folder: Path, *, many: bool) -> int:
    """Ingest all items, ``many`` at a time or as many as by default; returns how many are conversations."""
    transfers = Transfers(upload_concurrency=MANY) if many else Transfers()
    network = Network(file=Pool(connections=MANY + transfers.download_concurrency)) if many else Network()
    async with ZRAClient(
        StaticToken(token), hosts=Hosts(api=base, file=base), limits=UNLIMITED, transfers=transfers, network=network
    ) as zra:
        wanted = (
            IngestItem(item.key, item.main, item.transcript, item.metadata, conversation=item.fields) for item in given
        )
        report = await zra.ingest(wanted, ledger=folder / "ledger", concurrency=MANY if many else BY_DEFAULT)
        if report.partial:
            raise RuntimeError(f"not everything could be sent: {report.problems[:3]}")
        return report.done
