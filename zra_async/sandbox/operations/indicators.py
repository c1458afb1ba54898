"""The indicator settings of the account."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zra_async.sandbox.api_error import ApiError
from zra_async.sandbox.generated.catalogue import INDICATOR_TYPES
from zra_async.sandbox.operations.route import Answer, Call, route
from zra_async.sandbox.records.indicators import indicator_record

if TYPE_CHECKING:
    pass


@route("GET", "/settings/indicators")
async def list_indicators(call: Call) -> Answer:
    """Answer the indicators, of one category or type where asked for: 404/1005 for an unknown one."""
    world, window = call.account.world, call.account.pages.window(call)
    known = world.catalogue.indicators
    category_id, kind = call.query.get("category_id", ""), call.query.get("type", "")
    if category_id and all(indicator.category_id != category_id for indicator in known):
        raise ApiError(404, 1005, f"Category does not exist: {category_id}.")
    if kind and kind not in INDICATOR_TYPES:
        raise ApiError(404, 1005, f"Type does not exist: {kind}.")
    found = [
        indicator for indicator in known if category_id in ("", indicator.category_id) and kind in ("", indicator.type)
    ]
    end = window.position + window.size
    return Answer(
        {
            "indicators": [indicator_record(world, indicator) for indicator in found[window.position : end]],
            "page_size": window.size,
            "next_page_token": call.account.pages.token(call, end, more=end < len(found)),
        }
    )
