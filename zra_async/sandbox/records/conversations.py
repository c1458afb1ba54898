"""The records of conversations: the row of a list and the full information, in the current and the older shape."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from zra_async.sandbox.generated.analysis import summary
from zra_async.sandbox.generated.awkward import NO_PARTICIPANTS, UNKNOWN_ENUM, distort, thin
from zra_async.sandbox.generated.conversation import participants
from zra_async.sandbox.generated.entropy import mix
from zra_async.sandbox.generated.names import company_name
from zra_async.sandbox.generated.times import write_date, write_time

if TYPE_CHECKING:
    from zra_async.sandbox.generated.conversation import Conversation
    from zra_async.sandbox.world.world import World

Record = dict[str, Any]
_CALENDARS = ("Google", "Outlook")


def row(world: World, conversation: Conversation, *, legacy: bool) -> Record:
    """Write a conversation as it stands in a list; scores and counts are there once its analysis is."""
    processing = world.processing(conversation)
    record = _common(conversation, processing=processing, legacy=legacy)
    record["processing_analysis"] = processing
    if conversation.deal >= 0:
        record["deal_id"] = world.pipeline.deal_id(conversation.deal)
    if not processing:
        record["engaging_questions_count"] = conversation.questions
        record["next_steps_count"] = conversation.next_steps
        record["filler_words_count"] = conversation.filler_words
    return _odd(conversation, record)


def detail(world: World, conversation: Conversation, *, download_link: str = "", legacy: bool = False) -> Record:
    """Write everything about a conversation; `download_link` is left out where there is no recording."""
    processing = world.processing(conversation)
    record = _common(conversation, processing=processing, legacy=legacy)
    record["host_email"] = conversation.host.email
    record["start_time"] = record["meeting_start_time"]
    record["conversation_url"] = f"https://zra.example/conversation?id={quote(conversation.conversation_id, safe='')}"
    if not processing:
        record["summary"] = summary(conversation)
    if conversation.deal >= 0:
        record |= _deal(world, conversation)
    if not legacy:
        record |= _current_only(world, conversation, download_link)
    return _odd(conversation, record)


def _odd(conversation: Conversation, record: Record) -> Record:
    trait = conversation.trait
    return thin(trait, distort(trait, record)) if trait else record


def _common(conversation: Conversation, *, processing: bool, legacy: bool) -> Record:
    """Write what the list and the full information share."""
    topic = conversation.topic
    record: Record = {
        "conversation_id": conversation.conversation_id,
        "host_id": conversation.host.user_id,
        "meeting_id": conversation.meeting_id,
        "meeting_uuid": conversation.meeting_uuid,
        "conversation_topic": topic,
        "topic": topic,
        "duration": -(-conversation.duration // 60),
        "conversation_type": conversation.kind,
        "meeting_start_time": write_time(conversation.start),
    }
    if not legacy:
        record["duration_sec"] = conversation.duration
    if not processing:
        record["iq_processed_time"] = write_time(conversation.processed)
        record["engagement_score"] = conversation.engagement
        record["sentiment_score"] = conversation.sentiment
    return record


def _deal(world: World, conversation: Conversation) -> Record:
    deal = world.pipeline.deal(conversation.deal)
    return {
        "stage_during_conversation": world.pipeline.stage_during(deal.number, conversation.number),
        "deal": {
            "id": deal.deal_id,
            "name": deal.name,
            "stage": deal.stage,
            "customer_crm_account_name": company_name(deal.company),
            "close_date": write_date(deal.close),
        },
    }


def _current_only(world: World, conversation: Conversation, download_link: str) -> Record:
    key, count = conversation.key, len(world.users)
    viewers = [
        _counted(world, (key >> shift) % count, 1 + (key >> shift) % 7) for shift in (8, 20, 32)[: conversation.key % 4]
    ]
    record: Record = {
        "conversation_view": {
            "total_view_counts": sum(viewer["counts"] for viewer in viewers),
            "view_user_infos": viewers,
        },
        "moment_info": [_moment(world, mix(key ^ turn)) for turn in range((key >> 40) % 3)],
    }
    if conversation.trait != NO_PARTICIPANTS:
        record["participants"] = _people(world, conversation)
    if conversation.kind == "meeting" and conversation.number >= 0:
        record["calendar_client"] = _CALENDARS[key % 2]
        record["event_id"] = f"{mix(key):022x}"
    if download_link:
        record["recording_download_url"] = record["downloadUrl"] = download_link
    return record


def _people(world: World, conversation: Conversation) -> list[Record]:
    unknown = conversation.trait == UNKNOWN_ENUM
    return [
        {
            "display_name": person.display_name,
            "email": person.email,
            "type": "rep/customer" if unknown else person.side,
        }
        for person in participants(conversation, world.users)
    ]


def _counted(world: World, number: int, counts: int) -> Record:
    user = world.users[number]
    return {"user_id": user.user_id, "user_display_name": user.display_name, "counts": counts}


def _moment(world: World, draw: int) -> Record:
    creator = world.users[draw % len(world.users)]
    sharers = [_counted(world, (draw >> 16) % len(world.users), 1 + (draw >> 24) % 5)]
    return {
        "moment_id": f"{draw:016x}",
        "moment_name": f"Moment of {creator.first_name}",
        "create_user_id": creator.user_id,
        "create_user_display_name": creator.display_name,
        "share_counts": str(sum(sharer["counts"] for sharer in sharers)),
        "share_user_infos": sharers,
    }
