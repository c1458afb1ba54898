"""The comments on conversations: generated ones, and what was added, edited and deleted since."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from zra_async.sandbox.generated import texts
from zra_async.sandbox.generated.entropy import domain, mix, uuid_text
from zra_async.sandbox.generated.org_chart import team_id
from zra_async.sandbox.generated.times import write_offset

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zra_async.sandbox.generated.conversation import Conversation
    from zra_async.sandbox.generated.people import User

MOST = 5  #: generated comments on one conversation


@dataclass(frozen=True, slots=True, kw_only=True)
class Comment:
    """One comment; the people and teams it mentions are kept by id and named when it is read."""

    comment_id: str
    author: User
    text: str
    created: float
    modified: float
    parent_id: str = ""
    private: bool = False
    place: str = ""  #: where in the recording, ``HH:MM:SS``
    users: tuple[str, ...] = ()
    teams: tuple[str, ...] = ()


class Commentary:
    """All comments of an account."""

    def __init__(self, seed: int, users: Sequence[User]) -> None:
        self._seed, self._users = seed, users
        self._space, self._fresh = domain(seed, "comments"), domain(seed, "new comments")
        self._added: dict[str, list[str]] = {}
        self._current: dict[str, Comment] = {}  # by id: the added ones and the edited ones
        self._deleted: set[str] = set()
        self._serial = 0

    def on(self, conversation: Conversation) -> list[Comment]:
        """List the comments on a conversation, oldest first."""
        generated = self._generate(conversation) if conversation.number >= 0 else []
        added = [self._current[comment_id] for comment_id in self._added.get(conversation.conversation_id, ())]
        if not self._current and not self._deleted:
            return generated
        current = (self._current.get(comment.comment_id, comment) for comment in generated)
        return [comment for comment in current if comment.comment_id not in self._deleted] + added

    def find(self, conversation: Conversation, comment_id: str) -> Comment | None:
        """Find one comment on a conversation."""
        return next((comment for comment in self.on(conversation) if comment.comment_id == comment_id), None)

    def fresh_id(self) -> str:
        """Give the id of the next new comment."""
        self._serial += 1
        return uuid_text(self._fresh, self._serial)

    def add(self, conversation: Conversation, comment: Comment) -> None:
        """Put a new comment after all others."""
        self._added.setdefault(conversation.conversation_id, []).append(comment.comment_id)
        self._current[comment.comment_id] = comment

    def replace(self, comment: Comment) -> None:
        """Put an edited comment in the place of the one with its id."""
        self._current[comment.comment_id] = comment

    def delete(self, conversation: Conversation, comment: Comment) -> None:
        """Remove a comment; replies to it stay."""
        self._current.pop(comment.comment_id, None)
        added = self._added.get(conversation.conversation_id, [])
        if comment.comment_id in added:
            added.remove(comment.comment_id)
        else:
            self._deleted.add(comment.comment_id)

    def forget(self, conversation: Conversation) -> None:
        """Drop what was written about a conversation that is deleted."""
        for comment_id in self._added.pop(conversation.conversation_id, ()):
            del self._current[comment_id]

    def _generate(self, conversation: Conversation) -> list[Comment]:
        comments: list[Comment] = []
        for turn in range(conversation.draw[10] % (MOST + 1)):
            comments.append(self._comment(conversation, turn, comments))
        return comments

    def _comment(self, conversation: Conversation, turn: int, earlier: Sequence[Comment]) -> Comment:
        draw = mix(conversation.key ^ (turn << 40))
        created = conversation.first_processed + (turn + 1) * 600
        mentioned = self._users[(draw >> 24) % len(self._users)]
        return Comment(
            comment_id=uuid_text(self._space, conversation.number * (MOST + 1) + turn),
            author=self._users[(draw >> 8) % len(self._users)],
            text=texts.COMMENTS[draw % len(texts.COMMENTS)],
            created=created,
            modified=created + (60 if draw % 5 == 0 else 0),
            parent_id=earlier[0].comment_id if earlier and draw % 3 == 0 else "",
            private=draw % 7 == 0,
            place=write_offset((draw >> 32) % conversation.duration)[:8],
            users=(mentioned.user_id,) if draw % 2 else (),
            teams=(team_id(self._seed, (draw >> 40) % 10),) if draw % 4 == 0 else (),
        )
