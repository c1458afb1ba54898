"""The teams of the account and their structure."""

from __future__ import annotations

import functools
from typing import Literal

from msgspec import UNSET, UnsetType

from zra_async.api.arguments import Checks, build_body, build_path, build_query, check_between, check_text
from zra_async.api.resource import Resource
from zra_async.api.teams import access as team_access
from zra_async.api.teams import people as team_people
from zra_async.api.teams.access import Access
from zra_async.api.teams.models import CreatedTeam, Team, TeamDetail, TeamPage, TeamUser, UnassignedUserPage
from zra_async.api.teams.people import Managers, Members
from zra_async.core.operation import Label, ListOperation, Operation
from zra_async.core.pages import Pages

TeamTypeNumber = Literal[0, 1]

_WRITE = ("iq_team:write:admin",)
_READ = ("iq_team:read:admin",)

LIST = ListOperation(
    name="teams.list",
    method="GET",
    path="/teams",
    label=Label.MEDIUM,
    result=TeamPage,
    items=lambda page: page.teams,
    max_page_size=100,
    retry_safe=True,
    twin=True,
    scopes=("iq_team:read:admin", "iq_team:read"),
    granular_scopes=("zra:read:team_list:admin",),
)
CREATE = Operation(
    name="teams.create",
    method="POST",
    path="/team",
    label=Label.HEAVY,
    result=CreatedTeam,
    retry_safe=False,
    exclusive=True,
    scopes=_WRITE,
    granular_scopes=("zra:write:team:admin",),
)
UNASSIGNED_USERS = ListOperation(
    name="teams.unassigned_users",
    method="GET",
    path="/team/unassigned_team_users",
    label=Label.HEAVY,
    result=UnassignedUserPage,
    items=lambda page: page.unassigned_users,
    min_page_size=15,
    default_page_size=30,  # the reference names no maximum, and shows no larger answer
    retry_safe=True,
    scopes=_READ,
    granular_scopes=("zra:read:unassigned_team_users:admin",),
)
GET = Operation(
    name="teams.get",
    method="GET",
    path="/team/{team_id}",
    label=Label.MEDIUM,
    result=TeamDetail,
    retry_safe=True,
    scopes=_READ,
    granular_scopes=("zra:read:team:admin",),
)
DELETE = Operation(
    name="teams.delete",
    method="DELETE",
    path="/team/{team_id}",
    label=Label.HEAVY,
    result=type(None),
    retry_safe=True,
    exclusive=True,
    scopes=_WRITE,
    granular_scopes=("zra:delete:team:admin",),
)
RENAME = Operation(
    name="teams.rename",
    method="PATCH",
    path="/team/{team_id}",
    label=Label.MEDIUM,
    result=type(None),
    retry_safe=True,
    scopes=_WRITE,
    granular_scopes=("zra:update:team:admin",),
)
MOVE = Operation(
    name="teams.move",
    method="PATCH",
    path="/team/{team_id}/parent_team",
    label=Label.HEAVY,
    result=type(None),
    retry_safe=True,
    exclusive=True,
    scopes=_WRITE,
    granular_scopes=("zra:update:team:admin",),
)


_CHECKS: Checks = {"parent_team_id": check_text, "team_name": check_text, "team_type": check_between(0, 1)}


