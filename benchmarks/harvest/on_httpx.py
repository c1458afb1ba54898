"""httpx with pydantic models: the same loop, validated from the bytes, and one ``model_dump_json`` a line."""

# ruff: noqa: RUF012, UP045 (pydantic copies a default, and Optional is what generated SDKs write)

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, BinaryIO, Optional, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel

from benchmarks.peers.httpx_models import Conversation, ConversationDetail, ConversationPage, Model

M = TypeVar("M", bound=BaseModel)


class Utterance(Model):
    """One turn of speech."""

    item_id: Optional[str] = None
    text: Optional[str] = None
    start_time: Optional[str] = None
    end_time: Optional[str] = None


class Metrics(Model):
    """How somebody spoke."""

    talk_to_listen_ratio: Optional[float] = None
    longest_monolog: Optional[float] = None
    talk_speed: Optional[float] = None
    filler_words: Optional[float] = None
    patience: Optional[float] = None


class Speaker(Model):
    """Somebody and what they said."""

    user_id: Optional[str] = None
    display_name: Optional[str] = None
    email: Optional[str] = None
    speaker_type: Optional[str] = None
    metrics: Optional[Metrics] = None
    transcripts: list[Utterance] = []


class SpeakerPage(Model):
    """One page of speech."""

    participants: list[Speaker] = []
    next_page_token: Optional[str] = None


class Finding(Model):
    """Something that was found."""

    user_id: Optional[str] = None
    display_name: Optional[str] = None
    text: Optional[str] = None
    utterance: Optional[str] = None
    label: Optional[str] = None
    indicator_id: Optional[str] = None
    indicator_name: Optional[str] = None
    key_word: Optional[str] = None
    marked_by: Optional[str] = None
    start_time: Optional[str] = None
    end_time: Optional[str] = None


class Section(Model):
    """Findings that belong together."""

    section: list[Finding] = []


class Chapter(Model):
    """A chapter."""

    title: Optional[str] = None
    summary: Optional[str] = None
    category: Optional[str] = None
    start_time: Optional[str] = None
    end_time: Optional[str] = None


class Factor(Model):
    """Something for or against the deal."""

    factor: Optional[str] = None
    explanation: Optional[str] = None


class Memo(Model):
    """What it means for the deal."""

    potential_wins: list[Factor] = []
    potential_concerns: list[Factor] = []


class Analysis(Model):
    """One page of findings."""

    topics: list[Section] = []
    next_steps: list[Section] = []
    good_questions: list[Section] = []
    indicators: list[Section] = []
    smart_chapters: list[Chapter] = []
    deal_memo: Optional[Memo] = None


class Question(Model):
    """One question of a scorecard."""

    question_id: Optional[str] = None
    score: Optional[float] = None


class Scorecard(Model):
    """A coach's rating."""

    scorecard_id: Optional[str] = None
    average_score: Optional[float] = None
    scorecard_questions: list[Question] = []


class ScorecardPage(Model):
    """One page of scorecards."""

    scorecards: list[Scorecard] = []


class Comment(Model):
    """One comment."""

    id: Optional[str] = None
    comment: Optional[str] = None


class CommentPage(Model):
    """One page of comments."""

    comments: list[Comment] = []


class OnHttpx:
    """The export of one account into a folder."""

    def __init__(self, client: httpx.AsyncClient, folder: Path) -> None:
        self._client = client
        self._folder = folder
        self._files: dict[str, BinaryIO] = {}
        self.records = 0

    async def run(self, concurrency: int) -> None:
        """Export everything."""
        queue: asyncio.Queue[Conversation | None] = asyncio.Queue(600)
        async with asyncio.TaskGroup() as group:
            for _ in range(concurrency):
                group.create_task(self._work(queue))
            token: str | None = ""
            while token is not None:
                page = await self._get(ConversationPage, "/zra/conversations", next_page_token=token)
                for conversation in page.conversations:
                    await queue.put(conversation)
                token = page.next_page_token or None
            for _ in range(concurrency):
                await queue.put(None)
        for file in self._files.values():
            file.close()

    async def _work(self, queue: asyncio.Queue[Conversation | None]) -> None:
        while (listed := await queue.get()) is not None:
            await self._one(listed)

    async def _one(self, listed: Conversation) -> None:
        path = f"/zra/conversations/{quote(listed.conversation_id or '', safe='')}"
        detail = await self._get(ConversationDetail, path)
        spoken = await self._get(SpeakerPage, f"{path}/interactions")
        found = await self._get(Analysis, f"{path}/content_analysis", analysis_type="all")
        cards = (await self._get(ScorecardPage, f"{path}/scorecards")).scorecards
        written = (await self._get(CommentPage, f"{path}/comments")).comments
        key = {"conversation_id": listed.conversation_id}
        merged = listed.model_copy(update=detail.model_dump(exclude_none=True))
        self._write("conversations", merged, {})
        for index, speaker in enumerate(spoken.participants):
            metrics = speaker.metrics.model_dump() if speaker.metrics else {}
            self._write("participants", speaker, {**key, "index": index, **metrics}, without={"metrics", "transcripts"})
        said = [(who, utterance) for who in spoken.participants for utterance in who.transcripts]
        said.sort(key=lambda pair: int(pair[1].item_id or 0))
        for index, (who, utterance) in enumerate(said):
            about = {"user_id": who.user_id, "display_name": who.display_name, "email": who.email}
            self._write("transcripts", utterance, {**key, "index": index, **about, "speaker_type": who.speaker_type})
        self._findings(found, key)
        for index, card in enumerate(cards):
            self._write("scorecards", card, {**key, "index": index}, without={"scorecard_questions"})
            for place, question in enumerate(card.scorecard_questions):
                self._write("scorecard_questions", question, {**key, "scorecard_index": index, "index": place})
        for index, comment in enumerate(written):
            self._write("comments", comment, {**key, "index": index})

    def _findings(self, found: Analysis, key: dict[str, Any]) -> None:
        streams = {"topics": found.topics, "next_steps": found.next_steps, "questions": found.good_questions}
        for stream, sections in {**streams, "indicator_mentions": found.indicators}.items():
            for place, section in enumerate(sections):
                for index, finding in enumerate(section.section):
                    self._write(stream, finding, {**key, "section": place, "index": index})
        for index, chapter in enumerate(found.smart_chapters):
            self._write("chapters", chapter, {**key, "index": index})
        memo = found.deal_memo or Memo()
        for side, factors in (("win", memo.potential_wins), ("concern", memo.potential_concerns)):
            for index, factor in enumerate(factors):
                self._write("deal_memos", factor, {**key, "side": side, "index": index})

    async def _get(self, model: type[M], path: str, **params: str) -> M:
        response = await self._client.get(path, params={**params, "page_size": "300"})
        response.raise_for_status()
        return model.model_validate_json(response.content)

    def _write(self, stream: str, model: Model, extra: dict[str, Any], *, without: set[str] | None = None) -> None:
        file = self._files.get(stream)
        if file is None:
            file = self._files[stream] = (self._folder / f"{stream}.jsonl").open("wb")
        # the models allow extra fields, so the columns of the line can be added to a copy
        line = model.model_copy(update=extra).model_dump_json(exclude=without)
        file.write(line.encode() + b"\n")
        self.records += 1


async def run(base: str, token: str, folder: Path, concurrency: int) -> int:
    """Export an account; returns the number of records."""
    limits = httpx.Limits(max_connections=100, max_keepalive_connections=100)
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=base, headers=headers, limits=limits, timeout=30.0) as client:
        job = OnHttpx(client, folder)
        await job.run(concurrency)
        return job.records
