"""The receiving side of webhooks: signatures, validation, events."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
from email.message import Message
from email.utils import formatdate
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy
from starlette.datastructures import Headers as StarletteHeaders

from zra_async.core.clock import ServiceClock
from zra_async.errors import ConfigurationError, InvalidArgument, WebhookRefused
from zra_async.webhooks import (
    ConversationAnalysisCompletedEvent,
    ConversationCrmAssociationsChangedEvent,
    PlaylistCreateEvent,
    PlaylistType,
    PostCommentCompletedEvent,
    UnknownEvent,
    UrlValidation,
    WebhookEvent,
    WebhookReceiver,
)

SECRET = "webhook-secret-of-a-test"
NOW = 1_700_000_000.0
CONTRACT: list[dict[str, Any]] = json.loads((Path(__file__).parent / "contract" / "webhooks.json").read_text("utf-8"))


def receiver() -> WebhookReceiver:
    """A receiver whose clock stands still."""
    return WebhookReceiver(SECRET, clock=lambda: NOW)


def signed(body: bytes, *, at: float = NOW, secret: str = SECRET) -> dict[str, str]:
    """The headers of a genuine request."""
    stamp = str(int(at))
    digest = hmac.new(secret.encode(), f"v0:{stamp}:".encode() + body, hashlib.sha256).hexdigest()
    return {"X-Zm-Signature": f"v0={digest}", "X-Zm-Request-Timestamp": stamp}


@pytest.mark.parametrize("entry", CONTRACT, ids=lambda e: e["event"])
def test_every_documented_event_keeps_every_field(entry: dict[str, Any]) -> None:
    """Each field of a documented example is found in the event."""
    body = json.dumps(entry["example"]).encode()
    event = receiver().receive(signed(body), body)
    assert isinstance(event, WebhookEvent)
    assert not isinstance(event, UnknownEvent)
    assert event.name == entry["example"]["event"].strip().removeprefix("revenue_accelerator.")
    assert type(event).__struct_config__.tag == entry["event"].removeprefix("revenue_accelerator.")
    payload = entry["example"]["payload"]
    for name in payload.keys() - {"object"}:
        assert getattr(event, name) == payload[name]
    if isinstance(event, ConversationCrmAssociationsChangedEvent):
        assert len(event.changes) == len(payload["object"])
        assert event.changes[0].new_associations
        assert event.changes[0].conversation_id == "2wI0tytGQuKUoDvY7+UDZw==,1758246901000"
    else:
        for name, value in payload["object"].items():
            assert getattr(event, name) == value
        documented = entry["schema"]["properties"]["payload"]["properties"]["object"]
        assert documented["properties"].keys() <= set(event.__struct_fields__)
    stored: WebhookEvent = msgspec.json.decode(msgspec.json.encode(event), type=WebhookEvent)
    assert stored == event


def test_events_are_matched_by_their_class() -> None:
    """A match statement takes their fields, and an unknown event keeps its content."""

    def told(name: str, about: dict[str, Any]) -> list[Any]:
        body = json.dumps({"event": f"revenue_accelerator.{name}", "payload": {"object": about}}).encode()
        match receiver().receive(signed(body), body):
            case ConversationAnalysisCompletedEvent(conversation_id=conversation_id, source=source):
                return [conversation_id, source]
            case PlaylistCreateEvent(playlist_id=playlist_id, playlist_type=PlaylistType.SMART):
                return [playlist_id]
            case PostCommentCompletedEvent(comment_id=comment_id, text=text):
                return [comment_id, text]
            case UnknownEvent(name=name, conversation_id=conversation_id, object=content):
                return [name, conversation_id, content]
            case other:
                return [other]

    assert told("conversation_analysis_completed", {"conversation_id": "a", "source": "NEW"}) == ["a", "NEW"]
    assert told("conversation_analysis_completed", {"conversation_id": None, "source": []}) == ["", None]
    assert told("playlist_create", {"playlist_id": "p", "playlist_type": "SMART"}) == ["p"]
    assert told("post_comment_completed", {"comment_id": "c", "moment_id": "m"}) == ["c", None]
    later = {"conversation_id": "a%2Fb", "more": [{"x": 1}]}
    assert told("of_next_year", later) == ["of_next_year", "a/b", later]


def test_a_percent_encoded_conversation_id_is_decoded_once() -> None:
    """The id can be given to a method as it is."""
    told = {"conversation_id": "a%2Fb%2Bc%3D%3D%2C1"}
    for name in ("x", "conversation_analysis_completed", "post_comment_completed"):
        body = json.dumps({"event": name, "event_ts": 1, "payload": {"account_id": "a", "object": told}}).encode()
        event = receiver().receive(signed(body), body)
        assert isinstance(event, UnknownEvent | ConversationAnalysisCompletedEvent | PostCommentCompletedEvent)
        assert event.conversation_id == "a/b+c==,1"


def test_the_url_validation_is_answered() -> None:
    """The answer holds the plain token and its HMAC."""
    body = b'{"event":"endpoint.url_validation","event_ts":1,"payload":{"plainToken":"abc"}}'
    event = receiver().receive(signed(body), body)
    assert isinstance(event, UrlValidation)
    expected = hmac.new(SECRET.encode(), b"abc", hashlib.sha256).hexdigest()
    assert event.answer == {"plainToken": "abc", "encryptedToken": expected}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        signed(b"{}", secret="another"),
        signed(b"{} "),
        signed(b"{}", at=NOW - 301),
        signed(b"{}", at=NOW + 301),
        {**signed(b"{}"), "X-Zm-Signature": "v0=é"},
        {**signed(b"{}"), "X-Zm-Request-Timestamp": "1e9"},
    ],
)
def test_what_is_not_signed_lately_is_refused(headers: dict[str, str]) -> None:
    """Missing, wrong, altered, old, future and nonsensical signatures."""
    with pytest.raises(WebhookRefused) as refused:
        receiver().receive(headers, b"{}")
    assert SECRET not in str(refused.value)


@given(body=st.binary() | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps).map(str.encode))
def test_nonsense_that_is_signed_raises_only_what_is_documented(body: bytes) -> None:
    """A signed body of any content gives an event or `WebhookRefused`."""
    with contextlib.suppress(WebhookRefused):
        receiver().receive(signed(body), body)


@pytest.mark.parametrize(
    "odd", ['{"event_ts":1e300}', '{"payload":{"object":{"text":"\\ud800"}}}', '{"event_ts":-9e18}']
)
def test_odd_values_are_refused_or_mended(odd: str) -> None:
    """A lone surrogate or a time beyond all times does not escape as another error."""
    with contextlib.suppress(WebhookRefused):
        receiver().receive(signed(odd.encode()), odd.encode())


def test_an_empty_secret_is_refused_and_none_is_shown() -> None:
    """The secret appears nowhere."""
    with pytest.raises(ConfigurationError):
        WebhookReceiver(" ")
    assert SECRET not in repr(receiver())


VALIDATION = b'{"event":"endpoint.url_validation","payload":{"plainToken":"abc"}}'
EVENT = b'{"event":"revenue_accelerator.x","event_ts":1700000000000,"payload":{"account_id":"a","object":{}}}'


@pytest.mark.parametrize(
    "secrets", [SECRET, [SECRET], ("old", SECRET), iter([SECRET, "new"]), {SECRET, "x"}, f' "{SECRET}"\n']
)
def test_a_request_may_be_signed_with_any_of_the_secrets(secrets: Any) -> None:
    """While one secret replaces another both are good; the answer to a validation is signed with the same one."""
    both = WebhookReceiver(secrets, clock=lambda: NOW)
    assert isinstance(both.receive(signed(EVENT), EVENT), UnknownEvent)
    answered = both.receive(signed(VALIDATION), VALIDATION)
    assert isinstance(answered, UrlValidation)
    assert answered.answer["encryptedToken"] == hmac.new(SECRET.encode(), b"abc", hashlib.sha256).hexdigest()
    with pytest.raises(WebhookRefused, match="signature is wrong"):
        both.receive(signed(EVENT, secret="gone"), EVENT)
    assert SECRET not in repr(both)


@pytest.mark.parametrize(
    "secrets", ["", " ", '""', [], [""], ["good", " "], None, 7, b"secret", [b"secret"], {"a": "b"}, "\ud800"]
)
def test_a_secret_that_is_none_is_refused(secrets: Any) -> None:
    """Nothing, and what is no text, signs nothing; no value is repeated."""
    with pytest.raises(ConfigurationError, match="secret_token") as refused:
        WebhookReceiver(secrets)
    assert "good" not in str(refused.value)


@pytest.mark.parametrize("tolerance", [0, -1, float("nan"), True])
def test_a_tolerance_that_is_none_is_refused(tolerance: Any) -> None:
    """It is a positive number of seconds."""
    with pytest.raises(ConfigurationError, match="tolerance"):
        WebhookReceiver(SECRET, tolerance=tolerance)


@pytest.mark.parametrize(
    "body", [EVENT, bytearray(EVENT), memoryview(EVENT), EVENT.decode()], ids=lambda b: type(b).__name__
)
def test_the_raw_body_may_be_bytes_or_text(body: Any) -> None:
    """Whatever holds the bytes that were signed."""
    assert isinstance(receiver().receive(signed(EVENT), body), UnknownEvent)
    receiver().verify(signed(EVENT), body)


async def _body() -> bytes:
    return EVENT


@pytest.mark.parametrize("body", [json.loads(EVENT), [1], None, 7, object()])
def test_a_parsed_body_is_refused_with_the_reason(body: Any) -> None:
    """The signature covers the bytes, which a parsed body does not have any more."""
    with pytest.raises(InvalidArgument, match="raw body"):
        receiver().receive(signed(EVENT), body)


def test_a_body_that_was_not_awaited_is_told() -> None:
    """A coroutine is no body, and is not left behind."""
    body: Any = _body()
    with pytest.raises(InvalidArgument, match="await"):
        receiver().receive(signed(EVENT), body)


HEADERS = signed(EVENT)
PAIRS = list(HEADERS.items())
RAW = [(name.lower().encode(), value.encode()) for name, value in PAIRS]


@pytest.mark.parametrize(
    "headers",
    [
        HEADERS,
        {name.upper(): value for name, value in PAIRS},
        dict(RAW),
        {name: [value] for name, value in PAIRS},
        CIMultiDict(HEADERS),
        CIMultiDictProxy(CIMultiDict(HEADERS)),
        StarletteHeaders(HEADERS),
        PAIRS,
        tuple(PAIRS),
        iter(PAIRS),
        [list(pair) for pair in PAIRS],
        RAW,
        {"type": "http", "headers": RAW},
        {"HTTP_" + name.upper().replace("-", "_"): value for name, value in PAIRS} | {"wsgi.version": (1, 0)},
        [("Accept", "*/*"), *PAIRS, *PAIRS],
        [(name, f" {value} ") for name, value in PAIRS],
    ],
)
def test_headers_of_any_framework(headers: Any) -> None:
    """Mappings in any case, pairs of texts or bytes, ASGI scopes and WSGI environments."""
    assert isinstance(receiver().receive(headers, EVENT), UnknownEvent)


def test_headers_of_the_standard_library() -> None:
    """Those of `http.server` and of mail are no mapping, but have items."""
    message = Message()
    for name, value in PAIRS:
        message[name] = value
    assert isinstance(receiver().receive(message, EVENT), UnknownEvent)  # type: ignore[arg-type]


@pytest.mark.parametrize("headers", [None, "x-zm-signature: v0=1", b"x", 7, [1], ["ab"], [("a", "b", "c")]])
def test_what_is_no_headers_is_told(headers: Any) -> None:
    """A mistake in the caller's code is no forged request."""
    with pytest.raises(InvalidArgument, match="headers must be"):
        receiver().receive(headers, EVENT)


