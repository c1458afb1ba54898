"""The generated account: repeatable, reversible, in order, and free of charge whatever its size."""

from __future__ import annotations

import itertools
import tracemalloc
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sandbox.desk import START, Desk
from zra_async.sandbox.generated.conversation import bits
from zra_async.sandbox.generated.ids import ConversationIds, DealIds, meeting_uuid
from zra_async.sandbox.generated.times import History, read_time, write_offset, write_time
from zra_async.sandbox.generated.transcripts import Transcript

SIZES = [0, 1, 5, 14, 15, 16, 119, 120, 121, 500, 12_345]


def test_one_seed_makes_one_account() -> None:
    """Two accounts of one seed are equal in everything, one of another seed shares no conversation."""
    first, second, other = Desk(seed=3), Desk(seed=3), Desk(seed=4)
    assert list(first.truth.conversations()) == list(second.truth.conversations())
    assert list(first.truth.deals()) == list(second.truth.deals())
    ids = {row["conversation_id"] for row in first.truth.conversations()}
    assert ids.isdisjoint(row["conversation_id"] for row in other.truth.conversations())


def test_a_restart_on_the_same_day_finds_the_same_account() -> None:
    """The hour at which the clock starts changes nothing, so that a restarted sandbox can be resumed on."""
    morning = Desk(datetime(2026, 3, 10, 0, 0, 1, tzinfo=UTC))
    evening = Desk(datetime(2026, 3, 10, 23, 59, tzinfo=UTC))
    assert list(morning.truth.conversations()) == list(evening.truth.conversations())


def test_ids_stay_the_same_on_another_day() -> None:
    """The days move the times, never the ids."""
    today, next_year = Desk(), Desk(datetime(2027, 3, 10, tzinfo=UTC))
    ids = [[row["conversation_id"] for row in desk.truth.conversations()] for desk in (today, next_year)]
    assert ids[0] == ids[1]


def test_a_conversation_does_not_depend_on_what_was_read_before() -> None:
    """Reading in any order gives the same conversation."""
    population = Desk(conversations=1000).world.population
    forwards = [population.conversation(number) for number in range(1000)]
    assert [population.conversation(number) for number in reversed(range(1000))] == forwards[::-1]


@given(st.integers(0, 2**60), st.integers(0, 2**40), st.integers(0, 60_000_000))
def test_conversation_ids_can_be_read_back(number: int, seed: int, offset: int) -> None:
    """Every id gives back its number, and its meeting UUID as well."""
    ids = ConversationIds(seed)
    written = ids.write(number, offset)
    assert ids.read(written) == number
    assert ids.read(meeting_uuid(written)) == number


@given(st.integers(0, 10**9), st.integers(0, 2**40))
def test_deal_ids_can_be_read_back(number: int, seed: int) -> None:
    """Every deal id gives back its number and looks like one."""
    ids = DealIds(seed)
    assert len(ids.write(number)) == 18
    assert ids.read(ids.write(number)) == number


@given(st.text(max_size=40))
def test_no_text_breaks_the_lookup_of_ids(text: str) -> None:
    """Whatever stands in a path, the lookup says that there is no such conversation or deal."""
    world = _WORLD
    assert world.find(text) is None
    assert world.pipeline.find(text) is None


_WORLD = Desk().world


def test_ids_need_careful_quoting() -> None:
    """Even a small account has ids that begin with a slash, with two, with a plus, and plain hex ones."""
    ids = [row["conversation_id"] for row in Desk(conversations=20).truth.conversations()]
    assert any(name.startswith("//") for name in ids)
    assert any(name.startswith("/") and not name.startswith("//") for name in ids)
    assert any(name.startswith("+") for name in ids)
    assert any(name.isalnum() and len(name) == 32 for name in ids)
    assert sum("==," in name for name in ids) >= 15


def test_ids_of_other_accounts_and_altered_ids_are_unknown() -> None:
    """An id is found only if every character is right."""
    desk, other = Desk(seed=1), Desk(seed=2)
    for row in desk.truth.conversations():
        name = row["conversation_id"]
        assert desk.world.find(name)
        assert other.world.find(name) is None
        assert desk.world.find(name[:-1] + ("0" if name[-1] != "0" else "1")) is None
        assert desk.world.find(name + " ") is None


@pytest.mark.parametrize("size", SIZES)
def test_conversations_are_in_order_over_two_years(size: int) -> None:
    """Start times rise with the number, and everything has been processed when the account opens."""
    population = Desk(conversations=size).world.population
    found = [population.conversation(number) for number in range(size)]
    starts = [conversation.start for conversation in found]
    assert starts == sorted(starts)
    now = START.timestamp()
    assert all(now - 732 * 86400 < each.start < each.processed < now - 3600 for each in found)


