"""The records of scheduled meetings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zra_async.sandbox.generated.entropy import domain, opaque_id, words
from zra_async.sandbox.generated.names import PRODUCTS, company_name
from zra_async.sandbox.generated.pipeline import DAY
from zra_async.sandbox.generated.population import LONGEST
from zra_async.sandbox.generated.times import History, write_time

if TYPE_CHECKING:
    from zra_async.sandbox.world.world import World

PLATFORMS = ("zoom", "microsoft_teams", "google_meet")


def schedule(world: World) -> History:
    """Give the times of the account's scheduled meetings: 12 in the smallest account, a twentieth of the recorded."""
    opened = world.population.history.begin + world.population.history.span + LONGEST
    count = max(12, world.options.conversations // 20)
    return History(domain(world.options.seed, "scheduled"), opened - 7 * DAY, 67 * DAY, count)


def meeting(world: World, history: History, number: int) -> dict[str, Any]:
    """Write a scheduled meeting; an external one has no known host."""
    draw = words(history.space, number)
    user, start, external = world.users[draw[1] % len(world.users)], history.place(number, draw[0]), draw[3] % 3 == 0
    record: dict[str, Any] = {
        "topic": f"{PRODUCTS[draw[4] % len(PRODUCTS)]} with {company_name(draw[5])}",
        "user_id": user.user_id,
        "event_id": opaque_id(history.space, number) + opaque_id(history.space, number + history.count),
        "schedule_time": write_time(start - DAY - draw[6] % (20 * DAY)),
        "start_time": write_time(start),
        "meeting_platform": PLATFORMS[draw[2] % 3],
        "external": external,
    }
    if not external:
        record["host_id"] = user.user_id
    elif draw[7] < world.options.awkward * 2**32:
        record["host_id"] = None
    return record
