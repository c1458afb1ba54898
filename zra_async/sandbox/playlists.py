"""The playlists of a user: a favourites list each, and some of their own and of others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zra_async.sandbox.entropy import domain, mix, number, uuid_text
from zra_async.sandbox.names import PRODUCTS
from zra_async.sandbox.params import boolean
from zra_async.sandbox.route import Answer, ApiError, Call, route
from zra_async.sandbox.times import write_time

if TYPE_CHECKING:
    from zra_async.sandbox.people import User
    from zra_async.sandbox.world import World

TYPES = ("Normal", "Smart", "Favorite")
_MOST = 12
_THEMES = ("Best openings", "Objections", "Renewals that worked", "Für neue Kollegen", "Pricing talk", "Demo night 🎬")


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


def playlists(world: World, user: User) -> list[dict[str, Any]]:
    """Give all playlists of a user, the favourites first."""
    place = world.users.index(user)
    space = domain(world.options.seed, "playlists")
    count = 1 + number(space, place) % _MOST
    return [_playlist(world, user, space, place * (_MOST + 1) + turn, turn) for turn in range(count)]


def _playlist(world: World, user: User, space: bytes, serial: int, turn: int) -> dict[str, Any]:
    draw = mix(number(space, serial))
    own = turn == 0 or draw % 2 == 0
    creator = user if own else world.users[(draw >> 8) % len(world.users)]
    history = world.population.history
    return {
        "playlist_id": uuid_text(space, serial),
        "type": "Favorite" if turn == 0 else TYPES[(draw >> 16) % 2],
        "modified_time": write_time(history.begin + (draw >> 20) % history.span),
        "playlist_name": "Favorites" if turn == 0 else _name(draw >> 24, creator),
        "number_of_conversations": (draw >> 32) % (1 + min(30, history.count)),
        "following": not own or draw % 3 == 0,
        "created_by": creator.display_name,
    }


def _name(draw: int, creator: User) -> str:
    return f"{_THEMES[draw % len(_THEMES)]} ({PRODUCTS[draw // 8 % len(PRODUCTS)]}, {creator.first_name})"
