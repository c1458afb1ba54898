"""Plain requests and answers with aioresponses, as users' own tests may do it: the client works under a mock."""

from __future__ import annotations

import aiohttp
import pytest
from aioresponses import aioresponses

from tests.core.clients import AT_ONCE, TOKEN
from zra_async import RetryPolicy, StaticToken, ZRAClient, errors

DEAL = "https://api.zoom.us/v2/zra/deals/d1"


def client(retry: RetryPolicy = AT_ONCE) -> ZRAClient:
    """A client of the real addresses, which are never reached."""
    return ZRAClient(StaticToken(TOKEN), retry=retry)


async def test_an_answer(mocked: aioresponses) -> None:
    """A mocked answer is decoded, and the request had its header."""
    mocked.get(DEAL, payload={"id": "d1", "deal_name": "Big"})
    async with client() as zra:
        deal = await zra.deals.get("d1")
    assert deal.deal_name == "Big"
    ((request,),) = mocked.requests.values()
    assert request.kwargs["headers"]["Authorization"] == f"Bearer {TOKEN}"
    assert request.kwargs["allow_redirects"] is False


async def test_a_page_of_a_list(mocked: aioresponses) -> None:
    """Pages follow their tokens through mocked answers."""
    first = "https://api.zoom.us/v2/zra/deals?page_size=300"
    mocked.get(first, payload={"deals": [{"deal_id": "d1"}], "next_page_token": "t"})
    mocked.get(f"{first}&next_page_token=t", payload={"deals": [{"deal_id": "d2"}]})
    async with client() as zra:
        assert [deal.deal_id async for deal in zra.deals.list()] == ["d1", "d2"]


async def test_an_error_and_a_repeat(mocked: aioresponses) -> None:
    """A mocked 503 is repeated, a 404 is raised."""
    mocked.get(DEAL, status=503, payload={"code": 1, "message": "down"})
    mocked.get(DEAL, status=404, payload={"code": 1005, "message": "no deal"}, headers={"x-zm-trackingid": "WEB_5"})
    async with client() as zra:
        with pytest.raises(errors.NotFound, match="WEB_5") as caught:
            await zra.deals.get("d1")
    assert caught.value.code == 1005


async def test_an_exception(mocked: aioresponses) -> None:
    """An exception in place of an answer is an error of the tree."""
    mocked.get(DEAL, exception=aiohttp.ServerDisconnectedError())
    async with client(RetryPolicy.none()) as zra:
        with pytest.raises(errors.ConnectionLost):
            await zra.deals.get("d1")
