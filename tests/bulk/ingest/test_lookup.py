"""How a conversation is recognised when the answer to its addition is lost."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from zra_async.api.conversations.models import Conversation
from zra_async.bulk.ingest.ledger import Entry
from zra_async.bulk.ingest.lookup import LookupResult, identity_of, look_up, same_topic
from zra_async.bulk.polling import Polling

START = datetime(2025, 4, 1, 10, 30, 15, tzinfo=UTC)
SINCE = datetime(2025, 9, 1, tzinfo=UTC)
TOPIC = "Renewal with Contoso"


def found(name: str, **changes: Any) -> Conversation:
    fields: dict[str, Any] = {"conversation_topic": TOPIC, "meeting_start_time": START, "host_id": "U1"} | changes
    return Conversation(conversation_id=name, **fields)


class Account:
    """Lists what it was told, one answer after the other, and knows what belongs to other items."""

    def __init__(self, *answers: Iterable[Conversation], taken: Iterable[str] = (), rivals: bool = False) -> None:
        self._answers = [list(answer) for answer in answers]
        self._taken = set(taken)
        self._rivals = rivals
        self.asked: list[dict[str, Any]] = []

    async def list(self, **query: Any) -> AsyncIterator[Conversation]:
        answer = self._answers[min(len(self.asked), len(self._answers) - 1)]
        self.asked.append(query)
        for one in answer:
            yield one

    async def claimed(self, ids: Iterable[str], key: str) -> set[str]:
        return self._taken & set(ids)

    async def rivals(self, identity: str, key: str) -> bool:
        return self._rivals


async def look(account: Account, topic: str = TOPIC, host: str = "U1") -> LookupResult:
    identity = identity_of({"meeting_start_time": START, "conversation_topic": topic, "host_id": host})
    entry = Entry(key="k", run=1, fingerprint=b"", step="add", begun=True, identity=identity, since=SINCE.timestamp())
    return await look_up(account, account, entry, Polling(first=0.001, factor=2, longest=0.01, limit=0.008))  # type: ignore[arg-type]


async def test_a_conversation_that_is_listed_late_is_found() -> None:
    """The service is asked several times, for the seconds around the start, before it is taken for not added."""
    account = Account([], [], [found("c1")])
    assert await look(account) == LookupResult("c1")
    assert len(account.asked) == 3
    assert account.asked[0] == {"from_": START - timedelta(seconds=1), "to": START + timedelta(seconds=1)}
    nothing = Account([])
    assert await look(nothing) == LookupResult()
    assert len(nothing.asked) >= 3


@pytest.mark.parametrize(
    "other",
    [
        found("x", conversation_topic="Another one"),
        found("x", meeting_start_time=START + timedelta(seconds=1)),
        found("x", meeting_start_time=None),
        found("x", host_id="U2"),
        found("x", iq_processed_time=SINCE - timedelta(hours=1)),
        found(""),
    ],
)
async def test_what_differs_is_another_conversation(other: Conversation) -> None:
    """Another topic, start or host, and what was analysed long before, are never taken."""
    assert await look(Account([other])) == LookupResult()
    assert await look(Account([other, found("c1")])) == LookupResult("c1")


async def test_a_mail_address_is_no_user_id() -> None:
    """Where the host was named by mail address, or left to the service, its user id cannot be compared."""
    for host in ("ann@example.com", "me", ""):
        assert await look(Account([found("c1", host_id="U7")]), host=host) == LookupResult("c1")


async def test_clocks_may_differ() -> None:
    """A service whose clock is a few minutes behind does not make a new conversation old."""
    assert await look(Account([found("c1", iq_processed_time=SINCE - timedelta(minutes=4))])) == LookupResult("c1")


async def test_what_belongs_to_other_items_is_theirs() -> None:
    """A conversation that another item of the ledger has become is no candidate."""
    assert await look(Account([found("c1"), found("c2")], taken=["c1"])) == LookupResult("c2")


async def test_several_are_a_doubt() -> None:
    """Two that may be it, a rival in doubt, or no topic to go by: told, with the candidates, and not guessed."""
    several = await look(Account([found("c1"), found("c2")]))
    assert (several.conversation_id, several.candidates) == ("", ("c1", "c2"))
    assert "2 conversations" in several.doubt
    rival = await look(Account([found("c1")], rivals=True))
    assert (rival.conversation_id, rival.candidates) == ("", ("c1",))
    nameless = await look(Account([found("c1")]), topic="")
    assert (nameless.conversation_id, "topic" in nameless.doubt) == ("", True)


@pytest.mark.parametrize(
    ("sent", "shown", "same"),
    [
        ("Call", "Call", True),
        (" Call  with\tAnn ", "Call with Ann", True),
        ("Call", "call", False),
        ("Quarterly business review with everyone", "Quarterly business review…", True),
        ("Quarterly business review with everyone", "Quarterly", False),
        ("Quarterly business review", "Quarterly business review with everyone", False),
        ("Call", "", False),
    ],
)
def test_topics_may_be_trimmed_and_shortened(sent: str, shown: str, same: bool) -> None:
    """Blanks do not count, and a long topic may come back shortened."""
    assert same_topic(sent, shown) is same
