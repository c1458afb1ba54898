"""The generated base of the account: conversation number i is a pure function of the seed and i.

Nothing is stored. A start time is found by arithmetic, an index by bisection, an id is turned back into its index, and
the conversations of a deal are computed, so that an account of a million conversations costs what one of ten costs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zra_async.sandbox.generated.awkward import TRAITS
from zra_async.sandbox.generated.conversation import Conversation
from zra_async.sandbox.generated.entropy import domain, words
from zra_async.sandbox.generated.ids import ConversationIds
from zra_async.sandbox.generated.pipeline import DAY, Pipeline
from zra_async.sandbox.generated.times import History

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zra_async.sandbox.generated.people import User
    from zra_async.sandbox.options import Options

YEARS = 2
ALL_TIME = 1 << 128  #: an order key above every other
#: No recording takes longer, analysis and scorecards included: the newest one is complete when the account opens.
LONGEST = 3 * 3600


class Population:
    """Generates conversations and deals."""

    def __init__(self, options: Options, now: float, users: Sequence[User]) -> None:
        self.count: int = options.conversations
        self.users = users
        self.hosts: list[User] = [user for user in users if user.licensed]
        begin = int(now) // DAY * DAY - YEARS * 365 * DAY - LONGEST  # midnight: a restart finds the same times
        self.history: History = History(
            domain(options.seed, "conversations"), begin, YEARS * 365 * DAY, options.conversations
        )
        self.ids: ConversationIds = ConversationIds(options.seed)
        self.pipeline: Pipeline = Pipeline(options.seed, self.history, self.hosts)
        self._awkward = int(options.awkward * 2**32)

    def conversation(self, index: int) -> Conversation:
        """Generate a conversation."""
        history = self.history
        draw = words(history.space, index)
        start = history.place(index, draw[0])
        phone = draw[1] % 5 == 0
        duration = 360 + (draw[1] >> 8) % (1500 if phone else 5000)
        deal = self.pipeline.deal_of(index)
        company = self.pipeline.company_of(deal) if deal >= 0 else draw[4] % 97
        return Conversation(
            self.ids.write(index, start - history.begin),
            order_key(start, index),
            index,
            start,
            duration,
            start + duration + 60 + draw[2] % 1500,
            0.0,
            "phone" if phone else "meeting",
            "",
            self.host(draw[3], deal),
            company,
            deal,
            draw,
            1 + draw[12] % TRAITS if draw[11] < self._awkward else 0,
        )

    def host(self, draw: int, deal: int) -> User:
        """Choose who hosted: mostly the owner of the deal."""
        return self.pipeline.owner_of(deal) if deal >= 0 and draw % 4 else self.hosts[(draw >> 4) % len(self.hosts)]

    def find(self, conversation_id: str) -> int | None:
        """Read a conversation id; None if the generated base has no such conversation."""
        index = self.ids.read(conversation_id)
        if index is None or not 0 <= index < self.count:
            return None
        written = self.ids.write(index, self.history.at(index) - self.history.begin)
        return index if written == conversation_id else None


def order_key(start: int, number: int, *, added: bool = False) -> int:
    """Pack a start time and a number into one integer that sorts by time first; it is also a page position."""
    return (start << 64) | (added << 63) | number
