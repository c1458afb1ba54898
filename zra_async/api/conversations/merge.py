"""Merge the pages of one conversation: each speaker once, utterances in order, findings in one list."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

from zra_async.api.conversations.content_models import ContentAnalysis, Speaker, Utterance
from zra_async.api.schema import Model

T = TypeVar("T")


class Interactions(Model, frozen=True, kw_only=True):
    """The speakers of a whole conversation, each once and in the order of their first utterances."""

    participants: tuple[Speaker, ...] = ()

    @property
    def transcript(self) -> tuple[tuple[Speaker, Utterance], ...]:
        """Every utterance with its speaker, in the order of the conversation."""
        spoken = [(speaker, utterance) for speaker in self.participants for utterance in speaker.transcripts]
        return tuple(sorted(spoken, key=lambda pair: _position(pair[1])))


def merge_speakers(speakers: Iterable[Speaker]) -> Interactions:
    """Join the speakers of all pages.

    The same speaker is the one with the same user id, or else the same email, or else the same name on the same side.
    """
    appearances: dict[tuple[str, ...], list[Speaker]] = {}
    for speaker in speakers:
        appearances.setdefault(_identity(speaker), []).append(speaker)
    return Interactions(participants=tuple(_joined(same) for same in appearances.values()))


def merge_analysis(pages: Iterable[ContentAnalysis]) -> ContentAnalysis:
    """Join the lists of all pages; summary and deal memo are those of the first page that has them."""
    pages = list(pages)
    return ContentAnalysis(
        summary=_first(page.summary for page in pages),
        deal_memo=_first(page.deal_memo for page in pages),
        smart_chapters=tuple(item for page in pages for item in page.smart_chapters),
        analysis=tuple(item for page in pages for item in page.analysis),
        topics=tuple(item for page in pages for item in page.topics),
        next_steps=tuple(item for page in pages for item in page.next_steps),
        good_questions=tuple(item for page in pages for item in page.good_questions),
        indicators=tuple(item for page in pages for item in page.indicators),
        playbooks=tuple(item for page in pages for item in page.playbooks),
    )


def _identity(speaker: Speaker) -> tuple[str, ...]:
    if speaker.user_id:
        return ("user_id", speaker.user_id)
    if speaker.email:
        return ("email", speaker.email)
    return ("name", speaker.display_name or "", speaker.speaker_type or "")


def _joined(same: Sequence[Speaker]) -> Speaker:
    if len(same) == 1 and _in_order(same[0].transcripts):
        return same[0]
    utterances = (utterance for speaker in same for utterance in speaker.transcripts)
    return Speaker(
        user_id=_first(speaker.user_id for speaker in same),
        display_name=_first(speaker.display_name for speaker in same),
        email=_first(speaker.email for speaker in same),
        speaker_type=_first(speaker.speaker_type for speaker in same),
        metrics=_first(speaker.metrics for speaker in same),
        transcripts=tuple(sorted(utterances, key=_position)),
    )


def _position(utterance: Utterance) -> tuple[bool, int]:
    """Return the position of an utterance. Those whose number cannot be read come last, in the order of the pages."""
    try:
        return False, int(utterance.item_id)
    except ValueError:
        return True, 0


def _in_order(utterances: Sequence[Utterance]) -> bool:
    try:
        numbers = [int(utterance.item_id) for utterance in utterances]
    except ValueError:
        return False
    return numbers == sorted(numbers)


def _first(values: Iterable[T | None]) -> T | None:
    """Return the first value that is not blank; if all are, the first blank value as the service sent it."""
    blank: T | None = None
    for value in values:
        if value:
            return value
        blank = value if blank is None else blank
    return blank
