"""The records of playlists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zra_async.sandbox.generated.entropy import domain, mix, number, uuid_text
from zra_async.sandbox.generated.names import PRODUCTS
from zra_async.sandbox.generated.times import write_time

if TYPE_CHECKING:
    from zra_async.sandbox.generated.people import User
    from zra_async.sandbox.world.world import World

TYPES = ("Normal", "Smart", "Favorite")
_MOST = 12
_THEMES = ("Best openings", "Objections", "Renewals that worked", "Für neue Kollegen", "Pricing talk", "Demo night 🎬")


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
