"""The rows of the streams about conversations, made of answers by pure functions.

Every line of a stream has the same columns; what the service does not tell is null. Texts are left as they came.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from operator import itemgetter
from typing import Any

import msgspec
from msgspec.structs import astuple

from zra_async.api.conversations.comments import Comment, MentionedTeam, MentionedUser
from zra_async.api.conversations.content_models import (
    ContentAnalysis,
    MarkedBy,
    PlaybookSource,
    Rater,
    Scale,
    Scorecard,
    Section,
    Speaker,
    SpeakerMetrics,
    Utterance,
)
from zra_async.api.conversations.merge import Interactions
from zra_async.api.conversations.models import (
    Conversation,
    ConversationDeal,
    ConversationDetail,
    ConversationParticipant,
    ConversationView,
    Moment,
    ParticipantType,
)
from zra_async.api.schema import Number


class Row(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One line of a stream; `run` is the run that has written it, and always the last column."""

    run: int = msgspec.field(name="_run", default=0)


# --------------------------------------------------------------------------- conversations


class ConversationRow(Row, frozen=True, gc=False):
    """A conversation, list and detail merged. Links to the recording are left out: they expire, and they are keys."""

    conversation_id: str
    conversation_type: str | None = None
    conversation_topic: str | None = None
    topic: str | None = None
    summary: str | None = None
    conversation_url: str | None = None
    host_id: str | None = None
    host_email: str | None = None
    meeting_id: int | None = None
    meeting_uuid: str | None = None
    meeting_start_time: datetime | None = None
    start_time: datetime | None = None
    iq_processed_time: datetime | None = None
    duration: Number | None = None
    duration_sec: Number | None = None
    engagement_score: Number | None = None
    sentiment_score: Number | None = None
    engaging_questions_count: int | None = None
    next_steps_count: int | None = None
    filler_words_count: Number | None = None
    deal_id: str | None = None
    deal: ConversationDeal | None = None
    stage_during_conversation: str | None = None
    calendar_client: str | None = None
    event_id: str | None = None
    participants: tuple[ConversationParticipant, ...] = ()
    conversation_view: ConversationView | None = None
    moment_info: tuple[Moment, ...] = ()
    has_recording: bool = False


_LISTED = tuple(f for f in ConversationRow.__struct_fields__ if f in Conversation.__struct_fields__)
_DETAILED = tuple(f for f in ConversationRow.__struct_fields__ if f in ConversationDetail.__struct_fields__)


def conversation_row(listed: Conversation, detail: ConversationDetail, run: int) -> ConversationRow:
    """Merge what the list and the detail say: the detail counts where both speak, since it is the newer of the two."""
    fields: dict[str, Any] = {name: getattr(listed, name) for name in _LISTED}
    for name in _DETAILED:
        value = getattr(detail, name)
        if value is not None:
            fields[name] = value
    fields["conversation_id"] = listed.conversation_id
    if not fields.get("deal_id") and detail.deal is not None:
        fields["deal_id"] = detail.deal.id or None
    return ConversationRow(**fields, has_recording=detail.download_link is not None, run=run)


class ParticipantRow(Row, frozen=True, gc=False):
    """Somebody who took part in a conversation, in the order in which they first spoke, and how they spoke."""

    conversation_id: str
    index: int
    user_id: str | None = None
    display_name: str | None = None
    email: str | None = None
    speaker_type: ParticipantType | None = None
    utterances: int = 0
    talk_to_listen_ratio: Number | None = None
    longest_monolog: Number | None = None
    talk_speed: Number | None = None
    filler_words: Number | None = None
    patience: Number | None = None


_SILENT = SpeakerMetrics()


def participant_rows(conversation_id: str, spoken: Interactions, run: int) -> list[ParticipantRow]:
    """One line for each speaker."""
    return [
        ParticipantRow(
            conversation_id,
            index,
            speaker.user_id,
            speaker.display_name,
            speaker.email,
            speaker.speaker_type,
            len(speaker.transcripts),
            *astuple(speaker.metrics or _SILENT),
            run=run,
        )
        for index, speaker in enumerate(spoken.participants)
    ]


class TranscriptRow(Row, frozen=True, gc=False):
    """One utterance; `index` counts them in the order of the conversation, `item_id` is the service's own number."""

    conversation_id: str
    index: int
    item_id: str
    user_id: str | None
    display_name: str | None
    email: str | None
    speaker_type: ParticipantType | None
    start_time: str | None
    end_time: str | None
    text: str | None


def transcript_rows(conversation_id: str, spoken: Interactions, run: int) -> list[TranscriptRow]:
    """One line for each utterance, in order."""
    return [
        TranscriptRow(
            conversation_id,
            index,
            said.item_id,
            who.user_id,
            who.display_name,
            who.email,
            who.speaker_type,
            said.start_time,
            said.end_time,
            said.text,
            run=run,
        )
        for index, (who, said) in enumerate(_in_order(spoken))
    ]


def _in_order(spoken: Interactions) -> Iterable[tuple[Speaker, Utterance]]:
    try:
        numbered = [(int(said.item_id), who, said) for who in spoken.participants for said in who.transcripts]
    except ValueError:
        return spoken.transcript  # which knows what to do with numbers that are none, and takes its time
    numbered.sort(key=itemgetter(0))
    return [(who, said) for _, who, said in numbered]


