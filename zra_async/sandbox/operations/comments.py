"""Comments on conversations: list, add, edit, delete. A reply names the comment it answers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

from zra_async.sandbox.api_error import ApiError
from zra_async.sandbox.generated.people import User
from zra_async.sandbox.generated.times import write_time
from zra_async.sandbox.operations.adding import event_id
from zra_async.sandbox.operations.params import conversation_of, read_body
from zra_async.sandbox.operations.route import Answer, Call, route
from zra_async.sandbox.world.commentary import Comment

if TYPE_CHECKING:
    from zra_async.sandbox.generated.conversation import Conversation

Text = Annotated[str, Meta(min_length=1)]
Mentions = Annotated[list[str], Meta(max_length=50)]
Place = Annotated[str, Meta(pattern=r"^(\d{1,3}:[0-5]\d:[0-5]\d(\.\d{1,3})?)?$")]


class NewComment(Struct):
    """The body of a new comment."""

    comment: Text
    is_private: bool = False
    mention_team_ids: Mentions = []
    mention_user_ids: Mentions = []
    parent_comment_id: str = ""
    time_in_recording: Place = ""


class CommentChange(Struct):
    """The body of an edit: what is not sent stays as it is."""

    comment: Text | UnsetType = UNSET
    mention_team_ids: Mentions | UnsetType = UNSET
    mention_user_ids: Mentions | UnsetType = UNSET
    time_in_recording: Place | UnsetType = UNSET


@route("GET", "/conversations/{conversationId}/comments")
async def list_comments(call: Call) -> Answer:
    """Answer the comments on a conversation, oldest first."""
    account, conversation = call.account, conversation_of(call)
    window = account.pages.window(call)
    found, end = account.world.commentary.on(conversation), window.position + window.size
    return Answer(
        {
            "comments": [_record(call, comment) for comment in found[window.position : end]],
            "page_size": window.size,
            "next_page_token": account.pages.token(call, end, more=end < len(found)),
        }
    )


@route("POST", "/conversations/{conversationId}/comments")
async def add_comment(call: Call) -> Answer:
    """Add a comment or a reply in the name of the token's user."""
    account, conversation = call.account, conversation_of(call)
    body = read_body(call, NewComment, "Invalid request param")
    _check_mentions(call, body.mention_user_ids, body.mention_team_ids)
    if body.parent_comment_id:
        _find(call, conversation, body.parent_comment_id)
    now = account.clock.time()
    comment = Comment(
        comment_id=account.world.commentary.fresh_id(),
        author=account.world.user(call.user_id) or User(call.user_id, "", "", "", "", licensed=False),
        text=body.comment,
        created=now,
        modified=now,
        parent_id=body.parent_comment_id,
        private=body.is_private,
        place=body.time_in_recording,
        users=tuple(body.mention_user_ids),
        teams=tuple(body.mention_team_ids),
    )
    account.world.commentary.add(conversation, comment)
    event = {
        "comment_id": comment.comment_id,
        "conversation_id": event_id(conversation.conversation_id),
        "text": comment.text,
    }
    author = comment.author
    account.webhooks.emit(
        "revenue_accelerator.post_comment_completed", event, operator_id=author.user_id, operator=author.email
    )
    return Answer(_record(call, comment), status=201)


@route("PATCH", "/conversations/{conversationId}/comments/{commentId}")
async def edit_comment(call: Call) -> Answer:
    """Change the text, the place or the mentions of a comment."""
    conversation = conversation_of(call)
    comment = _find(call, conversation, call.path["commentId"])
    body = read_body(call, CommentChange, "Invalid request param")
    users = comment.users if body.mention_user_ids is UNSET else tuple(body.mention_user_ids)
    teams = comment.teams if body.mention_team_ids is UNSET else tuple(body.mention_team_ids)
    _check_mentions(call, users, teams)
    call.account.world.commentary.replace(
        replace(
            comment,
            text=comment.text if body.comment is UNSET else body.comment,
            place=comment.place if body.time_in_recording is UNSET else body.time_in_recording,
            users=users,
            teams=teams,
            modified=call.account.clock.time(),
        )
    )
    return Answer(status=204)


@route("DELETE", "/conversations/{conversationId}/comments/{commentId}")
async def delete_comment(call: Call) -> Answer:
    """Delete a comment; replies to it stay."""
    conversation = conversation_of(call)
    call.account.world.commentary.delete(conversation, _find(call, conversation, call.path["commentId"]))
    return Answer(status=204)


def _find(call: Call, conversation: Conversation, comment_id: str) -> Comment:
    comment = call.account.world.commentary.find(conversation, comment_id)
    if comment is None:
        raise ApiError(404, 1005, f"Comment does not exist: {comment_id}")
    return comment


def _check_mentions(call: Call, users: list[str] | tuple[str, ...], teams: list[str] | tuple[str, ...]) -> None:
    """Refuse mentions of users and teams that do not exist: 400/1001."""
    account = call.account
    known = all(account.world.user(user_id) for user_id in users)
    if not known or any(account.teams.find(team_id) is None for team_id in teams):
        raise ApiError(400, 1001, "Invalid request param")


def _record(call: Call, comment: Comment) -> dict[str, Any]:
    """Write a comment with the names of those it mentions; a team that is gone is no longer mentioned."""
    account = call.account
    users = [user for user in map(account.world.user, comment.users) if user]
    teams = [team for team in map(account.teams.find, comment.teams) if team]
    return {
        "id": comment.comment_id,
        "parent_comment_id": comment.parent_id,
        "user_name": comment.author.display_name,
        "user_email": comment.author.email,
        "created_time": write_time(comment.created),
        "last_modified_time": write_time(comment.modified),
        "comment": comment.text,
        "mention_users": [{"user_id": user.user_id, "user_name": user.display_name} for user in users],
        "mention_teams": [{"team_id": team.team_id, "team_name": team.name} for team in teams],
        "is_private": comment.private,
        "time_in_recording": comment.place,
    }
