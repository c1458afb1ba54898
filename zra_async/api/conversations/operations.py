"""Conversations: the meetings and calls that were recorded and analysed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from msgspec import UNSET, UnsetType

from zra_async.api.arguments import (
    Checks,
    build_body,
    build_path,
    build_period,
    build_query,
    check_exactly_one,
    check_flag,
    check_literal,
    check_records,
    check_text,
    check_time,
    check_web_address,
)
from zra_async.api.conversations import content
from zra_async.api.conversations.content import READERS, ConversationContent
from zra_async.api.conversations.models import (
    MAX_PARTICIPANTS,
    AddedConversation,
    AddedRecording,
    CalloutType,
    Conversation,
    ConversationDetail,
    ConversationPage,
    ConversationType,
    ListedType,
    Participant,
    PeriodType,
    PrimaryLanguage,
    TimelineItem,
)
from zra_async.core.operation import Label, ListOperation, Operation
from zra_async.core.pages import Pages
from zra_async.errors import InvalidArgument

MAX_TIMELINE = 200
_WRITERS = ("iq_conversation:write:admin", "iq_conversation:write")

LIST = ListOperation(
    name="conversations.list",
    method="GET",
    path="/conversations",
    label=Label.MEDIUM,
    result=ConversationPage,
    items=lambda page: page.conversations,
    retry_safe=True,
    twin=True,
    scopes=READERS,
    granular_scopes=("zra:read:list_conversations", "zra:read:list_conversations:admin"),
)

ADD = Operation(
    name="conversations.add",
    method="POST",
    path="/conversations",
    label=Label.MEDIUM,
    result=AddedConversation,
    retry_safe=False,
    twin=True,
    scopes=_WRITERS,
    granular_scopes=("zra:write:conversation", "zra:write:conversation:admin"),
)

ADD_RECORDING = Operation(
    name="conversations.add_recording",
    method="POST",
    path="/users/{user_id}/conversations",
    label=Label.MEDIUM,
    result=AddedRecording,
    retry_safe=False,
    twin=True,
    scopes=_WRITERS,
    granular_scopes=("zra:write:conversation", "zra:write:conversation:admin"),
)

GET = Operation(
    name="conversations.get",
    method="GET",
    path="/conversations/{conversation_id}",
    label=Label.LIGHT,
    result=ConversationDetail,
    retry_safe=True,
    twin=True,
    scopes=READERS,
    granular_scopes=("zra:read:conversations:admin", "zra:read:conversations"),
)

DELETE = Operation(
    name="conversations.delete",
    method="DELETE",
    path="/conversations/{conversation_id}",
    label=Label.LIGHT,
    result=type(None),
    retry_safe=True,
    twin=True,
    scopes=_WRITERS,
    granular_scopes=("zra:delete:conversations", "zra:delete:conversations:admin"),
)

UPDATE_HOST = Operation(
    name="conversations.update_host",
    method="PATCH",
    path="/conversations/{conversation_id}/update_host",
    label=Label.MEDIUM,
    result=type(None),
    retry_safe=True,
    twin=True,
    scopes=_WRITERS,
    granular_scopes=("zra:update:conversation_host", "zra:update:conversation_host:admin"),
)


_FILTERS: Checks = {
    "host_id": check_text,
    "participant_id": check_text,
    "team_id": check_text,
    "deal_id": check_text,
    "period_type": check_literal(PeriodType),
    "conversation_type": check_literal(ListedType),
    "callout_type": check_literal(CalloutType),
    "indicator_id": check_text,
    "mentioned_topic_id": check_text,
    "scored": check_flag,
}
_ADDED: Checks = {
    "conversation_type": check_literal(ConversationType),
    "meeting_start_time": check_time,
    "meeting_end_time": check_time,
    "file_id": check_text,
    "download_url": check_web_address,
    "conversation_topic": check_text,
    "host_id": check_text,
    "deal_id": check_text,
    "participants": check_records(Participant, MAX_PARTICIPANTS),
    "timeline": check_records(TimelineItem, MAX_TIMELINE),
    "primary_language": check_literal(PrimaryLanguage),
    "timezone": check_text,
}
_RECORDING: Checks = {"meeting_uuid": check_text, "recording_link": check_web_address}


class ConversationOperations(ConversationContent):
    """``zra.conversations``: list, add, read and delete conversations, and read their content."""

    def list(
        self,
        *,
        host_id: str | None = None,
        participant_id: str | None = None,
        team_id: str | None = None,
        deal_id: str | None = None,
        period_type: PeriodType | None = None,
        from_: datetime | None = None,
        to: datetime | None = None,
        conversation_type: ListedType | None = None,
        callout_type: CalloutType | None = None,
        indicator_id: str | None = None,
        mentioned_topic_id: str | None = None,
        scored: bool | None = None,
        page_size: int | None = None,
        cursor: str = "",
    ) -> Pages[Conversation]:
        """List the conversations that the app may see; filters narrow the list, and all of them must hold.

        ``from_`` and ``to`` are aware datetimes, compared in whole seconds with the start of the meeting or, with
        ``period_type="iqProcessedTime"``, with the end of its analysis. ``conversation_type`` is by default ``all``.
        ``page_size`` is 1–300, by default 300; ``cursor`` resumes an earlier list. Raises `BadRequest` (1001) for a
        refused period and `NotFound` (1005) for an unknown team, deal or user. Label MEDIUM,
        ``GET /zra/conversations``.
        """
        query = build_query(
            _FILTERS,
            host_id=host_id,
            participant_id=participant_id,
            team_id=team_id,
            deal_id=deal_id,
            period_type=period_type,
            conversation_type=conversation_type,
            callout_type=callout_type,
            indicator_id=indicator_id,
            mentioned_topic_id=mentioned_topic_id,
            scored=scored,
        )
        return self._list(LIST, query=query | build_period(from_, to), page_size=page_size, cursor=cursor)

    async def add(
        self,
        *,
        conversation_type: ConversationType,
        meeting_start_time: datetime,
        file_id: str | UnsetType = UNSET,
        download_url: str | UnsetType = UNSET,
        meeting_end_time: datetime | UnsetType = UNSET,
        conversation_topic: str | UnsetType = UNSET,
        host_id: str | UnsetType = UNSET,
        deal_id: str | UnsetType = UNSET,
        participants: Sequence[Participant | Mapping[str, object]] | UnsetType = UNSET,
        timeline: Sequence[TimelineItem | Mapping[str, object]] | UnsetType = UNSET,
        primary_language: PrimaryLanguage | UnsetType = UNSET,
        timezone: str | UnsetType = UNSET,
    ) -> AddedConversation:
        """Add a conversation from an uploaded file (``file_id``) or from an address of your own (``download_url``).

        The user needs a Zoom Revenue Accelerator licence and a role with the Edit permission for All Conversations.
        Exactly one of the two, and the address must be http or https. Times are aware datetimes and travel in whole
        seconds; ``host_id`` is a user id or an email address; at most 200 participants and 200 timeline items;
        ``timezone`` is a name such as ``America/Los_Angeles``. Raises `BadRequest` (1001) for a refused field,
        `NotFound` (1005) for an unknown file, and `AmbiguousWrite` when the answer was lost: it is never repeated.
        Label MEDIUM, ``POST /zra/conversations``.
        """
        check_exactly_one(file_id=file_id, download_url=download_url)
        body = build_body(
            _ADDED,
            conversation_type=conversation_type,
            meeting_start_time=meeting_start_time,
            file_id=file_id,
            download_url=download_url,
            meeting_end_time=meeting_end_time,
            conversation_topic=conversation_topic,
            host_id=host_id,
            deal_id=deal_id,
            participants=participants,
            timeline=timeline,
            primary_language=primary_language,
            timezone=timezone,
        )
        _check_order(body)
        return await self._call(ADD, body=body)

    async def add_recording(
        self,
        user_id: str,
        *,
        meeting_uuid: str | UnsetType = UNSET,
        recording_link: str | UnsetType = UNSET,
    ) -> AddedRecording:
        """Add a conversation from a cloud recording that a user has hosted.

        Name it by ``recording_link``, its share or play link, or by ``meeting_uuid``; where both are given and name
        different meetings, the service goes by the link. Raises `BadRequest` (3300, 3314, 3315, 3317, 3318, 3319, 3320,
        5333) for a recording that cannot be added, `PermissionDenied` (3313, 1004) when the user is not its host,
        `NotFound` (1005, 3316) for an unknown user or meeting, and `AmbiguousWrite` when the answer was lost: it is
        never repeated. Label MEDIUM, ``POST /zra/users/{userId}/conversations``.
        """
        where = build_path(user_id=user_id)
        body = build_body(_RECORDING, meeting_uuid=meeting_uuid, recording_link=recording_link)
        if not body:
            raise InvalidArgument("give recording_link or meeting_uuid: no recording was named")
        return await self._call(ADD_RECORDING, where, body=body)

    async def get(self, conversation_id: str) -> ConversationDetail:
        """Read one conversation: its scores, participants, views, moments, deal and download link.

        Raises `NotFound` (1005) for an unknown conversation and `PermissionDenied` (1004) for one that the user may
        not see. Label LIGHT, ``GET /zra/conversations/{conversationId}``.
        """
        return await self._call(GET, build_path(conversation_id=conversation_id))

    async def download_link(self, conversation_id: str) -> str | None:
        """Fetch a fresh link to the recording, good for one hour; None when there is none. Treat it like a password.

        Errors, label and operation are those of `get`.
        """
        return (await self._call(GET, build_path(conversation_id=conversation_id))).download_link

    async def delete(self, conversation_id: str) -> None:
        """Delete a conversation for good.

        Raises `NotFound` (1005) for an unknown conversation, `PermissionDenied` (5004) for one that is still being
        analysed and `BadRequest` (300) for a malformed id. Label LIGHT, ``DELETE /zra/conversations/{conversationId}``.
        """
        await self._call(DELETE, build_path(conversation_id=conversation_id))

    async def update_host(self, conversation_id: str, *, new_host_id: str) -> None:
        """Give a conversation another host, by user id or email address.

        The app needs the scope ``iq_conversation:write:admin`` or ``iq_conversation:write``. Raises `BadRequest`: 1006
        for a user without a licence, 300 for a missing field; `NotFound` (1005, 2001) for an unknown user or
        conversation. Label MEDIUM, ``PATCH /zra/conversations/{conversationId}/update_host``.
        """
        where = build_path(conversation_id=conversation_id)
        await self._call(UPDATE_HOST, where, body={"new_host_id": check_text("new_host_id", new_host_id)})


def _check_order(body: Mapping[str, Any]) -> None:
    start, end = body["meeting_start_time"], body.get("meeting_end_time")
    if end is not None and end < start:
        raise InvalidArgument(f"meeting_end_time ({end.isoformat()}) lies before meeting_start_time")


OPERATIONS = (LIST, ADD, ADD_RECORDING, GET, DELETE, UPDATE_HOST, *content.OPERATIONS)
