"""The web app of a soak: people who read, list and comment, each call with a bound in time."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence

from benchmarks.endurance.books import Books
from benchmarks.endurance.jobs import Until
from zra_async import ZRAClient, errors

_THINK = 0.6  # seconds between the calls of one visitor: together they leave the export half of the limit


class Visitor:
    """One person in front of the web app."""

    def __init__(self, zra: ZRAClient, name: str, ids: Sequence[str], books: Books) -> None:
        self._zra = zra
        self._name = name
        self._ids = ids
        self._books = books
        self._chance = random.Random(name)
        self._comments = 0

    async def browse(self, until: Until) -> None:
        """Click around until it is time to go."""
        clicks: list[Callable[[], Awaitable[None]]] = [self._first_page, self._detail, self._deals, self._comment]
        while until:
            began = time.monotonic()
            try:
                await self._chance.choice(clicks)()
                self._books.done["web app"] += 1
                self._books.seconds.append(time.monotonic() - began)
            except errors.ZRAError as problem:
                self._books.gave_up[f"web app: {type(problem).__name__}"] += 1
            await asyncio.sleep(_THINK)

    async def _first_page(self) -> None:
        page = await self._zra.conversations.list(page_size=20)
        if not page.items:
            self._books.wrong.append("a page of conversations was empty")

    async def _detail(self) -> None:
        wanted = self._chance.choice(self._ids)
        found = await self._zra.conversations.get(wanted)
        if found.conversation_id not in (wanted, None):
            self._books.wrong.append(f"asked for {wanted}, got {found.conversation_id}")

    async def _deals(self) -> None:
        names = [deal.deal_id async for deal in self._zra.deals.list(page_size=30)]
        if len(set(names)) != len(names):
            self._books.wrong.append("a list of deals holds one twice")

    async def _comment(self) -> None:
        self._comments += 1
        text, place = f"Soak {self._name} {self._comments}", self._chance.choice(self._ids)
        self._books.uncertain.add(text)
        added = await self._zra.comments.add(place, comment=text)
        self._books.uncertain.discard(text)
        self._books.comments[place].add(text)
        if self._comments % 3 == 0 and added.id:
            self._books.comments[place].discard(text)
            self._books.uncertain.add(text)
            await self._zra.comments.delete(place, added.id)
            self._books.uncertain.discard(text)
            self._books.deleted.add(text)
