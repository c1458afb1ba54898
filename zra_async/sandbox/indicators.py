"""The indicator settings of the account."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zra_async.sandbox.catalogue import INDICATOR_TYPES
from zra_async.sandbox.route import Answer, ApiError, Call, route
from zra_async.sandbox.times import write_time

if TYPE_CHECKING:
    from zra_async.sandbox.catalogue import Indicator
    from zra_async.sandbox.world import World


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
            "indicators": [record(world, indicator) for indicator in found[window.position : end]],
            "page_size": window.size,
            "next_page_token": call.account.pages.token(call, end, more=end < len(found)),
        }
    )


def record(world: World, indicator: Indicator) -> dict[str, Any]:
    """Write an indicator."""
    created = world.population.history.begin - indicator.age
    editor = world.users[indicator.age % len(world.users)]
    return {
        "id": indicator.indicator_id,
        "name": indicator.name,
        "description": f"Marks every mention of “{indicator.key_word}”",
        "category_id": indicator.category_id,
        "category_name": indicator.category_name,
        "type": indicator.type,
        "mentioned_by": indicator.mentioned_by,
        "enabled": indicator.enabled,
        "created_time": write_time(created),
        "last_modified_time": write_time(created + indicator.age // 2),
        "last_modified_user_name": editor.display_name,
    }
