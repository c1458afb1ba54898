"""Answers as documented, as bytes: a page of conversations, and one conversation in detail."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from typing import Any

CONVERSATION_ID = "a3f1c2d94be84f5e9c07d1b2a6e8f034"
TOKEN = "a-token-of-the-usual-length-for-which-nobody-asks-" + "0" * 600  # an access token has about this many bytes
_TOPICS = ("Weekly review", "Renewal with Contoso", "Discovery call: data platform", "Échange avec l’équipe", "1:1")
_START = datetime(2026, 1, 5, 9, tzinfo=UTC)


def page(items: int, *, odd: int = 0) -> bytes:
    """A page of conversations, of which every ``odd``-th has a blank in place of a time."""
    chance = random.Random(7)
    conversations = [_conversation(chance, index) for index in range(items)]
    for conversation in conversations[odd - 1 :: odd] if odd else ():
        conversation["iq_processed_time"] = ""
    return _json(
        {
            "from": _time(_START),
            "to": _time(_START + timedelta(days=30)),
            "page_size": items,
            "next_page_token": "bTcYcGjkZlHyS8tUe5rWQ2vXo0n4i1d3",
            "conversations": conversations,
        }
    )


def detail() -> bytes:
    """One conversation in detail."""
    chance = random.Random(8)
    people = [
        {
            "display_name": f"Person {index}",
            "email": f"person{index}@example.com",
            "type": "rep" if index else "customer",
        }
        for index in range(4)
    ]
    viewers = [{"user_id": _id(chance, 22), "user_display_name": f"Viewer {i}", "counts": i + 1} for i in range(3)]
    moment = {
        "moment_id": _id(chance, 22),
        "moment_name": "Pricing objection",
        "create_user_id": _id(chance, 22),
        "create_user_display_name": "Viewer 1",
        "share_counts": "2",
        "share_user_infos": viewers[:2],
    }
    return _json(
        {
            **_conversation(chance, 0),
            "conversation_id": CONVERSATION_ID,
            "conversation_url": f"https://zoom.us/zra/conversation/{CONVERSATION_ID}",
            "summary": "The customer asked for a pilot with two teams; prices and a timeline follow by mail.",
            "host_email": "person1@example.com",
            "stage_during_conversation": "Proposal",
            "participants": people,
            "deal": {
                "id": _id(chance, 22),
                "name": "Contoso – 200 seats",
                "stage": "Negotiation",
                "customer_crm_account_name": "Contoso",
                "close_date": "2026-03-31",
            },
            "conversation_view": {"total_view_counts": 6, "view_user_infos": viewers},
            "moment_info": [moment],
            "recording_download_url": f"https://zoom.us/rec/download/{_id(chance, 120)}",
        }
    )


def _conversation(chance: random.Random, index: int) -> dict[str, Any]:
    start = _START + timedelta(minutes=37 * index)
    minutes = chance.randint(5, 90)
    topic = chance.choice(_TOPICS)
    return {
        "conversation_id": _id(chance, 32),
        "conversation_topic": topic,
        "conversation_type": chance.choice(("meeting", "phone")),
        "topic": topic,
        "host_id": _id(chance, 22),
        "deal_id": _id(chance, 22),
        "meeting_id": chance.randrange(10**10),
        "meeting_uuid": _id(chance, 22) + "==",
        "meeting_start_time": _time(start),
        "iq_processed_time": _time(start + timedelta(minutes=minutes + 12)),
        "processing_analysis": False,
        "duration": minutes,
        "duration_sec": minutes * 60 + 17,
        "engagement_score": chance.randint(0, 100),
        "sentiment_score": chance.randint(0, 100),
        "engaging_questions_count": chance.randint(0, 20),
        "next_steps_count": chance.randint(0, 9),
        "filler_words_count": chance.randint(0, 9),
    }


def _id(chance: random.Random, length: int) -> str:
    return "".join(chance.choices("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", k=length))


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
