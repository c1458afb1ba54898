"""Deals: the list with its filters, the information, and the activities."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.sandbox.desk import Desk

LIST, ONE, ACTIVITIES = "/deals", "/deals/{dealId}", "/deals/{dealId}/activities"


def names(rows: list[Any]) -> list[str]:
    return [row["deal_id"] for row in rows]


@pytest.mark.parametrize("page_size", ["1", "10", "300"])
async def test_pages_give_every_deal_once(page_size: str) -> None:
    """The pages together are all deals, newest first, the same as the information on each."""
    desk = Desk(conversations=200)
    pages = [page async for page in desk.pages(LIST, {"page_size": page_size})]
    rows = [row for page in pages for row in page["deals"]]
    truth = list(desk.truth.deals())
    assert names(rows) == names(truth)
    assert len(rows) == len(set(names(rows))) > 50
    assert len(pages) == -(-len(rows) // int(page_size))
    assert [deal | {"contacts": None} for deal in truth] == [row | {"contacts": None} for row in rows]
    created = [row["create_time"] for row in rows]
    assert created == sorted(created, reverse=True)


async def test_the_information_agrees_with_the_conversations() -> None:
    """Counts and times in a deal are those of its conversations and threads."""
    desk = Desk(conversations=200)
    rows = list(desk.truth.conversations())
    for deal in desk.truth.deals():
        assert await desk.get(ONE, dealId=deal["deal_id"]) == deal
        own = [row for row in rows if row.get("deal_id") == deal["deal_id"]]
        assert deal["number_of_conversations"] == len(own)
        found = await desk.every(ACTIVITIES, "activities", {"page_size": "2"}, dealId=deal["deal_id"])
        assert found == desk.truth.activities(deal["deal_id"])
        assert {a["conversation_id"] for a in found if "conversation_id" in a} == {
            row["conversation_id"] for row in own
        }
        starts = [activity["start_date"] for activity in found]
        assert starts == sorted(starts, reverse=True)
        assert deal["last_activity_time"] == (starts[0] if starts else deal["create_time"])
        assert deal["contacts"] == [contact["customer_contact_name"] for contact in deal["customer_contact"]]
        assert ("deal_retrospective" in deal) is deal["deal_is_closed"]


QUERIES: list[tuple[dict[str, str], Callable[[Any], bool]]] = [
    ({"deal_name": "ROUTE planner"}, lambda deal: "Route Planner" in deal["deal_name"]),
    ({"only_show_with_analytics": "true"}, lambda deal: deal["number_of_conversations"] > 0),
    ({"only_show_with_analytics": "false"}, lambda deal: True),
    ({"deal_stage": "Negotiation"}, lambda deal: deal["deal_stage"] == "Negotiation"),
    ({"min_deal_amount": "1000000.0"}, lambda deal: deal["deal_amount"] >= 1_000_000),
    ({"max_deal_amount": "400000"}, lambda deal: deal["deal_amount"] <= 400_000),
    (
        {"min_deal_amount": "300000.5", "max_deal_amount": "900000"},
        lambda deal: 300_000.5 <= deal["deal_amount"] <= 900_000,
    ),
    ({"from": "2025-01-01T00:00:00Z"}, lambda deal: deal["create_time"] >= "2025-01-01"),
    ({"to": "2025-01-01T00:00:00Z"}, lambda deal: deal["create_time"] <= "2025-01-01T00:00:00Z"),
    (
        {"from": "2024-09-01T00:00:00Z", "to": "2025-01-01T00:00:00Z", "deal_stage": "Closed Won"},
        lambda deal: "2024-09" <= deal["create_time"] < "2025-01-01T00" and deal["deal_stage"] == "Closed Won",
    ),
]


@pytest.mark.parametrize(("query", "matches"), QUERIES, ids=[str(query) for query, _ in QUERIES])
async def test_filters_really_filter(query: dict[str, str], matches: Callable[[Any], bool]) -> None:
    """A filtered list is what the plainest reading of all deals gives, over many pages."""
    desk = Desk(conversations=400)
    expected = [deal["deal_id"] for deal in desk.truth.deals() if matches(deal)]
    assert names(await desk.every(LIST, "deals", query | {"page_size": "7"})) == expected
    assert expected


async def test_deals_of_an_owner_and_of_a_team() -> None:
    """An owner is named by id or by address; a team stands for its members."""
    desk = Desk(conversations=400)
    deals = list(desk.truth.deals())
    owner = desk.world.user(deals[5]["owner_id"])
    assert owner
    expected = [deal["deal_id"] for deal in deals if deal["owner_email"] == owner.email]
    for key in (owner.user_id, owner.email):
        assert names(await desk.every(LIST, "deals", {"owner_id": key})) == expected
    team = desk.account.teams.all()[1]
    members = desk.account.teams.member_ids(team.team_id) or set()
    found = await desk.every(LIST, "deals", {"team_id": team.team_id})
    assert names(found) == [deal["deal_id"] for deal in deals if deal["owner_id"] in members]
    assert 0 < len(found) < len(deals)


@pytest.mark.parametrize(
    ("query", "refusal"),
    [
        ({"from": "yesterday"}, (400, 1001, "The from or to time is invalid.")),
        (
            {"from": "2025-01-02T00:00:00Z", "to": "2025-01-01T00:00:00Z"},
            (400, 1001, "The from or to time is invalid."),
        ),
        ({"team_id": "t"}, (404, 1005, "Team does not exist: t")),
        ({"owner_id": "o"}, (404, 1005, "Owner does not exist: o")),
        ({"only_show_with_analytics": "x"}, (400, 300, "Validation Failed.")),
        ({"min_deal_amount": "x"}, (400, 300, "Validation Failed.")),
        ({"min_deal_amount": "nan"}, (400, 300, "Validation Failed.")),
        ({"max_deal_amount": "1.5"}, (400, 300, "Validation Failed.")),
        ({"max_deal_amount": "inf"}, (400, 300, "Validation Failed.")),
    ],
)
async def test_wrong_parameters_are_refused(query: dict[str, str], refusal: tuple[int, int, str]) -> None:
    """Each wrong parameter has its refusal."""
    assert await Desk().refused("GET", LIST, query) == refusal


async def test_unknown_deals_are_refused() -> None:
    """All three operations on a deal answer 404/1005."""
    for method, template in (("GET", ONE), ("GET", ACTIVITIES), ("DELETE", ACTIVITIES)):
        for deal_id in ("d", "0065g00000DgD2QAAV"):
            refused = await Desk().refused(method, template, {"message_id": "m"}, dealId=deal_id)
            assert refused == (404, 1005, f"Deal does not exist: {deal_id}.")


def busy(desk: Desk) -> str:
    """Find a deal with several conversations and e-mail threads."""
    return next(
        deal["deal_id"]
        for deal in desk.truth.deals()
        if {"email", "meeting", "call"} <= {a["activity_type"] for a in desk.truth.activities(deal["deal_id"])}
    )


async def test_activities_are_filtered() -> None:
    """By a part of the topic, and by what was found in conversations, which leaves the threads out."""
    desk = Desk(conversations=400)
    deal = busy(desk)
    every = desk.truth.activities(deal)
    threads = [activity for activity in every if activity["activity_type"] == "email"]
    assert await desk.every(ACTIVITIES, "activities", {"conversation_topic": "RE: "}, dealId=deal) == threads
    indicator = desk.world.catalogue.indicators[3].indicator_id
    filters: list[dict[str, str]] = [
        {"callout_type": "engagingQuestions"},
        {"callout_type": "nextSteps"},
        {"indicator_id": indicator},
        {"mentioned_topic_id": "pricing"},
    ]
    for query in filters:
        matching = {
            row["conversation_id"]
            for row in await desk.every("/conversations", "conversations", query | {"deal_id": deal})
        }
        found = await desk.every(ACTIVITIES, "activities", query, dealId=deal)
        assert {activity["conversation_id"] for activity in found} == matching


async def test_a_conversation_is_taken_out_of_its_deal() -> None:
    """It stays in the account, without a deal; the change is an event."""
    desk = Desk(conversations=400)
    deal = busy(desk)
    before = await desk.get(ONE, dealId=deal)
    name = next(a["conversation_id"] for a in desk.truth.activities(deal) if "conversation_id" in a)
    assert (await desk.answer("DELETE", ACTIVITIES, {"conversation_id": name}, dealId=deal)).status == 204
    assert "deal" not in await desk.get("/conversations/{conversationId}", conversationId=name)
    assert name not in {a.get("conversation_id") for a in await desk.every(ACTIVITIES, "activities", dealId=deal)}
    after = await desk.get(ONE, dealId=deal)
    assert after["number_of_conversations"] == before["number_of_conversations"] - 1
    event, changes, _ = desk.events.emitted[0]
    assert event == "revenue_accelerator.conversation_crm_associations_changed"
    assert changes[0]["old_associations"] == [{"deal_id": deal}]
    assert changes[0]["new_associations"] == []
    refused = await desk.refused("DELETE", ACTIVITIES, {"conversation_id": name}, dealId=deal)
    assert refused == (404, 1005, f"Activity does not exists: {name}.")


async def test_a_thread_is_taken_out_of_its_deal() -> None:
    """Named by its message id it is gone, once."""
    desk = Desk(conversations=400)
    deal = busy(desk)
    name = next(a["message_ids"] for a in desk.truth.activities(deal) if "message_ids" in a)
    assert (await desk.answer("DELETE", ACTIVITIES, {"message_id": name}, dealId=deal)).status == 204
    assert name not in {a.get("message_ids") for a in await desk.every(ACTIVITIES, "activities", dealId=deal)}
    refused = await desk.refused("DELETE", ACTIVITIES, {"message_id": name}, dealId=deal)
    assert refused == (404, 1005, f"Activity does not exists: {name}.")


@pytest.mark.parametrize("query", [{}, {"conversation_id": "a", "message_id": "b"}])
async def test_exactly_one_activity_is_named(query: dict[str, str]) -> None:
    """Neither or both is 400/1001."""
    desk = Desk()
    refused = await desk.refused("DELETE", ACTIVITIES, query, dealId=desk.world.pipeline.deal_id(0))
    assert refused == (400, 1001, "invalid request param")


async def test_conversations_of_other_deals_cannot_be_taken_out() -> None:
    """A conversation is an activity of its own deal only."""
    desk = Desk(conversations=400)
    row = next(row for row in desk.truth.conversations() if row.get("deal_id") not in (None, busy(desk)))
    refused = await desk.refused("DELETE", ACTIVITIES, {"conversation_id": row["conversation_id"]}, dealId=busy(desk))
    assert refused[:2] == (404, 1005)
