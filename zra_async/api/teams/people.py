"""The members and the managers of teams."""

from __future__ import annotations

from collections.abc import Sequence

from zra_async.api.arguments import build_path, check_ids, check_many
from zra_async.api.resource import Resource, in_pieces
from zra_async.api.teams.models import Assignment, ManagerPage, MemberPage, NewMember, TeamUser, merged_assignment
from zra_async.core.operation import Label, ListOperation, Operation
from zra_async.core.pages import Pages
from zra_async.errors import InvalidArgument

MAX_ADDED_MEMBERS = 200
#: the reference says "less than 30" in one place and "not more than 30" in another: 29 is right by both
MAX_REMOVED_MEMBERS = 29
MAX_MANAGERS = 3

_WRITE = ("iq_team:write:admin",)
_READ = ("iq_team:read:admin",)

LIST_MEMBERS = ListOperation(
    name="teams.members.list",
    method="GET",
    path="/team/{team_id}/team_members",
    label=Label.MEDIUM,
    result=MemberPage,
    items=lambda page: page.members,
    min_page_size=15,
    default_page_size=30,  # the reference names no maximum, and shows no larger answer
    retry_safe=True,
    scopes=_READ,
    granular_scopes=("zra:read:team_members:admin",),
)
ADD_MEMBERS = Operation(
    name="teams.members.add",
    method="POST",
    path="/team/{team_id}/team_members",
    label=Label.HEAVY,
    result=Assignment,
    retry_safe=False,
    scopes=_WRITE,
    granular_scopes=("zra:write:team_members:admin",),
)
REMOVE_MEMBERS = Operation(
    name="teams.members.remove",
    method="DELETE",
    path="/team/{team_id}/team_members",
    label=Label.HEAVY,
    result=type(None),
    retry_safe=True,
    scopes=_WRITE,
    granular_scopes=("zra:delete:team_members:admin",),
)
LIST_MANAGERS = ListOperation(
    name="teams.managers.list",
    method="GET",
    path="/team/{team_id}/team_managers",
    label=Label.MEDIUM,
    result=ManagerPage,
    items=lambda page: page.managers,
    max_page_size=100,
    retry_safe=True,
    scopes=_READ,
    granular_scopes=("zra:read:team_managers:admin",),
)
ADD_MANAGERS = Operation(
    name="teams.managers.add",
    method="POST",
    path="/team/{team_id}/team_managers",
    label=Label.HEAVY,
    result=Assignment,
    retry_safe=False,
    scopes=_WRITE,
    granular_scopes=("zra:write:team_manages:admin",),  # spelt like this in the reference
)
REMOVE_MANAGERS = Operation(
    name="teams.managers.remove",
    method="DELETE",
    path="/team/{team_id}/team_managers",
    label=Label.HEAVY,
    result=type(None),
    retry_safe=True,
    scopes=_WRITE,
    granular_scopes=("zra:delete:team_managers:admin",),
)


class Members(Resource):
    """``zra.teams.members``: the members of teams."""

    def list(self, team_id: str, *, page_size: int | None = None, cursor: str = "") -> Pages[TeamUser]:
        """List the members of a team.

        ``page_size`` is 15–300, by default 30, since no largest size is documented; ``cursor`` resumes an earlier list.
        Raises `PageTokenExpired` (300), `AuthenticationFailed` (30031004), `PermissionDenied` (5001), `NotFound` (5011,
        0). Label MEDIUM, ``GET /zra/team/{teamId}/team_members``.
        """
        return self._list(LIST_MEMBERS, build_path(team_id=team_id), page_size=page_size, cursor=cursor)

    async def add(self, team_id: str, user_ids: Sequence[str] = (), *, emails: Sequence[str] = ()) -> Assignment:
        """Add users to a team, named by id, by email, or some by each.

        More than 200 take several calls, whose answers come as one. Raises `BadRequest` (5002, 5007; 5006 for an
        unknown team), `AuthenticationFailed` (30031004), `PermissionDenied` (5001), `NotFound` (0), and `PartlyDone`
        when one of several calls fails. Label HEAVY,
        ``POST /zra/team/{teamId}/team_members``.
        """
        where, people = build_path(team_id=team_id), _new_members(user_ids, emails)
        answers = await in_pieces(
            ADD_MEMBERS, people, MAX_ADDED_MEMBERS, lambda piece: self._call(ADD_MEMBERS, where, body=piece)
        )
        return merged_assignment(answers)

    async def remove(self, team_id: str, user_ids: Sequence[str]) -> None:
        """Remove users from a team.

        More than 29 take several calls. Raises `BadRequest` (5002, 5008), `AuthenticationFailed` (30031004),
        `PermissionDenied` (5001), `NotFound` (5011), and `PartlyDone` when one of several calls fails. Label HEAVY,
        ``DELETE /zra/team/{teamId}/team_members``.
        """
        where, users = build_path(team_id=team_id), check_ids("user_ids", user_ids)
        await in_pieces(
            REMOVE_MEMBERS,
            users,
            MAX_REMOVED_MEMBERS,
            lambda piece: self._call(REMOVE_MEMBERS, where, query={"user_ids": piece}),
        )


