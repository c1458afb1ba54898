"""One chunk on its way into the service: sent, asked after, and its errors brought back to their records."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from zra_async import errors
from zra_async.api.crm.models import Task, TaskError, TaskStatus
from zra_async.api.crm.operations import TASK
from zra_async.api.resource import Caller
from zra_async.bulk.crm.chunks import Chunk, ChunkEntry
from zra_async.bulk.crm.ledger import ChunkOutcome
from zra_async.bulk.polling import Polling, passing, patiently

_MOST_SENDINGS = 3
_FAILED = "the import task failed as a whole"
_UNNAMED = "the service gave no reason"


@dataclass(frozen=True, slots=True)
class Courier:
    """Brings chunks in, one `deliver` for each; `on_task` is told of every chunk that is with the service."""

    caller: Caller
    polling: Polling
    on_task: Callable[[Chunk, str], Awaitable[None]]

    async def deliver(self, chunk: Chunk, task_id: str = "") -> ChunkOutcome:
        """Import ``chunk`` and wait until that has ended; ``task_id`` is that of an earlier, interrupted run.

        A chunk whose answer was lost, or whose task the service has forgotten, is sent again: records are written by
        their CRM ids, so the same twice changes nothing. One that is too large for the service goes in two halves.
        """
        for _ in range(_MOST_SENDINGS):
            if not task_id:
                try:
                    task_id = await self._send(chunk)
                except errors.PayloadTooLarge as refusal:
                    return await self._in_halves(chunk, refusal)
                await self.on_task(chunk, task_id)
            task = await self._ended(task_id)
            if task is not None:
                return outcome_of(chunk.entries, task)
            task_id = ""
        raise errors.UnexpectedAnswer(
            TASK.name, f"the service forgot an import of {chunk.kind.name} {_MOST_SENDINGS} times", status=404
        )

    async def _send(self, chunk: Chunk) -> str:
        operation = chunk.kind.operation
        answer = await patiently(lambda: self.caller.call(operation, body=chunk.body), self.polling)
        if not answer.task_id:
            raise errors.UnexpectedAnswer(operation.name, "the answer has no task_id", status=202)
        return answer.task_id

    async def _in_halves(self, chunk: Chunk, refusal: errors.PayloadTooLarge) -> ChunkOutcome:
        if len(chunk.entries) == 1:
            return ChunkOutcome([(0, f"the record is too large: {refusal.message or refusal}")])
        first, second = chunk.halves()
        # a half is no chunk that the ledger knows: after an interruption the whole is sent again
        courier = replace(self, on_task=_forget)
        one, other = await courier.deliver(first), await courier.deliver(second)
        moved = [(place + len(first.entries), reason) for place, reason in other.failures]
        return ChunkOutcome([*one.failures, *moved], one.unexplained + other.unexplained)

    async def _ended(self, task_id: str) -> Task | None:
        """The task once it has ended; None when the service does not know it any more."""
        for delay in self.polling.delays():
            try:
                task = await self.caller.call(TASK, path={"task_id": task_id})
            except errors.NotFound:
                return None
            except errors.CallError as problem:
                if not passing(problem):
                    raise
                # the next look comes anyway
            else:
                if task.ended:
                    return task
            await asyncio.sleep(delay)
        raise errors.DeadlineExceeded(TASK.name, f"task {task_id!r} has not ended within {self.polling.limit:.0f} s")


async def _forget(chunk: Chunk, task_id: str) -> None:
    pass


def outcome_of(entries: Sequence[ChunkEntry], task: Task) -> ChunkOutcome:
    """Bring the errors of a task back to the places of the records that were sent.

    Where place and id of an error contradict each other, the id is right. A task that failed without a single success
    has failed every record.
    """
    places = {entry.crm_id: place for place, entry in enumerate(entries)}
    reasons: dict[int, str] = {}
    unplaced = 0
    for error in task.errors:
        place = _place(error, entries, places)
        if place is None:
            unplaced += 1
        else:
            reasons.setdefault(place, error.detail or _UNNAMED)
    if task.task_status is TaskStatus.FAILED and not task.success_count:
        for place in range(len(entries)):
            reasons.setdefault(place, _FAILED)
        unplaced = 0
    told = len(reasons) + unplaced
    unexplained = max(unplaced, min(task.failed_count or 0, len(entries)) - told + unplaced)
    return ChunkOutcome(sorted(reasons.items()), min(unexplained, len(entries) - len(reasons)))


def _place(error: TaskError, entries: Sequence[ChunkEntry], places: dict[str, int]) -> int | None:
    index = error.record_index
    if index is not None and 0 <= index < len(entries) and error.record_id in ("", entries[index].crm_id):
        return index
    return places.get(error.record_id)
