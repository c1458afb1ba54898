"""Meetings that are scheduled and not yet held."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from zra_async.api.arguments import Checks, build_period, build_query, check_literal, check_text
from zra_async.api.resource import Resource
from zra_async.api.schema import Instant, Model, OpenEnum
from zra_async.core.operation import Label, ListOperation
from zra_async.core.pages import Pages

MeetingPlatformName = Literal["zoom", "microsoft_teams", "google_meet"]


class MeetingPlatform(OpenEnum):
    """The service that hosts a meeting."""

    ZOOM = "zoom"
    MICROSOFT_TEAMS = "microsoft_teams"
    GOOGLE_MEET = "google_meet"


class Meeting(Model, frozen=True, kw_only=True):
    """One scheduled meeting of `user_id`; `host_id` is None when the host is from outside the account."""

    event_id: str = ""
    topic: str | None = None
    user_id: str | None = None
    host_id: str | None = None
    schedule_time: Instant | None = None
    start_time: Instant | None = None
    meeting_platform: MeetingPlatform | None = None
    external: bool | None = None


class MeetingPage(Model, frozen=True, kw_only=True):
    """One page of meetings, and the period that it covers."""

    meetings: tuple[Meeting, ...] = ()
    next_page_token: str = ""
    page_size: int | None = None
    from_: Instant | None = msgspec.field(name="from", default=None)
    to: Instant | None = None


LIST = ListOperation(
    name="meetings.list",
    method="GET",
    path="/scheduled",
    label=Label.MEDIUM,
    result=MeetingPage,
    items=lambda page: page.meetings,
    retry_safe=True,
    scopes=(
        "iq_conversation:read:admin",
        "iq_conversation:read",
        "iq_conversation:write",
        "iq_conversation:write:admin",
    ),
    granular_scopes=("zra:read:list_conversations", "zra:read:list_conversations:admin"),
)


_FILTERS: Checks = {"user_id": check_text, "meeting_platform": check_literal(MeetingPlatformName)}


class Meetings(Resource):
    """``zra.meetings``: the scheduled meetings."""

    def list(
        self,
        *,
        user_id: str | None = None,
        meeting_platform: MeetingPlatformName | MeetingPlatform | None = None,
        from_: datetime | None = None,
        to: datetime | None = None,
        page_size: int | None = None,
        cursor: str = "",
    ) -> Pages[Meeting]:
        """List the scheduled meetings, of one user, platform or period if you like.

        ``from_`` and ``to`` are aware datetimes and travel in whole seconds. ``page_size`` is 1–300, by default 300;
        ``cursor`` resumes an earlier list. Raises `BadRequest` (1001) for an unknown user or platform. Label MEDIUM,
        ``GET /zra/scheduled``.
        """
        query = build_query(_FILTERS, user_id=user_id, meeting_platform=meeting_platform) | build_period(from_, to)
        return self._list(LIST, query=query, page_size=page_size, cursor=cursor)


OPERATIONS = (LIST,)