def test_two_different_signatures_are_refused() -> None:
    """Which of them counts would be a guess."""
    with pytest.raises(WebhookRefused, match="several x-zm-signature"):
        receiver().receive([*PAIRS, ("X-ZM-Signature", "v0=1")], EVENT)


@pytest.mark.parametrize("name", ["X-Zm-Signature", "X-Zm-Request-Timestamp"])
def test_the_header_that_is_missing_is_named(name: str) -> None:
    """The refusal says which of the two it is."""
    left = {given: value for given, value in PAIRS if given != name}
    with pytest.raises(WebhookRefused, match=f"not signed: {name.lower()} is missing"):
        receiver().receive(left, EVENT)


def stamped(stamp: str) -> dict[str, str]:
    """A request that is signed with any text for a time."""
    digest = hmac.new(SECRET.encode(), f"v0:{stamp}:".encode() + EVENT, hashlib.sha256).hexdigest()
    return {"x-zm-signature": f"v0={digest}", "x-zm-request-timestamp": stamp}


def test_a_time_in_milliseconds_is_understood() -> None:
    """Signed with the text that was sent, and as old as it says."""
    receiver().verify(stamped(str(int(NOW * 1000))), EVENT)
    with pytest.raises(WebhookRefused, match="301 s old"):
        receiver().verify(stamped(str(int(NOW * 1000) - 301_000)), EVENT)


