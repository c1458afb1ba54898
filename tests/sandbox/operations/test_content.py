"""Findings, speech and scorecards, page by page."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from tests.sandbox.desk import Desk
from zra_async.sandbox.generated.awkward import NO_PARTICIPANTS, SILENT_SPEAKER
from zra_async.sandbox.generated.times import read_time

ONE = "/conversations/{conversationId}"
ANALYSIS, INTERACTIONS, SCORECARDS = (f"{ONE}/{part}" for part in ("content_analysis", "interactions", "scorecards"))


def ids(desk: Desk) -> list[str]:
    return [row["conversation_id"] for row in desk.truth.conversations()]


@pytest.mark.parametrize("page_size", ["1", "30", "300"])
async def test_speech_is_whole_over_pages(page_size: str) -> None:
    """Pages hold that many utterances, speakers come back, and put together by item id they are the whole."""
    desk = Desk(conversations=3)
    for name in ids(desk):
        pages = [page async for page in desk.pages(INTERACTIONS, {"page_size": page_size}, conversationId=name)]
        counts = [sum(len(speaker["transcripts"]) for speaker in page["participants"]) for page in pages]
        assert set(counts[:-1]) <= {int(page_size)}
        assert counts[-1] > 0
        items = [
            (int(item["item_id"]), speaker["display_name"], item)
            for page in pages
            for speaker in page["participants"]
            for item in speaker["transcripts"]
        ]
        items.sort(key=lambda entry: entry[0])
        assert [number for number, _, _ in items] == list(range(len(items)))
        truth = {
            int(item["item_id"]): (speaker["display_name"], item)
            for speaker in desk.truth.interactions(name)
            for item in speaker["transcripts"]
        }
        assert truth == {number: (who, item) for number, who, item in items}
        times = [read_time(item[edge]) or 0 for _, _, item in items for edge in ("start_time", "end_time")]
        assert times == sorted(times)


async def test_items_of_speakers_interleave() -> None:
    """Reading speaker after speaker is not the order of the conversation, so that a client has to sort."""
    desk = Desk(conversations=3)
    page = await desk.get(INTERACTIONS, conversationId=ids(desk)[0])
    numbers = [int(item["item_id"]) for speaker in page["participants"] for item in speaker["transcripts"]]
    assert numbers != sorted(numbers)
    repeated = await desk.every(INTERACTIONS, "participants", conversationId=ids(desk)[0])
    assert len(repeated) > len({speaker["display_name"] for speaker in repeated})


async def test_absent_and_silent_speakers() -> None:
    """Awkward: an answer without participants at all, and one speaker without transcripts at the end of the list."""
    desk = Desk(awkward=1.0)
    traits = {each.trait: each.conversation_id for each in desk.world.newest_first()}
    body = await desk.get(INTERACTIONS, conversationId=traits[NO_PARTICIPANTS])
    assert body == {"page_size": 30, "next_page_token": ""}
    assert "participants" not in await desk.get(ONE, conversationId=traits[NO_PARTICIPANTS])
    pages = [page async for page in desk.pages(INTERACTIONS, conversationId=traits[SILENT_SPEAKER])]
    silent = ["transcripts" not in speaker for page in pages for speaker in page["participants"]]
    assert sum(silent) == 1
    assert silent[-1]


TYPES = {
    "topics": "topics",
    "nextSteps": "next_steps",
    "engagingQuestions": "good_questions",
    "indicators": "indicators",
    "smartChapters": "smart_chapters",
    "dealMemo": "deal_memo",
    "playbooks": "playbooks",
}


@pytest.mark.parametrize("analysis_type", TYPES)
async def test_each_type_of_analysis_is_a_part_of_all(analysis_type: str) -> None:
    """One type gives what `all` gives in its own field; findings stand under `analysis` then."""
    desk = Desk(conversations=12)
    for name in ids(desk):
        whole = desk.truth.content_analysis(name)
        body = await desk.get(ANALYSIS, {"analysis_type": analysis_type, "page_size": "300"}, conversationId=name)
        field = TYPES[analysis_type]
        wanted = "analysis" if field in ("topics", "next_steps", "good_questions", "indicators") else field
        assert body[wanted] == whole[field]
        expected = {wanted, "page_size", "next_page_token"} | ({"summary"} if field == "smart_chapters" else set())
        assert set(body) == expected


@pytest.mark.parametrize("page_size", ["1", "4", "300"])
async def test_all_findings_are_whole_over_pages(page_size: str) -> None:
    """With `all` the pages run through one list after the other, and the memo stands on each."""
    desk = Desk(conversations=4)
    query = {"analysis_type": "all", "page_size": page_size}
    for name in ids(desk):
        whole, merged = desk.truth.content_analysis(name), dict[str, Any]()
        async for page in desk.pages(ANALYSIS, query, conversationId=name):
            assert page["deal_memo"] == whole["deal_memo"]
            assert "analysis" not in page
            found = {field: records for field, records in page.items() if isinstance(records, list)}
            assert 0 < sum(map(len, found.values())) <= int(page_size)
            for field, records in found.items():
                merged[field] = merged.get(field, []) + records
        assert merged | {"deal_memo": whole["deal_memo"]} == whole


async def test_chapters_cover_the_conversation() -> None:
    """Chapters follow each other without gaps from the start to the end."""
    desk = Desk(conversations=10)
    for conversation in desk.world.newest_first():
        chapters = desk.truth.content_analysis(conversation.conversation_id)["smart_chapters"]
        assert read_time(chapters[0]["start_time"]) == conversation.start
        assert read_time(chapters[-1]["end_time"]) == conversation.start + conversation.duration
        for first, second in itertools.pairwise(chapters):
            assert first["end_time"] == second["start_time"] > first["start_time"]


async def test_playbook_sources_quote_the_transcript() -> None:
    """A source names an utterance by its item id, with the place in the recording."""
    desk, quoted = Desk(conversations=10), 0
    for name in ids(desk):
        items = {i["item_id"]: i for speaker in desk.truth.interactions(name) for i in speaker["transcripts"]}
        for playbook in desk.truth.content_analysis(name)["playbooks"]:
            for source in (source for each in playbook["elements"] for source in each["answer"]["sources"]):
                assert source["text"] == items[source["item_id"]]["text"]
                hours, minutes, seconds = source["start_time"].split(":")
                assert int(hours) * 3600 + int(minutes) * 60 + float(seconds) == source["time_s"]
                quoted += 1
    assert quoted > 10


@pytest.mark.parametrize(
    ("analysis_type", "legacy"),
    [(None, False), ("", False), ("topic", False), ("dealMemo", True), ("playbooks", True), ("all", True)],
)
async def test_analysis_types_are_checked(analysis_type: str | None, legacy: bool) -> None:
    """The type is required, and the older operation knows only the first five."""
    desk = Desk()
    query = {} if analysis_type is None else {"analysis_type": analysis_type}
    refused = await desk.refused("GET", ANALYSIS, query, legacy=legacy, conversationId=ids(desk)[0])
    assert refused == (400, 1001, "Invalid request parameter.")


async def test_scorecards_agree_with_their_questions() -> None:
    """The average is that of the questions, and pages of one give each card once."""
    desk, cards = Desk(), 0
    for name in ids(desk):
        found = await desk.every(SCORECARDS, "scorecards", {"page_size": "1"}, conversationId=name)
        assert found == desk.truth.scorecards(name)
        for card in found:
            scores = [question["score"] for question in card["scorecard_questions"]]
            assert card["average_score"] == round(sum(scores) / len(scores), 2)
        cards += len(found)
    assert cards > 20


async def test_older_scorecards_have_no_answers() -> None:
    """The deprecated twin leaves out the answer and its justification."""
    desk = Desk()
    name = next(each.conversation_id for each in desk.world.newest_first() if each.scorecards)
    body = await desk.get(SCORECARDS, legacy=True, conversationId=name)
    assert not {"answer", "justification"} & body["scorecards"][0]["scorecard_questions"][0].keys()
