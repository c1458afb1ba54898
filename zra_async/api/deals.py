"""Deals: what is to be sold, as the CRM knows it, and the activities around it."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import get_args

from zra_async.api.checks import filters, path
from zra_async.api.conversation_models import CalloutType
from zra_async.api.deal_models import Deal, DealActivity, DealActivityPage, DealDetail, DealPage
from zra_async.api.resource import Resource, exactly_one, one_of, period
from zra_async.core.operation import Label, ListOperation, Operation
from zra_async.core.pages import Pages
from zra_async.errors import InvalidArgument

#: amounts beyond this many digits before or behind the point are a mistake, and would make an endless query
_MAX_DIGITS = 30


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
        query = filters(
            deal_name=deal_name,
            only_show_with_analytics=only_show_with_analytics,
            team_id=team_id,
            deal_stage=deal_stage,
            owner_id=owner_id,
        )
        query |= {**period(from_, to), **_amounts(min_deal_amount, max_deal_amount)}
        return self._list(LIST, query=query, page_size=page_size, cursor=cursor)

    async def get(self, deal_id: str) -> DealDetail:
        """Read one deal.

        Raises `NotFound` (1005) for an unknown deal and `PermissionDenied` (1004) for one that the user may not see.
        Label MEDIUM, ``GET /zra/deals/{dealId}``.
        """
        return await self._call(GET, path(deal_id=deal_id))

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
        one_of("callout_type", callout_type, get_args(CalloutType))
        query = filters(
            conversation_topic=conversation_topic,
            callout_type=callout_type,
            indicator_id=indicator_id,
            mentioned_topic_id=mentioned_topic_id,
        )
        return self._list(ACTIVITIES, path(deal_id=deal_id), query=query, page_size=page_size, cursor=cursor)

    async def delete_activity(
        self, deal_id: str, *, conversation_id: str | None = None, message_id: str | None = None
    ) -> None:
        """Take one activity out of a deal: exactly one of ``conversation_id`` and ``message_id`` names it.

        Raises `NotFound` (1005) for an unknown deal or activity and `BadRequest` (1001) for a refused id. Label
        MEDIUM, ``DELETE /zra/deals/{dealId}/activities``.
        """
        exactly_one(conversation_id=conversation_id, message_id=message_id)
        query = filters(conversation_id=conversation_id, message_id=message_id)
        await self._call(DELETE_ACTIVITY, path(deal_id=deal_id), query=query)


def _amounts(least: float | Decimal | str | None, most: int | None) -> dict[str, object]:
    """The amount filters as the service types them: the smallest is a decimal text, the largest a whole number."""
    if most is not None and (isinstance(most, bool) or not isinstance(most, int)):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidArgument(f"max_deal_amount must be a whole number, not {most!r}")
    if least is None:
        return {"max_deal_amount": most}
    amount = _decimal("min_deal_amount", least)
    if most is not None and amount > most:
        raise InvalidArgument(f"min_deal_amount ({amount}) is greater than max_deal_amount ({most})")
    text = f"{amount:f}"
    return {"min_deal_amount": text if "." in text else f"{text}.0", "max_deal_amount": most}


def _decimal(name: str, value: float | Decimal | str) -> Decimal:
    try:
        amount = Decimal(str(value)) if not isinstance(value, bool) else Decimal("NaN")
    except (InvalidOperation, ValueError):
        amount = Decimal("NaN")
    if not amount.is_finite() or not _writable(amount):
        raise InvalidArgument(f"{name} must be a number such as 100.0, not {value!r}")
    return amount


def _writable(amount: Decimal) -> bool:
    exponent = amount.as_tuple().exponent
    return isinstance(exponent, int) and exponent >= -_MAX_DIGITS and amount.adjusted() <= _MAX_DIGITS


OPERATIONS = (LIST, GET, ACTIVITIES, DELETE_ACTIVITY)
