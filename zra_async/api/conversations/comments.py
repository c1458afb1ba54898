"""The comments of conversations."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import UNSET, UnsetType

from zra_async.api.arguments import Checks, build_body, build_path, check_flag, check_text, check_texts_up_to
from zra_async.api.resource import Resource
from zra_async.api.schema import Instant, Model
from zra_async.core.operation import Label, ListOperation, Operation
from zra_async.core.pages import Pages
from zra_async.errors import InvalidArgument

MAX_MENTIONS = 50

_FIELDS: Checks = {
    "comment": check_text,
    "mention_user_ids": check_texts_up_to(MAX_MENTIONS),
    "mention_team_ids": check_texts_up_to(MAX_MENTIONS),
    "is_private": check_flag,
    "parent_comment_id": check_text,
    "time_in_recording": check_text,
}


class MentionedUser(Model, frozen=True, kw_only=True):
    """A user whom a comment mentions."""

    user_id: str = ""
    user_name: str | None = None


class MentionedTeam(Model, frozen=True, kw_only=True):
    """A team that a comment mentions."""

    team_id: str = ""
    team_name: str | None = None


class Comment(Model, frozen=True, kw_only=True):
    """One comment. `parent_comment_id` is set for an answer to another comment."""

    id: str = ""
    parent_comment_id: str | None = None
    comment: str | None = None
    user_name: str | None = None
    user_email: str | None = None
    created_time: Instant | None = None
    last_modified_time: Instant | None = None
    is_private: bool | None = None
    mention_users: tuple[MentionedUser, ...] = ()
    mention_teams: tuple[MentionedTeam, ...] = ()
    time_in_recording: str | None = None


class CommentPage(Model, frozen=True, kw_only=True):
    """One page of comments."""

    comments: tuple[Comment, ...] = ()
    next_page_token: str = ""
    page_size: int | None = None


LIST = ListOperation(
    name="comments.list",
    method="GET",
    path="/conversations/{conversation_id}/comments",
    label=Label.MEDIUM,
    result=CommentPage,
    items=lambda page: page.comments,
    retry_safe=True,
    twin=True,
    scopes=("iq_comment:read", "iq_comment:write", "iq_comment:read:admin", "iq_comment:write:admin"),
    granular_scopes=("zra:read:list_conversation_comments", "zra:read:list_conversation_comments:admin"),
)

ADD = Operation(
    name="comments.add",
    method="POST",
    path="/conversations/{conversation_id}/comments",
    label=Label.MEDIUM,
    result=Comment,
    retry_safe=False,
    twin=True,
    scopes=("iq_comment:write", "iq_comment:write:admin"),
    # The reference names the scopes of reading here; its deprecated twin names zra:write:conversation_comment.
    granular_scopes=("zra:read:list_conversation_comments", "zra:read:list_conversation_comments:admin"),
)

UPDATE = Operation(
    name="comments.update",
    method="PATCH",
    path="/conversations/{conversation_id}/comments/{comment_id}",
    label=Label.MEDIUM,
    result=type(None),
    retry_safe=True,
    twin=True,
    scopes=("iq_comment:write", "iq_comment:write:admin"),
    granular_scopes=("zra:update:conversation_comment", "zra:update:conversation_comment:admin"),
)

DELETE = Operation(
    name="comments.delete",
    method="DELETE",
    path="/conversations/{conversation_id}/comments/{comment_id}",
    label=Label.MEDIUM,
    result=type(None),
    retry_safe=True,
    twin=True,
    scopes=("iq_comment:write", "iq_comment:write:admin"),
    granular_scopes=("zra:delete:conversation_comment", "zra:delete:conversation_comment:admin"),
)


class Comments(Resource):
    """``zra.comments``: the comments of conversations."""

    def list(self, conversation_id: str, *, page_size: int | None = None, cursor: str = "") -> Pages[Comment]:
        """List the comments of a conversation.

        ``page_size`` is 1–300, by default 300; ``cursor`` resumes an earlier list. Raises `NotFound` (1005) for an
        unknown conversation. Label MEDIUM, ``GET /zra/conversations/{conversationId}/comments``.
        """
        return self._list(LIST, build_path(conversation_id=conversation_id), page_size=page_size, cursor=cursor)

    async def add(
        self,
        conversation_id: str,
        *,
        comment: str,
        mention_user_ids: Sequence[str] | UnsetType = UNSET,
        mention_team_ids: Sequence[str] | UnsetType = UNSET,
        is_private: bool | UnsetType = UNSET,
        parent_comment_id: str | UnsetType = UNSET,
        time_in_recording: str | UnsetType = UNSET,
    ) -> Comment:
        """Write a comment, or an answer to ``parent_comment_id``, and return it as it was stored.

        At most 50 users and 50 teams can be mentioned; ``time_in_recording`` is a position such as ``00:00:10``.
        Raises `BadRequest` (1001) for a refused field, `NotFound` (1005) for an unknown conversation, and
        `AmbiguousWrite` when the answer was lost: it is never repeated. Label MEDIUM,
        ``POST /zra/conversations/{conversationId}/comments``.
        """
        where = build_path(conversation_id=conversation_id)
        body = build_body(
            _FIELDS,
            comment=comment,
            mention_user_ids=mention_user_ids,
            mention_team_ids=mention_team_ids,
            is_private=is_private,
            parent_comment_id=parent_comment_id,
            time_in_recording=time_in_recording,
        )
        return await self._call(ADD, where, body=body)

    async def update(
        self,
        conversation_id: str,
        comment_id: str,
        *,
        comment: str | UnsetType = UNSET,
        mention_user_ids: Sequence[str] | UnsetType = UNSET,
        mention_team_ids: Sequence[str] | UnsetType = UNSET,
        time_in_recording: str | UnsetType = UNSET,
    ) -> None:
        """Change a comment: the given fields are replaced, the others stay; an empty list removes the mentions.

        At most 50 users and 50 teams can be mentioned. Raises `InvalidArgument` when nothing is to change,
        `BadRequest` (1001) for a refused field and `NotFound` (1005) for an unknown conversation or comment. Label
        MEDIUM, ``PATCH /zra/conversations/{conversationId}/comments/{commentId}``.
        """
        where = build_path(conversation_id=conversation_id, comment_id=comment_id)
        body = build_body(
            _FIELDS,
            comment=comment,
            mention_user_ids=mention_user_ids,
            mention_team_ids=mention_team_ids,
            time_in_recording=time_in_recording,
        )
        if not body:
            raise InvalidArgument("comments.update: give at least one field to change")
        await self._call(UPDATE, where, body=body)

    async def delete(self, conversation_id: str, comment_id: str) -> None:
        """Delete a comment.

        Raises `NotFound` (1005) for an unknown conversation or comment and `BadRequest` (1001) for a refused id.
        Label MEDIUM, ``DELETE /zra/conversations/{conversationId}/comments/{commentId}``.
        """
        await self._call(DELETE, build_path(conversation_id=conversation_id, comment_id=comment_id))


OPERATIONS = (LIST, ADD, UPDATE, DELETE)
