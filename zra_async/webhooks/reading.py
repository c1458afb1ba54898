"""Read a signed body as an event."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

import msgspec

from zra_async.core.decoding import Decoder
from zra_async.webhooks.events import (
    AssociationChange,
    ConversationAnalysisCompletedEvent,
    ConversationCrmAssociationsChangedEvent,
    ConversationSource,
    PlaylistAddMomentEvent,
    PlaylistCreateEvent,
    PlaylistDeleteEvent,
    PlaylistRemoveMomentEvent,
    PlaylistType,
    PostCommentCompletedEvent,
    UnknownEvent,
    WebhookEvent,
)

_PREFIX = "revenue_accelerator."
_MILLISECONDS = 1e11  #: a greater number of seconds since 1970 is one of milliseconds (it would be the year 5138)


class _Object(msgspec.Struct, frozen=True):
    """The content of every event but `ConversationCrmAssociationsChangedEvent`."""

    conversation_id: str | None = None
    source: ConversationSource | None = None
    host_id: str | None = None
    engagement_id: str | None = None
    comment_id: str | None = None
    text: str | None = None
    playlist_id: str | None = None
    playlist_name: str | None = None
    playlist_type: PlaylistType | None = None
    playlist_detail_id: str | None = None
    moment_id: str | None = None
    moment_name: str | None = None
    create_time: int | None = None
    update_time: int | None = None
    delete_time: int | None = None


class Payload(msgspec.Struct, frozen=True):
    """The fields that all events have, the content of the event, and the token of a validation."""

    plainToken: str = ""  # noqa: N815 (the wire's name)
    account_id: str = ""
    operator_id: str | None = None
    operator: str | None = None
    object: Any = None


class Envelope(msgspec.Struct, frozen=True):
    """The body of a webhook's request."""

    event: str = ""
    event_ts: Any = None
    payload: Payload = Payload()


ENVELOPE = Decoder(Envelope, forgive_containers=True)
_OBJECT = Decoder(_Object, forgive_containers=True)
_CHANGES = Decoder(tuple[AssociationChange, ...], forgive_containers=True)
_ASSOCIATIONS = "conversation_crm_associations_changed"
#: the reference calls one event by two names
_OTHER_NAMES = {"deal_conversation_associations_changed": _ASSOCIATIONS}
_WITH_AN_OBJECT: Mapping[str, type[WebhookEvent]] = {
    "conversation_analysis_completed": ConversationAnalysisCompletedEvent,
    "post_comment_completed": PostCommentCompletedEvent,
    "playlist_create": PlaylistCreateEvent,
    "playlist_delete": PlaylistDeleteEvent,
    "playlist_add_moment": PlaylistAddMomentEvent,
    "playlist_remove_moment": PlaylistRemoveMomentEvent,
}


def seconds_of(number: float) -> float:
    """Return seconds since 1970 for a number of seconds or milliseconds."""
    return number / 1000 if abs(number) >= _MILLISECONDS else number


def _happened_at(told: object, signed_at: float) -> datetime:
    """Return the time that an event tells, or the time of the signature if that makes no sense."""
    with contextlib.suppress(ValueError, OverflowError, OSError):
        if isinstance(told, str) and not told.strip().isdigit():
            moment = datetime.fromisoformat(told.strip())
            return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
        if isinstance(told, (int, float, str)) and not isinstance(told, bool) and float(told) > 0:
            return datetime.fromtimestamp(seconds_of(float(told)), UTC)
    return datetime.fromtimestamp(signed_at, UTC)


def read_event(name: str, envelope: Envelope, signed_at: float) -> WebhookEvent:
    """Return the event of that name. Raises ValueError for content that is no text."""
    name, payload = name.removeprefix(_PREFIX), envelope.payload
    common: dict[str, Any] = {
        "name": name,
        "happened_at": _happened_at(envelope.event_ts, signed_at),
        "account_id": payload.account_id,
        "operator_id": payload.operator_id,
        "operator": payload.operator,
    }
    raw: object = payload.object
    content = msgspec.json.encode(raw)
    if _OTHER_NAMES.get(name, name) == _ASSOCIATIONS:
        changes = _CHANGES.decode(content) if isinstance(raw, list) else ()
        return ConversationCrmAssociationsChangedEvent(
            **common,
            changes=tuple(
                msgspec.structs.replace(change, conversation_id=unquote(change.conversation_id)) for change in changes
            ),
        )
    found = _OBJECT.decode(content) if isinstance(raw, dict) else _Object()
    given: dict[str, Any] = {
        field: value for field, value in msgspec.structs.asdict(found).items() if value is not None
    }
    if "conversation_id" in given:
        given["conversation_id"] = unquote(given["conversation_id"])
    kind = _WITH_AN_OBJECT.get(name)
    if kind is None:
        return UnknownEvent(**common, conversation_id=given.get("conversation_id"), object=payload.object)
    return kind(**common, **{field: value for field, value in given.items() if field in kind.__struct_fields__})
