"""The life of a sandbox account: changes that happen by themselves, in an order that follows from a seed."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, get_args

from zra_async.sandbox.faults.faults import Fault
from zra_async.sandbox.generated import texts
from zra_async.sandbox.generated.pipeline import CLOSED_STAGES, OPEN_STAGES
from zra_async.sandbox.operations.adding import enter, event_id, new_conversation, tell_analysis, tell_association
from zra_async.sandbox.world.commentary import Comment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from zra_async.sandbox.faults.faults import Faults
    from zra_async.sandbox.generated.conversation import Conversation
    from zra_async.sandbox.world.account import Account

Kind = Literal["conversation", "analysis", "host", "deal", "stage", "comment", "edit", "scorecard", "deletion",
               "refusal", "concurrency"]  # fmt: skip
KINDS: tuple[Kind, ...] = get_args(Kind)
LOG_SIZE = 10_000
LATEST = 45.0  #: seconds for which a new conversation is unknown at most after its webhook
MOST_SCORECARDS = 3
_OTHER_COUNTS_KEPT = 7 * 9 << 24  # changes the number of scorecards in `Conversation`, and no other count of this draw
_LATE_SHARE = 0.3
_RECENT = 50
_REFUSED = (
    "GET /conversations/{conversationId}/scorecards",
    "GET /conversations/{conversationId}/comments",
    "GET /deals/{dealId}/activities",
)
_TOO_MANY = "Too many concurrent requests. A request to disassociate this user has already been made."


@dataclass(frozen=True, slots=True)
class Change:
    """One change of the account: its time, its kind, and the id of the thing that changed."""

    at: float  #: seconds since the epoch, on the sandbox's clock
    kind: Kind
    subject: str  #: the id of a conversation or a deal; for a fault, the operation


class Life:
    """Changes an account one step after the other; `changes` keeps the latest steps.

    The same account and seed give the same steps. `step` makes one change now; with a ``rate`` above 0 the sandbox also
    makes them by itself, that many in a second of its clock on average, until `stop`.
    """

    def __init__(
        self, account: Account, faults: Faults, *, rate: float, seed: int, kinds: Iterable[Kind] | None = None
    ) -> None:
        self._kinds = list(KINDS if kinds is None else kinds)
        if unknown := set(self._kinds) - set(KINDS):
            raise ValueError(f"no change is called {', '.join(sorted(unknown))}; there are: {', '.join(KINDS)}")
        if rate < 0 or not self._kinds:
            raise ValueError("rate must not be negative, and there must be at least one kind of change")
        self.rate: float = rate
        self.changes: deque[Change] = deque(maxlen=LOG_SIZE)
        self._account, self._faults = account, faults
        self._chance = random.Random(seed)
        self._task: asyncio.Task[None] | None = None
        self._steps: Mapping[Kind, Callable[[], str | None]] = {
            "conversation": self._converse,
            "analysis": self._analyse,
            "host": self._move_host,
            "deal": self._move_deal,
            "stage": self._move_stage,
            "comment": self._comment,
            "edit": self._edit,
            "scorecard": self._score,
            "deletion": self._delete,
            "refusal": self._refuse,
            "concurrency": self._crowd,
        }

    def step(self, kind: Kind | None = None) -> Change:
        """Make one change now, of a drawn kind or of ``kind``; where it finds nothing to change, a conversation."""
        drawn: Kind = kind if kind is not None else self._chance.choice(self._kinds)
        subject = self._steps[drawn]()
        if subject is None:
            drawn, subject = "conversation", self._converse()
        change = Change(self._account.clock.time(), drawn, subject)
        self.changes.append(change)
        return change

    def start(self) -> None:
        """Let the account change by itself from now on, on the running event loop."""
        if self.rate > 0 and self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._live(self._account.clock.time()))

    async def stop(self) -> None:
        """Let the account stand still from now on; safe to call twice."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    async def _live(self, due: float) -> None:
        clock = self._account.clock
        while True:
            due += self._chance.expovariate(self.rate)  # of the clock's time, so that a leap is made up for
            await clock.sleep(due - clock.time())
            self.step()
            await asyncio.sleep(0)

    def _some(self) -> Conversation | None:
        """Draw a conversation that can be read: one of the latest, which are the liveliest."""
        world = self._account.world
        recent: list[Conversation] = []
        for conversation in world.newest_first():
            if not world.processing(conversation):
                recent.append(conversation)
            if len(recent) == _RECENT:
                break
        return self._chance.choice(recent) if recent else None

    def _converse(self) -> str:
        account, chance = self._account, self._chance
        world, now = account.world, account.clock.time()
        duration = chance.randint(360, 5000)
        host = chance.choice(world.population.hosts)
        conversation = new_conversation(account, int(now) - duration - 60, host, title="")
        deal = chance.randrange(world.pipeline.count) if chance.random() < 0.7 else -1
        late = chance.uniform(1, LATEST) if chance.random() < _LATE_SHARE else 0.0
        conversation = conversation._replace(
            duration=duration,
            kind=chance.choice(("meeting", "meeting", "phone")),
            deal=deal,
            company=world.pipeline.company_of(deal) if deal >= 0 else conversation.company,
            visible_at=conversation.ready_at + late if late else 0.0,
        )
        enter(account, conversation, "ZOOM_MEETING")
        return conversation.conversation_id

    def _analyse(self) -> str | None:
        found = self._some()
        if found is None:
            return None
        ready_at = self._account.clock.time() + self._account.options.processing_seconds
        draw = list(found.draw)
        for place in (6, 13):  # the scores, and the topics
            draw[place] = self._chance.getrandbits(32)
        again = found._replace(draw=tuple(draw), processed=int(ready_at), ready_at=ready_at)
        self._account.world.change(again)
        tell_analysis(self._account, again, "ZOOM_MEETING")
        return found.conversation_id

    def _move_host(self) -> str | None:
        found, world = self._some(), self._account.world
        others = [user for user in world.population.hosts if found and user is not found.host]
        if found is None or not others:
            return None
        world.change_host(found, self._chance.choice(others))
        return found.conversation_id

    def _move_deal(self) -> str | None:
        found, world = self._some(), self._account.world
        if found is None:
            return None
        pipeline, deal = world.pipeline, self._chance.randrange(-1, world.pipeline.count)
        if deal == found.deal:
            return None
        world.change(found._replace(deal=deal))
        old, new = ([pipeline.deal_id(number)] if number >= 0 else [] for number in (found.deal, deal))
        tell_association(self._account, found.conversation_id, old, new)
        return found.conversation_id

    def _move_stage(self) -> str:
        pipeline = self._account.world.pipeline
        deal = pipeline.deal(self._chance.randrange(pipeline.count))
        stage = self._chance.choice([stage for stage in OPEN_STAGES + CLOSED_STAGES if stage != deal.stage])
        pipeline.changed[deal.number] = deal._replace(stage=stage, closed=stage in CLOSED_STAGES, days_in_stage=0)
        return deal.deal_id

    def _comment(self) -> str | None:
        found, world, chance = self._some(), self._account.world, self._chance
        if found is None:
            return None
        author, now = chance.choice(world.users), self._account.clock.time()
        comment_id, text = world.commentary.fresh_id(), chance.choice(texts.COMMENTS)
        comment = Comment(comment_id=comment_id, author=author, text=text, created=now, modified=now)
        world.commentary.add(found, comment)
        event = {"comment_id": comment_id, "conversation_id": event_id(found.conversation_id), "text": text}
        name = "revenue_accelerator.post_comment_completed"
        self._account.webhooks.emit(name, event, operator_id=author.user_id, operator=author.email)
        return found.conversation_id

    def _edit(self) -> str | None:
        found, world, chance = self._some(), self._account.world, self._chance
        comments = world.commentary.on(found) if found else []
        if found is None or not comments:
            return None
        comment = chance.choice(comments)
        if chance.random() < 0.5:
            world.commentary.delete(found, comment)
        else:
            text = comment.text + " (edited)"
            world.commentary.replace(replace(comment, text=text, modified=self._account.clock.time()))
        return found.conversation_id

    def _score(self) -> str | None:
        found = self._some()
        if found is None or found.scorecards == MOST_SCORECARDS:
            return None
        scored = found
        while scored.scorecards != found.scorecards + 1:
            draw = list(scored.draw)
            draw[5] += _OTHER_COUNTS_KEPT
            scored = scored._replace(draw=tuple(draw))
        self._account.world.change(scored)
        return found.conversation_id

    def _delete(self) -> str | None:
        """Delete the oldest conversation, as the retention of an account does, or at times any other one."""
        world = self._account.world
        oldest = world.oldest() if self._chance.random() < 0.7 else self._some()
        if oldest is None:
            return None
        world.delete(oldest)
        return oldest.conversation_id

    def _refuse(self) -> str:
        operation = self._chance.choice(_REFUSED)
        body = {"code": 1001, "message": "This feature is not enabled for the account."}
        times = self._chance.randint(1, 20)
        self._faults.add(Fault(operation=operation, status=403, body=body, times=times))
        return operation

    def _crowd(self) -> str:
        operation = "GET /conversations/{conversationId}*"
        body = {"code": 429, "message": _TOO_MANY}
        self._faults.add(Fault(operation=operation, status=429, body=body, times=self._chance.randint(1, 3)))
        return operation
