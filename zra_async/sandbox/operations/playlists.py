"""The playlists of a user: a favourites list each, and some of their own and of others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zra_async.sandbox.api_error import ApiError
from zra_async.sandbox.operations.params import boolean
from zra_async.sandbox.operations.route import Answer, Call, route
from zra_async.sandbox.records.playlists import TYPES, playlists

if TYPE_CHECKING:
    pass


@route("GET", "/users/{userId}/conversations/playlists")
async def list_playlists(call: Call) -> Answer:
    """Answer the playlists of a user, those followed or made by that user alone where asked for."""
    user_id, world = call.path["userId"], call.account.world
    user = world.user(call.user_id if user_id == "me" else user_id)
    if user is None:
        raise ApiError(404, 1001, f"User ID does not exist: {user_id}")
    wanted = call.query.get("type") or "All"
    if wanted not in ("All", *TYPES):
        raise ApiError(400, 1001, "Invalid request param")
    window = call.account.pages.window(call)
    followed, own = boolean(call, "following"), boolean(call, "create_by_self")
    found = [
        playlist
        for playlist in playlists(world, user)
        if wanted in ("All", playlist["type"])
        and (playlist["following"] or not followed)
        and (playlist["created_by"] == user.display_name or not own)
    ]
    end = window.position + window.size
    return Answer(
        {
            "playlists": found[window.position : end],
            "page_size": window.size,
            "next_page_token": call.account.pages.token(call, end, more=end < len(found)),
        }
    )
