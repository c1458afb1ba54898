"""Conversations: the meetings and calls that were recorded and analysed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import get_args

from msgspec import UNSET, UnsetType

from zra_async.api import content
from zra_async.api.checks import filters, path, records, texts, web_address
from zra_async.api.content import READERS, ConversationContent
from zra_async.api.conversation_models import (
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
from zra_async.api.resource import exactly_one, filled, one_of, period, sent, whole_seconds
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


class Conversations(ConversationContent):
    """``zra.conversations``: list, add, read and delete conversations, and read what they hold."""

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
        one_of("period_type", period_type, get_args(PeriodType))
        one_of("conversation_type", conversation_type, get_args(ListedType))
        one_of("callout_type", callout_type, get_args(CalloutType))
        query = filters(
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
        return self._list(LIST, query={**query, **period(from_, to)}, page_size=page_size, cursor=cursor)

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

        Exactly one of the two, and the address must be http or https. Times are aware datetimes and travel in whole
        seconds; ``host_id`` is a user id or an email address; at most 200 participants and 200 timeline items;
        ``timezone`` is a name such as ``America/Los_Angeles``. Raises `BadRequest` (1001) for a refused field,
        `NotFound` (1005) for an unknown file, and `AmbiguousWrite` when the answer was lost: it is never repeated.
        Label MEDIUM, ``POST /zra/conversations``.
        """
        exactly_one(file_id=file_id, download_url=download_url)
        one_of("conversation_type", filled("conversation_type", conversation_type), get_args(ConversationType))
        one_of("primary_language", primary_language, get_args(PrimaryLanguage))
        web_address("download_url", download_url)
        optional = {
            "file_id": file_id,
            "conversation_topic": conversation_topic,
            "host_id": host_id,
            "deal_id": deal_id,
            "primary_language": primary_language,
            "timezone": timezone,
        }
        texts(**optional)
        body = sent(
            conversation_type=conversation_type,
            download_url=download_url,
            participants=records("participants", participants, Participant, MAX_PARTICIPANTS),
            timeline=records("timeline", timeline, TimelineItem, MAX_TIMELINE),
            **_meeting_times(meeting_start_time, meeting_end_time),
            **optional,
        )
        return await self._call(ADD, body=body)

    async def add_recording(
        self,
        user_id: str,
        *,
        meeting_uuid: str | UnsetType = UNSET,
        recording_link: str | UnsetType = UNSET,
    ) -> AddedRecording:
        """Add a conversation from a cloud recording that a user has hosted.

        Name it by exactly one of ``meeting_uuid`` and ``recording_link``, the recording's share or play link. Raises
        `BadRequest` (3300, 3314, 3315, 3317–3320, 5333) for a recording that cannot be added, `PermissionDenied`
        (3313, 1004) when the user is not its host, `NotFound` (1005, 3316) for an unknown user or meeting, and
        `AmbiguousWrite` when the answer was lost: it is never repeated. Label MEDIUM,
        ``POST /zra/users/{userId}/conversations``.
        """
        exactly_one(meeting_uuid=meeting_uuid, recording_link=recording_link)
        texts(meeting_uuid=meeting_uuid)
        web_address("recording_link", recording_link)
        body = sent(meeting_uuid=meeting_uuid, recording_link=recording_link)
        return await self._call(ADD_RECORDING, path(user_id=user_id), body=body)

    async def get(self, conversation_id: str) -> ConversationDetail:
        """Read one conversation: its scores, participants, views, moments, deal and download link.

        Raises `NotFound` (1005) for an unknown conversation and `PermissionDenied` (1004) for one that the user may
        not see. Label LIGHT, ``GET /zra/conversations/{conversationId}``.
        """
        return await self._call(GET, path(conversation_id=conversation_id))

    async def download_link(self, conversation_id: str) -> str | None:
        """Fetch a fresh link to the recording, good for one hour; None when there is none. Treat it like a password.

        Errors, label and operation are those of `get`.
        """
        return (await self._call(GET, path(conversation_id=conversation_id))).download_link

    async def delete(self, conversation_id: str) -> None:
        """Delete a conversation for good.

        Raises `NotFound` (1005) for an unknown conversation, `PermissionDenied` (5004) for one that is still being
        analysed and `BadRequest` (300) for a malformed id. Label LIGHT, ``DELETE /zra/conversations/{conversationId}``.
        """
        await self._call(DELETE, path(conversation_id=conversation_id))

    async def update_host(self, conversation_id: str, *, new_host_id: str) -> None:
        """Give a conversation another host, by user id or email address.

        Raises `BadRequest` (1006) for a user without a licence, `NotFound` (1005, 2001) for an unknown user or
        conversation. Label MEDIUM, ``PATCH /zra/conversations/{conversationId}/update_host``.
        """
        body = {"new_host_id": filled("new_host_id", new_host_id)}
        await self._call(UPDATE_HOST, path(conversation_id=conversation_id), body=body)


def _meeting_times(start: datetime, end: datetime | UnsetType) -> dict[str, object]:
    begin = whole_seconds("meeting_start_time", start)
    if isinstance(end, UnsetType):
        return {"meeting_start_time": begin}
    finish = whole_seconds("meeting_end_time", end)
    if finish < begin:
        raise InvalidArgument(f"meeting_end_time ({finish.isoformat()}) lies before meeting_start_time")
    return {"meeting_start_time": begin, "meeting_end_time": finish}


OPERATIONS = (LIST, ADD, ADD_RECORDING, GET, DELETE, UPDATE_HOST, *content.OPERATIONS)
