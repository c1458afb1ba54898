"""A job calls through a small protocol, which another client can implement."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from zra_async import Lane, ListOperation, Operation, Pages, RateLimiter, ZRAClient
from zra_async.bulk.caller import BulkCaller
from zra_async.bulk.export.job import export
from zra_async.core.clock import ServiceClock
from zra_async.files import Conversations, Files
from zra_async.sandbox import Sandbox

R = TypeVar("R")
T = TypeVar("T")
Texts = Mapping[str, str] | None
Values = Mapping[str, object] | None


class Counting:
    """A caller that counts the operations of a job, and leaves the calls to a client."""

    def __init__(self, zra: ZRAClient, counts: Counter[str]) -> None:
        self._zra, self._counts = zra, counts
        self.account: str = zra.account
        self.conversations: Conversations = zra.conversations
        self.files: Files = zra.files
        self.limits: RateLimiter = zra.limits
        self.clock: ServiceClock = zra.clock
        self.dropped_fields: Mapping[str, int] = zra.dropped_fields

    async def call(self, operation: Operation[R], *, path: Texts = None, query: Values = None, body: Any = None) -> R:
        self._counts[operation.name] += 1
        return await self._zra.call(operation, path=path, query=query, body=body)

    def list(
        self,
        operation: ListOperation[Any, T],
        *,
        path: Texts = None,
        query: Values = None,
        page_size: int | None = None,
        cursor: str = "",
    ) -> Pages[T]:
        self._counts[operation.name] += 1
        return self._zra.list(operation, path=path, query=query, page_size=page_size, cursor=cursor)

    async def service_time(self) -> datetime:
        return await self._zra.service_time()

    def with_options(self, *, deadline: float | None, lane: Lane) -> Counting:
        return Counting(self._zra.with_options(deadline=deadline, lane=lane), self._counts)


async def test_an_export_through_another_caller(tmp_path: Path) -> None:
    """It makes its calls through the caller that it is given."""
    async with Sandbox(conversations=3) as sandbox, sandbox.client() as zra:
        counts = Counter[str]()
        caller: BulkCaller = Counting(zra, counts)
        report = await export(caller, tmp_path / "out", streams="conversations,deals,comments")
    assert not report.partial
    assert counts["comments.list"] == 3
    assert counts["deals.get"] == report.records["deals"]
