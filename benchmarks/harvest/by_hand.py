"""aiohttp and msgspec by hand: one loop over the list, workers that read, files that are appended to.

No limits, no repeats, no ledger: when it dies, it begins anew. It decodes into the same Structs and writes dicts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

import aiohttp
import msgspec
from msgspec.structs import asdict

from zra_async.api.conversations.comments import CommentPage
from zra_async.api.conversations.content_models import ContentAnalysis, DealMemo, ScorecardPage, Speaker, SpeakerPage
from zra_async.api.conversations.models import Conversation, ConversationDetail, ConversationPage

_LIST = msgspec.json.Decoder(ConversationPage)
_DETAIL = msgspec.json.Decoder(ConversationDetail)
_SPEAKERS = msgspec.json.Decoder(SpeakerPage)
_ANALYSIS = msgspec.json.Decoder(ContentAnalysis)
_SCORECARDS = msgspec.json.Decoder(ScorecardPage)
_COMMENTS = msgspec.json.Decoder(CommentPage)
_encode = msgspec.json.Encoder().encode_lines


class ByHand:
    """The export of one account into a folder."""

    def __init__(self, session: aiohttp.ClientSession, base: str, folder: Path) -> None:
        self._session = session
        self._base = base
        self._folder = folder
        self._files: dict[str, BinaryIO] = {}
        self.records = 0

    async def run(self, concurrency: int) -> None:
        """Export everything."""
        queue: asyncio.Queue[Conversation | None] = asyncio.Queue(600)
        async with asyncio.TaskGroup() as group:
            for _ in range(concurrency):
                group.create_task(self._work(queue))
            async for conversation in self._conversations():
                await queue.put(conversation)
            for _ in range(concurrency):
                await queue.put(None)
        for file in self._files.values():
            file.close()

    async def _conversations(self) -> Any:
        token = ""
        while True:
            params = {"page_size": "300", "next_page_token": token} if token else {"page_size": "300"}
            page = _LIST.decode(await self._get("/zra/conversations", params))
            for conversation in page.conversations:
                yield conversation
            token = page.next_page_token
            if not token:
                return

    async def _work(self, queue: asyncio.Queue[Conversation | None]) -> None:
        while (listed := await queue.get()) is not None:
            await self._one(listed)

    async def _one(self, listed: Conversation) -> None:
        unit = listed.conversation_id
        path = f"/zra/conversations/{quote(unit, safe='')}"
        detail = _DETAIL.decode(await self._get(path))
        speakers = [s async for page in self._pages(f"{path}/interactions", _SPEAKERS) for s in page]
        wanted = {"analysis_type": "all"}
        found = _ANALYSIS.decode(await self._get(f"{path}/content_analysis", {**wanted, "page_size": "300"}))
        cards = _SCORECARDS.decode(await self._get(f"{path}/scorecards", {"page_size": "300"})).scorecards
        written = _COMMENTS.decode(await self._get(f"{path}/comments", {"page_size": "300"})).comments
        self._write("conversations", [_merged(listed, detail)])
        self._speech(unit, speakers)
        for stream, sections in (
            ("topics", found.topics),
            ("next_steps", found.next_steps),
            ("questions", found.good_questions),
            ("indicator_mentions", found.indicators),
        ):
            self._write(
                stream,
                [
                    {"conversation_id": unit, "section": place, "index": index, **asdict(finding)}
                    for place, section in enumerate(sections)
                    for index, finding in enumerate(section.section)
                ],
            )
        self._write("chapters", _numbered(unit, found.smart_chapters))
        memo = found.deal_memo or DealMemo()
        for side, factors in (("win", memo.potential_wins), ("concern", memo.potential_concerns)):
            self._write("deal_memos", [{**row, "side": side} for row in _numbered(unit, factors)])
        self._write("scorecards", [_without(row, "scorecard_questions") for row in _numbered(unit, cards)])
        for place, card in enumerate(cards):
            questions = _numbered(unit, card.scorecard_questions)
            self._write("scorecard_questions", [{**row, "scorecard_index": place} for row in questions])
        self._write("comments", _numbered(unit, written))

    def _speech(self, unit: str, speakers: list[Speaker]) -> None:
        people: dict[tuple[str | None, ...], Speaker] = {}
        for speaker in speakers:
            people.setdefault((speaker.user_id, speaker.email, speaker.display_name), speaker)
        self._write(
            "participants",
            [
                {
                    "conversation_id": unit,
                    "index": index,
                    "user_id": who.user_id,
                    "display_name": who.display_name,
                    "email": who.email,
                    "speaker_type": who.speaker_type,
                    **(asdict(who.metrics) if who.metrics else {}),
                }
                for index, who in enumerate(people.values())
            ],
        )
        spoken = [(int(said.item_id), who, said) for who in speakers for said in who.transcripts]
        spoken.sort(key=itemgetter(0))
        self._write(
            "transcripts",
            [
                {
                    "conversation_id": unit,
                    "index": index,
                    "item_id": said.item_id,
                    "user_id": who.user_id,
                    "display_name": who.display_name,
                    "email": who.email,
                    "speaker_type": who.speaker_type,
                    "start_time": said.start_time,
                    "end_time": said.end_time,
                    "text": said.text,
                }
                for index, (_, who, said) in enumerate(spoken)
            ],
        )

    async def _pages(self, path: str, decoder: Any) -> Any:
        token = ""
        while True:
            params = {"page_size": "300", "next_page_token": token} if token else {"page_size": "300"}
            page = decoder.decode(await self._get(path, params))
            yield page.participants
            token = page.next_page_token
            if not token:
                return

    async def _get(self, path: str, params: dict[str, str] | None = None) -> bytes:
        async with self._session.get(f"{self._base}{path}", params=params) as response:
            response.raise_for_status()
            return await response.read()

    def _write(self, stream: str, lines: list[Any]) -> None:
        file = self._files.get(stream)
        if file is None:
            file = self._files[stream] = (self._folder / f"{stream}.jsonl").open("wb")
        file.write(_encode(lines))
        self.records += len(lines)


def _merged(listed: Conversation, detail: ConversationDetail) -> dict[str, Any]:
    newer = {name: value for name, value in asdict(detail).items() if value is not None}
    return {**asdict(listed), **newer}


def _numbered(unit: str, items: Sequence[msgspec.Struct]) -> list[dict[str, Any]]:
    return [{"conversation_id": unit, "index": index, **asdict(item)} for index, item in enumerate(items)]


def _without(row: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key != name}


async def run(base: str, token: str, folder: Path, concurrency: int) -> int:
    """Export an account; returns the number of records."""
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as session:
        job = ByHand(session, base, folder)
        await job.run(concurrency)
        return job.records
