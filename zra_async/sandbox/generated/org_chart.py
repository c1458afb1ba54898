"""The teams a sandbox account begins with: a sales hierarchy of four tiers and a few flat teams beside it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from zra_async.sandbox.generated.entropy import domain, opaque_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zra_async.sandbox.generated.people import User

REGIONS = ("Americas", "EMEA", "APAC")
SEGMENTS = ("Enterprise", "Commercial")
FLAT_TEAMS = ("Customer Success", "Solutions Engineering", "Deal Desk")
POD_SIZE = 8


@dataclass(slots=True)
class Team:
    """One team. Dicts serve as ordered sets of ids; a flat team has neither parent, children nor managers."""

    team_id: str
    name: str
    description: str = ""
    flat: bool = False
    parent: str | None = None
    children: dict[str, None] = field(default_factory=dict[str, None])
    members: dict[str, None] = field(default_factory=dict[str, None])
    managers: dict[str, None] = field(default_factory=dict[str, None])


def team_id(seed: int, number: int) -> str:
    """Give the id of the account's team of this number."""
    return opaque_id(domain(seed, "teams"), number)


def make_teams(seed: int, users: Sequence[User]) -> list[Team]:
    """Put the users into teams, except every tenth, who has none."""
    teams: list[Team] = []

    def add(name: str, parent: Team | None = None, *, flat: bool = False) -> Team:
        team = Team(team_id(seed, len(teams)), name, f"Everyone in {name}", flat, parent.team_id if parent else None)
        if parent:
            parent.children[team.team_id] = None
        teams.append(team)
        return team

    sales = add("Sales")
    pods: list[Team] = []
    for region in [add(name, sales) for name in REGIONS]:
        for segment in [add(f"{region.name} {name}", region) for name in SEGMENTS]:
            count = max(1, len(users) // (len(REGIONS) * len(SEGMENTS) * POD_SIZE))
            pods += [add(f"{segment.name} Pod {number + 1}", segment) for number in range(count)]
    _staff(teams, pods, [add(name, flat=True) for name in FLAT_TEAMS], users)
    return teams


def _staff(teams: Sequence[Team], pods: Sequence[Team], flat: Sequence[Team], users: Sequence[User]) -> None:
    staff = [user.user_id for number, user in enumerate(users) if number % 10 != 9]
    leaders = [team for team in teams if not team.flat]
    for number, user_id in enumerate(staff):
        pods[number % len(pods)].members[user_id] = None
        if number < len(leaders):
            leaders[number].managers[user_id] = None
        if number % 4 == 3:
            flat[number // 4 % len(flat)].members[user_id] = None
