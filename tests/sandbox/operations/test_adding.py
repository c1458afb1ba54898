"""Adding conversations: from files, from addresses, from recorded meetings, and the time they are in processing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.sandbox.desk import Desk
from zra_async.sandbox.generated.times import write_time

LIST, ONE = "/conversations", "/conversations/{conversationId}"
OF_USER = "/users/{userId}/conversations"
START = "2026-01-05T09:00:00Z"
SMALLEST = {"conversation_type": "phone", "meeting_start_time": START, "file_id": "file-1"}
LATER = "This conversation will be available after the processing analysis is completed"
OPERATIONS = json.loads((Path(__file__).parents[2] / "contract" / "operations.json").read_text())


async def add(desk: Desk, **fields: Any) -> str:
    answer = await desk.answer("POST", LIST, body=SMALLEST | fields)
    assert answer.status == 201
    return str(answer.body["conversation_id"])


async def row_of(desk: Desk, name: str) -> Any:
    rows = await desk.every(LIST, "conversations")
    return next(row for row in rows if row["conversation_id"] == name)


async def test_a_new_conversation_stands_in_its_place_in_the_list() -> None:
    """It is listed by its start time, with what its creator said about it."""
    desk = Desk()
    deal = desk.world.pipeline.deal_id(1)
    host = desk.world.users[4]
    name = await add(
        desk,
        conversation_topic="Maximise profits",
        deal_id=deal,
        host_id=host.email,
        meeting_end_time="2026-01-05T09:20:30Z",
    )
    rows = await desk.every(LIST, "conversations")
    starts = [row["meeting_start_time"] for row in rows]
    assert starts == sorted(starts, reverse=True)
    assert len(rows) == 61
    row = await row_of(desk, name)
    assert row["topic"] == row["conversation_topic"] == "Maximise profits"
    assert (row["deal_id"], row["host_id"], row["conversation_type"]) == (deal, host.user_id, "phone")
    assert (row["duration"], row["duration_sec"], row["meeting_start_time"]) == (21, 1230, START)
    for query in ({"deal_id": deal}, {"host_id": host.user_id}, {"from": START, "to": START}):
        found = await desk.every(LIST, "conversations", query)
        assert name in [each["conversation_id"] for each in found]
    assert desk.files.bound == {name: "file-1"}
    detail = await desk.get(ONE, conversationId=name)
    assert detail["deal"]["id"] == deal
    assert "recording_download_url" in detail


async def test_a_conversation_is_in_processing_for_a_while() -> None:
    """Until then its analysis cannot be read and it cannot be deleted; then it has the time processing ended."""
    desk = Desk(processing_seconds=30)
    name = await add(desk)
    row = await row_of(desk, name)
    assert row["processing_analysis"] is True
    assert "iq_processed_time" not in row
    calls = [("GET", f"{ONE}/{part}") for part in ("content_analysis", "interactions", "scorecards")] + [
        ("DELETE", ONE)
    ]
    desk.clock.advance(29.5)
    for method, template in calls:
        assert await desk.refused(method, template, {"analysis_type": "all"}, conversationId=name) == (403, 5004, LATER)
    assert "summary" not in await desk.get(ONE, conversationId=name)
    desk.clock.advance(1)
    row = await row_of(desk, name)
    assert row["processing_analysis"] is False
    assert row["iq_processed_time"] == write_time(desk.clock.time() - 0.5)
    assert (await desk.get(ONE, conversationId=name))["summary"]
    for method, template in calls:
        answer = await desk.answer(method, template, {"analysis_type": "all"}, conversationId=name)
        assert answer.status in (200, 204)
    assert (await desk.refused("GET", ONE, conversationId=name))[:2] == (404, 1005)


async def test_incremental_readers_see_it_once_it_is_processed() -> None:
    """By the time of processing a conversation is listed when that is over, however old the meeting is."""
    desk = Desk(processing_seconds=30)
    query = {"period_type": "iqProcessedTime", "from": write_time(desk.clock.time())}
    name = await add(desk, meeting_start_time="2019-01-05T09:00:00Z")
    assert await desk.every(LIST, "conversations", query) == []
    desk.clock.advance(31)
    assert [row["conversation_id"] for row in await desk.every(LIST, "conversations", query)] == [name]
    assert await desk.every(LIST, "conversations", query | {"from": write_time(desk.clock.time())}) == []


async def test_the_end_of_processing_is_an_event() -> None:
    """The event is due when processing ends and names the conversation as events do, percent-encoded."""
    desk = Desk(processing_seconds=30)
    names = [await add(desk) for _ in range(8)]
    assert any("/" in name for name in names)
    assert len(desk.events.emitted) == 8
    for (event, body, more), name in zip(desk.events.emitted, names, strict=True):
        assert event == "revenue_accelerator.conversation_analysis_completed"
        encoded = name.replace("/", "%2F").replace("+", "%2B")
        assert body == {"conversation_id": encoded, "source": "OTHERS", "host_id": desk.me.user_id}
        assert more == {"at": desk.clock.time() + 30}


async def test_a_deal_is_told_of_its_new_conversation() -> None:
    """A conversation that is added to a deal changes its associations, which is an event of its own."""
    desk = Desk()
    deal = desk.world.pipeline.deal_id(1)
    name = await add(desk, deal_id=deal)
    event, changes, _ = desk.events.emitted[1]
    assert event == "revenue_accelerator.conversation_crm_associations_changed"
    encoded = name.replace("/", "%2F").replace("+", "%2B")
    assert changes == [{"conversation_id": encoded, "old_associations": [], "new_associations": [{"deal_id": deal}]}]


async def test_named_participants_speak() -> None:
    """The participants are those that were named; users of the account are recognised by their address."""
    desk = Desk(processing_seconds=0)
    people = [
        {"display_name": "Somebody"},
        {"display_name": "Ms Host", "email": desk.me.email},
        {"display_name": "Somebody"},
    ]
    name = await add(desk, participants=people)
    detail = await desk.get(ONE, conversationId=name)
    assert [(person["display_name"], person["type"]) for person in detail["participants"]] == [
        ("Somebody", "customer"),
        ("Ms Host", "rep"),
    ]
    speakers = await desk.get(f"{ONE}/interactions", {"page_size": "300"}, conversationId=name)
    assert {speaker["user_id"] for speaker in speakers["participants"]} == {"", desk.me.user_id}
    found = await desk.every(LIST, "conversations", {"participant_id": desk.me.user_id})
    assert name in [row["conversation_id"] for row in found]


async def test_the_timeline_names_people_too() -> None:
    """Without participants the people of the timeline are those who took part."""
    desk = Desk()
    timeline = [{"start_time_in_recording": "00:00:01.910", "participants": [{"display_name": "Ann"}]}]
    detail = await desk.get(ONE, conversationId=await add(desk, timeline=timeline))
    assert [person["display_name"] for person in detail["participants"]] == ["Ann"]


@pytest.mark.parametrize("seconds", [1, 10, 90, 86_400])
async def test_recordings_of_any_length_have_consistent_analysis(seconds: int) -> None:
    """However short a recording is, its findings are those that the list counts."""
    desk = Desk(processing_seconds=0)
    end = write_time(1_767_603_600 + seconds)
    names = [await add(desk, meeting_end_time=end) for _ in range(10)]
    for name in names:
        row, found = await row_of(desk, name), desk.truth.content_analysis(name)
        assert row["duration_sec"] == seconds
        assert row["next_steps_count"] == len(found["next_steps"])
        assert row["engaging_questions_count"] == len(found["good_questions"])


PERSON = {"display_name": "Ann"}
SPEECH = {"start_time_in_recording": "00:00:01", "participants": [PERSON]}


@pytest.mark.parametrize(
    "change",
    [
        {"conversation_type": "video"},
        {"conversation_type": None},
        {"meeting_start_time": "2026-01-05"},
        {"meeting_start_time": 5},
        {"meeting_start_time": ""},
        {"meeting_start_time": "1960-01-05T09:00:00Z"},
        {"meeting_end_time": "2026-01-05T08:59:59Z"},
        {"meeting_end_time": "2026-01-07T09:00:00Z"},
        {"meeting_end_time": "soon"},
        {"file_id": ""},
        {"file_id": "", "download_url": "ftp://example.com/a.mp4"},
        {"file_id": "", "download_url": "https://"},
        {"primary_language": "xx"},
        {"conversation_topic": 5},
        {"participants": [PERSON] * 201},
        {"participants": [{"email": "a@b.example"}]},
        {"participants": [{"display_name": ""}]},
        {"participants": "Ann"},
        {"timeline": [SPEECH] * 201},
        {"timeline": [{"participants": [PERSON]}]},
        {"timeline": [SPEECH | {"start_time_in_recording": "1 minute"}]},
        {"timeline": [{"start_time_in_recording": "00:00:01"}]},
    ],
)
async def test_wrong_bodies_are_refused(change: dict[str, Any]) -> None:
    """Every field and every limit is checked, and nothing is added."""
    desk = Desk()
    assert await desk.refused("POST", LIST, {}, SMALLEST | change) == (400, 1001, "request param is invalid")
    assert len(await desk.every(LIST, "conversations")) == 60


@pytest.mark.parametrize("name", ["conversation_type", "meeting_start_time", "file_id"])
async def test_required_fields_are_required(name: str) -> None:
    """A missing field is refused as well, and so is a body that is no object."""
    body = {key: value for key, value in SMALLEST.items() if key != name}
    assert (await Desk().refused("POST", LIST, {}, body))[:2] == (400, 1001)
    for body in (None, [], "text"):
        assert (await Desk().refused("POST", LIST, {}, body))[:2] == (400, 1001)


async def test_the_largest_body_is_accepted() -> None:
    """200 participants and 200 entries of the timeline are within the limits."""
    people = [{"display_name": f"Person {n}"} for n in range(200)]
    await add(Desk(), participants=people, timeline=[SPEECH] * 200)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"file_id": "none"}, "File id does not exist: none"),
        ({"deal_id": "none"}, "Deal does not exist: none"),
        ({"host_id": "none"}, "Host user does not exist: none"),
    ],
)
async def test_what_a_body_names_must_exist(change: dict[str, str], message: str) -> None:
    """Unknown files, deals and hosts are 404/1005."""
    assert await Desk().refused("POST", LIST, {}, SMALLEST | change) == (404, 1005, message)


@pytest.mark.parametrize("prefix", ["/zra", "/iq"])
async def test_the_documented_examples_are_accepted(prefix: str) -> None:
    """The examples work once their ids are those of this account; with a file and an address, the file counts."""
    desk = Desk()
    examples = {
        each["path"]: each["request"]["example"]
        for each in OPERATIONS
        if each["method"] == "POST" and each.get("request")
    }
    known = {"host_id": desk.me.user_id, "file_id": "file-1", "deal_id": desk.world.pipeline.deal_id(0)}
    legacy = prefix == "/iq"
    answer = await desk.answer("POST", LIST, body=examples[prefix + LIST] | known, legacy=legacy)
    assert answer.status == 201
    assert desk.files.bound == {answer.body["conversation_id"]: "file-1"}
    example = examples[prefix + OF_USER] | {"recording_link": "https://zoom.us/rec/share/abc"}
    answer = await desk.answer("POST", OF_USER, body=example, legacy=legacy, userId=desk.me.user_id)
    assert answer.status == 201
    assert answer.body["meeting_uuid"] != example["meeting_uuid"], "the link counts"


async def test_an_added_conversation_can_be_changed_like_any_other() -> None:
    """Another host, out of its deal, deleted: the list follows."""
    desk = Desk(processing_seconds=0)
    deal = desk.world.pipeline.deal_id(0)
    before = (await desk.get("/deals/{dealId}", dealId=deal))["number_of_conversations"]
    name = await add(desk, deal_id=deal)
    assert (await desk.get("/deals/{dealId}", dealId=deal))["number_of_conversations"] == before + 1
    host = desk.world.users[1]
    await desk.answer("PATCH", f"{ONE}/update_host", body={"new_host_id": host.user_id}, conversationId=name)
    assert (await row_of(desk, name))["host_id"] == host.user_id
    await desk.answer("DELETE", "/deals/{dealId}/activities", {"conversation_id": name}, dealId=deal)
    assert "deal_id" not in await row_of(desk, name)
    assert (await desk.get("/deals/{dealId}", dealId=deal))["number_of_conversations"] == before
    await desk.answer("DELETE", ONE, conversationId=name)
    assert len(await desk.every(LIST, "conversations")) == 60


async def test_a_meeting_is_added_once() -> None:
    """A meeting becomes a conversation of its user; a second time it is in processing, then added already."""
    desk = Desk(processing_seconds=30)
    user = desk.world.users[1]
    body = {"meeting_uuid": "egLSRuj2SlWet+wLi87LNA=="}
    answer = await desk.answer("POST", OF_USER, body=body, userId=user.email)
    assert (answer.status, answer.body) == (201, body)
    rows = await desk.every(LIST, "conversations", {"host_id": user.user_id})
    row = next(row for row in rows if row["meeting_uuid"] == body["meeting_uuid"])
    assert row["conversation_id"].startswith("egLSRuj2SlWet+wLi87LNA==,")
    assert desk.events.emitted[0][1]["source"] == "ZOOM_MEETING"
    assert await desk.refused("POST", OF_USER, {}, body, userId=user.user_id) == (
        400,
        3315,
        "This recording is already under processing analysis.",
    )
    desk.clock.advance(31)
    added = (400, 3319, "This recording is already added.")
    assert await desk.refused("POST", OF_USER, {}, body, userId=user.user_id) == added
    await desk.answer("DELETE", ONE, conversationId=row["conversation_id"])
    assert (await desk.answer("POST", OF_USER, body=body, userId=user.user_id)).status == 201
    known = next(iter(desk.truth.conversations()))["meeting_uuid"]
    generated = [each["meeting_uuid"] for each in desk.truth.conversations()][-1]
    for meeting_uuid in (known, generated):
        refused = await desk.refused("POST", OF_USER, {}, {"meeting_uuid": meeting_uuid}, userId=user.user_id)
        assert refused[1] in (3315, 3319)


@pytest.mark.parametrize(
    ("word", "status", "code"),
    [
        ("fail", 400, 3300),
        ("broken", 400, 5333),
        ("invalid", 400, 3318),
        ("cmk", 400, 3320),
        ("early", 400, 3314),
        ("foreign", 403, 3313),
        ("denied", 403, 1004),
        ("missing", 404, 3316),
    ],
)
async def test_documented_refusals_can_be_asked_for(word: str, status: int, code: int) -> None:
    """A word at the beginning of the UUID or of the link's last segment calls up each refusal."""
    desk = Desk()
    for body in ({"meeting_uuid": f"{word}XYZ=="}, {"recording_link": f"https://zoom.us/rec/play/{word}XYZ?a=b"}):
        assert (await desk.refused("POST", OF_USER, {}, body, userId="me"))[:2] == (status, code)


async def test_links_and_users_are_checked() -> None:
    """A link must lead to a recording, and the user must exist and have a licence."""
    desk = Desk()
    for link in (
        "zoom.us/rec/share/x",
        "https://zoom.us/j/1",
        "https://zoom.us/rec/",
        "https:///rec/share/x",
        "http://[/rec",
    ):
        body = {"recording_link": link}
        assert await desk.refused("POST", OF_USER, {}, body, userId="me") == (400, 3318, "This is an invalid link.")
    body = {"meeting_uuid": "abc=="}
    assert await desk.refused("POST", OF_USER, {}, body, userId="x") == (404, 1005, "User ID does not exist: x.")
    unlicensed = next(user for user in desk.world.users if not user.licensed)
    refused = await desk.refused("POST", OF_USER, {}, body, userId=unlicensed.user_id)
    assert refused == (400, 3317, "User has no IQ license.")
    assert (await desk.refused("POST", OF_USER, {}, {}, userId="me"))[:2] == (400, 300)
