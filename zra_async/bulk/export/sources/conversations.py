"""Conversations as units of an export: the list by processing time, and everything about one of them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Sequence
from datetime import UTC
from pathlib import Path

import msgspec

from zra_async import errors
from zra_async.api.conversations import comments, content
from zra_async.api.conversations import operations as api
from zra_async.api.conversations.content_models import ContentAnalysis
from zra_async.api.conversations.merge import merge_analysis, merge_speakers
from zra_async.api.conversations.models import Conversation, ConversationDetail, PeriodType
from zra_async.bulk.export.rows import conversations as rows
from zra_async.bulk.export.sources.account import Calls, Gone, NotReady, Reading, confirm_gone, means_gone, version_of
from zra_async.bulk.export.sources.periods import AHEAD
from zra_async.bulk.export.streams import STREAMS
from zra_async.bulk.export.units import Listed, Waiting
from zra_async.bulk.export.windows import Window
from zra_async.osfiles.threads import to_thread
from zra_async.results.exports import UnitKind, UnprovenPeriod

#: how the service refuses what is not analysed yet
_IN_PROCESSING = 5004
_FROM_INTERACTIONS = ("participants", "transcripts")
_FROM_ANALYSIS = tuple(name for name, spec in STREAMS.items() if content.CONTENT_ANALYSIS in spec.reads)
_FROM_SCORECARDS = ("scorecards", "scorecard_questions")

Found = dict[str, Sequence[msgspec.Struct]]


class Conversations:
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
        self._speech = any(name in streams for name in _FROM_INTERACTIONS)
        self._analysis = any(name in streams for name in _FROM_ANALYSIS)
        self._scorecards = any(name in streams for name in _FROM_SCORECARDS)
        self._comments = "comments" in streams
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
        detail = await self._detail(unit.id)
        if not unit.payload:
            return None
        listed = self._decoder.decode(unit.payload)
        found: Found = {"conversations": [rows.conversation_row(listed, detail, run)]}
        try:
            await self._content(unit.id, found, run)
            await self._recording(unit.id, detail, found, run)
        except errors.NotFound as problem:
            await confirm_gone(problem, self._detail(unit.id))
        except errors.PermissionDenied as refusal:
            if refusal.code == _IN_PROCESSING:
                raise NotReady from None
            raise
        host = detail.host_id or listed.host_id
        return Reading(found, [host] if host else ())

    async def _detail(self, conversation_id: str) -> ConversationDetail:
        try:
            return await self._calls.one(api.GET, self._calls.zra.conversations.get(conversation_id))
        except errors.NotFound as problem:
            if means_gone(problem):
                raise Gone from None
            raise

    async def _content(self, conversation_id: str, found: Found, run: int) -> None:
        read, path = self._calls.all, {"conversation_id": conversation_id}
        if self._speech:
            spoken = merge_speakers(await read(content.INTERACTIONS, path))
            found["participants"] = rows.participant_rows(conversation_id, spoken, run)
            found["transcripts"] = rows.transcript_rows(conversation_id, spoken, run)
        if self._analysis:
            pages = await read(content.CONTENT_ANALYSIS, path, {"analysis_type": "all"})
            _add_findings(conversation_id, pages[0] if len(pages) == 1 else merge_analysis(pages), found, run)
        if self._scorecards:
            cards = await read(content.SCORECARDS, path)
            found["scorecards"] = rows.scorecard_rows(conversation_id, cards, run)
            found["scorecard_questions"] = rows.scorecard_question_rows(conversation_id, cards, run)
        if self._comments:
            written = await read(comments.LIST, path)
            found["comments"] = rows.comment_rows(conversation_id, written, run)

    async def _recording(self, conversation_id: str, detail: ConversationDetail, found: Found, run: int) -> None:
        if self._recordings is None or detail.download_link is None:
            return
        # an id is no safe name, and two recordings may have the same one: each gets a folder of its own
        folder = self._recordings / version_of(conversation_id.encode())
        await to_thread(make_place, self._recordings, folder)
        done = self._calls.zra.conversations.download_recording(conversation_id, to=folder, overwrite=True)
        file = await self._calls.one(api.GET, done)
        place = file.path.relative_to(self._recordings.parent).as_posix()
        found["recordings"] = [rows.RecordingRow(conversation_id, place, file.size, run=run)]


def make_place(*folders: Path) -> None:
    """Make folders for recordings. Raises `LedgerError` for one that is a link: it leads out of the export."""
    for folder in folders:
        try:
            folder.mkdir(exist_ok=True)
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
