"""Playlists and scheduled meetings: arguments on the wire, checks before it, answers read back."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.api.conftest import RecordingCaller
from zra_async.api.meetings import MeetingPlatform, Meetings
from zra_async.api.playlists import Playlists
from zra_async.errors import InvalidArgument


async def test_playlists(caller: RecordingCaller) -> None:
    """The playlists are those of one user; flags travel in lower case."""
    page = await Playlists(caller).list("me@example.com", type="Smart", following=True, create_by_self=False)
    assert caller.sent.target == (
        "/zra/users/me%40example.com/conversations/playlists"
        "?type=Smart&following=true&create_by_self=false&page_size=300"
    )
    assert page.items[0].modified_time == datetime(2022, 3, 22, 5, 59, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    "arguments", [{"user_id": ""}, {"type": "smart"}, {"page_size": 301}, {"page_size": 1.0}], ids=repr
)
def test_playlists_refuse(caller: RecordingCaller, arguments: dict[str, Any]) -> None:
    """A blank user, an unknown type or a page size out of bounds is refused before anything is sent."""
    with pytest.raises(InvalidArgument):
        Playlists(caller).list(**{"user_id": "u", **arguments})
    assert not caller.requests


@pytest.mark.parametrize("platform", ["google_meet", MeetingPlatform.GOOGLE_MEET])
async def test_meetings(caller: RecordingCaller, platform: Any) -> None:
    """A platform may be given by name or as a member, and comes back as a member."""
    page = await Meetings(caller).list(
        user_id="u",
        meeting_platform=platform,
        from_=datetime(2024, 1, 1, tzinfo=UTC),
        to=datetime(2024, 1, 1, tzinfo=UTC),
    )
    assert caller.sent.query == {
        "user_id": "u",
        "meeting_platform": "google_meet",
        "from": "2024-01-01T00:00:00Z",
        "to": "2024-01-01T00:00:00Z",
        "page_size": "300",
    }
    (meeting,) = page.items
    assert meeting.meeting_platform is MeetingPlatform.ZOOM
    assert meeting.schedule_time == datetime(2020, 5, 2, 19, 13, 5, tzinfo=UTC)


async def test_meeting_of_an_outsider(caller: RecordingCaller) -> None:
    """An external meeting has no host; a time without an offset is read as UTC, a broken one as None."""
    caller.answers = [{"meetings": [{"host_id": None, "start_time": "2024-01-01T08:00:00", "schedule_time": ""}]}]
    (meeting,) = (await Meetings(caller).list()).items
    assert (meeting.host_id, meeting.schedule_time) == (None, None)
    assert meeting.start_time == datetime(2024, 1, 1, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    "arguments",
    [
        {"user_id": " "},
        {"meeting_platform": "webex"},
        {"meeting_platform": MeetingPlatform("webex")},
        {"from_": datetime(2024, 1, 1)},
        {"from_": datetime(2024, 1, 2, tzinfo=UTC), "to": datetime(2024, 1, 1, tzinfo=UTC)},
        {"page_size": -1},
    ],
    ids=repr,
)
def test_meetings_refuse(caller: RecordingCaller, arguments: dict[str, Any]) -> None:
    """A filter that breaks a documented limit is refused before anything is sent."""
    with pytest.raises(InvalidArgument):
        Meetings(caller).list(**arguments)
    assert not caller.requests


def test_meetings_have_no_twin(caller: RecordingCaller) -> None:
    """Scheduled meetings never had a deprecated form."""
    with pytest.raises(InvalidArgument, match="no deprecated twin"):
        Meetings(caller, legacy=True).list()
