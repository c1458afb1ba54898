"""A service to ingest into, and the runs of an ingest, with waits that suit the same machine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.bulk.ingest.data import FAST, SOON
from zra_async import RetryPolicy, ZRAClient
from zra_async.bulk import IngestReport
from zra_async.bulk.ingest.job import IngestPlan, ingest
from zra_async.config import Transfers
from zra_async.sandbox import Sandbox

LIMIT = 6_000_000


@asynccontextmanager
async def service(*, limits: Any = FAST, **options: Any) -> AsyncIterator[tuple[Sandbox, ZRAClient]]:
    """An account, and a client whose files go in parts from 6 MB on."""
    settings: dict[str, Any] = {"conversations": 10, "limits": False, "processing_seconds": 0.2, **options}
    transfers = Transfers(single_upload_limit=LIMIT)
    async with (
        Sandbox(**settings) as sandbox,
        sandbox.client(limits=limits, retry=RetryPolicy(base=0.02), transfers=transfers) as zra,
    ):
        yield sandbox, zra


async def run(zra: ZRAClient, given: Any, ledger: Path, **options: Any) -> IngestReport:
    """``zra.ingest`` with waits that suit a service on the same machine."""
    plan = IngestPlan(ledger=ledger, **{**SOON, **options})
    return await ingest(zra, given, plan, lambda progress: None, LIMIT)


def outcomes(report: IngestReport) -> dict[str, str]:
    """What became of each item that has a problem, by its key."""
    return {one.key: one.outcome for one in report.problems}
