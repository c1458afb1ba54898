"""The account's deals, and which conversation belongs to which deal: both directions by arithmetic alone.

The conversations are cut into stretches of 15 rounds. In each round every block of deals gets one conversation, so
that a deal's conversations are spread over weeks and a deal's number rises with its time. Of the 15 conversations that
a block gets, the first deal takes 1, the second 3, the third 8, and 3 belong to no deal.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, NamedTuple

from zra_async.sandbox.generated.entropy import domain, words
from zra_async.sandbox.generated.ids import DealIds
from zra_async.sandbox.generated.names import COMPANIES, PRODUCTS, REGIONS, company_name
from zra_async.sandbox.generated.people import customer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zra_async.sandbox.generated.people import User
    from zra_async.sandbox.generated.times import History

_ROUNDS = 15
_STRETCHES = 8
_PART = (0, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, -1, -1, -1)
_ROUNDS_OF_PART = (range(1), range(1, 4), range(4, 12))
OPEN_STAGES = ("Qualification", "Needs Analysis", "Perception Analysis", "Proposal", "Negotiation")
CLOSED_STAGES = ("Closed Won", "Closed Lost")
_CURRENCIES = ("USD", "USD", "USD", "EUR", "GBP", "JPY")
DAY = 86400


class Deal(NamedTuple):
    """The facts of one deal, apart from its conversations."""

    number: int
    deal_id: str
    name: str
    company: int
    owner: User
    stage: str
    amount: int
    currency: str
    created: int
    close: int
    closed: bool
    private: bool
    days_in_stage: int
    draw: tuple[int, ...]


class Pipeline:
    """Generates the deals of an account from its seed."""

    def __init__(self, seed: int, history: History, owners: Sequence[User]) -> None:
        self._conversations = history.count
        self._stride = max(1, history.count // (_ROUNDS * _STRETCHES))
        self._stretch = self._stride * _ROUNDS
        full, rest = divmod(history.count, self._stretch)
        self._blocks = full * self._stride + min(self._stride, rest)
        self.count: int = self._blocks * 3 + self._blocks * 3 // 5 + 4  # the last ones have no conversations yet
        self._space, self._ids = domain(seed, "deals"), DealIds(seed)
        self._history = history
        self._owners, self._salt = owners, words(self._space, 1 << 40)[0]
        self.changed: dict[int, Deal] = {}  #: the deals that were changed since, by number

    def deal_of(self, conversation: int) -> int:
        """Give the number of the deal of a conversation, -1 for none."""
        stretch, rest = divmod(conversation, self._stretch)
        turn, block = divmod(rest, self._stride)
        part = _PART[turn]
        return -1 if part < 0 else (stretch * self._stride + block) * 3 + part

    def conversations_of(self, deal: int) -> list[int]:
        """Give the numbers of the conversations of a deal, oldest first."""
        block, part = divmod(deal, 3)
        if block >= self._blocks:
            return []
        stretch, block = divmod(block, self._stride)
        first = stretch * self._stretch + block
        numbers = [first + turn * self._stride for turn in _ROUNDS_OF_PART[part]]
        return [n for n in numbers if n < self._conversations]

    def owner_of(self, deal: int) -> User:
        """Give the owner of a deal."""
        return self._owners[(deal * 31 + self._salt) % len(self._owners)]

    def company_of(self, deal: int) -> int:
        """Give the number of the company a deal is made with."""
        return (deal * 7 + self._salt) % (len(COMPANIES) * len(REGIONS))

    def deal_id(self, deal: int) -> str:
        """Write the id of a deal."""
        return self._ids.write(deal)

    def find(self, deal_id: str) -> int | None:
        """Read a deal id; None if the account has no such deal."""
        deal = self._ids.read(deal_id)
        return deal if deal is not None and deal < self.count else None

    def created(self, deal: int) -> int:
        """Give the time a deal was created: five days before its block's first conversation, rising with its number."""
        history, (block, part) = self._history, divmod(deal, 3)
        if block >= self._blocks:
            return history.begin + history.span
        stretch, block = divmod(block, self._stride)
        first = (stretch * self._stretch + block) * history.span // history.count
        return history.begin - 5 * DAY + first + part * (history.span // history.count // 3)

    def first_since(self, seconds: int) -> int:
        """Find the first deal created at or after a time; ``count`` if there is none."""
        return bisect_left(range(self.count), seconds, key=self.created)

    def stage_during(self, deal: int, conversation: int) -> str:
        """Give the stage a deal was in when a conversation of it took place: later ones, later stages."""
        numbers = self.conversations_of(deal)
        place = numbers.index(conversation) if conversation in numbers else len(numbers)
        return OPEN_STAGES[min(place, len(OPEN_STAGES) - 1)]

    def deal(self, index: int) -> Deal:
        """Generate a deal, or give it as it was changed."""
        if index in self.changed:
            return self.changed[index]
        draw = words(self._space, index)
        created = self.created(index)
        close = created + (80 + draw[0] % 400) * DAY
        closed = close < self._history.begin + self._history.span
        stage = CLOSED_STAGES[draw[1] % 2] if closed else OPEN_STAGES[draw[1] % len(OPEN_STAGES)]
        company = self.company_of(index)
        return Deal(
            number=index,
            deal_id=self._ids.write(index),
            name=f"{company_name(company)} – {PRODUCTS[draw[2] % len(PRODUCTS)]} {2 + draw[3] % 900} seats",
            company=company,
            owner=self.owner_of(index),
            stage=stage,
            amount=500 * (1 + draw[4] % 4000),
            currency=_CURRENCIES[draw[5] % len(_CURRENCIES)],
            created=created,
            close=close,
            closed=closed,
            private=draw[6] % 16 == 0,
            days_in_stage=draw[7] % 120,
            draw=draw,
        )


def contacts(deal: Deal) -> list[tuple[str, str]]:
    """Give the customer's people that a deal knows, as (contact id, name)."""
    people = [customer(deal.draw[8 + n], deal.company, signed_in=True) for n in range(deal.draw[8] % 4)]
    return [(f"003{deal.draw[11 + n]:08X}{n:04}QAB", person.display_name) for n, person in enumerate(people)]
