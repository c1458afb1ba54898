"""Webhooks on the receiving side: check the signature, answer the URL validation, and read typed events.

    receiver = WebhookReceiver(secret_token)
    event = receiver.receive(request.headers, await request.read())
    if isinstance(event, UrlValidation):
        return json_response(event.answer)        # within three seconds
    # an event may come more than once, and before its data can be read

Nothing here does I/O, so that any web framework can use it.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import inspect
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, cast
from urllib.parse import unquote

import msgspec

from zra_async.api.schema import Model, OpenEnum
from zra_async.core.callbacks import check_plain
from zra_async.core.decoding import Decoder
from zra_async.core.secret import Secret
from zra_async.errors import ConfigurationError, InvalidArgument, WebhookRefused

_PREFIX = "revenue_accelerator."
_VALIDATION = "endpoint.url_validation"
_STAMP, _SIGNATURE = "x-zm-request-timestamp", "x-zm-signature"
_LONGEST_STAMP = 15  #: digits
_MILLISECONDS = 1e11  #: a greater number of seconds since 1970 is one of milliseconds (it would be the year 5138)

#: the headers of a request as frameworks have them: a mapping, pairs of texts or bytes, an ASGI scope
Headers = Mapping[Any, Any] | Iterable[tuple[Any, Any]]
#: the raw body of a request
Body = bytes | bytearray | memoryview | str


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

    `subject` is what it is about; ``conversation_crm_associations_changed`` has `changes` instead. `happened_at` is
    when its request was signed where the event itself does not tell.
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
    event_ts: Any = None
    payload: _Payload = _Payload()


_ENVELOPE = Decoder(_Envelope, forgive_containers=True)
_SUBJECT = Decoder(Subject, forgive_containers=True)
_CHANGES = Decoder(tuple[AssociationChange, ...], forgive_containers=True)


class WebhookReceiver:
    """Checks and reads the requests that Zoom posts to your URL.

    ``secret_token`` is the app's secret token, or several of them while one replaces another: a request may be signed
    with any of them. ``tolerance`` is how old, in seconds, a signed request may be: an older one may be a replay.
    ``clock`` tells the time in seconds since 1970; ``zra.clock.time`` is right even where this machine's clock is not.
    """

    def __init__(
        self,
        secret_token: str | Iterable[str],
        *,
        tolerance: float = 300.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        given = [secret_token] if isinstance(secret_token, str) else _several(secret_token)
        self._secrets = tuple(_secret(one) for one in given)
        if not self._secrets:
            raise ConfigurationError("secret_token must not be empty: it is on the app's feature page")
        if isinstance(tolerance, bool) or not tolerance > 0:
            raise ConfigurationError(f"tolerance must be a positive number of seconds, not {tolerance!r}")
        check_plain("clock", clock)
        self._tolerance = tolerance
        self._clock = clock

    def receive(self, headers: Headers, body: Body) -> Event | UrlValidation:
        """Read one request: raises `WebhookRefused`, to be answered with 401, unless its signature is right.

        ``headers`` are those of any framework: a mapping, pairs of texts or of bytes, or a whole ASGI scope. ``body``
        is the raw body, as bytes or text: a body that was parsed and written again has another signature, so that a
        parsed one is an `InvalidArgument`.
        """
        raw = _raw(body)
        secret, stamp = self._verified(headers, raw)
        try:
            envelope = _ENVELOPE.decode(raw)
            name = envelope.event.strip()
            if name == _VALIDATION:
                token = envelope.payload.plainToken
                if not token:
                    raise WebhookRefused("the URL validation has no plainToken to be signed")
                return UrlValidation(answer={"plainToken": token, "encryptedToken": _sign(secret, token.encode())})
            if not name:
                raise WebhookRefused("the body is no event: it has no name")
            return _event(name.removeprefix(_PREFIX), envelope, stamp)
        except (ValueError, OverflowError, OSError) as problem:
            raise WebhookRefused(f"the body is no event: {problem}") from None

    def verify(self, headers: Headers, body: Body) -> None:
        """Raise `WebhookRefused` unless ``body`` was signed with a secret token, and lately."""
        self._verified(headers, _raw(body))

    def _verified(self, headers: Headers, body: bytes) -> tuple[Secret, float]:
        """The secret that a request is signed with, and when it was signed."""
        pairs = list(_pairs(headers))
        stamp, signature = _header(pairs, _STAMP), _header(pairs, _SIGNATURE)
        missing = [name for name, value in ((_SIGNATURE, signature), (_STAMP, stamp)) if not value]
        if missing:
            raise WebhookRefused(f"the request is not signed: {' and '.join(missing)} is missing")
        if not stamp.isascii() or not stamp.isdigit() or len(stamp) > _LONGEST_STAMP:
            raise WebhookRefused(f"the request is not signed: {_STAMP} is no time in seconds")
        message = b"v0:" + stamp.encode() + b":" + body
        given = signature.strip().lower().encode("utf-8", "replace")
        # each is compared, whichever is right, so that the time taken tells nothing
        right = [one for one in self._secrets if hmac.compare_digest(f"v0={_sign(one, message)}".encode(), given)]
        if not right:
            raise WebhookRefused("the signature is wrong: check the secret token, and that the body is the raw one")
        signed_at = _seconds(float(stamp))
        age = self._clock() - signed_at
        if abs(age) > self._tolerance:
            told = f"{age:.0f} s old" if age > 0 else f"{-age:.0f} s ahead"
            raise WebhookRefused(
                f"the request is {told}, and {self._tolerance:.0f} s are tolerated: it is a replay, or this machine's "
                "clock is wrong (clock=zra.clock.time is the service's)"
            )
        return right[0], signed_at

    def __repr__(self) -> str:
        return "WebhookReceiver('***')"


# --------------------------------------------------------------------------- what frameworks hand over


def _several(secrets: Any) -> list[Any]:
    kind = cast("type[object]", type(secrets))
    if issubclass(kind, (bytes, bytearray, Mapping)) or not hasattr(secrets, "__iter__"):
        raise ConfigurationError(f"secret_token must be a text or several, not {kind.__name__}")
    return list(secrets)


def _secret(given: object) -> Secret:
    if not isinstance(given, str):
        raise ConfigurationError(f"secret_token must be a text or several, not {type(given).__name__}")
    text = given.strip().strip("\ufeff").strip()
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        text = text[1:-1].strip()  # as a file of settings may have it
    if not text:
        raise ConfigurationError("secret_token must not be empty: it is on the app's feature page")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ConfigurationError("secret_token holds what is no text: it is on the app's feature page") from None
    return Secret(text)


def _raw(body: object) -> bytes:
    """The bytes that were signed. Raises `InvalidArgument` for what is not the raw body."""
    if isinstance(body, (bytes, bytearray, memoryview)):
        return bytes(body)  # pyright: ignore[reportUnknownArgumentType]
    if isinstance(body, str):
        try:
            return body.encode()
        except UnicodeEncodeError:
            raise WebhookRefused("the body is no text that could have been signed") from None
    if inspect.isawaitable(body):
        if inspect.iscoroutine(body):
            body.close()
        raise InvalidArgument("body must be the raw body: await it, as in `await request.body()`")
    raise InvalidArgument(
        f"body must be the raw body as bytes or text, not {type(body).__name__}: the signature covers its bytes, "
        "which a parsed body does not have any more"
    )


def _header(pairs: Iterable[tuple[str, str]], name: str) -> str:
    """The value of a header, "" where it is missing."""
    found = {value.strip() for given, value in pairs if given == name}
    if len(found) > 1:
        raise WebhookRefused(f"the request has several {name}")
    return found.pop() if found else ""


def _pairs(headers: Any) -> Iterator[tuple[str, str]]:
    """The headers in lower case, each with its values: from a mapping, pairs, an ASGI scope or a WSGI environment."""
    kind = cast("type[object]", type(headers))
    given = headers
    if issubclass(kind, Mapping) and type(headers.get("headers")) in (list, tuple):
        given = headers["headers"]  # an ASGI scope
    elif callable(getattr(headers, "items", None)):
        given = headers.items()
    if issubclass(kind, (str, bytes)) or not hasattr(given, "__iter__"):
        raise InvalidArgument(f"headers must be a mapping or pairs, not {kind.__name__}")
    for pair in given:
        if type(pair) not in (tuple, list) or len(pair) != 2:
            raise InvalidArgument("headers must be a mapping or pairs of a name and a value")
        name, value = pair
        plain = _text(name).lower().replace("_", "-").removeprefix("http-")
        if plain in (_STAMP, _SIGNATURE):
            yield from ((plain, _text(one)) for one in (value if type(value) in (list, tuple) else (value,)))


def _text(value: object) -> str:
    return value.decode("latin-1") if isinstance(value, (bytes, bytearray)) else str(value)


def _sign(secret: str, message: bytes) -> str:
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()


# --------------------------------------------------------------------------- times and events


def _seconds(number: float) -> float:
    """A time since 1970 in seconds, of one that may be in seconds or milliseconds."""
    return number / 1000 if abs(number) >= _MILLISECONDS else number


def _happened_at(told: object, signed_at: float) -> datetime:
    """When an event happened; where it does not tell, or no sensible time, when its request was signed."""
    with contextlib.suppress(ValueError, OverflowError, OSError):
        if isinstance(told, str) and not told.strip().isdigit():
            moment = datetime.fromisoformat(told.strip())
            return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
        if isinstance(told, (int, float, str)) and not isinstance(told, bool) and float(told) > 0:
            return datetime.fromtimestamp(_seconds(float(told)), UTC)
    return datetime.fromtimestamp(signed_at, UTC)


def _event(name: str, envelope: _Envelope, signed_at: float) -> Event:
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
    return Event(
        name=name,
        happened_at=_happened_at(envelope.event_ts, signed_at),
        account_id=payload.account_id,
        operator_id=payload.operator_id,
        operator=payload.operator,
        subject=subject,
        changes=changes,
    )
