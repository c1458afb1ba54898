"""The rows of the streams about deals, teams, playlists and settings: pure functions."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec
from msgspec.structs import astuple

from zra_async.api.deals.models import CustomerContact, Deal, DealActivity, DealDetail
from zra_async.api.indicators import Indicator
from zra_async.api.meetings import Meeting
from zra_async.api.playlists import Playlist
from zra_async.api.schema import Number
from zra_async.api.teams.models import Team, TeamType, TeamUser
from zra_async.bulk.export.rows.conversations import Row


class DealRow(Row, frozen=True, gc=False):
    """A deal, list and detail merged."""

    deal_id: str
    deal_name: str | None = None
    deal_stage: str | None = None
    deal_description: str | None = None
    deal_retrospective: str | None = None
    deal_amount: Number | None = None
    currency_type: str | None = None
    deal_is_closed: bool | None = None
    deal_is_private: bool | None = None
    account_name: str | None = None
    account_type: str | None = None
    customer_account_id: str | None = None
    customer_contact: tuple[CustomerContact, ...] = ()
    contacts: tuple[str, ...] = ()
    owner_id: str | None = None
    owner_name: str | None = None
    owner_email: str | None = None
    create_time: datetime | None = None
    last_activity_time: datetime | None = None
    close_date: str | None = None
    time_in_stage: Number | None = None
    number_of_conversations: int | None = None


def deal_row(listed: Deal, detail: DealDetail, run: int) -> DealRow:
    """Merge what the list and the detail say: the detail counts where it says anything."""
    fields: dict[str, Any] = {name: getattr(listed, name) for name in Deal.__struct_fields__}
    for name in DealDetail.__struct_fields__:
        value = getattr(detail, name)
        if value is not None and value != ():
            fields[name] = value
    fields["deal_id"] = listed.deal_id
    return DealRow(**fields, run=run)


class DealActivityRow(Row, frozen=True, gc=False):
    """A conversation or a message that belongs to a deal."""

    deal_id: str
    index: int
    activity_type: str | None
    conversation_id: str | None
    conversation_topic: str | None
    message_ids: str | None
    number_of_message_in_thread: int | None
    direction: str | None
    host_id: str | None
    start_date: datetime | None
    duration: Number | None
    deal_stage: str | None
    stage_during_conversation: str | None
    processing_analysis: bool | None
    engagement_score: Number | None
    sentiment_score: Number | None
    summary: str | None
    next_steps: tuple[str, ...]


def deal_activity_rows(deal_id: str, activities: Iterable[DealActivity], run: int) -> list[DealActivityRow]:
    """One line for each activity, in the order of the list."""
    return [DealActivityRow(deal_id, index, *astuple(activity), run=run) for index, activity in enumerate(activities)]


class TeamRow(Row, frozen=True, gc=False):
    """A team and its place in the hierarchy; `parent_team_id` is null for a root and for a flat team."""

    team_id: str
    parent_team_id: str | None = None
    name: str | None = None
    description: str | None = None
    type: TeamType | None = None
    leaf: bool | None = None
    member_size: int | None = None
    manager_size: int | None = None


def team_row(listed: Team, parent_team_id: str | None, run: int) -> TeamRow:
    """One line for a team as the list shows it."""
    return TeamRow(
        listed.team_id,
        parent_team_id,
        listed.name,
        listed.description,
        listed.type,
        listed.leaf,
        listed.member_size,
        listed.supervisor_size,
        run=run,
    )


class TeamUserRow(Row, frozen=True, gc=False):
    """A member or a manager of a team."""

    team_id: str
    user_id: str
    email: str | None
    first_name: str | None
    last_name: str | None


def team_user_rows(team_id: str, users: Iterable[TeamUser], run: int) -> list[TeamUserRow]:
    """One line for each user."""
    return [TeamUserRow(team_id, *astuple(user), run=run) for user in users]


class PlaylistRow(Row, frozen=True, gc=False):
    """A playlist as one user sees it."""

    user_id: str
    playlist_id: str
    playlist_name: str | None
    type: str | None
    created_by: str | None
    modified_time: datetime | None
    number_of_conversations: int | None
    following: bool | None


def playlist_rows(user_id: str, playlists: Iterable[Playlist], run: int) -> list[PlaylistRow]:
    """One line for each playlist."""
    return [PlaylistRow(user_id, *astuple(playlist), run=run) for playlist in playlists]


class IndicatorRow(Indicator, frozen=True, kw_only=True):
    """An indicator of the account's settings."""

    run: int = msgspec.field(name="_run", default=0)


class MeetingRow(Meeting, frozen=True, kw_only=True):
    """A scheduled meeting."""

    run: int = msgspec.field(name="_run", default=0)
