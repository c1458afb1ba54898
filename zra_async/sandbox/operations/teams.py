"""The teams of the account: the operations on the tree; those on staff and access are in modules of their own."""

from __future__ import annotations

from typing import Any

from zra_async.sandbox.generated.org_chart import Team
from zra_async.sandbox.operations.route import Answer, Call, route
from zra_async.sandbox.operations.team_calls import (
    body_of,
    find_team,
    invalid,
    name_of,
    page_of,
    team_of,
    teams_of,
    timestamp,
)


@route("GET", "/teams")
async def list_teams(call: Call) -> Answer:
    """List the teams, all or those below a parent or with a text in their name."""
    teams = teams_of(call)
    parent, text = call.query.get("parent_team_id"), call.query.get("team_name", "").lower()
    found = [
        team
        for team in teams.all()
        if (not parent or team.parent == parent) and (not text or text in team.name.lower())
    ]
    page, token, size = page_of(call, found)
    listed = [_summary(team, managers="supervisor_size") for team in page]
    if text:
        for entry, team in zip(listed, page, strict=True):
            entry["parent_teams"] = [{"team_id": t.team_id, "name": t.name} for t in teams.ancestors(team)]
    return Answer({"teams": listed, "next_page_token": token, "page_size": size})


@route("POST", "/team")
async def create_team(call: Call) -> Answer:
    """Add a team at the root or under a parent."""
    name, parent = name_of(call, code=5002), body_of(call).get("parent_team_id")
    if parent is not None and not isinstance(parent, str):
        raise invalid()
    team = await teams_of(call).create(name, parent)
    return Answer({"added_at": timestamp(call), "added_team_id": team.team_id}, status=201)


@route("GET", "/team/{teamId}")
async def get_team(call: Call) -> Answer:
    """Show one team."""
    return Answer(_summary(team_of(call), managers="manager_size"))


@route("PATCH", "/team/{teamId}")
async def rename_team(call: Call) -> Answer:
    """Give a team another name."""
    team, name = team_of(call), name_of(call, code=5006)
    teams_of(call).check_name(name, besides=team)
    team.name = name
    return Answer(status=204)


@route("DELETE", "/team/{teamId}")
async def delete_team(call: Call) -> Answer:
    """Remove an empty team."""
    await teams_of(call).delete(team_of(call))
    return Answer(status=204)


@route("PATCH", "/team/{teamId}/parent_team")
async def move_team(call: Call) -> Answer:
    """Put a team under another parent."""
    team, parent_id = team_of(call), body_of(call).get("new_parent_team_id")
    if not isinstance(parent_id, str) or not parent_id:
        raise invalid()
    await teams_of(call).move(team, find_team(call, parent_id))
    return Answer(status=204)


def _summary(team: Team, *, managers: str) -> dict[str, Any]:
    return {
        "team_id": team.team_id,
        "name": team.name,
        "description": team.description,
        "type": "flat team" if team.flat else "hierarchical team",
        "member_size": len(team.members),
        managers: len(team.managers),
        "leaf": not team.children,
    }
