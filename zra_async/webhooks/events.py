"""The events that webhooks report, as a union of one class each."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from zra_async.api.schema import Model, OpenEnum


class ConversationSource(OpenEnum):
    """The product that recorded a conversation."""

    ZOOM_MEETING = "ZOOM_MEETING"
    ZOOM_PHONE = "ZOOM_PHONE"
    ZOOM_CONTACT_CENTER = "ZOOM_CONTACT_CENTER"
    MICROSOFT_TEAMS = "MICROSOFT_TEAMS"
    GOOGLE_MEET = "GOOGLE_MEET"
    OTHERS = "OTHERS"


class PlaylistType(OpenEnum):
    """A playlist that somebody fills by hand, or one that a filter fills."""

    BASIC = "BASIC"
    SMART = "SMART"


class Association(Model, frozen=True, kw_only=True):
    """A link of a conversation to a deal, an account or a lead of the CRM."""

    deal_id: str | None = None
    account_id: str | None = None
    lead_id: str | None = None


class AssociationChange(Model, frozen=True, kw_only=True):
    """The links of one conversation before and after. `conversation_id` is decoded."""

    conversation_id: str = ""
    old_associations: tuple[Association, ...] = ()
    new_associations: tuple[Association, ...] = ()


class _Event(Model, frozen=True, kw_only=True, tag_field="type"):
    """The fields of every event.

    `name` is that of the service without its common prefix. `happened_at` is the time of the signature where the event
    has none. `operator_id` and `operator` (an email address) belong to the user who caused the event.
    """

    name: str
    happened_at: datetime
    account_id: str = ""
    operator_id: str | None = None
    operator: str | None = None


class ConversationAnalysisCompletedEvent(_Event, frozen=True, kw_only=True, tag="conversation_analysis_completed"):
    """A conversation was analysed. Its data may appear a little later. `conversation_id` is decoded."""

    conversation_id: str = ""
    source: ConversationSource | None = None
    host_id: str | None = None
    engagement_id: str | None = None


class ConversationCrmAssociationsChangedEvent(
    _Event, frozen=True, kw_only=True, tag="conversation_crm_associations_changed"
):
    """Conversations were linked to other deals, accounts or leads."""

    changes: tuple[AssociationChange, ...] = ()


class PostCommentCompletedEvent(_Event, frozen=True, kw_only=True, tag="post_comment_completed"):
    """A comment was added to a conversation. `conversation_id` is decoded."""

    comment_id: str = ""
    conversation_id: str = ""
    text: str | None = None


class PlaylistCreateEvent(_Event, frozen=True, kw_only=True, tag="playlist_create"):
    """A playlist was created; `create_time` is in milliseconds since 1970."""

    playlist_id: str = ""
    playlist_type: PlaylistType | None = None
    playlist_name: str | None = None
    create_time: int | None = None


class PlaylistDeleteEvent(_Event, frozen=True, kw_only=True, tag="playlist_delete"):
    """A playlist was deleted; `delete_time` is in milliseconds since 1970."""

    playlist_id: str = ""
    playlist_name: str | None = None
    delete_time: int | None = None


class PlaylistAddMomentEvent(_Event, frozen=True, kw_only=True, tag="playlist_add_moment"):
    """A moment of a conversation was added to a playlist; `update_time` is in milliseconds since 1970."""

    playlist_id: str = ""
    playlist_name: str | None = None
    playlist_detail_id: str | None = None
    moment_id: str = ""
    moment_name: str | None = None
    update_time: int | None = None


class PlaylistRemoveMomentEvent(_Event, frozen=True, kw_only=True, tag="playlist_remove_moment"):
    """A moment of a conversation was removed from a playlist; `update_time` is in milliseconds since 1970."""

    playlist_id: str = ""
    playlist_name: str | None = None
    playlist_detail_id: str | None = None
    moment_id: str = ""
    moment_name: str | None = None
    update_time: int | None = None


class UnknownEvent(_Event, frozen=True, kw_only=True, tag="unknown"):
    """An event that this version does not know: `object` is its content as JSON values.

    `conversation_id` is decoded, and None where the content has none.
    """

    conversation_id: str | None = None
    object: Any = None


#: one event: match it by its class, and expect an `UnknownEvent` after an update of the service
WebhookEvent = (
    ConversationAnalysisCompletedEvent
    | ConversationCrmAssociationsChangedEvent
    | PostCommentCompletedEvent
    | PlaylistCreateEvent
    | PlaylistDeleteEvent
    | PlaylistAddMomentEvent
    | PlaylistRemoveMomentEvent
    | UnknownEvent
)


class UrlValidation(Model, frozen=True, kw_only=True):
    """The service asks whether this URL is yours: send `answer` as JSON with status 200, within three seconds."""

    answer: dict[str, str]