class FindingRow(Row, frozen=True, gc=False):
    """Something the analysis found. Lines of one `section` belong together, such as a question and its reply."""

    conversation_id: str
    section: int
    index: int
    user_id: str | None
    display_name: str | None
    text: str | None
    utterance: str | None
    label: str | None
    indicator_id: str | None
    indicator_name: str | None
    key_word: str | None
    marked_by: MarkedBy | None
    start_time: str | None
    end_time: str | None


def finding_rows(conversation_id: str, sections: Sequence[Section], run: int) -> list[FindingRow]:
    """One line for each finding of each section."""
    return [
        FindingRow(conversation_id, place, index, *astuple(finding), run=run)
        for place, section in enumerate(sections)
        for index, finding in enumerate(section.section)
    ]


class ChapterRow(Row, frozen=True, gc=False):
    """A chapter of a conversation."""

    conversation_id: str
    index: int
    title: str | None
    summary: str | None
    category: str | None
    start_time: str | None
    end_time: str | None


def chapter_rows(conversation_id: str, found: ContentAnalysis, run: int) -> list[ChapterRow]:
    """One line for each chapter."""
    return [
        ChapterRow(conversation_id, index, *astuple(chapter), run=run)
        for index, chapter in enumerate(found.smart_chapters)
    ]


class DealMemoRow(Row, frozen=True, gc=False):
    """Something in a conversation that speaks for the deal (`win`) or against it (`concern`)."""

    conversation_id: str
    side: str
    index: int
    factor: str | None
    explanation: str | None


def deal_memo_rows(conversation_id: str, found: ContentAnalysis, run: int) -> list[DealMemoRow]:
    """One line for each factor, those that speak for the deal first."""
    memo = found.deal_memo
    sides = (("win", memo.potential_wins), ("concern", memo.potential_concerns)) if memo else ()
    return [
        DealMemoRow(conversation_id, side, index, factor.factor, factor.explanation, run=run)
        for side, factors in sides
        for index, factor in enumerate(factors)
    ]


class PlaybookRow(Row, frozen=True, gc=False):
    """One element of a playbook, as far as the conversation answers it."""

    conversation_id: str
    playbook_id: str
    playbook_name: str | None
    index: int
    element_id: str
    element_name: str | None
    summaries: tuple[str, ...] = ()
    sources: tuple[PlaybookSource, ...] = ()


def playbook_rows(conversation_id: str, found: ContentAnalysis, run: int) -> list[PlaybookRow]:
    """One line for each element of each playbook; a playbook in two pieces is counted through."""
    rows: list[PlaybookRow] = []
    counts: dict[str, int] = {}
    for playbook in found.playbooks:
        for element in playbook.elements:
            index = counts[playbook.playbook_id] = counts.get(playbook.playbook_id, -1) + 1
            answer = element.answer
            rows.append(
                PlaybookRow(
                    conversation_id,
                    playbook.playbook_id,
                    playbook.playbook_name,
                    index,
                    element.element_id,
                    element.element_name,
                    answer.summaries if answer else (),
                    answer.sources if answer else (),
                    run=run,
                )
            )
    return rows


class ScorecardRow(Row, frozen=True, gc=False):
    """A coach's rating of a conversation; its questions are a stream of their own."""

    conversation_id: str
    index: int
    scorecard_id: str
    scorecard_name: str | None
    scorecard_description: str | None
    average_score: Number | None
    rate_time: datetime | None
    rater: Rater | None


class ScorecardQuestionRow(Row, frozen=True, gc=False):
    """One question of a scorecard; `scorecard_index` is the `index` of its scorecard."""

    conversation_id: str
    scorecard_index: int
    scorecard_id: str
    index: int
    question_id: str
    question_title: str | None
    question_description: str | None
    question_comment: str | None
    answer: str | None
    justification: str | None
    score: Number | None
    scale: Scale | None


def scorecard_rows(conversation_id: str, scorecards: Iterable[Scorecard], run: int) -> list[ScorecardRow]:
    """One line for each scorecard."""
    return [
        ScorecardRow(conversation_id, index, *astuple(scorecard)[:-1], run=run)
        for index, scorecard in enumerate(scorecards)
    ]


def scorecard_question_rows(
    conversation_id: str, scorecards: Iterable[Scorecard], run: int
) -> list[ScorecardQuestionRow]:
    """One line for each question of each scorecard."""
    return [
        ScorecardQuestionRow(conversation_id, place, scorecard.scorecard_id, index, *astuple(question), run=run)
        for place, scorecard in enumerate(scorecards)
        for index, question in enumerate(scorecard.scorecard_questions)
    ]


class CommentRow(Row, frozen=True, gc=False):
    """A comment on a conversation."""

    conversation_id: str
    index: int
    id: str
    parent_comment_id: str | None
    comment: str | None
    user_name: str | None
    user_email: str | None
    created_time: datetime | None
    last_modified_time: datetime | None
    is_private: bool | None
    mention_users: tuple[MentionedUser, ...]
    mention_teams: tuple[MentionedTeam, ...]
    time_in_recording: str | None


def comment_rows(conversation_id: str, comments: Iterable[Comment], run: int) -> list[CommentRow]:
    """One line for each comment."""
    return [CommentRow(conversation_id, index, *astuple(comment), run=run) for index, comment in enumerate(comments)]


class RecordingRow(Row, frozen=True, gc=False):
    """The recording of a conversation as a file; `file` is relative to the folder of the export.

    The file stays where it is when the conversation is deleted.
    """

    conversation_id: str
    file: str
    size: int
