"""An account of any size that is never the bottleneck: pages of ids made as they are asked for, the rest from memory.

``python -m benchmarks.rig.bulk CONVERSATIONS UTTERANCES`` prints its port and serves until it is stopped: the list of
conversations in pages of 300, and for each of them a detail, interactions, findings, scorecards and comments.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from typing import Any, cast
from urllib.parse import parse_qs

from benchmarks.rig.answers import CONVERSATION_ID, detail, page
from benchmarks.rig.serving import serve_forever

PAGE = 300
_END = b"\r\n\r\n"
_ID = CONVERSATION_ID.encode()


def conversation_id(number: int) -> bytes:
    """The id of a conversation."""
    return b"%032x" % (number * 0x9E3779B97F4A7C15 % (1 << 64))


def utterances(count: int) -> bytes:
    """Who said what: four people in turn."""
    people = [
        {
            "user_id": f"aBcDeFgHiJkLmNoPqRsT{n}w" if n < 2 else "",
            "display_name": f"Person {n}",
            "email": f"person{n}@example.com",
            "speaker_type": "rep" if n < 2 else "customer",
            "metrics": {
                "talk_to_listen_ratio": 0.7,
                "longest_monolog": 64,
                "talk_speed": 131,
                "filler_words": 3,
                "patience": 1.4,
            },
            "transcripts": [
                {
                    "item_id": str(item),
                    "text": f"So what we have seen with the last {item} teams is that the pilot takes about two weeks.",
                    "start_time": f"2026-01-05T09:{item // 60 % 60:02}:{item % 60:02}Z",
                    "end_time": f"2026-01-05T09:{item // 60 % 60:02}:{item % 60:02}Z",
                }
                for item in range(n, count, 4)
            ],
        }
        for n in range(4)
    ]
    return _json({"participants": people, "page_size": 300, "next_page_token": ""})


def findings() -> bytes:
    """What an analysis of the usual length finds."""

    def item(n: int) -> dict[str, str]:
        return {
            "user_id": "aBcDeFgHiJkLmNoPqRsT0w",
            "display_name": "Person 0",
            "text": "a clause",
            "utterance": f"What would have to be true for you to begin in {n} weeks?",
            "label": "Pricing",
            "indicator_name": "",
            "indicator_id": "",
            "key_word": "",
            "marked_by": "nlp",
            "start_time": "2026-01-05T09:10:00Z",
            "end_time": "2026-01-05T09:10:07Z",
        }

    sections = [{"section": [item(n)]} for n in range(5)]
    chapter = {"title": "Opening", "summary": "Who they are.", "category": "intro", "start_time": "", "end_time": ""}
    factor = {"factor": "Budget", "explanation": "There is one."}
    return _json(
        {
            "topics": sections,
            "next_steps": sections[:3],
            "good_questions": sections,
            "indicators": sections,
            "smart_chapters": [chapter] * 4,
            "deal_memo": {"potential_wins": [factor] * 2, "potential_concerns": [factor]},
            "playbooks": [],
            "page_size": 300,
            "next_page_token": "",
        }
    )


def scorecards() -> bytes:
    """One scorecard with four questions."""
    question = {"question_id": "q1", "question_title": "Opening", "score": 4, "answer": "good", "justification": "calm"}
    card = {
        "scorecard_id": "s1",
        "scorecard_name": "Discovery",
        "average_score": 4.0,
        "rate_time": "2026-01-06T09:00:00Z",
        "rater": {"user_id": "u1", "display_name": "Coach", "email": "coach@example.com"},
        "scorecard_questions": [question] * 4,
    }
    return _json({"scorecards": [card], "page_size": 300, "next_page_token": ""})


def comments() -> bytes:
    """Two comments."""
    comment = {
        "id": "c1",
        "comment": "Well done.",
        "user_name": "Coach",
        "user_email": "coach@example.com",
        "created_time": "2026-01-06T09:00:00Z",
        "last_modified_time": "2026-01-06T09:00:00Z",
        "is_private": False,
        "mention_users": [],
        "mention_teams": [],
    }
    return _json({"comments": [comment] * 2, "page_size": 300, "next_page_token": ""})


class Account:
    """The answers to every request."""

    def __init__(self, conversations: int, utterance_count: int) -> None:
        self._count = conversations
        listed = json.loads(page(1))
        self._frame = {**listed, "conversations": []}
        self._row = _json(listed["conversations"][0])
        self._row_id = listed["conversations"][0]["conversation_id"].encode()
        self._detail = detail().split(_ID)
        self._fixed = {
            b"interactions": _answer(utterances(utterance_count)),
            b"content_analysis": _answer(findings()),
            b"scorecards": _answer(scorecards()),
            b"comments": _answer(comments()),
        }

    def answer(self, line: bytes) -> bytes:
        """Answer a request line."""
        target = line.split(b" ", 2)[1]
        path, _, query = target.partition(b"?")
        parts = path.split(b"/")  # "", v2, zra, conversations, id, what
        if len(parts) == 4:
            return _answer(self._page(parse_qs(query.decode())))
        if len(parts) == 5:
            return _answer(parts[4].join(self._detail))
        return self._fixed[parts[5]]

    def _page(self, query: dict[str, list[str]]) -> bytes:
        first = int(query.get("next_page_token", ["0"])[0])
        last = min(first + PAGE, self._count)
        rows = b",".join(self._row.replace(self._row_id, conversation_id(n)) for n in range(first, last))
        token = str(last) if last < self._count else ""
        frame = _json({**self._frame, "next_page_token": token})
        return frame.replace(b'"conversations":[]', b'"conversations":[' + rows + b"]")


def _answer(body: bytes) -> bytes:
    head = (
        "HTTP/1.1 200 OK\r\nDate: Mon, 05 Jan 2026 09:00:00 GMT\r\nServer: fast\r\n"
        "Content-Type: application/json;charset=UTF-8\r\n"
        f"x-zm-trackingid: v=2.0;clid=us02;rid=WEB_0123456789abcdef\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class _Connection(asyncio.Protocol):
    """One client connection; every request is a GET without a body."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._rest = b""
        self._write: Callable[[bytes], None] = lambda _: None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._write = cast(asyncio.Transport, transport).write

    def data_received(self, data: bytes) -> None:
        *requests, self._rest = (self._rest + data).split(_END)
        for request in requests:
            self._write(self._account.answer(request[: request.index(b"\r\n")]))


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def main() -> None:
    """Serve until the process is stopped."""
    account = Account(int(sys.argv[1]), int(sys.argv[2]))
    serve_forever(lambda: _Connection(account))


if __name__ == "__main__":
    main()
