"""The account's indicators: the phrases and signals that conversations are searched for."""

from __future__ import annotations

from typing import Literal

from zra_async.api.arguments import Checks, build_query, check_literal, check_text
from zra_async.api.resource import Resource
from zra_async.api.schema import Instant, Model, OpenEnum
from zra_async.core.operation import Label, ListOperation
from zra_async.core.pages import Pages

IndicatorTypeName = Literal["basic", "advanced", "guiding_sentences"]


class IndicatorType(OpenEnum):
    """The way in which an indicator finds its mentions."""

    BASIC = "basic"
    ADVANCED = "advanced"
    GUIDING_SENTENCES = "guiding_sentences"


class MentionedBy(OpenEnum):
    """The side whose words an indicator searches."""

    ANYONE = "anyone"
    REPS = "reps"
    PROSPECTS = "prospects"


class Indicator(Model, frozen=True, kw_only=True):
    """One indicator and the category it belongs to."""

    id: str = ""
    name: str | None = None
    description: str | None = None
    category_id: str | None = None
    category_name: str | None = None
    type: IndicatorType | None = None
    mentioned_by: MentionedBy | None = None
    enabled: bool | None = None
    created_time: Instant | None = None
    last_modified_time: Instant | None = None
    last_modified_user_name: str | None = None


class IndicatorPage(Model, frozen=True, kw_only=True):
    """One page of indicators."""

    indicators: tuple[Indicator, ...] = ()
    next_page_token: str = ""
    page_size: int | None = None


LIST = ListOperation(
    name="indicators.list",
    method="GET",
    path="/settings/indicators",
    label=Label.MEDIUM,
    result=IndicatorPage,
    items=lambda page: page.indicators,
    retry_safe=True,
    twin=True,
    scopes=("account:read:admin", "account:write:admin", "iq_account:read:admin"),
    granular_scopes=("zra:read:indicator", "zra:read:indicator:admin"),
)


_FILTERS: Checks = {"category_id": check_text, "type": check_literal(IndicatorTypeName)}


class Indicators(Resource):
    """``zra.indicators``: the account's indicator settings."""

    def list(
        self,
        *,
        category_id: str | None = None,
        type: IndicatorTypeName | IndicatorType | None = None,
        page_size: int | None = None,
        cursor: str = "",
    ) -> Pages[Indicator]:
        """List the indicators, of one category or type if you like.

        The account must be a paid one. ``page_size`` is 1–300, by default 300; ``cursor`` resumes an earlier list.
        Raises `BadRequest` (1001) when indicators are switched off and `NotFound` (1005) for an unknown category. Label
        MEDIUM, ``GET /zra/settings/indicators``.
        """
        query = build_query(_FILTERS, category_id=category_id, type=type)
        return self._list(LIST, query=query, page_size=page_size, cursor=cursor)


OPERATIONS = (LIST,)
