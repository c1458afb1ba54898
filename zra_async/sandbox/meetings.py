"""Scheduled meetings: from a week before the account opened to 60 days after, in the order in which they start."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zra_async.sandbox.conversations import bounds
from zra_async.sandbox.entropy import domain, opaque_id, words
from zra_async.sandbox.names import PRODUCTS, company_name
from zra_async.sandbox.params import period
from zra_async.sandbox.pipeline import DAY
from zra_async.sandbox.population import LONGEST
from zra_async.sandbox.route import Answer, ApiError, Call, route
from zra_async.sandbox.scan import scan
from zra_async.sandbox.times import History, write_time

if TYPE_CHECKING:
    from zra_async.sandbox.world import World

PLATFORMS = ("zoom", "microsoft_teams", "google_meet")


@route("GET", "/scheduled")
async def list_scheduled(call: Call) -> Answer:
    """Answer one page of the scheduled meetings."""
    world, window = call.account.world, call.account.pages.window(call)
    user, platform = _user_id(call), call.query.get("meeting_platform", "")
    if platform and platform not in PLATFORMS:
        raise ApiError(400, 1001, f"meeting platform dose not exist: {platform}")
    since, until = period(call)
    history = schedule(world)
    first = max(window.position, 0 if since is None else history.first(since))
    last = history.count if until is None else history.first(until + 1)
    found = scan(
        range(first, last),
        window.size,
        lambda number: _matches(world, history, number, user, platform),
        lambda number: number,
    )
    body: dict[str, Any] = {
        "page_size": window.size,
        "next_page_token": call.account.pages.token(call, found.next_position or 0, more=bool(found.next_position)),
        "meetings": [meeting(world, history, number) for number in found.records],
    }
    return Answer(body | _bounds(call, history, since, until))


def _bounds(call: Call, history: History, since: int | None, until: int | None) -> dict[str, str]:
    end = history.begin + history.span
    return bounds(call, history.begin if since is None else since, end if until is None else until)


def _user_id(call: Call) -> str:
    user_id = call.query.get("user_id", "")
    if not user_id:
        return ""
    user = call.account.world.user(call.user_id if user_id == "me" else user_id)
    if user is None:
        raise ApiError(400, 1001, f"User does not exist: {user_id}")
    return user.user_id


def _matches(world: World, history: History, number: int, user_id: str, platform: str) -> bool:
    draw = words(history.space, number)
    owner = world.users[draw[1] % len(world.users)].user_id
    return user_id in ("", owner) and platform in ("", PLATFORMS[draw[2] % 3])


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
