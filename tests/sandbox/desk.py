"""An account without a server: calls go straight to the handlers, events are kept, time stands still."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from zra_async.sandbox.api_error import ApiError
from zra_async.sandbox.clock import Clock
from zra_async.sandbox.generated.people import User
from zra_async.sandbox.operations.handlers import HANDLERS
from zra_async.sandbox.operations.route import Answer, Call
from zra_async.sandbox.options import Options
from zra_async.sandbox.truth import Truth
from zra_async.sandbox.world.account import Account
from zra_async.sandbox.world.page_tokens import PageTokens
from zra_async.sandbox.world.team_tree import Teams
from zra_async.sandbox.world.world import World

START = datetime(2026, 3, 10, 15, 30, tzinfo=UTC)


class Events:
    """Keeps what would be posted."""

    def __init__(self) -> None:
        self.emitted: list[tuple[str, Any, dict[str, Any]]] = []

    def emit(self, event: str, payload_object: Any, **more: Any) -> None:
        self.emitted.append((event, payload_object, more))


class Files:
    """Knows one uploaded file."""

    def __init__(self) -> None:
        self.bound: dict[str, str] = {}
        self.transcript: Path | None = None

    def find(self, file_id: str) -> Any:
        return SimpleNamespace(file_id=file_id, name="call.mp4") if file_id == "file-1" else None

    def transcript_of(self, file_id: str) -> Path | None:
        return self.transcript if file_id else None

    def bind(self, conversation_id: str, file_id: str) -> None:
        self.bound[conversation_id] = file_id

    def download_link(self, conversation_id: str) -> str:
        return f"http://127.0.0.1/recording/{len(conversation_id)}"


class Desk:
    """Makes calls of one account as its first user."""

    def __init__(self, start: datetime = START, **options: Any) -> None:
        self.clock = Clock(start, frozen=True)
        self.options = Options(**{"conversations": 60, "awkward": 0.0, **options})
        self.world = World(self.options, self.clock)
        self.truth = Truth(self.world)
        self.files, self.events = Files(), Events()
        files: Any = self.files
        events: Any = self.events
        crm: Any = None
        self.account = Account(
            options=self.options,
            clock=self.clock,
            world=self.world,
            teams=Teams(self.world, self.clock),
            crm=crm,
            files=files,
            pages=PageTokens(self.clock, b"secret"),
            webhooks=events,
        )

    @property
    def me(self) -> User:
        """On whose behalf the calls are made."""
        return self.world.users[0]

    async def answer(
        self,
        method: str,
        template: str,
        query: dict[str, str] | None = None,
        body: Any = None,
        *,
        legacy: bool = False,
        **path: str,
    ) -> Answer:
        """Make one call."""
        request: Any = None
        call = Call(self.account, method, template, path, query or {}, body, legacy, self.me.user_id, request)
        return await HANDLERS[method, template](call)

    async def get(
        self, template: str, query: dict[str, str] | None = None, *, legacy: bool = False, **path: str
    ) -> Any:
        """Read something."""
        answer = await self.answer("GET", template, query, legacy=legacy, **path)
        assert answer.status == 200
        return answer.body

    async def refused(self, method: str, template: str, *args: Any, **path: Any) -> tuple[int, int, str]:
        """Make a call that must be refused, and give the refusal."""
        try:
            answer = await self.answer(method, template, *args, **path)
        except ApiError as error:
            return error.status, error.code, error.message
        raise AssertionError(f"not refused: {answer}")

    async def pages(self, template: str, query: dict[str, str] | None = None, **path: Any) -> AsyncIterator[Any]:
        """Follow the page tokens to the end."""
        token = ""
        while True:
            body = await self.get(template, (query or {}) | ({"next_page_token": token} if token else {}), **path)
            yield body
            token = body["next_page_token"]
            if not token:
                return

    async def every(self, template: str, field: str, query: dict[str, str] | None = None, **path: Any) -> list[Any]:
        """Read a list to its end."""
        return [record async for page in self.pages(template, query, **path) for record in page[field]]
