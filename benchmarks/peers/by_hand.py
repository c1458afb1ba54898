"""aiohttp and msgspec written by hand: one session, typed decoders, a status check, and nothing else.

No limits, no repeats, no refresh of the token, no deadline: the floor of what the two libraries cost. It decodes into
the same Structs, so that the difference is what a client adds around them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import quote

import aiohttp
import msgspec
from yarl import URL

from zra_async.api.conversations.models import ConversationDetail, ConversationPage

_DETAIL = msgspec.json.Decoder(ConversationDetail)
_PAGE = msgspec.json.Decoder(ConversationPage)


class ByHand:
    """Plain calls with what the session does by default."""

    def __init__(self, session: aiohttp.ClientSession, base: str) -> None:
        self._session = session
        self._base = base

    async def detail(self, conversation_id: str) -> str:
        """Read one conversation."""
        async with self._session.get(f"{self._base}/zra/conversations/{quote(conversation_id, safe='')}") as response:
            response.raise_for_status()
            return _DETAIL.decode(await response.read()).topic or ""

    async def page(self, page_size: int) -> int:
        """List one page."""
        params = {"page_size": str(page_size)}
        async with self._session.get(f"{self._base}/zra/conversations", params=params) as response:
            response.raise_for_status()
            return len(_PAGE.decode(await response.read()).conversations)


class Tuned(ByHand):
    """The same with URLs made in advance, which `open_tuned` completes with a session stripped to the bone."""

    def __init__(self, session: aiohttp.ClientSession, base: str) -> None:
        super().__init__(session, base)
        self._list = URL(f"{base}/zra/conversations?page_size=300", encoded=True)

    async def detail(self, conversation_id: str) -> str:
        """Read one conversation."""
        url = URL(f"{self._base}/zra/conversations/{quote(conversation_id, safe='')}", encoded=True)
        async with self._session.get(url) as response:
            response.raise_for_status()
            return _DETAIL.decode(await response.read()).topic or ""

    async def page(self, page_size: int) -> int:  # noqa: ARG002 (it is in the URL)
        """List one page."""
        async with self._session.get(self._list) as response:
            response.raise_for_status()
            return len(_PAGE.decode(await response.read()).conversations)


@asynccontextmanager
async def open_by_hand(base: str, token: str, connections: int) -> AsyncIterator[ByHand]:  # noqa: ARG001
    """Open a session as most programs do."""
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as session:
        yield ByHand(session, base)


@asynccontextmanager
async def open_tuned(base: str, token: str, connections: int) -> AsyncIterator[ByHand]:  # noqa: ARG001
    """Open a session without cookies and without a bound in time, which is as fast as aiohttp gets."""
    async with aiohttp.ClientSession(
        headers={"Authorization": f"Bearer {token}"},
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),
    ) as session:
        yield Tuned(session, base)
