"""Conversations: arguments on the wire, checks before it, answers read back."""

from __future__ import annotations

import inspect
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from tests.api.conftest import RecordingCaller
from zra_async.api.conversations.models import (
    ConversationDetail,
    Participant,
    ParticipantType,
    TimelineItem,
)
from zra_async.api.conversations.operations import OPERATIONS, ConversationOperations
from zra_async.errors import InvalidArgument

START = datetime(2022, 3, 23, 6, 0, tzinfo=UTC)
ID = "egLSRuj2SlWet+wLi87LNA==,1667893163000"
QUOTED = "egLSRuj2SlWet%2BwLi87LNA%3D%3D%2C1667893163000"


@pytest.fixture
def conversations(caller: RecordingCaller) -> ConversationOperations:
    return ConversationOperations(caller)


async def test_list_sends_every_filter(conversations: ConversationOperations, caller: RecordingCaller) -> None:
    """Each filter of a list travels under its own name, times in UTC and whole seconds, flags in lower case."""
    tokyo = timezone(timedelta(hours=9))
    await conversations.list(
        host_id="h",
        participant_id="p",
        team_id="t",
        deal_id="d",
        period_type="iqProcessedTime",
        from_=datetime(2024, 1, 1, 9, 0, 0, 999_999, tzinfo=tokyo),
        to=datetime(2024, 2, 1, tzinfo=UTC),
        conversation_type="phone",
        callout_type="nextSteps",
        indicator_id="i",
        mentioned_topic_id="m",
        scored=False,
        page_size=50,
    )
    assert caller.sent.query == {
        "host_id": "h",
        "participant_id": "p",
        "team_id": "t",
        "deal_id": "d",
        "period_type": "iqProcessedTime",
        "from": "2024-01-01T00:00:00Z",
        "to": "2024-02-01T00:00:00Z",
        "conversation_type": "phone",
        "callout_type": "nextSteps",
        "indicator_id": "i",
        "mentioned_topic_id": "m",
        "scored": "false",
        "page_size": "50",
    }


async def test_list_without_filters_sends_none(conversations: ConversationOperations, caller: RecordingCaller) -> None:
    """A list without arguments asks for the largest page and for nothing else."""
    page = await conversations.list()
    assert caller.sent.target == "/zra/conversations?page_size=300"
    assert page.answer.from_ == datetime(2024, 4, 16, 21, 39, 50, tzinfo=UTC)
    (conversation,) = page.items
    assert (conversation.conversation_id, conversation.meeting_id) == (ID, 896549134891)
    assert conversation.meeting_start_time == START


@pytest.mark.parametrize(
    "arguments",
    [
        {"host_id": ""},
        {"participant_id": " "},
        {"team_id": "\t"},
        {"deal_id": ""},
        {"indicator_id": ""},
        {"mentioned_topic_id": ""},
        {"period_type": "meeting_start_time"},
        {"conversation_type": "video"},
        {"callout_type": "topics"},
        {"from_": datetime(2024, 1, 1)},
        {"to": datetime(2024, 1, 1)},
        {"from_": START, "to": START - timedelta(seconds=1)},
        {"from_": "2024-01-01T00:00:00Z"},
        {"page_size": 0},
        {"page_size": 301},
        {"page_size": "30"},
        {"page_size": True},
    ],
    ids=repr,
)
def test_list_refuses(
    conversations: ConversationOperations, caller: RecordingCaller, arguments: dict[str, Any]
) -> None:
    """A list that breaks a documented limit is refused when it is begun, before anything is sent."""
    with pytest.raises(InvalidArgument):
        conversations.list(**arguments)
    assert not caller.requests


