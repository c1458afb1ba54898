"""An import uses the account's rate and never more: shown in virtual time."""

from __future__ import annotations

import asyncio
from typing import Any

from tests import virtual
from tests.bulk.crm import data as crm_data
from zra_async import Lane, LocalRateLimiter
from zra_async.api.crm.models import QueuedTask, RegisteredStage, Registration, Task, TaskStatus
from zra_async.bulk.crm.job import ImportPlan, import_records
from zra_async.bulk.crm.kinds import ACCOUNTS, LEADS
from zra_async.bulk.crm.report import Failures
from zra_async.bulk.polling import Polling
from zra_async.core.operation import Operation

TASK_SECONDS = 15.0


class Service:
    """Takes imports at the rate of a Business account; each task runs for a while."""

    def __init__(self) -> None:
        self.limits = LocalRateLimiter("business")
        self.sent: list[float] = []
        self.looks = 0
        self.ends: list[float] = []

    async def call(self, operation: Operation[Any], *, path: Any = None, query: Any = None, body: Any = None) -> Any:
        permit = await self.limits.acquire(operation, Lane.BULK, None)
        permit.sent()
        permit.release()
        now = asyncio.get_running_loop().time()
        await asyncio.sleep(0.05)
        if operation.name == "crm.registration":
            return Registration(deal_stages=(RegisteredStage(stage_name="Open"),))
        if operation.name == "crm.task":
            self.looks += 1
            ended = now >= self.ends[int(path["task_id"]) - 1]
            return Task(task_status=TaskStatus.SUCCESS if ended else TaskStatus.RUNNING, success_count=1)
        self.sent.append(now)
        self.ends.append(now + TASK_SECONDS)
        return QueuedTask(task_id=str(len(self.ends)))


def test_an_import_runs_at_the_permitted_rate() -> None:
    """Chunks leave as fast as 20 a minute allow although each takes 15 s, and tasks are not asked after in a rush."""
    service = Service()
    plan = ImportPlan(
        chunk_records=1, chunk_bytes=1_000_000, polling=Polling(), ledger=None, observe=lambda event: None
    )

    async def work() -> float:
        began = asyncio.get_running_loop().time()
        records = {ACCOUNTS: map(crm_data.account, range(40)), LEADS: map(crm_data.lead, range(40))}
        report = await import_records(service, records, plan, Failures(None, None))  # type: ignore[arg-type]
        assert report.imported == 80
        return asyncio.get_running_loop().time() - began

    seconds = virtual.run(work())
    for first, later in zip(service.sent, service.sent[20:], strict=False):
        assert later - first >= 60.0
    steady = 80 / 20 * 60.0
    assert steady - 60 <= seconds <= steady * 1.05 + TASK_SECONDS
    assert service.looks <= 80 * 8
