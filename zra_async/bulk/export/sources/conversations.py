"""Conversations as units of an export: the list by processing time, and everything about one of them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Sequence
from datetime import UTC
from pathlib import Path
from typing import TypeVar

import msgspec

from zra_async import errors
from zra_async.api.conversations import comments, content
from zra_async.api.conversations import operations as api
from zra_async.api.conversations.content_models import ContentAnalysis
from zra_async.api.conversations.merge import merge_analysis, merge_speakers
from zra_async.api.conversations.models import Conversation, ConversationDetail, PeriodType
from zra_async.bulk.export.rows import conversations as rows
from zra_async.bulk.export.sources.account import Calls, Gone, Reading, confirm_gone, means_gone, version_of
from zra_async.bulk.export.sources.periods import AHEAD
from zra_async.bulk.export.streams import STREAMS
from zra_async.bulk.export.units import Listed, Waiting
from zra_async.bulk.export.windows import Window
from zra_async.files.download import DownloadedRecording
from zra_async.osfiles.threads import to_thread
from zra_async.results.exports import UnitKind, UnprovenPeriod

#: how the service refuses what is not analysed yet
_IN_PROCESSING = 5004
_FROM_INTERACTIONS = ("participants", "transcripts")
_FROM_ANALYSIS = tuple(name for name, spec in STREAMS.items() if content.CONTENT_ANALYSIS in spec.reads)
_FROM_SCORECARDS = ("scorecards", "scorecard_questions")
_FROM_DETAIL = ("conversations", "recordings")
T = TypeVar("T")

Found = dict[str, Sequence[msgspec.Struct]]


class ConversationUnits:
    """The conversations of a period. ``recordings`` is the folder for the files, where they are wanted."""

    kind: UnitKind = "conversation"
    unchanged_too: bool

    def __init__(
        self,
        calls: Calls,
        streams: Collection[str],
        window: Window,
        *,
        unchanged_too: bool,
        recordings: Path | None = None,
    ) -> None:
        self.unchanged_too = unchanged_too
        self.unproven: Sequence[UnprovenPeriod] = ()
        self._calls = calls
        self._window = window
        self._recordings = recordings
        self._streams = frozenset(streams)
        self._decoder = msgspec.json.Decoder(Conversation)

    async def pages(self) -> AsyncGenerator[Sequence[Listed]]:
        """List them."""
        conversations = self._calls.zra.conversations
        # by their start the list also shows those that are not processed yet
        by: PeriodType = "meetingStartTime" if self._window.unbounded else "iqProcessedTime"
        walk = await self._calls.walk(
            self.kind,
            api.LIST,
            lambda begin, end: conversations.list(period_type=by, from_=begin, to=end),
            (self._window.since, self._window.until),
            AHEAD,
        )
        async for page in walk.pages():
            yield [_listed(conversation) for conversation in page.items]
        self.unproven = walk.unproven

    @property
    def complete(self) -> bool:
        """True if the list has shown all there is."""
        return self._window.unbounded and not self.unproven

    async def read(self, unit: Waiting, run: int) -> Reading | None:
        """Read one conversation with all that is wanted of it."""
        wanted = unit.streams or self._streams
        detail = None
        # the detail tells a conversation that is gone from one that merely lacks something
        if not unit.payload or not unit.streams or not wanted.isdisjoint(_FROM_DETAIL):
            detail = await self._detail(unit.id)
        if not unit.payload:
            return None
        reader = _ConversationReader(self._calls, unit.id, wanted, run)
        listed = self._decoder.decode(unit.payload)
        if detail is not None:
            reader.found["conversations"] = [rows.conversation_row(listed, detail, run)]
        try:
            await reader.read()
            if detail is not None and detail.download_link is not None and self._recordings is not None:
                await reader.read_recording(self._recordings)
        except errors.NotFound as problem:
            await confirm_gone(problem, self._detail(unit.id))
        host = (detail.host_id if detail else None) or listed.host_id
        return Reading(reader.found, [host] if host else (), reader.refused)

    async def _detail(self, conversation_id: str) -> ConversationDetail:
        try:
            return await self._calls.one(api.GET, self._calls.zra.conversations.get(conversation_id))
        except errors.NotFound as problem:
            if means_gone(problem):
                raise Gone from None
            raise


class _ConversationReader:
    """Reads what is wanted of one conversation besides its detail."""

    def __init__(self, calls: Calls, conversation_id: str, wanted: Collection[str], run: int) -> None:
        self.found: Found = {}
        self.refused: dict[str, str] = {}
        self._calls = calls
        self._id = conversation_id
        self._wanted = wanted
        self._run = run

    async def read(self) -> None:
        """Make each call that a wanted stream needs."""
        name, run, path = self._id, self._run, {"conversation_id": self._id}
        read = self._calls.all
        if (spoken := await self._part(_FROM_INTERACTIONS, lambda: read(content.INTERACTIONS, path))) is not None:
            merged = merge_speakers(spoken)
            self.found["participants"] = rows.participant_rows(name, merged, run)
            self.found["transcripts"] = rows.transcript_rows(name, merged, run)
        everything = {"analysis_type": "all"}
        pages = await self._part(_FROM_ANALYSIS, lambda: read(content.CONTENT_ANALYSIS, path, everything))
        if pages is not None:
            _add_findings(name, pages[0] if len(pages) == 1 else merge_analysis(pages), self.found, run)
        if (cards := await self._part(_FROM_SCORECARDS, lambda: read(content.SCORECARDS, path))) is not None:
            self.found["scorecards"] = rows.scorecard_rows(name, cards, run)
            self.found["scorecard_questions"] = rows.scorecard_question_rows(name, cards, run)
        if (written := await self._part(("comments",), lambda: read(comments.LIST, path))) is not None:
            self.found["comments"] = rows.comment_rows(name, written, run)

    async def read_recording(self, recordings: Path) -> None:
        """Download the recording, if it is wanted."""
        # an id is no safe name, and two recordings may have the same one: each gets a folder of its own
        folder = recordings / version_of(self._id.encode())

        async def download() -> DownloadedRecording:
            await to_thread(make_place, recordings, folder)
            done = self._calls.zra.conversations.download_recording(self._id, to=folder, overwrite=True)
            return await self._calls.one(api.GET, done)

        file = await self._part(("recordings",), download)
        if file is not None:
            place = file.path.relative_to(recordings.parent).as_posix()
            self.found["recordings"] = [rows.RecordingRow(self._id, place, file.size, run=self._run)]

    async def _part(self, streams: Sequence[str], read: Callable[[], Awaitable[T]]) -> T | None:
        wanted = [stream for stream in streams if stream in self._wanted]
        return await self._calls.part(wanted, read, self.refused, not_ready=_IN_PROCESSING)


def make_place(*folders: Path) -> None:
    """Make folders for recordings. Raises `LedgerError` for one that is a link: it leads out of the export."""
    for folder in folders:
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as problem:
            raise errors.LedgerError(f"{folder} cannot be made: {problem.strerror}") from problem
        if folder.is_symlink():
            raise errors.LedgerError(f"{folder} is a link, which is not followed: remove it, or use another folder")


def _add_findings(conversation_id: str, analysis: ContentAnalysis, found: Found, run: int) -> None:
    found["topics"] = rows.finding_rows(conversation_id, analysis.topics, run)
    found["next_steps"] = rows.finding_rows(conversation_id, analysis.next_steps, run)
    found["questions"] = rows.finding_rows(conversation_id, analysis.good_questions, run)
    found["indicator_mentions"] = rows.finding_rows(conversation_id, analysis.indicators, run)
    found["chapters"] = rows.chapter_rows(conversation_id, analysis, run)
    found["deal_memos"] = rows.deal_memo_rows(conversation_id, analysis, run)
    found["playbooks"] = rows.playbook_rows(conversation_id, analysis, run)


def _listed(conversation: Conversation) -> Listed:
    payload = msgspec.json.encode(conversation)
    processed = conversation.iq_processed_time
    at = processed.astimezone(UTC).isoformat() if processed else ""
    processing = bool(conversation.processing_analysis)
    return Listed(conversation.conversation_id, version_of(payload), payload, processing, at)
