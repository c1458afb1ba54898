"""Checks that the operations on teams share: the right to manage them, the team, the page, the refusals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from zra_async.sandbox.api_error import ApiError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zra_async.sandbox.generated.org_chart import Team
    from zra_async.sandbox.operations.route import Call
    from zra_async.sandbox.world.team_tree import Teams

T = TypeVar("T")

#: where the documents do not say "Access is denied."
DENIALS = {
    ("GET", "/teams"): "Access is denied",
    ("GET", "/team/unassigned_team_users"): "Access is denied",
    ("GET", "/team/{teamId}/team_managers"): "Access is denied",
    ("GET", "/team/{teamId}/team_members"): "Access is denied",
    ("POST", "/team/{teamId}/team_members"): "Access is denied",
    ("POST", "/team/{teamId}/access/granted-to"): "Access denied.",
    ("DELETE", "/team/{teamId}/access/granted-to"): "Access denied.",
}


def teams_of(call: Call) -> Teams:
    """Give the account's teams: 403/5001 to a user who may not manage them."""
    teams = call.account.teams
    if call.user_id in teams.denied:
        raise ApiError(403, 5001, DENIALS.get((call.method, call.template), "Access is denied."))
    return teams


def team_of(call: Call) -> Team:
    """Give the team that the path names."""
    return find_team(call, call.path["teamId"])


def find_team(
    call: Call, team_id: str, *, status: int = 404, code: int = 5011, message: str = "Team not existing!"
) -> Team:
    """Give a team by its id, or refuse with the operation's own words: 404/5011 by default."""
    team = teams_of(call).find(team_id)
    if team is None:
        raise ApiError(status, code, message)
    return team


def listed(call: Call, name: str) -> list[str]:
    """Read a comma-separated query parameter: 400/5002 where it is missing or empty."""
    values = [value for value in call.query.get(name, "").split(",") if value]
    if not values:
        raise invalid()
    return values


def body_of(call: Call) -> dict[str, Any]:
    """Give the body, which must be an object."""
    return convert(call.body, dict[str, Any])


def name_of(call: Call, *, code: int) -> str:
    """Read the ``team_name`` of the body; the documents give its absence two codes."""
    teams_of(call)  # who may not manage teams is told so first
    name = body_of(call).get("team_name")
    if not isinstance(name, str) or not name.strip():
        raise ApiError(400, code, "Require team name.")
    return name.strip()


def convert(body: Any, kind: type[T]) -> T:
    """Read the body as ``kind``: 400/5002 where it is something else."""
    try:
        return msgspec.convert(body, kind)
    except msgspec.ValidationError:
        raise invalid() from None


def invalid() -> ApiError:
    """Make the refusal of a parameter, 400/5002."""
    return ApiError(400, 5002, "Invalid parameters.")


def page_of(call: Call, found: Sequence[T]) -> tuple[Sequence[T], str, int]:
    """Cut the page that is asked for out of what was found: the page, the token of the next one, and the size."""
    pages = call.account.pages
    window = pages.window(call)
    end = window.position + window.size
    return found[window.position : end], pages.token(call, end, more=end < len(found)), window.size


def timestamp(call: Call) -> str:
    """Write the time of the clock as ``yyyy-MM-ddTHH:mm:ssZ``."""
    return call.account.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