class Managers(Resource):
    """``zra.teams.managers``: the managers of teams; only hierarchical teams have any."""

    def list(self, team_id: str, *, page_size: int | None = None, cursor: str = "") -> Pages[TeamUser]:
        """List the managers of a team.

        ``page_size`` is 1–100, by default 100; ``cursor`` resumes an earlier list. Raises `PageTokenExpired` (300),
        `AuthenticationFailed` (30031004), `PermissionDenied` (5001), `NotFound` (5011, 0). Label MEDIUM,
        ``GET /zra/team/{teamId}/team_managers``.
        """
        return self._list(LIST_MANAGERS, build_path(team_id=team_id), page_size=page_size, cursor=cursor)

    async def add(self, team_id: str, user_ids: Sequence[str]) -> Assignment:
        """Make users managers of a team.

        The account must have hierarchical teams. More than 3 users take several calls, whose answers come as one.
        Raises `BadRequest` (5002; 5006 for a flat team; 5007), `AuthenticationFailed` (30031004), `PermissionDenied`
        (5001), `NotFound` (5011), and `PartlyDone` when one of several calls fails. Label HEAVY,
        ``POST /zra/team/{teamId}/team_managers``.
        """
        where, users = build_path(team_id=team_id), check_ids("user_ids", user_ids)
        answers = await in_pieces(
            ADD_MANAGERS, users, MAX_MANAGERS, lambda piece: self._call(ADD_MANAGERS, where, body=piece)
        )
        return merged_assignment(answers)

    async def remove(self, team_id: str, user_ids: Sequence[str]) -> None:
        """Remove users from the managers of a team.

        The account must have hierarchical teams. More than 3 users take several calls. Raises `BadRequest` (5002; 5006
        for a flat team; 5008), `AuthenticationFailed` (30031004), `PermissionDenied` (5001), `NotFound` (5011), and
        `PartlyDone` when one of several calls fails. Label HEAVY,
        ``DELETE /zra/team/{teamId}/team_managers``.
        """
        where, users = build_path(team_id=team_id), check_ids("user_ids", user_ids)
        await in_pieces(
            REMOVE_MANAGERS,
            users,
            MAX_MANAGERS,
            lambda piece: self._call(REMOVE_MANAGERS, where, query={"user_ids": piece}),
        )


def _new_members(user_ids: Sequence[str], emails: Sequence[str]) -> Sequence[NewMember]:
    by_id, by_email = check_many("user_ids", user_ids), check_many("emails", emails)
    people = [NewMember(user_id=user_id) for user_id in (check_ids("user_ids", by_id) if by_id else ())]
    people += [NewMember(email=email) for email in (check_ids("emails", by_email) if by_email else ())]
    if not people:
        raise InvalidArgument("give user_ids or emails: nobody was named")
    return people


OPERATIONS = (LIST_MEMBERS, ADD_MEMBERS, REMOVE_MEMBERS, LIST_MANAGERS, ADD_MANAGERS, REMOVE_MANAGERS)