@pytest.mark.parametrize("stamp", ["soon", "-1", "1e9", "1700000000.5", "9" * 16, "٣٣", "0x10"])
def test_a_time_that_makes_no_sense_is_refused(stamp: str) -> None:
    """Also when it is signed."""
    with pytest.raises(WebhookRefused, match="no time in seconds"):
        receiver().verify(stamped(stamp), EVENT)


@pytest.mark.parametrize("apart", [-86_400.0, -301.0, 301.0, 86_400.0])
def test_the_clock_of_the_service_can_be_given(apart: float) -> None:
    """A machine whose clock is wrong refuses, and says by how much and what helps; the service's clock is right."""
    with pytest.raises(WebhookRefused, match=rf"{abs(apart):.0f} s (old|ahead).*zra.clock.time"):
        WebhookReceiver(SECRET, clock=lambda: NOW + apart).verify(signed(EVENT), EVENT)
    passed = [100.0]
    clock = ServiceClock(lambda: passed[0], lambda: NOW + apart)
    clock.observe({"Date": formatdate(NOW, usegmt=True)}, 100.0, 100.0)
    WebhookReceiver(SECRET, clock=clock.time).verify(signed(EVENT), EVENT)


@pytest.mark.parametrize(
    ("told", "at"),
    [
        ("1650000000000", 1650000000), ("1650000000", 1650000000), ('"1650000000000"', 1650000000),
        ("1650000000.25", 1650000000.25), ('"2022-04-15T05:20:00Z"', 1650000000), ('"2022-04-15T05:20:00"', 1650000000),
        ("null", NOW), ("0", NOW), ("-5", NOW), ('"soon"', NOW), ("{}", NOW), ("true", NOW), ("1e300", NOW),
    ],
)  # fmt: skip
def test_the_time_of_an_event_in_any_form(told: str, at: float) -> None:
    """Seconds, milliseconds or a text; where it makes no sense or is missing, the time of the signature."""
    for body in (b'{"event":"x","event_ts":%s}' % told.encode(), b'{"event":"x"}'):
        event = receiver().receive(signed(body), body)
        assert isinstance(event, UnknownEvent)
        assert event.happened_at.timestamp() == (at if b"event_ts" in body else NOW)


