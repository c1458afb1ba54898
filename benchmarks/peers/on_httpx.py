"""httpx with pydantic models: validated from the bytes, or put together without validation as lenient SDKs do."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from urllib.parse import quote

import httpx

from benchmarks.peers.construct import construct
from benchmarks.peers.httpx_models import ConversationDetail, ConversationPage, Model

Decode = Callable[[type[Model], httpx.Response], Model]


class OnHttpx:
    """Both clients on httpx, which differ in how they decode."""

    def __init__(self, client: httpx.AsyncClient, decode: Decode) -> None:
        self._client = client
        self._decode = decode

    async def detail(self, conversation_id: str) -> str:
        """Read one conversation."""
        response = await self._client.get(f"/zra/conversations/{quote(conversation_id, safe='')}")
        response.raise_for_status()
        answer = self._decode(ConversationDetail, response)
        assert isinstance(answer, ConversationDetail)
        return answer.topic or ""

    async def page(self, page_size: int) -> int:
        """List one page."""
        response = await self._client.get("/zra/conversations", params={"page_size": page_size})
        response.raise_for_status()
        answer = self._decode(ConversationPage, response)
        assert isinstance(answer, ConversationPage)
        return len(answer.conversations or ())


def _validate(model: type[Model], response: httpx.Response) -> Model:
    return model.model_validate_json(response.content)


def _construct(model: type[Model], response: httpx.Response) -> Model:
    answer = construct(response.json(), model)
    assert isinstance(answer, model)
    return answer


@asynccontextmanager
async def open_validating(base: str, token: str, connections: int) -> AsyncIterator[OnHttpx]:
    """Open the client that validates."""
    async with _client(base, token, connections) as client:
        yield OnHttpx(client, _validate)


@asynccontextmanager
async def open_constructing(base: str, token: str, connections: int) -> AsyncIterator[OnHttpx]:
    """Open the client that constructs."""
    async with _client(base, token, connections) as client:
        yield OnHttpx(client, _construct)


def _client(base: str, token: str, connections: int) -> httpx.AsyncClient:
    limits = httpx.Limits(max_connections=max(100, connections), max_keepalive_connections=max(20, connections))
    return httpx.AsyncClient(base_url=base, headers={"Authorization": f"Bearer {token}"}, limits=limits, timeout=30.0)
