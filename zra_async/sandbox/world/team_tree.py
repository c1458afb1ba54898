"""The state of the teams: a forest of hierarchical teams, flat teams, who is in them and who may see what."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from zra_async.sandbox.api_error import ApiError
from zra_async.sandbox.generated.org_chart import Team, make_teams, team_id

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable, Sequence

    from zra_async.sandbox.clock import Clock
    from zra_async.sandbox.generated.people import User
    from zra_async.sandbox.world.world import World


class Teams:
    """The teams of the account. The public attributes are its rules, which a test may change at any time."""

    def __init__(self, world: World, clock: Clock) -> None:
        #: real time that creating, deleting or moving a team takes; a second one is refused
        self.edit_seconds: float = 0.05
        self.max_teams = 5000  #: in the account; the documents give no number
        self.max_tiers = 10
        self.max_children = 100
        self.denied: set[str] = set()  #: ids of users whose role does not let them manage teams
        self._world = world
        self._clock = clock
        teams = make_teams(world.options.seed, world.users)
        self._teams = {team.team_id: team for team in teams}
        self._created = len(teams)
        self._grants: set[tuple[str, str]] = set()  # (who shares, who may see)
        self._editing = False

    def all(self) -> Sequence[Team]:
        """Give every team, parents before the teams that were made under them."""
        return tuple(self._teams.values())

    def find(self, team_id: str) -> Team | None:
        """Give the team of this id."""
        return self._teams.get(team_id)

    def team_name(self, team_id: str) -> str | None:
        """Give the name of a team, or None where there is no such team."""
        team = self._teams.get(team_id)
        return team.name if team else None

    def ancestors(self, team: Team) -> list[Team]:
        """Give the teams above a team, its parent first and the root last."""
        above: list[Team] = []
        while team.parent:
            team = self._teams[team.parent]
            above.append(team)
        return above

    def member_ids(self, team_id: str) -> set[str] | None:
        """Give the ids of the members of a team and of all teams below it; None where there is no such team."""
        team = self._teams.get(team_id)
        return None if team is None else {member for below in self._subtree(team) for member in below.members}

    def unassigned(self, *, flat: bool | None = None) -> list[User]:
        """Give the licensed users without a team: of any kind, or without a flat or a hierarchical one."""
        teams = [team for team in self._teams.values() if flat is None or team.flat == flat]
        assigned = {user_id for team in teams for user_id in (*team.members, *team.managers)}
        return [user for user in self._world.users if user.licensed and user.user_id not in assigned]

    def users(self, user_ids: Iterable[str]) -> list[User]:
        """Give the users of these ids."""
        return [user for user_id in user_ids if (user := self._world.user(user_id))]

    # Access

    def granted_from(self, team_id: str) -> frozenset[str]:
        """Give the teams whose conversations this team may see."""
        return frozenset(source for source, target in self._grants if target == team_id)

    def granted_to(self, team_id: str) -> frozenset[str]:
        """Give the teams that may see this team's conversations."""
        return frozenset(target for source, target in self._grants if source == team_id)

    def grant(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Let the second team of each pair see the conversations of the first."""
        self._grants.update(pairs)

    def revoke(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Take such access back."""
        self._grants.difference_update(pairs)

    # Structure

    async def create(self, name: str, parent_id: str | None) -> Team:
        """Add a hierarchical team under a parent, or at the root without one."""
        async with self._structure():
            if len(self._teams) >= self.max_teams:
                raise ApiError(400, 5005, "Exceed the maximum size of account available teams.")
            parent = self._teams.get(parent_id) if parent_id else None
            if parent_id and (parent is None or parent.flat):
                raise ApiError(400, 5009, "Add team failed.")
            if parent:
                self._check_room(parent, height=1)
            self.check_name(name)
            team = Team(team_id(self._world.options.seed, self._created), name, parent=parent_id or None)
            self._created += 1
            self._teams[team.team_id] = team
            if parent:
                parent.children[team.team_id] = None
            return team

    async def delete(self, team: Team) -> None:
        """Remove a team, which must have neither members nor teams below it."""
        async with self._structure():
            self._check_alive(team)
            if team.members:
                raise ApiError(400, 5006, "Can not delete team, because team members are not null.")
            if team.children:
                raise ApiError(400, 5002, "Invalid parameters.")
            del self._teams[team.team_id]
            self._leave_parent(team)
            self._grants = {pair for pair in self._grants if team.team_id not in pair}

    async def move(self, team: Team, parent: Team) -> None:
        """Put a team with all below it under another parent; an empty flat team becomes a hierarchical one."""
        async with self._structure():
            self._check_alive(team)
            self._check_alive(parent)
            if parent.flat or team is parent or team in self.ancestors(parent):
                raise ApiError(400, 5002, "Invalid parameters.")
            if team.flat and team.members:
                raise ApiError(400, 5006, "Can not delete team, because team members are not null.")
            if team.parent == parent.team_id:
                return
            self._check_room(parent, height=self._height(team))
            self._leave_parent(team)
            team.flat, team.parent = False, parent.team_id
            parent.children[team.team_id] = None

    def check_name(self, name: str, *, besides: Team | None = None) -> None:
        """Hold every name unique in the account."""
        if any(team.name == name for team in self._teams.values() if team is not besides):
            raise ApiError(400, 5006, "Team name has already been used.")

    @asynccontextmanager
    async def _structure(self) -> AsyncGenerator[None, None]:
        if self._editing:
            raise ApiError(400, 5004, "Other admins are editing team structure, please wait.")
        self._editing = True
        try:
            await asyncio.sleep(self.edit_seconds)
            yield
        finally:
            self._editing = False

    def _check_alive(self, team: Team) -> None:
        if team.team_id not in self._teams:
            raise ApiError(404, 5011, "Team not existing!")

    def _check_room(self, parent: Team, *, height: int) -> None:
        if len(self.ancestors(parent)) + 1 + height > self.max_tiers:
            raise ApiError(400, 5005, f"Exceed {self.max_tiers} tiers limit!")
        if len(parent.children) >= self.max_children:
            raise ApiError(400, 5005, f"Exceed {self.max_children} children team limit!")

    def _leave_parent(self, team: Team) -> None:
        if team.parent:
            del self._teams[team.parent].children[team.team_id]

    def _height(self, team: Team) -> int:
        return 1 + max((self._height(self._teams[child]) for child in team.children), default=0)

    def _subtree(self, team: Team) -> list[Team]:
        below = [team]
        for found in below:  # grows while it is read
            below += [self._teams[child] for child in found.children]
        return below
