"""The wait until conversations are analysed: beside the uploads, with memory for none of them but the due ones."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import anyio

from zra_async import errors
from zra_async.api.conversations.operations import ConversationOperations
from zra_async.bulk.ingest.ledger import Entry, IngestLedger
from zra_async.bulk.ingest.report import ItemOutcome
from zra_async.bulk.polling import Polling, due_in, passing
from zra_async.core.tasks import Tasks

_AT_ONCE = 8
#: after these no other item would fare better
_FATAL = (errors.AuthenticationFailed, errors.MissingScopes, errors.UnsafeRedirect)
_SHORTEST_NAP = 0.01
_LONGEST_NAP = 1.0  #: seconds until the ledger is looked at again for items that have come meanwhile


@dataclass(slots=True)
class Analyses:
    """Asks after every item that waits for its analysis, less and less often, until `polling` gives it up."""

    conversations: ConversationOperations
    ledger: IngestLedger
    polling: Polling
    on_outcome: Callable[[Entry, ItemOutcome], None]
    _closed: asyncio.Event = field(default_factory=asyncio.Event)

    def close(self) -> None:
        """No more items will come: `run` returns when none waits any more."""
        self._closed.set()

    async def run(self) -> None:
        """Wait for all of them. What the ledger knows from earlier runs is waited for as well."""
        await self.ledger.wait_again()
        while True:
            now = due_in(0.0)
            closed = self._closed.is_set()
            due = await self.ledger.due(now, _AT_ONCE)
            if due:
                async with Tasks() as tasks:
                    for entry in due:
                        tasks.start(self._ask, entry)
                continue
            following = await self.ledger.next_due()
            if following is None and closed:
                return
            nap = _LONGEST_NAP if following is None else min(_LONGEST_NAP, following - now)
            if closed:
                await asyncio.sleep(max(nap, _SHORTEST_NAP))
                continue
            with anyio.move_on_after(max(nap, _SHORTEST_NAP)):
                await self._closed.wait()

    async def _ask(self, entry: Entry) -> None:
        analysed = False
        try:
            found = await self.conversations.get(entry.conversation_id)
            analysed = found.iq_processed_time is not None
        except errors.NotFound:
            pass  # what was added a moment ago may not be readable yet
        except errors.CallError as problem:
            if isinstance(problem, _FATAL):
                raise
            if not passing(problem):
                await self._give_up(entry, str(problem), getattr(problem, "code", None))
                return
        if analysed:
            entry = await self.ledger.end_wait(entry.key, "done")
            self.on_outcome(entry, ItemOutcome(entry.key, "added", entry.conversation_id))
        elif self.polling.waited(entry.asked) >= self.polling.limit:
            await self._give_up(entry, f"its analysis had not ended after {self.polling.limit:.0f} s", None)
        else:
            await self.ledger.put_off(entry, due_in(self.polling.delay(entry.asked)))

    async def _give_up(self, entry: Entry, reason: str, code: int | None) -> None:
        entry = await self.ledger.end_wait(entry.key, "unanalysed")
        self.on_outcome(entry, ItemOutcome(entry.key, "unanalysed", entry.conversation_id, code, reason))
