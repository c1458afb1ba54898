"""The operations of deals and their activities."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from zra_async.api.arguments import (
    Checks,
    build_path,
    build_period,
    build_query,
    check_amount,
    check_between,
    check_exactly_one,
    check_flag,
    check_literal,
    check_text,
)
from zra_async.api.conversations.models import CalloutType
from zra_async.api.deals.models import Deal, DealActivity, DealActivityPage, DealDetail, DealPage
from zra_async.api.resource import Resource
from zra_async.core.operation import Label, ListOperation, Operation
from zra_async.core.pages import Pages
from zra_async.errors import InvalidArgument

_MAX_AMOUNT = 10**30
_FILTERS: Checks = {
    "deal_name": check_text,
    "only_show_with_analytics": check_flag,
    "team_id": check_text,
    "deal_stage": check_text,
    "owner_id": check_text,
    "min_deal_amount": check_amount,
    "max_deal_amount": check_between(-_MAX_AMOUNT, _MAX_AMOUNT),
}
_ACTIVITY_FILTERS: Checks = {
    "conversation_topic": check_text,
    "callout_type": check_literal(CalloutType),
    "indicator_id": check_text,
    "mentioned_topic_id": check_text,
}
_ACTIVITY: Checks = {"conversation_id": check_text, "message_id": check_text}

LIST = ListOperation(
    name="deals.list",
    method="GET",
    path="/deals",
    label=Label.MEDIUM,
    result=DealPage,
    items=lambda page: page.deals,
    retry_safe=True,
    twin=True,
    scopes=("iq_deal:read", "iq_deal:read:admin", "iq_deal:write", "iq_deal:write:admin"),
    granular_scopes=("zra:read:list_deals", "zra:read:list_deals:admin"),
)

GET = Operation(
    name="deals.get",
    method="GET",
    path="/deals/{deal_id}",
    label=Label.MEDIUM,
    result=DealDetail,
    retry_safe=True,
    twin=True,
    scopes=("iq_deal:read", "iq_deal:read:admin", "iq_deal:write", "iq_deal:write:admin"),
    granular_scopes=("zra:read:deal", "zra:read:deal:admin"),
)

ACTIVITIES = ListOperation(
    name="deals.activities",
    method="GET",
    path="/deals/{deal_id}/activities",
    label=Label.MEDIUM,
    result=DealActivityPage,
    items=lambda page: page.activities,
    retry_safe=True,
    twin=True,
    scopes=("iq_deal:read", "iq_deal:read:admin", "iq_deal:write", "iq_deal:write:admin"),
    granular_scopes=("zra:read:list_deal_activities", "zra:read:list_deal_activities:admin"),
)

DELETE_ACTIVITY = Operation(
    name="deals.delete_activity",
    method="DELETE",
    path="/deals/{deal_id}/activities",
    label=Label.MEDIUM,
    result=type(None),
    retry_safe=True,
    twin=True,
    scopes=("iq_deal:write", "iq_deal:write:admin"),
    granular_scopes=("zra:delete:deal_activity", "zra:delete:deal_activity:admin"),
)


class Deals(Resource):
    """``zra.deals``: the deals and their activities."""

    def list(
        self,
        *,
        deal_name: str | None = None,
        only_show_with_analytics: bool | None = None,
        from_: datetime | None = None,
        to: datetime | None = None,
        team_id: str | None = None,
        deal_stage: str | None = None,
        owner_id: str | None = None,
        min_deal_amount: float | Decimal | str | None = None,
        max_deal_amount: int | None = None,
        page_size: int | None = None,
        cursor: str = "",
    ) -> Pages[Deal]:
        """List the deals; filters narrow the list, and all of them must hold.

        ``from_`` and ``to`` are aware datetimes and travel in whole seconds. ``min_deal_amount`` is any number,
        ``max_deal_amount`` a whole one, not below it. ``page_size`` is 1–300, by default 300; ``cursor`` resumes an
        earlier list. Raises `BadRequest` (1001) for a refused period and `NotFound` (1005) for an unknown team or
        owner. Label MEDIUM, ``GET /zra/deals``.
        """
        query = build_query(
            _FILTERS,
            deal_name=deal_name,
            only_show_with_analytics=only_show_with_analytics,
            team_id=team_id,
            deal_stage=deal_stage,
            owner_id=owner_id,
            min_deal_amount=min_deal_amount,
            max_deal_amount=max_deal_amount,
        )
        query |= build_period(from_, to) | _amounts(query)
        return self._list(LIST, query=query, page_size=page_size, cursor=cursor)

    async def get(self, deal_id: str) -> DealDetail:
        """Read one deal.

        Raises `BadRequest` for a refused id, `NotFound` (1005) for an unknown deal and `PermissionDenied` (1004) for
        one that the user may not see. Label MEDIUM, ``GET /zra/deals/{dealId}``.
        """
        return await self._call(GET, build_path(deal_id=deal_id))

    def activities(
        self,
        deal_id: str,
        *,
        conversation_topic: str | None = None,
        callout_type: CalloutType | None = None,
        indicator_id: str | None = None,
        mentioned_topic_id: str | None = None,
        page_size: int | None = None,
        cursor: str = "",
    ) -> Pages[DealActivity]:
        """List the activities of a deal; filters narrow the list, and all of them must hold.

        ``page_size`` is 1–300, by default 300; ``cursor`` resumes an earlier list. Raises `NotFound` (1005) for an
        unknown deal and `BadRequest` (1001) for a refused parameter. Label MEDIUM,
        ``GET /zra/deals/{dealId}/activities``.
        """
        query = build_query(
            _ACTIVITY_FILTERS,
            conversation_topic=conversation_topic,
            callout_type=callout_type,
            indicator_id=indicator_id,
            mentioned_topic_id=mentioned_topic_id,
        )
        return self._list(ACTIVITIES, build_path(deal_id=deal_id), query=query, page_size=page_size, cursor=cursor)

    async def delete_activity(
        self, deal_id: str, *, conversation_id: str | None = None, message_id: str | None = None
    ) -> None:
        """Remove one activity from a deal: exactly one of ``conversation_id`` and ``message_id`` names it.

        Raises `NotFound` (1005) for an unknown deal or activity and `BadRequest` (1001) for a refused id. Label
        MEDIUM, ``DELETE /zra/deals/{dealId}/activities``.
        """
        check_exactly_one(conversation_id=conversation_id, message_id=message_id)
        query = build_query(_ACTIVITY, conversation_id=conversation_id, message_id=message_id)
        await self._call(DELETE_ACTIVITY, build_path(deal_id=deal_id), query=query)


def _amounts(query: Mapping[str, object]) -> dict[str, object]:
    """Return the amount filters as the service types them: the minimum as a decimal text, the maximum as an integer."""
    least, most = query.get("min_deal_amount"), query.get("max_deal_amount")
    if not isinstance(least, Decimal):
        return {}
    if isinstance(most, int) and least > most:
        raise InvalidArgument(f"min_deal_amount ({least}) is greater than max_deal_amount ({most})")
    text = f"{least:f}"
    return {"min_deal_amount": text if "." in text else f"{text}.0"}


OPERATIONS = (LIST, GET, ACTIVITIES, DELETE_ACTIVITY)
