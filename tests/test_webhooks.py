"""The receiving side of webhooks: signatures, validation, events."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zra_async.errors import ConfigurationError, WebhookRefused
from zra_async.webhooks import Event, UrlValidation, WebhookReceiver

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
    assert isinstance(event, Event)
    assert event.name == entry["example"]["event"].strip().removeprefix("revenue_accelerator.")
    payload = entry["example"]["payload"]
    assert event.account_id == payload["account_id"]
    if isinstance(payload["object"], dict):
        for name, value in payload["object"].items():
            assert getattr(event.subject, name) == value
    else:
        assert len(event.changes) == len(payload["object"])
        assert event.changes[0].new_associations


def test_a_percent_encoded_conversation_id_is_decoded_once() -> None:
    """The id can be given to a method as it is."""
    told = {"conversation_id": "a%2Fb%2Bc%3D%3D%2C1"}
    body = json.dumps({"event": "x", "event_ts": 1, "payload": {"account_id": "a", "object": told}}).encode()
    event = receiver().receive(signed(body), body)
    assert isinstance(event, Event)
    assert event.subject.conversation_id == "a/b+c==,1"


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