@pytest.mark.parametrize("size", SIZES)
def test_deals_and_their_conversations_agree(size: int) -> None:
    """A conversation names the deal that lists it, and a deal is older than all of its conversations."""
    desk = Desk(conversations=size)
    pipeline, population = desk.world.pipeline, desk.world.population
    listed = {number: deal for deal in range(pipeline.count) for number in pipeline.conversations_of(deal)}
    assert listed == {n: deal for n in range(size) if (deal := pipeline.deal_of(n)) >= 0}
    for number, deal in listed.items():
        assert pipeline.created(deal) < population.history.at(number)
    created = [pipeline.created(deal) for deal in range(pipeline.count)]
    assert created == sorted(created)
    if size >= 120:
        assert len(listed) > size * 0.7


@settings(max_examples=50)
@given(st.integers(1, 10**6), st.integers(1, 10**8), st.data())
def test_events_are_found_by_their_time(count: int, span: int, data: st.DataObject) -> None:
    """The first event at or after a time is the right one, in a history of any density."""
    history = History(b"x" * 16, 10**9, span, count)
    seconds = data.draw(st.integers(10**9 - 10, 10**9 + span + 10))
    found = history.first(seconds)
    assert found == count or history.at(found) >= seconds
    assert found == 0 or history.at(found - 1) < seconds


def test_a_million_conversations_cost_no_memory_up_front() -> None:
    """Opening a huge account and reading its newest conversations takes a few hundred kilobytes."""
    Desk(conversations=10)
    tracemalloc.start()
    try:
        desk = Desk(conversations=1_000_000)
        newest = [each.order for each in itertools.islice(desk.world.newest_first(), 300)]
        held = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert newest == sorted(newest, reverse=True)
    assert held < 1_000_000


async def test_listing_does_not_grow_memory() -> None:
    """Nothing is kept of the conversations that were listed, apart from the bounded cache of dates."""
    desk = Desk(conversations=12_000)
    await anext(desk.pages("/conversations", {"page_size": "300"}))
    tracemalloc.start()
    try:
        before, count = tracemalloc.get_traced_memory()[0], 0
        async for page in desk.pages("/conversations", {"page_size": "300"}):
            count += len(page["conversations"])
        del page
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert count == 12_000
    assert grown < 300_000  # the rows alone would be over ten megabytes


def test_speech_is_in_order() -> None:
    """Utterances are numbered in order of time, do not overlap, and every participant is known by name."""
    desk = Desk()
    for conversation in desk.world.newest_first():
        transcript = Transcript(conversation, desk.world.users)
        said = [transcript.utterance(place) for place in range(transcript.count)]
        assert [each.item_id for each in said] == list(range(transcript.count))
        assert said[0].start == conversation.start
        assert said[-1].end <= conversation.start + conversation.duration
        assert all(each.start < each.end for each in said)
        assert all(first.end <= second.start for first, second in itertools.pairwise(said))
        assert len({each.speaker for each in said}) == len(transcript.people) > 1


def test_analysis_agrees_with_the_row() -> None:
    """Counts in the list are those of the findings, and every finding is in the transcript."""
    desk = Desk()
    catalogue = desk.world.catalogue
    for row in desk.truth.conversations():
        name = row["conversation_id"]
        found = desk.truth.content_analysis(name)
        assert len(found["good_questions"]) == row["engaging_questions_count"]
        assert len(found["next_steps"]) == row["next_steps_count"]
        conversation = desk.world.find(name)
        assert conversation
        heard = {catalogue.indicators[n].indicator_id for n in bits(conversation.indicators)}
        assert {item["indicator_id"] for each in found["indicators"] for item in each["section"]} == heard
        spoken = {
            (item["start_time"], item["text"])
            for speaker in desk.truth.interactions(name)
            for item in speaker["transcripts"]
        }
        for field in ("topics", "next_steps", "good_questions", "indicators"):
            for item in (item for each in found[field] for item in each["section"]):
                assert (item["start_time"], item["utterance"]) in spoken
                assert item["text"] in item["utterance"]


def test_users_are_found_by_id_and_address() -> None:
    """A user has one id and one address, whose case does not matter; the first three have a licence."""
    world = Desk().world
    assert 40 <= len(world.users) <= 200
    assert len({user.user_id for user in world.users}) == len({user.email for user in world.users}) == len(world.users)
    for user in world.users:
        assert world.user(user.user_id) is world.user(user.email.upper()) is user
    assert world.user("nobody") is None
    assert all(user.licensed for user in world.users[:3])
    assert any(not user.licensed for user in world.users)


def test_times_are_written_and_read() -> None:
    """Times have seconds and a Z; other formats are not read."""
    assert write_time(1_773_156_600.9) == "2026-03-10T15:30:00Z"
    assert read_time("2026-03-10T15:30:00Z") == 1_773_156_600
    for text in ("2026-03-10", "2026-03-10T15:30:00", "2026-03-10T15:30:00.000Z", "2026-13-10T15:30:00Z", "١٢"):
        assert read_time(text) is None
    assert write_offset(3725.5) == "01:02:05.500"
