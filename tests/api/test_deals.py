"""Deals: arguments on the wire, checks before it, answers read back."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.api.conftest import RecordingCaller
from zra_async.api.deals.operations import Deals
from zra_async.errors import InvalidArgument


@pytest.fixture
def deals(caller: RecordingCaller) -> Deals:
    return Deals(caller)


async def test_list_sends_every_filter(deals: Deals, caller: RecordingCaller) -> None:
    """Each filter travels under its own name; the smallest amount is a decimal, the largest a whole number."""
    page = await deals.list(
        deal_name="Maximize",
        only_show_with_analytics=True,
        from_=datetime(2024, 1, 1, tzinfo=UTC),
        to=datetime(2024, 2, 1, tzinfo=UTC),
        team_id="t",
        deal_stage="Won",
        owner_id="o",
        min_deal_amount=100,
        max_deal_amount=200,
        page_size=1,
    )
    assert caller.sent.query == {
        "deal_name": "Maximize",
        "only_show_with_analytics": "true",
        "team_id": "t",
        "deal_stage": "Won",
        "owner_id": "o",
        "from": "2024-01-01T00:00:00Z",
        "to": "2024-02-01T00:00:00Z",
        "min_deal_amount": "100.0",
        "max_deal_amount": "200",
        "page_size": "1",
    }
    (deal,) = page.items
    assert (deal.close_date, deal.deal_amount) == ("2023-04-19", 1_000_000)
    assert deal.customer_contact[0].customer_contact_name == "John Doe"


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (0, "0.0"),
        (100, "100.0"),
        (99.5, "99.5"),
        (0.1, "0.1"),
        (1e15, "1000000000000000.0"),
        (1e-7, "0.0000001"),
        (Decimal("100.50"), "100.50"),
        (Decimal("1E+3"), "1000.0"),
        ("100", "100.0"),
        ("100.0", "100.0"),
    ],
)
async def test_smallest_amount(deals: Deals, caller: RecordingCaller, amount: Any, text: str) -> None:
    """Any kind of number becomes a plain decimal with a point."""
    await deals.list(min_deal_amount=amount)
    assert caller.sent.query["min_deal_amount"] == text


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**20), max_value=10**20, places=4))
def test_smallest_amount_keeps_its_value(amount: Decimal) -> None:
    """What is sent has the value that was given, without an exponent."""
    caller = RecordingCaller()
    pages = Deals(caller).list(min_deal_amount=amount).__aiter__().__anext__()
    with pytest.raises(StopIteration):
        pages.send(None)
    text = caller.sent.query["min_deal_amount"]
    assert Decimal(text) == amount
    assert "." in text
    assert "E" not in text


@pytest.mark.parametrize(
    "arguments",
    [
        {"min_deal_amount": float("nan")},
        {"min_deal_amount": float("inf")},
        {"min_deal_amount": "a lot"},
        {"min_deal_amount": ""},
        {"min_deal_amount": True},
        {"min_deal_amount": "1e1000000"},
        {"min_deal_amount": Decimal("1e-1000000")},
        {"max_deal_amount": 100.5},
        {"max_deal_amount": "100"},
        {"max_deal_amount": False},
        {"min_deal_amount": 100.1, "max_deal_amount": 100},
        {"deal_name": ""},
        {"deal_stage": " "},
        {"team_id": ""},
        {"owner_id": ""},
        {"from_": datetime(2024, 1, 1)},
        {"from_": datetime(2024, 1, 2, tzinfo=UTC), "to": datetime(2024, 1, 1, tzinfo=UTC)},
        {"page_size": 301},
    ],
    ids=repr,
)
def test_list_refuses(deals: Deals, caller: RecordingCaller, arguments: dict[str, Any]) -> None:
    """A filter that breaks a documented limit is refused before anything is sent."""
    with pytest.raises(InvalidArgument):
        deals.list(**arguments)
    assert not caller.requests


async def test_equal_amounts_pass(deals: Deals, caller: RecordingCaller) -> None:
    """The smallest amount may be the largest one."""
    await deals.list(min_deal_amount="100.0", max_deal_amount=100)
    assert caller.sent.query["max_deal_amount"] == "100"


async def test_get(deals: Deals, caller: RecordingCaller) -> None:
    """One deal comes with the names of its contacts."""
    caller.answers = [{"deal_id": "d", "contacts": ["John"], "close_date": "", "deal_amount": "7"}]
    deal = await deals.get("a/b")
    assert caller.sent.target == "/zra/deals/a%252Fb"
    assert (deal.contacts, deal.close_date, deal.deal_amount) == (("John",), "", 7)


async def test_activities(deals: Deals, caller: RecordingCaller) -> None:
    """Activities are those of one deal, narrowed by what was said in them."""
    page = await deals.activities(
        "d", conversation_topic="x y", callout_type="engagingQuestions", indicator_id="i", mentioned_topic_id="m"
    )
    assert caller.sent.target == (
        "/zra/deals/d/activities?conversation_topic=x%20y&callout_type=engagingQuestions"
        "&indicator_id=i&mentioned_topic_id=m&page_size=300"
    )
    (activity,) = page.items
    assert activity.start_date == datetime(2022, 3, 23, 6, tzinfo=UTC)
    assert activity.next_steps == ("Send revised pricing sheet",)


@pytest.mark.parametrize(
    "arguments",
    [{"deal_id": ""}, {"callout_type": "topics"}, {"conversation_topic": ""}, {"indicator_id": " "}, {"page_size": 0}],
    ids=repr,
)
def test_activities_refuse(deals: Deals, caller: RecordingCaller, arguments: dict[str, Any]) -> None:
    """A filter that breaks a documented limit is refused before anything is sent."""
    with pytest.raises(InvalidArgument):
        deals.activities(**{"deal_id": "d", **arguments})
    assert not caller.requests


@pytest.mark.parametrize(
    ("arguments", "query"),
    [
        ({"conversation_id": "c=="}, "conversation_id=c%3D%3D"),
        ({"message_id": "m"}, "message_id=m"),
    ],
)
async def test_delete_activity(deals: Deals, caller: RecordingCaller, arguments: dict[str, str], query: str) -> None:
    """One activity is named in the query."""
    await deals.delete_activity("d", **arguments)
    assert (caller.sent.operation.method, caller.sent.target) == ("DELETE", f"/zra/deals/d/activities?{query}")


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"conversation_id": "c", "message_id": "m"},
        {"conversation_id": ""},
        {"message_id": " "},
        {"deal_id": " ", "message_id": "m"},
    ],
    ids=repr,
)
async def test_delete_activity_refuses(deals: Deals, caller: RecordingCaller, arguments: dict[str, Any]) -> None:
    """Both, neither or a blank id is refused before anything is sent, lest more than one activity be deleted."""
    with pytest.raises(InvalidArgument):
        await deals.delete_activity(**{"deal_id": "d", **arguments})
    assert not caller.requests


async def test_blank_deal_is_refused(deals: Deals, caller: RecordingCaller) -> None:
    """Reading a deal without an id is refused before anything is sent."""
    with pytest.raises(InvalidArgument, match="deal_id"):
        await deals.get("")
    assert not caller.requests
