"""Deals: list, read, their activities, and taking an activity out of a deal.

The list is ordered by creation, newest first; ``from`` and ``to`` are about the creation of a deal and inclusive.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from zra_async.sandbox.api_error import ApiError
from zra_async.sandbox.operations.adding import tell_association
from zra_async.sandbox.operations.conversations import bounds, finding_tests
from zra_async.sandbox.operations.params import boolean, invalid, period, team_members
from zra_async.sandbox.operations.route import Answer, Call, route
from zra_async.sandbox.operations.scan import scan
from zra_async.sandbox.records.deals import (
    activities,
    deal_detail,
    deal_row,
    threads,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from zra_async.sandbox.generated.pipeline import Deal


@route("GET", "/deals")
async def list_deals(call: Call) -> Answer:
    """Answer one page of the deals."""
    world, window = call.account.world, call.account.pages.window(call)
    since, until = period(call)
    tests, pipeline = _tests(call), world.pipeline
    first = 0 if since is None else pipeline.first_since(since)
    last = pipeline.count if until is None else pipeline.first_since(until + 1)
    last = min(last, window.position or last)
    found = scan(
        (pipeline.deal(number) for number in range(last - 1, first - 1, -1)),
        window.size,
        lambda deal: all(test(deal) for test in tests),
        lambda deal: deal.number + 1,
    )
    body: dict[str, Any] = {
        "page_size": window.size,
        "next_page_token": call.account.pages.token(call, found.next_position or 0, more=bool(found.next_position)),
        "deals": [deal_row(world, deal, legacy=call.legacy) for deal in found.records],
    }
    return Answer(body | bounds(call, since, until))


def _tests(call: Call) -> list[Callable[[Deal], bool]]:
    """Turn the filters of a call into tests."""
    world, query = call.account.world, call.query
    tests: list[Callable[[Deal], bool]] = []
    if owner_id := query.get("owner_id"):
        owner = world.user(owner_id)
        if owner is None:
            raise ApiError(404, 1005, f"Owner does not exist: {owner_id}")
        tests.append(lambda deal: deal.owner is owner)
    if (members := team_members(call)) is not None:
        tests.append(lambda deal: deal.owner.user_id in members)
    if stage := query.get("deal_stage"):
        tests.append(lambda deal: deal.stage == stage)
    if name := query.get("deal_name", "").lower():
        tests.append(lambda deal: name in deal.name.lower())
    if query.get("min_deal_amount") or query.get("max_deal_amount"):
        least, most = _amount(call, "min_deal_amount", -math.inf), _amount(call, "max_deal_amount", math.inf)
        tests.append(lambda deal: least <= deal.amount <= most)
    if boolean(call, "only_show_with_analytics"):
        tests.append(lambda deal: bool(world.conversations_of(deal.number)))
    return tests


def _amount(call: Call, name: str, default: float) -> float:
    """Read an amount: a text such as ``100.0`` for the least, a whole number for the most."""
    text = call.query.get(name, "")
    try:
        amount = float(text) if text else default
    except ValueError:
        raise invalid(name) from None
    if (text and not math.isfinite(amount)) or (name.startswith("max") and text and not amount.is_integer()):
        raise invalid(name)
    return amount


@route("GET", "/deals/{dealId}")
async def get_deal(call: Call) -> Answer:
    """Answer everything about one deal."""
    return Answer(deal_detail(call.account.world, _find(call), legacy=call.legacy))


def _find(call: Call) -> Deal:
    pipeline, deal_id = call.account.world.pipeline, call.path["dealId"]
    number = pipeline.find(deal_id)
    if number is None:
        raise ApiError(404, 1005, f"Deal does not exist: {deal_id}.")
    return pipeline.deal(number)


@route("GET", "/deals/{dealId}/activities")
async def list_activities(call: Call) -> Answer:
    """Answer the activities of a deal, newest first; a filter for findings leaves only conversations."""
    world, deal, window = call.account.world, _find(call), call.account.pages.window(call)
    topic, findings = call.query.get("conversation_topic", "").lower(), finding_tests(call)
    found = [
        activity
        for activity in activities(world, deal, findings, legacy=call.legacy)
        if topic in activity["conversation_topic"].lower()
    ]
    end = window.position + window.size
    return Answer(
        {
            "activities": found[window.position : end],
            "page_size": window.size,
            "next_page_token": call.account.pages.token(call, end, more=end < len(found)),
        }
    )


@route("DELETE", "/deals/{dealId}/activities")
async def delete_activity(call: Call) -> Answer:
    """Take a conversation or an e-mail thread out of a deal; the conversation itself stays."""
    world, deal = call.account.world, _find(call)
    conversation_id, message_id = call.query.get("conversation_id", ""), call.query.get("message_id", "")
    if bool(conversation_id) == bool(message_id):
        raise ApiError(400, 1001, "invalid request param")
    if message_id:
        if all(thread.message_id != message_id for thread in threads(world, deal)):
            raise ApiError(404, 1005, f"Activity does not exists: {message_id}.")
        world.deleted_messages.add(message_id)
        return Answer(status=204)
    conversation = world.find(conversation_id)
    if conversation is None or conversation.deal != deal.number:
        raise ApiError(404, 1005, f"Activity does not exists: {conversation_id}.")
    world.detach(conversation)
    tell_association(call.account, conversation_id, [deal.deal_id], [])
    return Answer(status=204)
