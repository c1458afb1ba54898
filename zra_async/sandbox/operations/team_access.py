"""The operations on which team may see the conversations of which."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zra_async.sandbox.api_error import ApiError
from zra_async.sandbox.operations.route import Answer, Call, route
from zra_async.sandbox.operations.team_calls import convert, find_team, invalid, listed, teams_of, timestamp

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zra_async.sandbox.generated.org_chart import Team

MAX_GRANTS = 200


@route("POST", "/team/{teamId}/access/granted-from")
async def grant_from(call: Call) -> Answer:
    """Let the team see the conversations of others."""
    team, others = _grant(call, f"Please don't add more than {MAX_GRANTS} teams at one time.")
    teams_of(call).grant((other, team) for other in others)
    return Answer({"added_at": timestamp(call)}, status=201)


@route("POST", "/team/{teamId}/access/granted-to")
async def grant_to(call: Call) -> Answer:
    """Let others see the team's conversations."""
    team, others = _grant(call, f"Don't add more than {MAX_GRANTS} teams at one time.")
    teams_of(call).grant((team, other) for other in others)
    return Answer({"added_at": timestamp(call)}, status=201)


@route("DELETE", "/team/{teamId}/access/granted-from")
async def revoke_from(call: Call) -> Answer:
    """Take back what let the team see the conversations of others."""
    team, others = _revoke(call)
    teams_of(call).revoke((other, team) for other in others)
    return Answer(status=204)


@route("DELETE", "/team/{teamId}/access/granted-to")
async def revoke_to(call: Call) -> Answer:
    """Take back what let others see the team's conversations."""
    team, others = _revoke(call)
    teams_of(call).revoke((team, other) for other in others)
    return Answer(status=204)


def _grant(call: Call, too_many: str) -> tuple[str, list[str]]:
    team = find_team(call, call.path["teamId"], message="Team doesn't exist.")
    others = convert(call.body, list[str])
    if len(others) > MAX_GRANTS:
        raise ApiError(400, 5007, too_many)
    return team.team_id, _other_teams(call, team, others, "Team doesn't exist.")


def _revoke(call: Call) -> tuple[str, list[str]]:
    team = find_team(call, call.path["teamId"], message="Team does not exist.")
    others = listed(call, "team_ids")
    if len(others) > MAX_GRANTS:
        raise ApiError(400, 5008, "Don't delete more than the limited number of supervisors at one time.")
    return team.team_id, _other_teams(call, team, others, "Team does not exist.")


def _other_teams(call: Call, team: Team, others: Sequence[str], missing: str) -> list[str]:
    if not others or team.team_id in others:
        raise invalid()
    return [find_team(call, other, message=missing).team_id for other in others]
