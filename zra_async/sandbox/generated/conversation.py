"""One conversation: its facts as drawn from the seed, and who takes part in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from zra_async.sandbox.generated.catalogue import KEY_WORDS, TOPIC_LABELS
from zra_async.sandbox.generated.ids import meeting_uuid
from zra_async.sandbox.generated.names import PRODUCTS, company_name
from zra_async.sandbox.generated.people import customer
from zra_async.sandbox.generated.texts import MEETING_TOPICS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zra_async.sandbox.generated.people import User

_INDICATORS = (1 << sum(len(key_words) for key_words in KEY_WORDS)) - 1
_TOPICS = (1 << len(TOPIC_LABELS)) - 1


class Participant(NamedTuple):
    """Someone in a conversation; ``user_id`` and perhaps ``email`` are empty for a person outside the account."""

    user_id: str
    display_name: str
    email: str
    side: str  #: "rep" or "customer"


class Spoken(NamedTuple):
    """One sentence of an uploaded transcript; times are seconds from its begin."""

    speaker: int  #: the number of the speaker, in the order in which they speak up
    start: float
    end: float
    text: str


class Conversation(NamedTuple):
    """The facts of one conversation; everything else about it is derived from them when asked for."""

    conversation_id: str
    order: int  #: where it stands among all by start time; larger is newer, and no two are equal
    number: int  #: its number in the generated base, -1 if it was added
    start: int
    duration: int  #: seconds
    processed: int
    ready_at: float  #: when its analysis can be read; 0 in the base
    kind: str  #: "meeting" or "phone"
    title: str  #: the topic its creator gave it
    host: User
    company: int
    deal: int  #: number of its deal, -1 without one
    draw: tuple[int, ...]  #: sixteen words, see the properties
    trait: int  #: 0, or the number of its awkward trait
    file_id: str = ""
    cast: tuple[Participant, ...] = ()  #: the participants its creator named
    spoken: tuple[Spoken, ...] = ()  #: what its uploaded transcript says; empty: generated speech
    visible_at: float = 0.0  #: when it can be seen at all; 0: from the start

    @property
    def meeting_uuid(self) -> str:
        """The id of the meeting instance."""
        return meeting_uuid(self.conversation_id)

    @property
    def first_processed(self) -> int:
        """The time of its first analysis, in the generated base."""
        return self.start + self.duration + 60 + self.draw[2] % 1500

    @property
    def topic(self) -> str:
        """Give its topic, in one line."""
        if self.title:
            return self.title
        form = MEETING_TOPICS[self.draw[4] % len(MEETING_TOPICS)]
        return form.format(product=self.product, company=company_name(self.company))

    @property
    def product(self) -> str:
        """Give the product that it was about."""
        return PRODUCTS[(self.draw[4] >> 8) % len(PRODUCTS)]

    @property
    def meeting_id(self) -> int:
        """The eleven-digit meeting number."""
        return 80_000_000_000 + ((self.draw[3] << 16) ^ self.draw[8]) % 10_000_000_000

    @property
    def key(self) -> int:
        """A number to draw further details from."""
        return (self.draw[14] << 32) | self.draw[15]

    @property
    def questions(self) -> int:
        """Count the engaging questions."""
        return self.draw[5] % 7

    @property
    def next_steps(self) -> int:
        """Count the next steps that were agreed."""
        return (self.draw[5] >> 8) % 6

    @property
    def filler_words(self) -> int:
        """Filler words per minute."""
        return (self.draw[5] >> 16) % 9

    @property
    def scorecards(self) -> int:
        """Count the scorecards that were filled in: none for half of all conversations."""
        return (0, 0, 0, 0, 1, 1, 2, 3)[(self.draw[5] >> 24) % 8]

    @property
    def engagement(self) -> int:
        """The engagement score, 1 to 100."""
        return 1 + self.draw[6] % 100

    @property
    def sentiment(self) -> int:
        """The sentiment score, 1 to 100."""
        return 1 + (self.draw[6] >> 16) % 100

    @property
    def indicators(self) -> int:
        """Give the indicators that were heard, as a bit mask over the catalogue."""
        draw = self.draw
        return ((draw[7] << 32) | draw[8]) & ((draw[9] << 32) | draw[10]) & _INDICATORS

    @property
    def topics(self) -> int:
        """Give the topics that came up, as a bit mask over the catalogue."""
        return self.draw[13] & (self.draw[13] >> 16) & _TOPICS


def bits(mask: int) -> Iterator[int]:
    """Give the numbers of the bits that are set, lowest first."""
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


def colleagues(conversation: Conversation, users: Sequence[User]) -> list[User]:
    """Give the up to two other users of the account who join the host."""
    draw = conversation.draw[12]
    found = [users[(draw >> shift) % len(users)] for shift in (2, 12)[: draw % 4 % 3]]
    return [user for n, user in enumerate(found) if user is not conversation.host and user not in found[:n]]


def participants(conversation: Conversation, users: Sequence[User]) -> list[Participant]:
    """Give everyone in a conversation: the host, colleagues, then the customers, no two of one name."""
    if conversation.cast:
        return list(conversation.cast)
    reps = [conversation.host, *colleagues(conversation, users)]
    people = [Participant(user.user_id, user.display_name, user.email, "rep") for user in reps]
    draw = conversation.draw[12] ^ conversation.draw[11]
    for n in range(1 + (draw >> 28) % 3):
        person = customer((draw * (2 * n + 3)) & 0xFFFFFFFF, conversation.company, signed_in=(draw >> n) % 4 != 0)
        if all(person.display_name != other.display_name for other in people):
            people.append(Participant("", person.display_name, person.email, "customer"))
    return people


def takes_part(conversation: Conversation, user: User, users: Sequence[User]) -> bool:
    """Tell whether a user of the account was in a conversation, without making up the rest."""
    if user is conversation.host:
        return True
    if conversation.cast:
        return any(person.user_id == user.user_id for person in conversation.cast)
    return user in colleagues(conversation, users)
