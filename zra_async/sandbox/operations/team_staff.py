"""The operations on who is in a team: its members, its managers, and the users without one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from zra_async.sandbox.api_error import ApiError
from zra_async.sandbox.operations.route import Answer, Call, route
from zra_async.sandbox.operations.team_calls import (
    convert,
    find_team,
    invalid,
    listed,
    page_of,
    team_of,
    teams_of,
    timestamp,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zra_async.sandbox.generated.people import User

MAX_MEMBERS_ADDED = 200
MAX_MEMBERS_REMOVED = 30
MAX_MANAGERS = 3


class _Person(msgspec.Struct):
    user_id: str | None = None
    email: str | None = None


@route("GET", "/team/unassigned_team_users")
async def list_unassigned_users(call: Call) -> Answer:
    """List the users without a team, or without one of a type: 0 flat, 1 hierarchical."""
    teams = teams_of(call)
    flat = {"0": True, "1": False}.get(call.query.get("team_type", ""))
    page, token, size = page_of(call, teams.unassigned(flat=flat))
    return Answer({"unassigned_users": [_person(user) for user in page], "next_page_token": token, "page_size": size})


@route("GET", "/team/{teamId}/team_members")
async def list_members(call: Call) -> Answer:
    """List the members of a team, without those of the teams below it."""
    page, token, size = page_of(call, teams_of(call).users(team_of(call).members))
    return Answer({"members": [_person(user) for user in page], "next_page_token": token, "page_size": size})


@route("POST", "/team/{teamId}/team_members")
async def assign_members(call: Call) -> Answer:
    """Add users to a team, each named by id or by email."""
    team = find_team(call, call.path["teamId"], status=400, code=5006)
    people = convert(call.body, list[_Person])
    if len(people) > MAX_MEMBERS_ADDED:
        raise ApiError(400, 5007, f"Please don't add more than {MAX_MEMBERS_ADDED} agents at one time.")
    user_ids = _user_ids(call, [person.user_id or person.email or "" for person in people])
    team.members.update(dict.fromkeys(user_ids))
    return _added(call, user_ids)


@route("DELETE", "/team/{teamId}/team_members")
async def unassign_members(call: Call) -> Answer:
    """Take users out of a team; who is not in it stays out."""
    team, names = team_of(call), listed(call, "user_ids")
    if len(names) > MAX_MEMBERS_REMOVED:
        raise ApiError(400, 5008, f"Please don't delete more than {MAX_MEMBERS_REMOVED} agents at one time.")
    for user_id in _user_ids(call, names):
        team.members.pop(user_id, None)
    return Answer(status=204)


@route("GET", "/team/{teamId}/team_managers")
async def list_managers(call: Call) -> Answer:
    """List the managers of a team; the page size is answered as a string."""
    page, token, size = page_of(call, teams_of(call).users(team_of(call).managers))
    return Answer({"managers": [_person(user) for user in page], "next_page_token": token, "page_size": str(size)})


@route("POST", "/team/{teamId}/team_managers")
async def assign_managers(call: Call) -> Answer:
    """Add managers to a hierarchical team."""
    team = team_of(call)
    if team.flat:
        raise ApiError(400, 5006, "Assigning supervisor in flat team is not supported.")
    names = convert(call.body, list[str])
    if len(names) > MAX_MANAGERS:
        raise ApiError(400, 5007, "Please don't add more than the threshold number of supervisors at one time.")
    user_ids = _user_ids(call, names)
    team.managers.update(dict.fromkeys(user_ids))
    return _added(call, user_ids)


@route("DELETE", "/team/{teamId}/team_managers")
async def unassign_managers(call: Call) -> Answer:
    """Take managers from a hierarchical team."""
    team, names = team_of(call), listed(call, "user_ids")
    if team.flat:
        raise ApiError(400, 5006, "Unassigning supervisor in flat team is not supported.")
    if len(names) > MAX_MANAGERS:
        raise ApiError(400, 5008, "Please don't delete more than the limited number of supervisors at one time.")
    for user_id in _user_ids(call, names):
        team.managers.pop(user_id, None)
    return Answer(status=204)


def _user_ids(call: Call, names: Sequence[str]) -> list[str]:
    users = [call.account.world.user(name) for name in dict.fromkeys(names)]
    known = list(dict.fromkeys(user.user_id for user in users if user))
    if not names or not all(users):
        raise invalid()
    return known


def _added(call: Call, user_ids: Sequence[str]) -> Answer:
    return Answer({"added_at": timestamp(call), "user_ids": ",".join(user_ids)}, status=201)


def _person(user: User) -> dict[str, str]:
    return {
        "user_id": user.user_id,
        "email": user.email,
        "first_name": user.first_name,
        "last_name": user.last_name,
    }
