"""Calls of the team handlers of one account without a server, and the refusals that many of them share."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from zra_async.sandbox.api_error import ApiError
from zra_async.sandbox.clock import Clock
from zra_async.sandbox.generated.org_chart import Team
from zra_async.sandbox.operations.route import HANDLERS, Call
from zra_async.sandbox.options import Options
from zra_async.sandbox.world.page_tokens import PageTokens
from zra_async.sandbox.world.team_tree import Teams
from zra_async.sandbox.world.world import World

INVALID = (400, 5002, "Invalid parameters.")
MISSING = (404, 5011, "Team not existing!")


class Caller:
    """Calls the handlers of one account, whose clock stands still."""

    def __init__(self, conversations: int = 500) -> None:
        self.clock = Clock(datetime(2026, 1, 5, tzinfo=UTC), frozen=True)
        options = Options(conversations=conversations)
        self.world = World(options, self.clock)
        self.teams = Teams(self.world, self.clock)
        self.teams.edit_seconds = 0
        self.pages = PageTokens(self.clock, b"secret")

    async def __call__(self, method: str, path: str, body: Any = None, **query: str) -> Any:
        """Give the body of an answer, or (status, code, message) of a refusal."""
        account: Any = SimpleNamespace(teams=self.teams, world=self.world, pages=self.pages, clock=self.clock)
        first, _, rest = path.removeprefix("/team/").partition("/")
        known = path in ("/teams", "/team", "/team/unassigned_team_users")
        template = path if known else f"/team/{{teamId}}/{rest}".rstrip("/")
        request: Any = None
        call = Call(account, method, template, {"teamId": first}, query, body, False, "caller", request)
        try:
            answer = await HANDLERS[method, template](call)
        except ApiError as error:
            return error.status, error.code, error.message
        assert answer.status == {"GET": 200, "POST": 201}.get(method, 204)
        assert (answer.body is None) == (answer.status == 204)
        return answer.body

    async def create(self, name: str, parent: str | None = None) -> str:
        body = await self("POST", "/team", {"team_name": name, "parent_team_id": parent})
        assert body["added_at"] == "2026-01-05T00:00:00Z"
        return body["added_team_id"]

    async def collect(self, path: str, items: str, **query: str) -> list[dict[str, Any]]:
        """Read a list to its end, over all pages."""
        found: list[dict[str, Any]] = []
        token = ""
        while True:
            page = await self("GET", path, **query, next_page_token=token)
            found += page[items]
            token = page["next_page_token"]
            if not token:
                return found

    def named(self, name: str) -> Team:
        return next(team for team in self.teams.all() if team.name == name)

    @property
    def flat(self) -> Team:
        return self.named("Deal Desk")
