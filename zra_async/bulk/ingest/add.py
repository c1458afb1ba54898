"""The last step of an item: it becomes a conversation, once, even where answers are lost."""

from __future__ import annotations

import asyncio
import weakref
from dataclasses import dataclass, field, replace
from typing import Any

from zra_async import errors
from zra_async.api.conversations.operations import ADD, ADD_RECORDING, ConversationOperations
from zra_async.bulk.ingest.item import Checked, CloudRecording, recording_of
from zra_async.bulk.ingest.ledger import Entry, IngestLedger
from zra_async.bulk.ingest.lookup import identity_of, look_up
from zra_async.bulk.ingest.report import ItemOutcome, OutcomeName
from zra_async.bulk.polling import Polling, due_in, passing
from zra_async.core.clock import ServiceClock

_MOST_SENDINGS = 5
TRY_AGAIN = 3300  #: "Failed to add the recording, please try again."
_ALREADY = frozenset({3315, 3319})  #: it is in processing, or added
#: after these a look-up cannot tell whether it was done
_CANNOT_LOOK = (
    errors.PermissionDenied,
    errors.NotFound,
    errors.BadRequest,
    errors.UnexpectedAnswer,
    errors.PageTokenRepeated,
)
#: after these nobody knows whether it was done: the second is a success that cannot be read
_LOST = (errors.AmbiguousWrite, errors.UnexpectedAnswer)


class NotReached(errors.ZRAError):
    """A step did not succeed, for reasons that pass: the item is left for the next run."""


def _no_turns() -> weakref.WeakValueDictionary[str, asyncio.Lock]:
    return weakref.WeakValueDictionary()


@dataclass(frozen=True, slots=True)
class Adder:
    """Adds conversations, those that look the same one after the other, so that an answer that is lost belongs to one.

    `settle` is how long an addition is looked for after its answer was lost, and `patience` how long is waited after
    other failures. `analysis` is how the analysis is waited for, None when it is not. `clock` is the service's.
    """

    conversations: ConversationOperations
    ledger: IngestLedger
    settle: Polling
    patience: Polling
    analysis: Polling | None
    clock: ServiceClock
    _turns: weakref.WeakValueDictionary[str, asyncio.Lock] = field(default_factory=_no_turns)

    async def add(self, item: Checked, entry: Entry) -> ItemOutcome:
        """Add the conversation of ``item``, whose file, if it has one, is uploaded.

        Raises `NotReached`, and the error of a refusal.
        """
        identity = identity_of(item.fields)
        async with self._turn(identity):
            for asked in range(_MOST_SENDINGS):
                entry, outcome = await self._resolved(entry)
                if outcome is not None:
                    return outcome
                entry = await self.ledger.save(
                    replace(entry, begun=True, identity=identity, since=entry.since or self.clock.time(), candidates="")
                )
                entry, conversation_id = await self._sent(item, entry, asked)
                if conversation_id:
                    return await self._added(entry, conversation_id)
            entry, outcome = await self._resolved(entry)
            if outcome is not None:
                return outcome
        raise NotReached(f"{ADD.name}: not done after {_MOST_SENDINGS} attempts")

    async def resolve(self, entry: Entry) -> tuple[Entry, ItemOutcome | None]:
        """Find out about an addition that an earlier run has begun, and whose end is not known."""
        async with self._turn(entry.identity):
            return await self._resolved(entry)

    async def add_recording(self, recording: CloudRecording, entry: Entry) -> ItemOutcome:
        """Add a cloud recording. The service takes none twice, so a lost answer is simply asked for again."""
        in_doubt = entry.begun
        last: errors.CallError | None = None
        for asked in range(_MOST_SENDINGS):
            entry = await self.ledger.save(replace(entry, begun=True))
            try:
                answer = await self.conversations.add_recording(recording.user_id, **recording_of(recording))
            except _LOST as problem:
                last, in_doubt = problem, True
            except errors.CallError as problem:
                code = getattr(problem, "code", None)
                if code in _ALREADY:
                    outcome: OutcomeName = "added" if in_doubt else "already_added"
                    entry = await self.ledger.save(replace(entry, state="done", begun=False, code=code))
                    return ItemOutcome(entry.key, outcome, recording.meeting_uuid or "", code)
                if not passing(problem) and code != TRY_AGAIN:
                    raise
                last = problem
            else:
                meeting_uuid = answer.meeting_uuid or recording.meeting_uuid or ""
                await self.ledger.save(replace(entry, state="done", begun=False, conversation_id=meeting_uuid))
                return ItemOutcome(entry.key, "added", meeting_uuid)
            await asyncio.sleep(self.patience.delay(asked))
        if not in_doubt:
            await self.ledger.save(replace(entry, begun=False))
        if last is not None and getattr(last, "code", None) == TRY_AGAIN:
            raise last
        raise NotReached(f"{ADD_RECORDING.name}: {last}")

    def _turn(self, identity: str) -> asyncio.Lock:
        turn = self._turns.get(identity)
        if turn is None:
            turn = self._turns[identity] = asyncio.Lock()
        return turn

    async def _resolved(self, entry: Entry) -> tuple[Entry, ItemOutcome | None]:
        if not entry.begun or entry.step != "add":
            return entry, None
        try:
            found = await look_up(self.conversations, self.ledger, entry, self.settle)
        except _CANNOT_LOOK as problem:
            return entry, await self._uncertain(entry, f"it cannot be looked up: {problem}", ())
        if found.doubt:
            return entry, await self._uncertain(entry, found.doubt, found.candidates)
        if found.conversation_id:
            return entry, await self._added(entry, found.conversation_id)
        return await self.ledger.save(replace(entry, begun=False, state="open")), None

    async def _sent(self, item: Checked, entry: Entry, asked: int) -> tuple[Entry, str]:
        """The id of the new conversation, "" when that is not known, or when it was certainly not added."""
        arguments: dict[str, Any] = dict(item.fields)
        if entry.main_file_id:
            arguments["file_id"] = entry.main_file_id
        try:
            return entry, (await self.conversations.add(**arguments)).conversation_id
        except _LOST:
            return entry, ""
        except errors.CallError as problem:
            entry = await self.ledger.save(replace(entry, begun=False))
            if not passing(problem):
                raise
        await asyncio.sleep(self.patience.delay(asked))
        return entry, ""

    async def _added(self, entry: Entry, conversation_id: str) -> ItemOutcome:
        entry = replace(
            entry,
            begun=False,
            state="done" if self.analysis is None else "waiting",
            conversation_id=conversation_id,
            code=None,
            reason="",
            candidates="",
        )
        if self.analysis is not None:
            entry = replace(entry, due=due_in(self.analysis.delay(0)), asked=1)
        await self.ledger.save(entry)
        return ItemOutcome(entry.key, "added", conversation_id)

    async def _uncertain(self, entry: Entry, reason: str, candidates: tuple[str, ...]) -> ItemOutcome:
        found = "\n".join(candidates)
        await self.ledger.save(replace(entry, state="uncertain", begun=True, reason=reason, candidates=found))
        return ItemOutcome(entry.key, "uncertain", reason=reason, candidates=candidates)
