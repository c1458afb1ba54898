"""The records of indicators."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zra_async.sandbox.generated.times import write_time

if TYPE_CHECKING:
    from zra_async.sandbox.generated.catalogue import Indicator
    from zra_async.sandbox.world.world import World


def indicator_record(world: World, indicator: Indicator) -> dict[str, Any]:
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
