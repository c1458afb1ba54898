"""The content of a conversation: what is asked for, and how pages become one piece."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.api.conftest import RecordingCaller
from zra_async.api.conversations.content_models import (
    AnalysisType,
    ContentAnalysis,
    DealFactor,
    DealMemo,
    Finding,
    LegacyAnalysisType,
    Section,
    SmartChapter,
    Speaker,
    SpeakerMetrics,
    Utterance,
)
from zra_async.api.conversations.merge import Interactions, merge_analysis, merge_speakers
from zra_async.api.conversations.models import ParticipantType
from zra_async.api.conversations.operations import ConversationOperations
from zra_async.errors import InvalidArgument


@pytest.fixture
def conversations(caller: RecordingCaller) -> ConversationOperations:
    return ConversationOperations(caller)


# --------------------------------------------------------------------------- on the wire


@pytest.mark.parametrize("analysis_type", get_args(AnalysisType))
async def test_content_analysis_asks_for_one_type(
    conversations: ConversationOperations, caller: RecordingCaller, analysis_type: AnalysisType
) -> None:
    """The type travels in the query, and a page is its own single item."""
    page = await conversations.content_analysis("c", analysis_type=analysis_type, page_size=10)
    assert caller.sent.target == f"/zra/conversations/c/content_analysis?analysis_type={analysis_type}&page_size=10"
    assert list(page.items) == [page.answer]


async def test_content_analysis_reads_every_part(conversations: ConversationOperations) -> None:
    """All lists of the documented example come back as Structs, times as they were sent."""
    found = (await conversations.content_analysis("c", analysis_type="all")).answer
    finding = found.topics[0].section[0]
    assert (finding.marked_by, finding.start_time) == ("nlp", "2022-03-23T06:00:00Z")
    assert found.deal_memo.potential_wins[0].factor.startswith("Understanding")
    (source,) = found.playbooks[0].elements[0].answer.sources
    assert (source.item_id, source.start_time, source.time_s) == ("12", "00:02:59.250", 179)


@pytest.mark.parametrize("analysis_type", ["", "deal_memo", None, "ALL"])
async def test_unknown_analysis_is_refused(
    conversations: ConversationOperations, caller: RecordingCaller, analysis_type: Any
) -> None:
    """A type that is not documented is refused before anything is sent, merged or not."""
    with pytest.raises(InvalidArgument, match="analysis_type"):
        conversations.content_analysis("c", analysis_type=analysis_type)
    with pytest.raises(InvalidArgument, match="analysis_type"):
        await conversations.merged_content_analysis("c", analysis_type=analysis_type)
    assert not caller.requests


@pytest.mark.parametrize("analysis_type", get_args(AnalysisType))
async def test_legacy_knows_five_types(caller: RecordingCaller, analysis_type: AnalysisType) -> None:
    """The deprecated twin takes the first five types and no other."""
    conversations = ConversationOperations(caller, legacy=True)
    if analysis_type in get_args(LegacyAnalysisType):
        with pytest.warns(DeprecationWarning, match="content_analysis is deprecated"):
            await conversations.content_analysis("c", analysis_type=analysis_type)
        assert caller.sent.target.startswith("/iq/conversations/c/content_analysis?")
    else:
        with pytest.raises(InvalidArgument, match="topics, nextSteps, engagingQuestions, indicators, smartChapters"):
            conversations.content_analysis("c", analysis_type=analysis_type)
        assert not caller.requests


async def test_scorecards(conversations: ConversationOperations, caller: RecordingCaller) -> None:
    """Scorecards come with their questions, a whole number in place of a fraction included."""
    page = await conversations.scorecards("c", cursor="next")
    assert caller.sent.query == {"page_size": "300", "next_page_token": "next"}
    (card,) = page.items
    assert (card.average_score, card.scorecard_questions[0].score) == (10.0, 8.0)
    assert card.rate_time is not None
    assert card.rate_time.utcoffset() is not None


@pytest.mark.parametrize("arguments", [{"conversation_id": ""}, {"page_size": 301}, {"page_size": 0}], ids=repr)
def test_lists_of_content_refuse(
    conversations: ConversationOperations, caller: RecordingCaller, arguments: dict[str, Any]
) -> None:
    """A blank id or a page size out of bounds is refused when the list is begun."""
    for work in (conversations.interactions, conversations.scorecards):
        with pytest.raises(InvalidArgument):
            work(**{"conversation_id": "c", **arguments})
    with pytest.raises(InvalidArgument):
        conversations.content_analysis(**{"conversation_id": "c", "analysis_type": "all", **arguments})
    assert not caller.requests


@pytest.mark.parametrize("answer", [{}, {"participants": None}, {"participants": []}], ids=repr)
async def test_interactions_without_participants(
    conversations: ConversationOperations, caller: RecordingCaller, answer: dict[str, Any]
) -> None:
    """A conversation in which nobody is listed is an empty one, not an error."""
    caller.answers = [answer]
    assert await conversations.merged_interactions("c") == Interactions()


async def test_interactions_over_pages(conversations: ConversationOperations, caller: RecordingCaller) -> None:
    """A speaker who recurs is one, silent ones stay, and the transcript is in the order of the conversation."""
    tom = {"user_id": "t", "display_name": "Tom", "speaker_type": "rep"}
    ann = {"user_id": "", "email": "ann@example.com", "speaker_type": "customer"}
    caller.answers = [
        {
            "participants": [
                {**tom, "transcripts": [{"item_id": "10", "text": "later"}, {"item_id": "2", "text": "well"}]},
                {**ann, "transcripts": [{"item_id": "1", "text": "hello"}], "metrics": {"patience": 2}},
            ],
            "next_page_token": "two",
        },
        {"participants": [tom, {**ann, "transcripts": [{"item_id": "9", "text": "yes"}]}], "next_page_token": ""},
    ]
    merged = await conversations.merged_interactions("c")
    assert [request.query.get("next_page_token") for request in caller.requests] == [None, "two"]
    assert [(s.display_name or s.email, [u.item_id for u in s.transcripts]) for s in merged.participants] == [
        ("Tom", ["2", "10"]),
        ("ann@example.com", ["1", "9"]),
    ]
    assert merged.participants[1].metrics == SpeakerMetrics(patience=2)
    assert [utterance.text for _, utterance in merged.transcript] == ["hello", "well", "yes", "later"]


async def test_merged_content_analysis(conversations: ConversationOperations, caller: RecordingCaller) -> None:
    """Lists are joined in the order of the pages; summary and memo come from the first page that has them."""
    caller.answers = [
        {"topics": [{"section": [{"label": "a"}]}], "summary": "", "next_page_token": "two"},
        {
            "topics": [{"section": [{"label": "b"}]}],
            "summary": "in short",
            "deal_memo": {"potential_wins": [{"factor": "w"}]},
            "next_page_token": "three",
        },
        {"smart_chapters": [{"title": "end"}], "summary": "again", "deal_memo": {}, "next_page_token": ""},
    ]
    merged = await conversations.merged_content_analysis("c", analysis_type="all")
    assert [section.section[0].label for section in merged.topics] == ["a", "b"]
    assert merged.summary == "in short"
    assert merged.deal_memo == DealMemo(potential_wins=(DealFactor(factor="w"),))
    assert merged.smart_chapters == (SmartChapter(title="end"),)
    assert (merged.next_page_token, merged.page_size) == ("", None)


# --------------------------------------------------------------------------- merging, for any pages

numbers = st.integers(0, 40).map(str)
item_ids = st.one_of(numbers, st.sampled_from(["", "a", "1.5", "-", "²"]))
utterances = st.builds(Utterance, item_id=item_ids, text=st.sampled_from(["x", "y", None]))
speakers = st.builds(
    Speaker,
    user_id=st.sampled_from(["", None, "u1", "u2"]),
    email=st.sampled_from(["", None, "a@example.com", "b@example.com"]),
    display_name=st.sampled_from(["", None, "Ann", "Tom"]),
    speaker_type=st.sampled_from([None, ParticipantType.REP, ParticipantType("rep/customer")]),
    transcripts=st.lists(utterances, max_size=6).map(tuple),
)


def who(speaker: Speaker) -> tuple[str, ...]:
    """Whom the documented rule takes a speaker for; None and a blank text count alike."""
    if speaker.user_id:
        return ("id", speaker.user_id)
    return ("mail", speaker.email) if speaker.email else (speaker.display_name or "", speaker.speaker_type or "")


def number(utterance: Utterance) -> int | None:
    """The number of an utterance, None where it has none."""
    return int(utterance.item_id) if utterance.item_id.isdecimal() else None


@given(st.lists(speakers, max_size=12))
def test_nothing_said_is_lost_or_doubled(found: list[Speaker]) -> None:
    """Merging keeps every utterance exactly once, with the speaker who said it, and names each speaker once."""
    merged = merge_speakers(found).participants
    said = Counter((who(s), u) for s in found for u in s.transcripts)
    assert Counter((who(s), u) for s in merged for u in s.transcripts) == said
    assert [who(s) for s in merged] == list(dict.fromkeys(who(s) for s in found))


@given(st.lists(speakers, max_size=12))
def test_utterances_are_in_order(found: list[Speaker]) -> None:
    """Numbered utterances rise; those without a number follow, as they came."""
    for speaker in merge_speakers(found).participants:
        order = [number(u) for u in speaker.transcripts]
        numbered = [n for n in order if n is not None]
        assert order == sorted(numbered) + [None] * (len(order) - len(numbered))
        came = [u for s in found if who(s) == who(speaker) for u in s.transcripts if number(u) is None]
        assert [u for u in speaker.transcripts if number(u) is None] == came


@given(st.lists(speakers, max_size=12))
def test_merging_twice_changes_nothing(found: list[Speaker]) -> None:
    """What has been merged is merged."""
    once = merge_speakers(found)
    assert merge_speakers(once.participants) == once


@given(
    st.lists(st.sampled_from(["u1", "u2", "u3"]), max_size=25),
    st.sets(st.integers(1, 24)),
)
def test_page_cuts_do_not_matter(turns: list[str], cuts: set[int]) -> None:
    """However a conversation is cut into pages, the merged speech is the same, and the transcript is the original."""
    edges = [0, *sorted(cut for cut in cuts if cut < len(turns)), len(turns)]
    found: list[Speaker] = []
    for start, end in pairwise(edges):
        said: dict[str, list[Utterance]] = {}
        for n in range(start, end):
            said.setdefault(turns[n], []).append(Utterance(item_id=str(n)))
        found += [Speaker(user_id=user, transcripts=tuple(items)) for user, items in said.items()]
    merged = merge_speakers(found)
    assert [speaker.user_id for speaker in merged.participants] == list(dict.fromkeys(turns))
    assert [(s.user_id, u.item_id) for s, u in merged.transcript] == [(user, str(n)) for n, user in enumerate(turns)]


sections = st.lists(st.builds(Section, section=st.just((Finding(label="x"),))), max_size=3).map(tuple)
pages = st.builds(
    ContentAnalysis,
    summary=st.sampled_from([None, "", "s", "t"]),
    deal_memo=st.sampled_from([None, DealMemo(), DealMemo(potential_wins=(DealFactor(factor="f"),))]),
    analysis=sections,
    topics=sections,
    next_steps=sections,
    good_questions=sections,
    indicators=sections,
)


@given(st.lists(pages, max_size=5), st.integers(0, 5))
def test_analysis_merges_piecewise(found: list[ContentAnalysis], cut: int) -> None:
    """Merging some pages first and the rest later gives what merging all at once gives, and no list loses an item."""
    merged = merge_analysis(found)
    assert merge_analysis([merge_analysis(found[:cut]), merge_analysis(found[cut:])]) == merged
    for name in ("analysis", "topics", "next_steps", "good_questions", "indicators"):
        assert list(getattr(merged, name)) == [item for page in found for item in getattr(page, name)]
