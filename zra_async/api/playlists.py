"""Playlists: the collections of conversations that a user keeps or follows."""

from __future__ import annotations

from typing import Literal

from zra_async.api.arguments import Checks, build_path, build_query, check_flag, check_literal
from zra_async.api.resource import Resource
from zra_async.api.schema import Instant, Model
from zra_async.core.operation import Label, ListOperation
from zra_async.core.pages import Pages

PlaylistType = Literal["All", "Normal", "Smart", "Favorite"]


class Playlist(Model, frozen=True, kw_only=True):
    """One playlist; `created_by` is the name of a user."""

    playlist_id: str = ""
    playlist_name: str | None = None
    type: str | None = None
    created_by: str | None = None
    modified_time: Instant | None = None
    number_of_conversations: int | None = None
    following: bool | None = None


class PlaylistPage(Model, frozen=True, kw_only=True):
    """One page of playlists."""

    playlists: tuple[Playlist, ...] = ()
    next_page_token: str = ""
    page_size: int | None = None


LIST = ListOperation(
    name="playlists.list",
    method="GET",
    path="/users/{user_id}/conversations/playlists",
    label=Label.MEDIUM,
    result=PlaylistPage,
    items=lambda page: page.playlists,
    retry_safe=True,
    twin=True,
    scopes=("iq_playlist:read:admin", "iq_playlist:read"),
    granular_scopes=("zra:read:list_conversation_playlists", "zra:read:list_conversation_playlists"),
)


_FILTERS: Checks = {
    "type": check_literal(PlaylistType),
    "following": check_flag,
    "create_by_self": check_flag,
}


class Playlists(Resource):
    """``zra.playlists``: the playlists of users."""

    def list(
        self,
        user_id: str,
        *,
        type: PlaylistType | None = None,
        following: bool | None = None,
        create_by_self: bool | None = None,
        page_size: int | None = None,
        cursor: str = "",
    ) -> Pages[Playlist]:
        """List a user's playlists, of one type, followed or self-made ones only if you like.

        ``type`` is by default ``All``, the other two False. ``page_size`` is 1–300, by default 300; ``cursor``
        resumes an earlier list. Raises `NotFound` (1001) for an unknown user and `BadRequest` (1001) for a refused
        parameter. Label MEDIUM, ``GET /zra/users/{userId}/conversations/playlists``.
        """
        query = build_query(_FILTERS, type=type, following=following, create_by_self=create_by_self)
        return self._list(LIST, build_path(user_id=user_id), query=query, page_size=page_size, cursor=cursor)


OPERATIONS = (LIST,)
