"""What every client under measurement can do."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Protocol


class Peer(Protocol):
    """A client that is open."""

    async def detail(self, conversation_id: str) -> str:
        """Read one conversation, and return its topic from the decoded answer."""
        ...

    async def page(self, page_size: int) -> int:
        """List one page of conversations, and return how many decoded records it holds."""
        ...


class OpenPeer(Protocol):
    """Opens a client against a base URL such as ``http://127.0.0.1:8080/v2``, with room for so many connections."""

    def __call__(self, base: str, token: str, connections: int) -> AbstractAsyncContextManager[Peer]:
        """Open it."""
        ...