async def test_add_sends_its_fields(conversations: ConversationOperations, caller: RecordingCaller) -> None:
    """All fields of a new conversation stand in the body; what was not given does not."""
    tom = Participant(display_name="Tom")
    added = await conversations.add(
        conversation_type="meeting",
        meeting_start_time=START + timedelta(microseconds=5),
        meeting_end_time=START + timedelta(hours=1),
        file_id="f",
        conversation_topic="topic",
        host_id="tom@example.com",
        deal_id="d",
        participants=[tom, {"display_name": "Ann", "email": "ann@example.com"}],
        timeline=[TimelineItem(start_time_in_recording="00:00:01.910", participants=(tom,))],
        primary_language="ja",
        timezone="America/Los_Angeles",
    )
    assert added.conversation_id == ID
    assert caller.sent.target == "/zra/conversations"
    assert caller.body == {
        "conversation_type": "meeting",
        "meeting_start_time": "2022-03-23T06:00:00Z",
        "meeting_end_time": "2022-03-23T07:00:00Z",
        "file_id": "f",
        "conversation_topic": "topic",
        "host_id": "tom@example.com",
        "deal_id": "d",
        "participants": [{"display_name": "Tom"}, {"display_name": "Ann", "email": "ann@example.com"}],
        "timeline": [{"start_time_in_recording": "00:00:01.910", "participants": [{"display_name": "Tom"}]}],
        "primary_language": "ja",
        "timezone": "America/Los_Angeles",
    }


async def test_add_by_address_sends_the_least(conversations: ConversationOperations, caller: RecordingCaller) -> None:
    """The two required fields and a source are enough."""
    await conversations.add(
        conversation_type="phone", meeting_start_time=START, download_url="https://example.com/a.mp4?key=1"
    )
    assert caller.body == {
        "conversation_type": "phone",
        "meeting_start_time": "2022-03-23T06:00:00Z",
        "download_url": "https://example.com/a.mp4?key=1",
    }


PEOPLE = [Participant(display_name=f"person {n}") for n in range(201)]
TURNS = [TimelineItem(start_time_in_recording="00:00:01", participants=PEOPLE[:1])] * 201


async def test_add_takes_as_many_as_documented(conversations: ConversationOperations, caller: RecordingCaller) -> None:
    """200 participants and 200 timeline items still pass."""
    await conversations.add(
        conversation_type="phone",
        meeting_start_time=START,
        meeting_end_time=START,
        file_id="f",
        participants=PEOPLE[:200],
        timeline=TURNS[:200],
    )
    assert (len(caller.body["participants"]), len(caller.body["timeline"])) == (200, 200)


@pytest.mark.parametrize(
    "arguments",
    [
        {"file_id": "f", "download_url": "https://example.com/a.mp4"},
        {"file_id": None},
        {},
        {"file_id": " "},
        {"download_url": "ftp://example.com/a.mp4"},
        {"download_url": "https:///a.mp4"},
        {"download_url": "http://[broken/a.mp4"},
        {"download_url": ""},
        {"file_id": "f", "conversation_type": "all"},
        {"file_id": "f", "conversation_type": None},
        {"file_id": "f", "primary_language": "xx"},
        {"file_id": "f", "primary_language": None},
        {"file_id": "f", "meeting_start_time": datetime(2022, 3, 23)},
        {"file_id": "f", "meeting_start_time": "2022-03-23T06:00:00Z"},
        {"file_id": "f", "meeting_end_time": datetime(2022, 3, 23, 8)},
        {"file_id": "f", "meeting_end_time": START - timedelta(seconds=1)},
        {"file_id": "f", "participants": PEOPLE},
        {"file_id": "f", "participants": "Tom"},
        {"file_id": "f", "participants": [{"name": "Tom"}]},
        {"file_id": "f", "participants": [{"display_name": " "}]},
        {"file_id": "f", "timeline": TURNS},
        {"file_id": "f", "timeline": [{"start_time_in_recording": "", "participants": []}]},
        {"file_id": "f", "timeline": [{"start_time_in_recording": "1", "participants": PEOPLE}]},
        {"file_id": "f", "host_id": ""},
        {"file_id": "f", "deal_id": " "},
        {"file_id": "f", "conversation_topic": ""},
        {"file_id": "f", "timezone": ""},
    ],
    ids=lambda arguments: " ".join(f"{name}={str(value)[:30]}" for name, value in arguments.items()) or "no source",
)
async def test_add_refuses(
    conversations: ConversationOperations, caller: RecordingCaller, arguments: dict[str, Any]
) -> None:
    """A conversation that breaks a documented limit is refused before anything is sent."""
    with pytest.raises(InvalidArgument):
        await conversations.add(**{"conversation_type": "meeting", "meeting_start_time": START, **arguments})
    assert not caller.requests


