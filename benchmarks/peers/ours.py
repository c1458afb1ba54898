"""`ZRAClient` with every rate limit lifted; nothing else differs from its defaults."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from zra_async import Hosts, Label, Rate, StaticToken, ZRAClient

_UNLIMITED = {Label.LIGHT: Rate(10**9), Label.MEDIUM: Rate(10**9)}


class Ours:
    """The calls through the client's methods."""

    def __init__(self, zra: ZRAClient) -> None:
        self._zra = zra

    async def detail(self, conversation_id: str) -> str:
        """Read one conversation."""
        return (await self._zra.conversations.get(conversation_id)).topic or ""

    async def page(self, page_size: int) -> int:
        """List one page."""
        return len((await self._zra.conversations.list(page_size=page_size)).items)

    async def odd_page(self) -> int:
        """List one page in which some records are not as documented."""
        return len((await self._zra.conversations.list(host_id="odd")).items)


@asynccontextmanager
async def open_ours(base: str, token: str, connections: int) -> AsyncIterator[Ours]:  # noqa: ARG001
    """Open the client; its pool of 100 connections is more than any run here uses."""
    async with ZRAClient(StaticToken(token), hosts=Hosts(api=base), limits=_UNLIMITED) as zra:
        yield Ours(zra)