class Teams(Resource):
    """``zra.teams``: teams, their members and managers, and their access.

    One client never creates, deletes or moves two teams at once, since the service refuses concurrent edits of the
    structure.
    """

    @functools.cached_property
    def members(self) -> Members:
        """The members of teams."""
        return Members(self._caller, legacy=self._legacy)

    @functools.cached_property
    def managers(self) -> Managers:
        """The managers of teams."""
        return Managers(self._caller, legacy=self._legacy)

    @functools.cached_property
    def access(self) -> Access:
        """The access of teams to the conversations of other teams."""
        return Access(self._caller, legacy=self._legacy)

    def list(
        self,
        *,
        parent_team_id: str | None = None,
        team_name: str | None = None,
        page_size: int | None = None,
        cursor: str = "",
    ) -> Pages[Team]:
        """List the teams, those below one team or those with a name like ``team_name`` if you like.

        ``page_size`` is 1–100, by default 100; ``cursor`` resumes an earlier list. Raises `PageTokenExpired` (300),
        `AuthenticationFailed` (30031004), `PermissionDenied` (5001), `NotFound` (0). Label MEDIUM, ``GET /zra/teams``.
        """
        query = build_query(_CHECKS, parent_team_id=parent_team_id, team_name=team_name)
        return self._list(LIST, query=query, page_size=page_size, cursor=cursor)

    async def create(self, team_name: str, *, parent_team_id: str | UnsetType = UNSET) -> CreatedTeam:
        """Create a team below ``parent_team_id``, or a flat or root team without it.

        A hierarchy has at most 10 tiers and 100 teams below each. Raises `BadRequest`: 5002 without a name,
        5004 while someone else edits the structure, 5005 past one of those limits, 5006 for a name in use, 5009;
        `AuthenticationFailed` (30031004), `PermissionDenied` (5001). Not repeated when its answer is lost. Label HEAVY,
        ``POST /zra/team``.
        """
        body = build_body(_CHECKS, team_name=team_name, parent_team_id=parent_team_id)
        return await self._call(CREATE, body=body)

    async def get(self, team_id: str) -> TeamDetail:
        """Fetch one team.

        Raises `BadRequest` (5002), `AuthenticationFailed` (30031004), `PermissionDenied` (5001), `NotFound` (5011).
        Label MEDIUM, ``GET /zra/team/{teamId}``.
        """
        return await self._call(GET, build_path(team_id=team_id))

    async def rename(self, team_id: str, team_name: str) -> None:
        """Give a team another name.

        Raises `BadRequest` (5006) for a name in use, `AuthenticationFailed` (30031004), `PermissionDenied` (5001),
        `NotFound` (5011). Label MEDIUM, ``PATCH /zra/team/{teamId}``.
        """
        where = build_path(team_id=team_id)
        await self._call(RENAME, where, body={"team_name": check_text("team_name", team_name)})

    async def delete(self, team_id: str) -> None:
        """Delete a team; a flat one must have no members.

        Raises `BadRequest`: 5002, 5004 while someone else edits the structure, 5006 for a team with members;
        `AuthenticationFailed` (30031004), `PermissionDenied` (5001), `NotFound` (5011). Label HEAVY,
        ``DELETE /zra/team/{teamId}``.
        """
        await self._call(DELETE, build_path(team_id=team_id))

    async def move(self, team_id: str, new_parent_team_id: str) -> None:
        """Move a team below another one.

        Raises `BadRequest`: 5002, 5004 while someone else edits the structure, 5006; `AuthenticationFailed` (30031004),
        `PermissionDenied` (5001), `NotFound` (5011). Label HEAVY, ``PATCH /zra/team/{teamId}/parent_team``.
        """
        where = build_path(team_id=team_id)
        body = {"new_parent_team_id": check_text("new_parent_team_id", new_parent_team_id)}
        await self._call(MOVE, where, body=body)

    def unassigned_users(
        self, *, team_type: TeamTypeNumber | None = None, page_size: int | None = None, cursor: str = ""
    ) -> Pages[TeamUser]:
        """List the users without a team, or without one of the type 0 or 1.

        ``page_size`` is 15–300, by default 30, since no largest size is documented; ``cursor`` resumes an earlier list.
        Raises `AuthenticationFailed` (30031004), `PermissionDenied` (5001), `NotFound` (0). Label HEAVY,
        ``GET /zra/team/unassigned_team_users``.
        """
        query = build_query(_CHECKS, team_type=team_type)
        return self._list(UNASSIGNED_USERS, query=query, page_size=page_size, cursor=cursor)


OPERATIONS = (
    LIST,
    CREATE,
    UNASSIGNED_USERS,
    GET,
    DELETE,
    RENAME,
    MOVE,
    *team_access.OPERATIONS,
    *team_people.OPERATIONS,
)