def test_participant_needs_a_name() -> None:
    """A participant, and a turn in a timeline, refuse blank texts and too many people when they are made."""
    with pytest.raises(InvalidArgument, match="display_name"):
        Participant(display_name="")
    with pytest.raises(InvalidArgument, match="start_time_in_recording"):
        TimelineItem(start_time_in_recording=" ", participants=[])
    with pytest.raises(InvalidArgument, match="at most 50 items, not 51"):
        TimelineItem(start_time_in_recording="1", participants=[Participant(display_name="a")] * 51)
    assert len(
        TimelineItem(start_time_in_recording="1", participants=[Participant(display_name="a")] * 50).participants
    )
    for people in ("somebody", 5, None, {"display_name": "a"}):
        with pytest.raises(InvalidArgument, match="participants must be a list"):
            TimelineItem(start_time_in_recording="1", participants=people)  # type: ignore[arg-type]


async def test_refused_address_is_not_repeated(conversations: ConversationOperations) -> None:
    """The message about a refused address does not show it, since it may carry a signature."""
    with pytest.raises(InvalidArgument) as caught:
        await conversations.add(
            conversation_type="phone", meeting_start_time=START, download_url="ftp://example.com/?signature=geheim"
        )
    assert "geheim" not in str(caught.value)


async def test_add_recording(conversations: ConversationOperations, caller: RecordingCaller) -> None:
    """A recording is added to the conversations of its host, by its link or its meeting."""
    added = await conversations.add_recording("me@example.com", meeting_uuid="/a//b==")
    assert added.meeting_uuid == "egLSRuj2SlWet+wLi87LNA=="
    assert caller.sent.target == "/zra/users/me%40example.com/conversations"
    assert caller.body == {"meeting_uuid": "/a//b=="}


async def test_add_recording_by_link(conversations: ConversationOperations, caller: RecordingCaller) -> None:
    """The link travels alone."""
    await conversations.add_recording("u", recording_link="https://zoom.us/rec/share/x")
    assert caller.body == {"recording_link": "https://zoom.us/rec/share/x"}


async def test_add_recording_by_both(conversations: ConversationOperations, caller: RecordingCaller) -> None:
    """Both names may be given: the service goes by the link."""
    both = {"meeting_uuid": "a", "recording_link": "https://zoom.us/rec/share/x"}
    await conversations.add_recording("u", **both)
    assert caller.body == both


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"meeting_uuid": ""},
        {"meeting_uuid": None},
        {"recording_link": "zoom.us/rec/share/x"},
        {"user_id": " ", "meeting_uuid": "a"},
    ],
    ids=repr,
)
async def test_add_recording_refuses(
    conversations: ConversationOperations, caller: RecordingCaller, arguments: dict[str, Any]
) -> None:
    """No name of a recording, or a blank one, is refused before anything is sent."""
    with pytest.raises(InvalidArgument):
        await conversations.add_recording(**{"user_id": "u", **arguments})
    assert not caller.requests


async def test_get_reads_every_part(conversations: ConversationOperations, caller: RecordingCaller) -> None:
    """The parts of a conversation come back as Structs; a value outside the documented ones is kept."""
    detail = await conversations.get(ID)
    assert caller.sent.target == f"/zra/conversations/{QUOTED}"
    assert detail.deal is not None
    assert detail.deal.close_date == "2023-04-19"
    assert detail.conversation_view is not None
    assert detail.conversation_view.view_user_infos[0].counts == 10
    assert detail.moment_info[0].share_counts == "20"
    (participant,) = detail.participants
    assert participant.type == "rep/customer"
    assert isinstance(participant.type, ParticipantType)
    assert not participant.type.known


