"""Indicators, playlists and scheduled meetings."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.desk import Desk
from zra_async.sandbox.generated.times import write_time

INDICATORS, MEETINGS, PLAYLISTS = "/settings/indicators", "/scheduled", "/users/{userId}/conversations/playlists"


async def test_indicators_are_paged_and_filtered() -> None:
    """36 indicators in six categories of three types."""
    desk = Desk()
    every = await desk.every(INDICATORS, "indicators")
    assert len(every) == 36
    assert len((await desk.get(INDICATORS))["indicators"]) == 30
    category = every[7]["category_id"]
    found = await desk.every(INDICATORS, "indicators", {"category_id": category, "type": "advanced"})
    assert found == [each for each in every if (each["category_id"], each["type"]) == (category, "advanced")]
    assert len(found) == 2
    assert {each["enabled"] for each in every} == {True, False}
    assert await desk.refused("GET", INDICATORS, {"category_id": "c"}) == (404, 1005, "Category does not exist: c.")
    assert await desk.refused("GET", INDICATORS, {"type": "t"}) == (404, 1005, "Type does not exist: t.")


async def test_indicators_are_those_that_conversations_mention() -> None:
    """Every indicator found in a conversation is one of the settings, under the same name."""
    desk = Desk()
    names = {each["id"]: each["name"] for each in await desk.every(INDICATORS, "indicators")}
    for row in desk.truth.conversations():
        for each in desk.truth.content_analysis(row["conversation_id"])["indicators"]:
            for item in each["section"]:
                assert names[item["indicator_id"]] == item["indicator_name"]
                assert item["key_word"] in item["utterance"]


async def test_playlists_are_filtered() -> None:
    """By type, by being followed, by their creator; `false` does not filter."""
    desk, seen = Desk(), list[Any]()
    for user in desk.world.users:
        every = desk.truth.playlists(user.user_id)
        assert await desk.every(PLAYLISTS, "playlists", {"page_size": "2"}, userId=user.email) == every
        assert sum(playlist["type"] == "Favorite" for playlist in every) == 1
        tests = {
            ("type", "Smart"): lambda playlist: playlist["type"] == "Smart",
            ("type", "All"): lambda playlist: True,
            ("following", "true"): lambda playlist: playlist["following"],
            ("following", "false"): lambda playlist: True,
            ("create_by_self", "true"): lambda playlist, user=user: playlist["created_by"] == user.display_name,
        }
        for (name, value), test in tests.items():
            found = await desk.every(PLAYLISTS, "playlists", {name: value}, userId=user.user_id)
            assert found == [playlist for playlist in every if test(playlist)]
        seen += every
    assert len({playlist["playlist_id"] for playlist in seen}) == len(seen)
    assert {playlist["type"] for playlist in seen} == {"Normal", "Smart", "Favorite"}
    assert {playlist["following"] for playlist in seen} == {True, False}


async def test_playlists_of_nobody_are_refused() -> None:
    """An unknown user is 404/1001 here, a wrong type 400/1001; `me` is who calls."""
    desk = Desk()
    assert await desk.refused("GET", PLAYLISTS, userId="x") == (404, 1001, "User ID does not exist: x")
    assert await desk.refused("GET", PLAYLISTS, {"type": "x"}, userId="me") == (400, 1001, "Invalid request param")
    assert await desk.every(PLAYLISTS, "playlists", userId="me") == desk.truth.playlists(desk.me.user_id)


async def test_meetings_are_paged_and_filtered() -> None:
    """Scheduled meetings come in the order of their start, by user, platform and period."""
    desk = Desk(conversations=2000)
    every = await desk.every(MEETINGS, "meetings", {"page_size": "7"})
    assert every == list(desk.truth.scheduled())
    assert len(every) == 100
    starts = [meeting["start_time"] for meeting in every]
    assert starts == sorted(starts)
    assert starts[0] < write_time(desk.clock.time()) < starts[-1]
    assert all(meeting["schedule_time"] < meeting["start_time"] for meeting in every)
    user = desk.world.user(every[3]["user_id"])
    assert user
    for query, test in (
        ({"user_id": user.email}, lambda meeting: meeting["user_id"] == user.user_id),
        ({"meeting_platform": "google_meet"}, lambda meeting: meeting["meeting_platform"] == "google_meet"),
        ({"from": starts[20], "to": starts[40]}, lambda meeting: starts[20] <= meeting["start_time"] <= starts[40]),
    ):
        found = await desk.every(MEETINGS, "meetings", query | {"page_size": "3"})
        assert found == [meeting for meeting in every if test(meeting)]
        assert found


async def test_external_meetings_have_no_host() -> None:
    """An external meeting lacks its host, or has none as null where records are awkward."""
    plain, odd = list(Desk().truth.scheduled()), list(Desk(awkward=1.0).truth.scheduled())
    assert {"host_id" in meeting for meeting in plain if meeting["external"]} == {False}
    assert {meeting["host_id"] for meeting in odd if meeting["external"]} == {None}
    assert all(meeting["host_id"] == meeting["user_id"] for meeting in plain if not meeting["external"])


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"user_id": "x"}, "User does not exist: x"),
        ({"meeting_platform": "x"}, "meeting platform dose not exist: x"),
        ({"from": "x"}, "The from or to time is invalid."),
    ],
)
async def test_wrong_parameters_of_meetings_are_refused(query: dict[str, str], message: str) -> None:
    """All of them are 400/1001, as documented, spelling included."""
    assert await Desk().refused("GET", MEETINGS, query) == (400, 1001, message)
