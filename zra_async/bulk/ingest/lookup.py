"""The look-up of a conversation whose addition lost its answer."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec

from zra_async.api.conversations.models import Conversation
from zra_async.api.conversations.operations import ConversationOperations
from zra_async.bulk.ingest.ledger import Entry, IngestLedger
from zra_async.bulk.polling import Polling, patiently

#: how far apart the clocks of the service's own machines may be, in seconds
_CLOCKS = 300.0
_SHORTENED = 20  #: characters that a shortened topic has at least
_AROUND = timedelta(seconds=1)  #: whether the ends of a period belong to it is not documented


class Identity(msgspec.Struct, frozen=True):
    """By what a conversation is recognised; texts are "" where the service chose them."""

    start: datetime
    topic: str = ""
    host: str = ""


@dataclass(frozen=True, slots=True)
class LookupResult:
    """The result of a look-up: the `conversation_id`, or the reason for doubt. Without either it was not added."""

    conversation_id: str = ""
    doubt: str = ""
    candidates: tuple[str, ...] = ()


def identity_of(fields: Mapping[str, Any]) -> str:
    """The identity of a conversation with these fields, as the ledger keeps it."""
    identity = Identity(
        fields["meeting_start_time"].replace(microsecond=0),
        fields.get("conversation_topic", ""),
        fields.get("host_id", ""),
    )
    return msgspec.json.encode(identity).decode()


async def look_up(
    conversations: ConversationOperations, ledger: IngestLedger, entry: Entry, settle: Polling
) -> LookupResult:
    """Look for the conversation of ``entry``, several times, since a service that lost an answer may be late.

    It is one that has the topic, the start and the host, belongs to no other item, and was not analysed before it was
    added. Where there are several, or where another item that looks the same is in doubt too, nobody can tell.
    """
    identity = msgspec.json.decode(entry.identity, type=Identity)
    for delay in settle.delays():
        await asyncio.sleep(delay)
        found = await patiently(lambda: _matching(conversations, identity, entry.since), settle)
        taken = await ledger.claimed(found, entry.key)
        candidates: tuple[str, ...] = tuple(one for one in found if one not in taken)
        if not candidates:
            continue
        doubt = ""
        first, *others = candidates
        if others:
            doubt = f"{len(candidates)} conversations may be it"
        elif not identity.topic:
            doubt = "without a topic a conversation cannot be recognised for sure"
        elif await ledger.rivals(entry.identity, entry.key):
            doubt = "another item with the same topic, start and host is in doubt too"
        return LookupResult(doubt=doubt, candidates=candidates) if doubt else LookupResult(first)
    return LookupResult()


async def _matching(conversations: ConversationOperations, identity: Identity, since: float) -> Sequence[str]:
    # not filtered by the host: whether a mail address would be understood there is not documented, and a conversation
    # that is not found would be added twice
    pages = conversations.list(from_=identity.start - _AROUND, to=identity.start + _AROUND)
    return [one.conversation_id async for one in pages if one.conversation_id and _is_it(one, identity, since)]


def _is_it(one: Conversation, identity: Identity, since: float) -> bool:
    if one.meeting_start_time is None or one.meeting_start_time.replace(microsecond=0) != identity.start:
        return False
    if one.host_id and _is_user_id(identity.host) and one.host_id != identity.host:
        return False
    topics = (one.conversation_topic or "", one.topic or "")
    if identity.topic and not any(same_topic(identity.topic, topic) for topic in topics):
        return False
    analysed = one.iq_processed_time
    return analysed is None or analysed.timestamp() >= since - _CLOCKS


def _is_user_id(host: str) -> bool:
    return host not in ("", "me") and "@" not in host


def same_topic(sent: str, found: str) -> bool:
    """Return True if a topic is the one that was sent; the service may trim or shorten it."""
    sent, found = " ".join(sent.split()), " ".join(found.split())
    return found == sent or (len(found) >= _SHORTENED and sent.startswith(found.rstrip("….")))
