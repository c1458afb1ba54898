"""The account's conversations, deals and people: a base generated as it is asked for, and what was changed on it."""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import TYPE_CHECKING

from zra_async.sandbox.generated.catalogue import Catalogue, make_catalogue
from zra_async.sandbox.generated.people import User, make_users, user_count
from zra_async.sandbox.generated.pipeline import Pipeline
from zra_async.sandbox.generated.population import ALL_TIME, LONGEST, Population, order_key
from zra_async.sandbox.world.commentary import Commentary

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zra_async.sandbox.clock import Clock
    from zra_async.sandbox.generated.conversation import Conversation
    from zra_async.sandbox.options import Options


class World:
    """Everything the account holds besides teams, CRM records and files.

    The generated base costs no memory; what calls add, change and delete is kept in small dictionaries on top of it.
    """

    def __init__(self, options: Options, clock: Clock, *, opened: float | None = None) -> None:
        self.options = options
        self.clock = clock
        self.opened: float = clock.time() if opened is None else opened  #: the time up to which its base reaches
        self.users: Sequence[User] = make_users(options.seed, user_count(options.conversations))
        self.catalogue: Catalogue = make_catalogue(options.seed)
        self.population: Population = Population(options, self.opened, self.users)
        self.pipeline: Pipeline = self.population.pipeline
        self.commentary: Commentary = Commentary(options.seed, self.users)
        self.meetings: dict[str, str] = {}  #: conversation ids by the UUID of meetings added for a user
        self.deleted_messages: set[str] = set()
        self._serial = 0
        self._users_by_key = {key: user for user in self.users for key in (user.user_id, user.email)}
        self._added: dict[str, Conversation] = {}
        self._added_order: list[tuple[int, str]] = []
        self._added_by_deal: dict[int, dict[str, None]] = {}
        self._deleted: set[int] = set()
        self._changed: dict[int, Conversation] = {}
        self._analysed_again: int = ALL_TIME  # the lowest order key of those whose analysis was repeated

    def user(self, user_id_or_email: str) -> User | None:
        """Find a user by id or by e-mail address, whose case does not matter."""
        by_key = self._users_by_key
        return by_key.get(user_id_or_email) or by_key.get(user_id_or_email.lower())

    # Reading

    def find(self, conversation_id: str) -> Conversation | None:
        """Find a conversation by id, generated or added; None once it is deleted."""
        added = self._added.get(conversation_id)
        if added is not None:
            return added if self.visible(added) else None
        number = self.population.find(conversation_id)
        return None if number is None or number in self._deleted else self._generated(number)

    def meeting(self, meeting_uuid: str) -> Conversation | None:
        """Find the conversation that a meeting became."""
        added = self.find(self.meetings.get(meeting_uuid, ""))
        number = self.population.ids.read(meeting_uuid)
        if added or number is None or not 0 <= number < self.population.count or number in self._deleted:
            return added
        conversation = self._generated(number)
        return conversation if conversation.meeting_uuid == meeting_uuid else None

    def newest_first(
        self, low: int = 0, high: int = ALL_TIME, *, generated: tuple[int, int] = (0, ALL_TIME)
    ) -> Iterator[Conversation]:
        """Give the conversations whose order key is in ``low <= key < high``, newest first, reading as it goes.

        Of the base only those in the range ``generated`` are looked at.
        """
        first = self._position(max(low, generated[0]))
        last = self._position(min(high, generated[1]))
        waiting = self._added_order[bisect_left(self._added_order, (low,)) : bisect_left(self._added_order, (high,))]
        deleted = self._deleted
        for number in range(last - 1, first - 1, -1):
            if number in deleted:
                continue
            conversation = self._generated(number)
            while waiting and waiting[-1][0] > conversation.order:
                yield from self._shown(waiting.pop()[1])
            yield conversation
        while waiting:
            yield from self._shown(waiting.pop()[1])

    def oldest(self) -> Conversation | None:
        """Find the oldest conversation of the base that is analysed, or the oldest of all where the base is gone."""
        for number in range(self.population.count):
            if number not in self._deleted and not self.processing(conversation := self._generated(number)):
                return conversation
        added = (self.find(name) for _, name in self._added_order)
        return next((found for found in added if found is not None and not self.processing(found)), None)

    def _shown(self, conversation_id: str) -> Iterator[Conversation]:
        """Give an added conversation if it can be seen already."""
        added = self._added.get(conversation_id)
        if added is not None and self.visible(added):
            yield added

    def _position(self, order: int) -> int:
        """Find the first conversation of the base whose order key is not below ``order``."""
        history = self.population.history
        return bisect_left(range(history.count), order, key=lambda number: order_key(history.at(number), number))

    def conversations_of(self, deal: int) -> list[Conversation]:
        """List the conversations of a deal, newest first."""
        numbers = self.pipeline.conversations_of(deal)
        base = [self._generated(number) for number in numbers if number not in self._deleted]
        found = {conversation.order: conversation for conversation in base if conversation.deal == deal}
        for conversation in map(self.find, self._added_by_deal.get(deal, ())):
            if conversation is not None:
                found[conversation.order] = conversation
        return [found[order] for order in sorted(found, reverse=True)]

    def visible(self, conversation: Conversation) -> bool:
        """Tell whether a conversation can be seen yet, in lists and by its id."""
        return conversation.visible_at <= 0 or conversation.visible_at <= self.clock.time()

    def lowest_analysed_since(self, low: int) -> int:
        """Give the order key below which nothing was analysed after a conversation of the order key ``low`` began."""
        return min(low - (LONGEST << 64), self._analysed_again)

    def processing(self, conversation: Conversation) -> bool:
        """Tell whether the analysis of a conversation cannot be read yet."""
        return conversation.ready_at > 0 and conversation.ready_at > self.clock.time()

    # Changing

    def next_serial(self) -> int:
        """Count the conversations that were added."""
        self._serial += 1
        return self._serial

    def add(self, conversation: Conversation) -> None:
        """Put a new conversation in its place."""
        self._added[conversation.conversation_id] = conversation
        insort(self._added_order, (conversation.order, conversation.conversation_id))
        if conversation.deal >= 0:
            self._added_by_deal.setdefault(conversation.deal, {})[conversation.conversation_id] = None

    def delete(self, conversation: Conversation) -> None:
        """Remove a conversation for good."""
        self.commentary.forget(conversation)
        self._added_by_deal.get(conversation.deal, {}).pop(conversation.conversation_id, None)
        if conversation.number >= 0:
            self._deleted.add(conversation.number)
            self._changed.pop(conversation.number, None)
            return
        del self._added[conversation.conversation_id]
        del self._added_order[bisect_left(self._added_order, (conversation.order,))]

    def change(self, conversation: Conversation) -> None:
        """Put a changed conversation in the place of the one with its id, and into its deal."""
        name, old = conversation.conversation_id, self.require(conversation.conversation_id)
        if conversation.number >= 0:
            self._changed[conversation.number] = conversation
            if conversation.processed != old.processed:
                self._analysed_again = min(self._analysed_again, conversation.order)
        else:
            self._added[name] = conversation
        if conversation.deal != old.deal:
            self._added_by_deal.get(old.deal, {}).pop(name, None)
            if conversation.deal >= 0:
                self._added_by_deal.setdefault(conversation.deal, {})[name] = None

    def change_host(self, conversation: Conversation, host: User) -> None:
        """Give a conversation to another host."""
        self.change(conversation._replace(host=host))

    def detach(self, conversation: Conversation) -> None:
        """Take a conversation out of its deal."""
        self.change(conversation._replace(deal=-1))

    def _generated(self, number: int) -> Conversation:
        return self._changed.get(number) or self.population.conversation(number)

    def require(self, conversation_id: str) -> Conversation:
        """Find a conversation by id; raises `KeyError` where there is none."""
        conversation = self.find(conversation_id)
        if conversation is None:
            raise KeyError(conversation_id)
        return conversation
