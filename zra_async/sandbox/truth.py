"""The whole content of a sandbox account, to compare a copy with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zra_async.sandbox.generated import analysis
from zra_async.sandbox.generated.awkward import NO_PARTICIPANTS
from zra_async.sandbox.generated.scorecards import scorecards
from zra_async.sandbox.generated.transcripts import Transcript
from zra_async.sandbox.records import conversations, deals, meetings, playlists

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zra_async.sandbox.world.commentary import Comment
    from zra_async.sandbox.world.world import World


class Truth:
    """Everything that the API would show of an account, read past its limits and pages."""

    def __init__(self, world: World) -> None:
        self._world = world

    def conversations(self) -> Iterator[dict[str, Any]]:
        """Give the row of every conversation in the order of the list."""
        return (
            conversations.row(self._world, conversation, legacy=False) for conversation in self._world.newest_first()
        )

    def detail(self, conversation_id: str) -> dict[str, Any]:
        """Give the information of a conversation, without its download links: those expire."""
        return conversations.detail(self._world, self._world.require(conversation_id))

    def interactions(self, conversation_id: str) -> list[dict[str, Any]]:
        """Give every speaker of a conversation with all that they say, empty where participants are absent."""
        conversation = self._world.require(conversation_id)
        transcript = Transcript(conversation, self._world.users)
        return [] if conversation.trait == NO_PARTICIPANTS else transcript.page(0, transcript.count)

    def content_analysis(self, conversation_id: str) -> dict[str, Any]:
        """Give every finding about a conversation, as ``analysis_type=all`` does."""
        return analysis.everything(
            Transcript(self._world.require(conversation_id), self._world.users), self._world.catalogue
        )

    def scorecards(self, conversation_id: str) -> list[dict[str, Any]]:
        """Give the scorecards of a conversation."""
        return scorecards(self._world.require(conversation_id), self._world.catalogue, self._world.users, legacy=False)

    def deals(self) -> Iterator[dict[str, Any]]:
        """Give the information of every deal in the order of the list."""
        numbers = range(self._world.pipeline.count - 1, -1, -1)
        return (deals.deal_detail(self._world, self._world.pipeline.deal(number), legacy=False) for number in numbers)

    def activities(self, deal_id: str) -> list[dict[str, Any]]:
        """Give the activities of a deal, newest first."""
        number = self._world.pipeline.find(deal_id)
        if number is None:
            raise KeyError(deal_id)
        return deals.activities(self._world, self._world.pipeline.deal(number), [], legacy=False)

    def comments(self, conversation_id: str) -> Sequence[Comment]:
        """Give the comments on a conversation, oldest first."""
        return self._world.commentary.on(self._world.require(conversation_id))

    def playlists(self, user_id: str) -> list[dict[str, Any]]:
        """Give the playlists of a user."""
        user = self._world.user(user_id)
        if user is None:
            raise KeyError(user_id)
        return playlists.playlists(self._world, user)

    def scheduled(self) -> Iterator[dict[str, Any]]:
        """Give every scheduled meeting in the order of the list."""
        history = meetings.schedule(self._world)
        return (meetings.meeting(self._world, history, number) for number in range(history.count))
