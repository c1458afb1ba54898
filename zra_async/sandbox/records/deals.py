"""The records of deals and of their activities: conversations and e-mail threads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from zra_async.sandbox.generated.analysis import summary
from zra_async.sandbox.generated.entropy import domain, mix, uuid_text
from zra_async.sandbox.generated.names import company_name
from zra_async.sandbox.generated.pipeline import DAY, OPEN_STAGES, Deal, contacts
from zra_async.sandbox.generated.times import write_date, write_time
from zra_async.sandbox.generated.transcripts import Transcript

if TYPE_CHECKING:
    from collections.abc import Callable

    from zra_async.sandbox.generated.conversation import Conversation
    from zra_async.sandbox.world.world import World

Record = dict[str, Any]
MOST_THREADS = 5


class Thread(NamedTuple):
    """An e-mail thread of a deal."""

    message_id: str
    start: int
    topic: str
    draw: int


def threads(world: World, deal: Deal) -> list[Thread]:
    """List the e-mail threads of a deal that were not deleted, newest first."""
    space, history = domain(world.options.seed, "threads"), world.population.history
    found: list[Thread] = []
    for turn in range(deal.draw[10] % (MOST_THREADS + 1)):
        message_id, draw = uuid_text(space, deal.number * MOST_THREADS + turn), mix(deal.draw[9] + turn)
        start = min(deal.created + (draw >> 8) % (5 * DAY), history.begin + history.span)
        found.append(Thread(message_id, start, f"Re: {deal.name}", draw))
    kept = [thread for thread in found if thread.message_id not in world.deleted_messages]
    return sorted(kept, key=lambda thread: thread.start, reverse=True)


def activity_of_thread(deal: Deal, thread: Thread) -> Record:
    """Write an e-mail thread as an activity; it has no conversation."""
    return {
        "activity_type": "email",
        "message_ids": thread.message_id,
        "number_of_message_in_thread": 1 + thread.draw % 12,
        "conversation_topic": thread.topic,
        "deal_stage": deal.stage,
        "direction": "inbound" if thread.draw % 3 == 0 else "outbound",
        "start_date": write_time(thread.start),
        "stage_during_conversation": OPEN_STAGES[0],
        "host_id": deal.owner.user_id,
    }


def activity_of_conversation(world: World, deal: Deal, conversation: Conversation, *, legacy: bool) -> Record:
    """Write a conversation as an activity, with what was found in it once it is analysed."""
    processing = world.processing(conversation)
    record: Record = {
        "activity_type": "call" if conversation.kind == "phone" else "meeting",
        "conversation_id": conversation.conversation_id,
        "conversation_topic": conversation.topic,
        "deal_stage": deal.stage,
        "direction": "inbound" if conversation.key % 4 == 0 else "outbound",
        "duration": -(-conversation.duration // 60),
        "host_id": conversation.host.user_id,
        "processing_analysis": processing,
        "stage_during_conversation": world.pipeline.stage_during(deal.number, conversation.number),
        "start_date": write_time(conversation.start),
    }
    if processing:
        return record
    record |= {"engagement_score": conversation.engagement, "sentiment_score": conversation.sentiment}
    if not legacy:
        record |= {"summary": summary(conversation), "next_steps": _next_steps(world, conversation)}
    return record


def _next_steps(world: World, conversation: Conversation) -> list[str]:
    transcript = Transcript(conversation, world.users)
    places = [place for place, mark in transcript.marks.items() if mark.what == "next step"]
    return [transcript.utterance(place).text for place in places]


def deal_row(world: World, deal: Deal, *, legacy: bool) -> Record:
    """Write a deal as it stands in a list."""
    found = world.conversations_of(deal.number)
    starts = [conversation.start for conversation in found[:1]] + [thread.start for thread in threads(world, deal)[:1]]
    record: Record = {
        "deal_id": deal.deal_id,
        "deal_name": deal.name,
        "deal_stage": deal.stage,
        "deal_description": f"{deal.name}, renewal included" if deal.draw[11] % 3 else "",
        "deal_amount": deal.amount,
        "deal_is_closed": deal.closed,
        "deal_is_private": deal.private,
        "currency_type": deal.currency,
        "account_name": company_name(deal.company),
        "account_type": "Customer" if deal.draw[11] % 2 else "Prospect",
        "owner_name": deal.owner.display_name,
        "owner_email": deal.owner.email,
        "owner_id": deal.owner.user_id,
        "create_time": write_time(deal.created),
        "close_date": write_date(deal.close),
        "time_in_stage": deal.days_in_stage,
        "number_of_conversations": len(found),
        "last_activity_time": write_time(max(starts, default=deal.created)),
    }
    return record if legacy else record | _current_only(deal)


def _current_only(deal: Deal) -> Record:
    record: Record = {
        "customer_account_id": f"001{mix(deal.company):016X}"[:18],
        "customer_contact": [
            {"customer_contact_id": contact_id, "customer_contact_name": name} for contact_id, name in contacts(deal)
        ],
    }
    if deal.closed:
        outcome = "won" if deal.stage.endswith("Won") else "lost"
        company = company_name(deal.company)
        record["deal_retrospective"] = f"{company} was {outcome} over the speed of the migration, not over the price."
    return record


def deal_detail(world: World, deal: Deal, *, legacy: bool) -> Record:
    """Write everything about a deal."""
    return deal_row(world, deal, legacy=legacy) | {"contacts": [name for _, name in contacts(deal)]}


def activities(
    world: World, deal: Deal, findings: list[Callable[[Conversation], bool]], *, legacy: bool
) -> list[dict[str, Any]]:
    """List the activities of a deal, newest first."""
    found = [
        activity_of_conversation(world, deal, conversation, legacy=legacy)
        for conversation in world.conversations_of(deal.number)
        if all(test(conversation) for test in findings)
    ]
    if not findings:
        found += [activity_of_thread(deal, thread) for thread in threads(world, deal)]
    return sorted(found, key=lambda activity: activity["start_date"], reverse=True)
