"""Add conversations from an uploaded file or a third-party address.

A new conversation is in processing for `Options.processing_seconds`; then its analysis can be read, and it has the
time at which processing ended as its ``iq_processed_time``. Where both a file and an address are sent, the file counts.
The transcript that was uploaded for a file comes back in ``interactions`` if bytes are kept (`Options.store_parts`).
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import quote

from msgspec import Meta, Struct

from zra_async.sandbox.api_error import ApiError
from zra_async.sandbox.generated.conversation import Conversation, Participant
from zra_async.sandbox.generated.entropy import domain, words
from zra_async.sandbox.generated.population import order_key
from zra_async.sandbox.generated.times import read_time
from zra_async.sandbox.operations.params import read_body
from zra_async.sandbox.operations.route import Answer, Call, route
from zra_async.sandbox.world.spoken import read_spoken

if TYPE_CHECKING:
    from zra_async.sandbox.generated.conversation import Spoken
    from zra_async.sandbox.generated.people import User
    from zra_async.sandbox.world.account import Account
    from zra_async.sandbox.world.world import World

DEFAULT_DURATION = 30 * 60  #: where no end is given
LONGEST_RECORDING = 24 * 3600
_FRESH = 1 << 60  # ids of added conversations are those of numbers that no account reaches

_OFFSET = r"^\d{1,3}:[0-5]\d:[0-5]\d(\.\d{1,3})?$"
_LANGUAGES = Literal["en", "es", "fr", "de", "it", "zh", "ru", "uk", "ja", "ko", "vi", "pt", "nl", "hi"]
Name = Annotated[str, Meta(min_length=1)]


class Person(Struct):
    """A participant as the caller names it."""

    display_name: Name
    email: str = ""


class Speech(Struct):
    """An entry of the timeline: who spoke from when on."""

    participants: list[Person]
    start_time_in_recording: Annotated[str, Meta(pattern=_OFFSET)]


class NewConversation(Struct):
    """The body of an added conversation."""

    conversation_type: Literal["meeting", "phone"]
    meeting_start_time: str
    conversation_topic: str = ""
    deal_id: str = ""
    download_url: str = ""
    file_id: str = ""
    host_id: str = ""
    meeting_end_time: str = ""
    participants: Annotated[list[Person], Meta(max_length=200)] = []
    primary_language: _LANGUAGES = "en"
    timeline: Annotated[list[Speech], Meta(max_length=200)] = []
    timezone: str = ""


@route("POST", "/conversations")
async def add_conversation(call: Call) -> Answer:
    """Add a conversation from an uploaded file or from an address."""
    body = read_body(call, NewConversation, "request param is invalid")
    start, duration = _span(body)
    _check_source(call, body)
    host = _host(call, body)
    deal = _deal(call, body)
    conversation = new_conversation(call.account, start, host, title=body.conversation_topic)._replace(
        duration=duration,
        kind=body.conversation_type,
        deal=deal,
        file_id=body.file_id,
        cast=_cast(call.account.world, body),
        spoken=await _spoken(call, body.file_id),
    )
    if deal >= 0:
        conversation = conversation._replace(company=call.account.world.pipeline.company_of(deal))
    enter(call.account, conversation, "OTHERS")
    return Answer({"conversation_id": conversation.conversation_id}, status=201)


def enter(account: Account, conversation: Conversation, source: str) -> None:
    """Put a new conversation into the account, and let the end of its processing be told."""
    account.world.add(conversation)
    if conversation.file_id:
        account.files.bind(conversation.conversation_id, conversation.file_id)
    tell_analysis(account, conversation, source)
    if conversation.deal >= 0:
        tell_association(account, conversation.conversation_id, [], [account.world.pipeline.deal_id(conversation.deal)])


def tell_analysis(account: Account, conversation: Conversation, source: str) -> None:
    """Emit the event that the analysis of a conversation can be read, when it can be."""
    event = {
        "conversation_id": event_id(conversation.conversation_id),
        "source": source,
        "host_id": conversation.host.user_id,
    }
    account.webhooks.emit("revenue_accelerator.conversation_analysis_completed", event, at=conversation.ready_at)


def tell_association(account: Account, conversation_id: str, old: list[str], new: list[str]) -> None:
    """Emit the event that a conversation belongs to other deals now."""
    change = {
        "conversation_id": event_id(conversation_id),
        "old_associations": [{"deal_id": deal_id} for deal_id in old],
        "new_associations": [{"deal_id": deal_id} for deal_id in new],
    }
    account.webhooks.emit("revenue_accelerator.conversation_crm_associations_changed", [change])


def event_id(conversation_id: str) -> str:
    """Write a conversation id as events do: percent-encoded once."""
    return quote(conversation_id, safe="=,")


def new_conversation(account: Account, start: int, host: User, *, title: str) -> Conversation:
    """Draw the facts of a conversation that begins its processing now."""
    world = account.world
    number = world.next_serial()
    ready_at = account.clock.time() + account.options.processing_seconds
    draw = words(domain(account.options.seed, "added conversations"), number)
    return Conversation(
        conversation_id=world.population.ids.write(_FRESH + number, start - world.population.history.begin),
        order=order_key(start, number, added=True),
        number=-1,
        start=start,
        duration=DEFAULT_DURATION,
        processed=int(ready_at),
        ready_at=ready_at,
        kind="meeting",
        title=title,
        host=host,
        company=draw[4] % 97,
        deal=-1,
        draw=draw,
        trait=0,
    )


def _refuse() -> ApiError:
    return ApiError(400, 1001, "request param is invalid")


def _span(body: NewConversation) -> tuple[int, int]:
    start = read_time(body.meeting_start_time)
    end = read_time(body.meeting_end_time) if body.meeting_end_time else start
    if start is None or end is None or start <= 0 or not 0 <= end - start <= LONGEST_RECORDING:
        raise _refuse()
    return start, end - start or DEFAULT_DURATION


def _check_source(call: Call, body: NewConversation) -> None:
    if body.file_id:
        if call.account.files.find(body.file_id) is None:
            raise ApiError(404, 1005, f"File id does not exist: {body.file_id}")
    elif not re.match(r"https?://[^/\s]+", body.download_url):
        raise _refuse()


async def _spoken(call: Call, file_id: str) -> tuple[Spoken, ...]:
    """Read the transcript that was uploaded for a file, if its bytes were kept."""
    path = call.account.files.transcript_of(file_id)
    return () if path is None else await asyncio.to_thread(read_spoken, path)


def _host(call: Call, body: NewConversation) -> User:
    host = call.account.world.user(body.host_id or call.user_id)
    if host is None:
        raise ApiError(404, 1005, f"Host user does not exist: {body.host_id or call.user_id}")
    return host


def _deal(call: Call, body: NewConversation) -> int:
    if not body.deal_id:
        return -1
    deal = call.account.world.pipeline.find(body.deal_id)
    if deal is None:
        raise ApiError(404, 1005, f"Deal does not exist: {body.deal_id}")
    return deal


def _cast(world: World, body: NewConversation) -> tuple[Participant, ...]:
    """Name everyone once: the participants, or where there are none the people of the timeline."""
    people = body.participants or [person for speech in body.timeline for person in speech.participants]
    cast: dict[Participant, None] = {}
    for person in people:
        user = world.user(person.email) if person.email else None
        side = "rep" if user else "customer"
        cast[Participant(user.user_id if user else "", person.display_name, person.email, side)] = None
    return tuple(cast)
