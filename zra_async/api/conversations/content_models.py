"""The structures of a conversation's content: findings, speech and scorecards."""

from __future__ import annotations

from typing import Literal

from zra_async.api.conversations.models import ParticipantType
from zra_async.api.schema import Instant, Model, Number, OpenEnum

AnalysisType = Literal[
    "topics", "nextSteps", "engagingQuestions", "indicators", "smartChapters", "dealMemo", "playbooks", "all"
]
LegacyAnalysisType = Literal["topics", "nextSteps", "engagingQuestions", "indicators", "smartChapters"]


class MarkedBy(OpenEnum):
    """The origin of a finding: a part of the analysis, or the user id of a person."""

    NLP = "nlp"
    ES = "es"
    AIC = "aic"


# --------------------------------------------------------------------------- content analysis


class Finding(Model, frozen=True, kw_only=True):
    """A finding in an utterance: `text` is the part that matters, `utterance` all of it.

    `user_id` is blank for people from outside the account.
    """

    user_id: str | None = None
    display_name: str | None = None
    text: str | None = None
    utterance: str | None = None
    label: str | None = None
    indicator_id: str | None = None
    indicator_name: str | None = None
    key_word: str | None = None
    marked_by: MarkedBy | None = None
    start_time: str | None = None
    end_time: str | None = None


class Section(Model, frozen=True, kw_only=True):
    """Findings that belong together, such as a question and its reply."""

    section: tuple[Finding, ...] = ()


class SmartChapter(Model, frozen=True, kw_only=True):
    """A chapter of the conversation."""

    title: str | None = None
    summary: str | None = None
    category: str | None = None
    start_time: str | None = None
    end_time: str | None = None


class DealFactor(Model, frozen=True, kw_only=True):
    """Something that speaks for or against the deal."""

    factor: str | None = None
    explanation: str | None = None


class DealMemo(Model, frozen=True, kw_only=True):
    """The meaning of the conversation for the deal."""

    potential_wins: tuple[DealFactor, ...] = ()
    potential_concerns: tuple[DealFactor, ...] = ()


class PlaybookSource(Model, frozen=True, kw_only=True):
    """The utterance that supports an answer; `time_s` is its place in the recording, in seconds."""

    item_id: str = ""
    speaker_name: str | None = None
    text: str | None = None
    start_time: str | None = None
    end_time: str | None = None
    time_s: Number | None = None


class PlaybookAnswer(Model, frozen=True, kw_only=True):
    """The answer of the conversation to one element of a playbook."""

    summaries: tuple[str, ...] = ()
    sources: tuple[PlaybookSource, ...] = ()


class PlaybookElement(Model, frozen=True, kw_only=True):
    """One question of a playbook."""

    element_id: str = ""
    element_name: str | None = None
    answer: PlaybookAnswer | None = None


class Playbook(Model, frozen=True, kw_only=True):
    """A sales method, such as MEDDPICC, filled in from the conversation."""

    playbook_id: str = ""
    playbook_name: str | None = None
    elements: tuple[PlaybookElement, ...] = ()


class ContentAnalysis(Model, frozen=True, kw_only=True):
    """One page of findings, or all of them merged.

    `analysis` holds those of the one ``analysis_type`` that was asked for; with ``all`` they stand in `topics`,
    `next_steps`, `good_questions` and `indicators` instead. `summary` comes with ``smartChapters`` alone.
    """

    summary: str | None = None
    smart_chapters: tuple[SmartChapter, ...] = ()
    analysis: tuple[Section, ...] = ()
    topics: tuple[Section, ...] = ()
    next_steps: tuple[Section, ...] = ()
    good_questions: tuple[Section, ...] = ()
    indicators: tuple[Section, ...] = ()
    deal_memo: DealMemo | None = None
    playbooks: tuple[Playbook, ...] = ()
    next_page_token: str = ""
    page_size: int | None = None


# --------------------------------------------------------------------------- interactions


class Utterance(Model, frozen=True, kw_only=True):
    """One turn of speech; `item_id` is its number in the conversation."""

    item_id: str = ""
    text: str | None = None
    start_time: str | None = None
    end_time: str | None = None


class SpeakerMetrics(Model, frozen=True, kw_only=True):
    """Measures of a speaker's speech.

    `filler_words` and `talk_speed` are per minute, `longest_monolog` and `patience` in seconds.
    """

    talk_to_listen_ratio: Number | None = None
    longest_monolog: Number | None = None
    talk_speed: Number | None = None
    filler_words: Number | None = None
    patience: Number | None = None


class Speaker(Model, frozen=True, kw_only=True):
    """A speaker and their utterances; `user_id` and `email` are blank for people from outside the account."""

    user_id: str | None = None
    display_name: str | None = None
    email: str | None = None
    speaker_type: ParticipantType | None = None
    metrics: SpeakerMetrics | None = None
    transcripts: tuple[Utterance, ...] = ()


class SpeakerPage(Model, frozen=True, kw_only=True):
    """One page of speakers; a speaker may appear again on later pages."""

    participants: tuple[Speaker, ...] = ()
    next_page_token: str = ""
    page_size: int | None = None


# --------------------------------------------------------------------------- scorecards


class Rater(Model, frozen=True, kw_only=True):
    """The person who filled in a scorecard."""

    user_id: str = ""
    display_name: str | None = None
    email: str | None = None


class Scale(Model, frozen=True, kw_only=True):
    """The meanings of the lowest and the highest score of a question."""

    min_score_label: str | None = None
    max_score_label: str | None = None


class ScorecardQuestion(Model, frozen=True, kw_only=True):
    """One question of a scorecard and its answer."""

    question_id: str = ""
    question_title: str | None = None
    question_description: str | None = None
    question_comment: str | None = None
    answer: str | None = None
    justification: str | None = None
    score: Number | None = None
    scale: Scale | None = None


class Scorecard(Model, frozen=True, kw_only=True):
    """A coach's rating of a conversation."""

    scorecard_id: str = ""
    scorecard_name: str | None = None
    scorecard_description: str | None = None
    average_score: Number | None = None
    rate_time: Instant | None = None
    rater: Rater | None = None
    scorecard_questions: tuple[ScorecardQuestion, ...] = ()


class ScorecardPage(Model, frozen=True, kw_only=True):
    """One page of scorecards."""

    scorecards: tuple[Scorecard, ...] = ()
    next_page_token: str = ""
    page_size: int | None = None