@pytest.mark.parametrize(
    "payload", ["", ',"payload":{}', ',"payload":{"plainToken":""}', ',"payload":null', ',"payload":[]']
)
def test_a_validation_without_a_token_is_told(payload: str) -> None:
    """There is nothing to sign, and nothing is signed."""
    body = b'{"event":"endpoint.url_validation"%s}' % payload.encode()
    with pytest.raises(WebhookRefused, match="no plainToken"):
        receiver().receive(signed(body), body)


@pytest.mark.parametrize("body", [b"{}", b'{"event":""}', b'{"event":null}', b"[]", b"7", b"null", b"", b"event=x"])
def test_what_is_no_event_is_told(body: bytes) -> None:
    """A body without a name of an event, and what is no JSON object."""
    with pytest.raises(WebhookRefused, match="the body is no event"):
        receiver().receive(signed(body), body)


@pytest.mark.parametrize(
    "payload", ["{}", "null", '{"object":7}', '{"object":[1,"x"]}', '{"object":{"new":{"a":1}}}', '{"more":1}']
)
def test_an_event_that_is_not_known_is_an_event(payload: str) -> None:
    """Whatever it holds, its name is there."""
    body = b'{"event":"revenue_accelerator.of_next_year","payload":%s}' % payload.encode()
    event = receiver().receive(signed(body), body)
    assert isinstance(event, UnknownEvent)
    assert event.name == "of_next_year"
