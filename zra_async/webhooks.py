"""Webhooks on the receiving side: check the signature, answer the URL validation, and read typed events.

    receiver = WebhookReceiver(secret_token)
    event = receiver.receive(request.headers, await request.read())
    if isinstance(event, UrlValidation):
        return json_response(event.answer)        # within three seconds
    # an event may come more than once, and before its data can be read

Nothing here does I/O, so that any web framework can use it.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

import msgspec

from zra_async.api.schema import Model, OpenEnum
from zra_async.core.decoding import Decoder
from zra_async.core.secret import Secret
from zra_async.errors import ConfigurationError, WebhookRefused

_PREFIX = "revenue_accelerator."


class ConversationSource(OpenEnum):
    """Where a conversation was recorded."""

    ZOOM_MEETING = "ZOOM_MEETING"
    ZOOM_PHONE = "ZOOM_PHONE"
    ZOOM_CONTACT_CENTER = "ZOOM_CONTACT_CENTER"
    MICROSOFT_TEAMS = "MICROSOFT_TEAMS"
    GOOGLE_MEET = "GOOGLE_MEET"
    OTHERS = "OTHERS"


class Association(Model, frozen=True, kw_only=True):
    """What a conversation is linked to in the CRM."""

    deal_id: str | None = None
    account_id: str | None = None
    lead_id: str | None = None


class AssociationChange(Model, frozen=True, kw_only=True):
    """The links of one conversation before and after."""

    conversation_id: str = ""
    old_associations: tuple[Association, ...] = ()
    new_associations: tuple[Association, ...] = ()


class Subject(Model, frozen=True, kw_only=True):
    """What an event is about: the fields of every kind of event, None where the event has no such field.

    `conversation_id` is decoded already, so that it can be given to a method as it is. Times are milliseconds.
    """

    conversation_id: str | None = None
    source: ConversationSource | None = None
    host_id: str | None = None
    engagement_id: str | None = None
    comment_id: str | None = None
    text: str | None = None
    playlist_id: str | None = None
    playlist_name: str | None = None
    playlist_type: str | None = None
    playlist_detail_id: str | None = None
    moment_id: str | None = None
    moment_name: str | None = None
    create_time: int | None = None
    update_time: int | None = None
    delete_time: int | None = None


class Event(Model, frozen=True, kw_only=True):
    """One event: its `name` without the common prefix, such as ``conversation_analysis_completed``.

    `subject` is what it is about; ``conversation_crm_associations_changed`` has `changes` instead.
    """

    name: str
    happened_at: datetime
    account_id: str
    operator_id: str | None = None
    operator: str | None = None
    subject: Subject = Subject()
    changes: tuple[AssociationChange, ...] = ()


class UrlValidation(Model, frozen=True, kw_only=True):
    """The service asks whether this URL is yours: send `answer` as JSON with status 200, within three seconds."""

    answer: dict[str, str]


class _Payload(msgspec.Struct, frozen=True):
    plainToken: str = ""  # noqa: N815 (the wire's name)
    account_id: str = ""
    operator_id: str | None = None
    operator: str | None = None
    object: Any = None


class _Envelope(msgspec.Struct, frozen=True):
    event: str = ""
    event_ts: int = 0
    payload: _Payload = _Payload()


_ENVELOPE = Decoder(_Envelope, forgive_containers=True)
_SUBJECT = Decoder(Subject, forgive_containers=True)
_CHANGES = Decoder(tuple[AssociationChange, ...], forgive_containers=True)


class WebhookReceiver:
    """Checks and reads the requests that Zoom posts to your URL.

    ``secret_token`` is the app's secret token. ``tolerance`` is how old, in seconds, a signed request may be: an
    older one may be a replay.
    """

    def __init__(self, secret_token: str, *, tolerance: float = 300.0, clock: Callable[[], float] = time.time) -> None:
        if not secret_token.strip():
            raise ConfigurationError("secret_token must not be empty: it is on the app's feature page")
        self._secret = Secret(secret_token.strip())
        self._tolerance = tolerance
        self._clock = clock

    def receive(self, headers: Mapping[str, str], body: bytes) -> Event | UrlValidation:
        """Read one request: raises `WebhookRefused`, to be answered with 401, unless its signature is right.

        ``body`` is the raw body: a body that was parsed and written again has another signature.
        """
        self.verify(headers, body)
        try:
            envelope = _ENVELOPE.decode(body)
            name = envelope.event.strip()
            if name == "endpoint.url_validation":
                token = envelope.payload.plainToken
                return UrlValidation(answer={"plainToken": token, "encryptedToken": self._sign(token.encode())})
            return _event(name.removeprefix(_PREFIX), envelope)
        except (ValueError, OverflowError, OSError) as problem:
            raise WebhookRefused(f"the body is no event: {problem}") from None

    def verify(self, headers: Mapping[str, str], body: bytes) -> None:
        """Raise `WebhookRefused` unless ``body`` was signed with the secret token, and lately."""
        lowered = {name.lower(): value for name, value in headers.items()}
        stamp = lowered.get("x-zm-request-timestamp", "")
        signature = lowered.get("x-zm-signature", "")
        if not stamp.isascii() or not stamp.isdigit() or len(stamp) > 12 or not signature:
            raise WebhookRefused("the request is not signed: x-zm-signature or x-zm-request-timestamp is missing")
        expected = "v0=" + self._sign(b"v0:" + stamp.encode() + b":" + body)
        if not hmac.compare_digest(expected.encode(), signature.encode("utf-8", "replace")):
            raise WebhookRefused("the signature is wrong: check the secret token, and that the body is the raw one")
        if abs(self._clock() - int(stamp)) > self._tolerance:
            raise WebhookRefused(f"the request is more than {self._tolerance:.0f} s old or ahead: a replay, or a clock")

    def _sign(self, message: bytes) -> str:
        return hmac.new(self._secret.encode(), message, hashlib.sha256).hexdigest()

    def __repr__(self) -> str:
        return "WebhookReceiver('***')"


def _event(name: str, envelope: _Envelope) -> Event:
    payload = envelope.payload
    about = msgspec.json.encode(payload.object)
    subject, changes = Subject(), tuple[AssociationChange, ...]()
    if isinstance(payload.object, dict):
        subject = _SUBJECT.decode(about)
        if subject.conversation_id:
            subject = msgspec.structs.replace(subject, conversation_id=unquote(subject.conversation_id))
    elif isinstance(payload.object, list):
        changes = tuple(
            msgspec.structs.replace(change, conversation_id=unquote(change.conversation_id))
            for change in _CHANGES.decode(about)
        )
    happened_at = datetime.fromtimestamp(envelope.event_ts / 1000, UTC)
    return Event(
        name=name,
        happened_at=happened_at,
        account_id=payload.account_id,
        operator_id=payload.operator_id,
        operator=payload.operator,
        subject=subject,
        changes=changes,
    )