@pytest.mark.parametrize("name", ["recording_download_url", "downloadUrl"])
def test_links_are_not_shown(name: str) -> None:
    """Neither ``repr`` nor what rich prints shows a download link; other fields stay readable."""
    detail = ConversationDetail(**{"conversation_id": "c", name: "https://example.com/?jwt=geheim"})  # type: ignore[arg-type]
    shown = f"{detail!r} {detail} {detail.__rich_repr__()}"
    assert "geheim" not in shown
    assert shown.count("***") == 3
    assert "conversation_id='c'" in repr(detail)
    assert detail.download_link == "https://example.com/?jwt=geheim"
    assert "downloadUrl=None" in repr(ConversationDetail())


async def test_download_link(conversations: ConversationOperations, caller: RecordingCaller) -> None:
    """The link is that of the answer, and None when there is none."""
    caller.answers = [{"recording_download_url": "https://example.com/r"}, {"recording_download_url": ""}]
    assert await conversations.download_link(ID) == "https://example.com/r"
    assert await conversations.download_link(ID) is None


async def test_delete_and_update_host(conversations: ConversationOperations, caller: RecordingCaller) -> None:
    """Deleting sends no body; a new host travels by id or mail address."""
    await conversations.delete("a/b")
    await conversations.update_host("c", new_host_id="tom@example.com")
    delete, update = caller.requests
    assert (delete.operation.method, delete.target, delete.body) == ("DELETE", "/zra/conversations/a%252Fb", None)
    assert (update.operation.method, update.target) == ("PATCH", "/zra/conversations/c/update_host")
    assert update.body == b'{"new_host_id":"tom@example.com"}'


@pytest.mark.parametrize("conversation_id", ["", " ", None, 5])
async def test_blank_ids_are_refused(
    conversations: ConversationOperations, caller: RecordingCaller, conversation_id: Any
) -> None:
    """Every operation on one conversation refuses an id that is blank or no text."""
    for work in (conversations.get, conversations.delete, conversations.download_link):
        with pytest.raises(InvalidArgument, match="conversation_id"):
            await work(conversation_id)
    with pytest.raises(InvalidArgument, match="conversation_id"):
        await conversations.update_host(conversation_id, new_host_id="h")
    with pytest.raises(InvalidArgument, match="new_host_id"):
        await conversations.update_host("c", new_host_id=conversation_id)
    assert not caller.requests


async def test_legacy_calls_the_deprecated_twin(caller: RecordingCaller) -> None:
    """The same method, under the other prefix, with a warning that points at the caller."""
    conversations = ConversationOperations(caller, legacy=True)
    with pytest.warns(DeprecationWarning, match="GET /zra/conversations/{conversation_id} replaces") as of_get:
        await conversations.get(ID)
    with pytest.warns(DeprecationWarning, match="GET /zra/conversations replaces") as of_list:
        await conversations.list()
    assert [request.target for request in caller.requests] == [
        f"/iq/conversations/{QUOTED}",
        "/iq/conversations?page_size=300",
    ]
    assert {warning.filename for warning in (*of_get, *of_list)} == {__file__}


@pytest.mark.parametrize("row", OPERATIONS, ids=lambda row: row.name)
def test_rows_are_named_after_their_method(row: Any) -> None:
    """Each row can be called by its name, with the parameters of its path as first arguments."""
    method = getattr(ConversationOperations, row.name.removeprefix("conversations."))
    parameters = list(inspect.signature(method).parameters.values())[1:]
    positional = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert positional == [part[1:-1] for part in row.path.split("/") if part.startswith("{")]
    assert row.retry_safe is (row.method != "POST")
