"""The answers of the team operations, and the reference to a user who is to become a member."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar

from msgspec import UNSET, UnsetType

from zra_async.api.arguments import check_email
from zra_async.api.schema import Instant, Model, OpenEnum, Record
from zra_async.errors import InvalidArgument


class TeamType(OpenEnum):
    """The kind of a team: flat, or part of a hierarchy."""

    FLAT = "flat team"
    HIERARCHICAL = "hierarchical team"


class ParentTeam(Model, frozen=True, kw_only=True):
    """A team above another one."""

    team_id: str = ""
    name: str | None = None


class Team(Model, frozen=True, kw_only=True):
    """One team of the list. `parent_teams`, from the nearest up to the root, come only when a name was searched."""

    team_id: str = ""
    name: str | None = None
    description: str | None = None
    type: TeamType | None = None
    leaf: bool | None = None
    member_size: int | None = None
    supervisor_size: int | None = None
    parent_teams: tuple[ParentTeam, ...] = ()


class TeamDetail(Model, frozen=True, kw_only=True):
    """One team. `leaf` says that no team is below it; `manager_size` means nothing for a flat team."""

    team_id: str = ""
    name: str | None = None
    description: str | None = None
    type: TeamType | None = None
    leaf: bool | None = None
    member_size: int | None = None
    manager_size: int | None = None


class TeamPage(Model, frozen=True, kw_only=True):
    """One page of teams."""

    teams: tuple[Team, ...] = ()
    next_page_token: str = ""
    page_size: int | None = None


class CreatedTeam(Model, frozen=True, kw_only=True):
    """The id of a new team, and the time of its creation."""

    ESSENTIAL: ClassVar[frozenset[str]] = frozenset({"added_team_id"})

    added_team_id: str = ""
    added_at: Instant | None = None


class TeamUser(Model, frozen=True, kw_only=True):
    """A user as a member or manager of a team, or without one."""

    user_id: str = ""
    email: str | None = None
    first_name: str | None = None
    last_name: str | None = None


class MemberPage(Model, frozen=True, kw_only=True):
    """One page of team members."""

    members: tuple[TeamUser, ...] = ()
    next_page_token: str = ""
    page_size: int | None = None


class ManagerPage(Model, frozen=True, kw_only=True):
    """One page of team managers. The wire writes this `page_size` as a text; here it is a number as everywhere."""

    managers: tuple[TeamUser, ...] = ()
    next_page_token: str = ""
    page_size: int | None = None


class UnassignedUserPage(Model, frozen=True, kw_only=True):
    """One page of users without a team."""

    unassigned_users: tuple[TeamUser, ...] = ()
    next_page_token: str = ""
    page_size: int | None = None


class Assignment(Model, frozen=True, kw_only=True):
    """The users who were added to a team, and the time. `user_ids` is one text, as on the wire; `users` splits it."""

    user_ids: str = ""
    added_at: Instant | None = None

    @property
    def users(self) -> tuple[str, ...]:
        """The ids of the added users, one by one."""
        return tuple(user_id for part in self.user_ids.split(",") if (user_id := part.strip()))


class AccessGrant(Model, frozen=True, kw_only=True):
    """The time at which access was granted."""

    added_at: Instant | None = None


class NewMember(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A user who is to become a member, by id or by email; with both the service goes by the id."""

    user_id: str | UnsetType = UNSET
    email: str | UnsetType = UNSET

    def __post_init__(self) -> None:
        if self.user_id is UNSET and self.email is UNSET:
            raise InvalidArgument("a new member needs a user_id or an email")
        if self.email is not UNSET:
            check_email("email", self.email)


def merged_assignment(answers: Sequence[Assignment]) -> Assignment:
    """Merge the answers of several calls: all users in order, and the time of the last."""
    users = [user_id for answer in answers for user_id in answer.users]
    return Assignment(user_ids=",".join(users), added_at=latest([answer.added_at for answer in answers]))


def latest(times: Sequence[datetime | None]) -> datetime | None:
    """Return the latest of the given times."""
    return max((time for time in times if time is not None), default=None)
