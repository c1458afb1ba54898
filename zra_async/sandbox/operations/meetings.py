"""Scheduled meetings: from a week before the account opened to 60 days after, in the order in which they start."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zra_async.sandbox.api_error import ApiError
from zra_async.sandbox.generated.entropy import words
from zra_async.sandbox.generated.times import History
from zra_async.sandbox.operations.conversations import bounds
from zra_async.sandbox.operations.params import period
from zra_async.sandbox.operations.route import Answer, Call, route
from zra_async.sandbox.operations.scan import scan
from zra_async.sandbox.records.meetings import PLATFORMS, meeting, schedule

if TYPE_CHECKING:
    from zra_async.sandbox.world.world import World


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
