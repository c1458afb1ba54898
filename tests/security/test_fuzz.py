"""Anything that can arrive: answers of every operation, errors, and webhooks."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from multidict import CIMultiDict

from tests.security.exposure import exposed
from tests.security.hostile import at_most, result_of
from tests.security.profile import quick
from zra_async import OPERATIONS, errors
from zra_async.core.operation import ListOperation
from zra_async.core.retry import parse_retry_after
from zra_async.core.wire import Reply, decode, failure
from zra_async.webhooks import UrlValidation, WebhookEvent, WebhookReceiver

DEEP = 100_000
NOW = datetime(2026, 3, 1, tzinfo=UTC)
#: texts with lone surrogates too, which JSON can hold and UTF-8 cannot
TEXT = st.text(st.characters(), max_size=10) | st.sampled_from(["", "\ud800", "null", "2026-03-01", "9" * 400, "ü%2F"])
ATOMS = st.none() | st.booleans() | st.integers() | st.floats() | TEXT
VALUES = st.recursive(ATOMS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3))


def names_in(kind: Any) -> list[str]:
    """The field names of a structure and of those within it, which make plausible nonsense."""
    found: set[str] = set()
    waiting, seen = [msgspec.json.schema(kind)], 0
    while waiting and seen < 10_000:
        node, seen = waiting.pop(), seen + 1
        if isinstance(node, dict):
            found |= set(node.get("properties", {}))
            waiting += node.values()
        elif isinstance(node, list):
            waiting += node
    return sorted(found)


NAMES = {
    name: names_in(row.result) if row.result is not type(None) else []
    for name, row in OPERATIONS.items()
    if not name.startswith("legacy.")
}


@st.composite
def answers(draw: st.DrawFn) -> tuple[str, bytes]:
    """An operation and an answer that has its fields, with anything in them."""
    name = draw(st.sampled_from(sorted(NAMES)))
    keys = st.sampled_from(NAMES[name]) if NAMES[name] else TEXT
    inner = st.recursive(ATOMS, lambda v: st.lists(v, max_size=2) | st.dictionaries(keys, v, max_size=3), max_leaves=8)
    return name, json.dumps(draw(st.dictionaries(keys, inner, max_size=5) | VALUES)).encode()


@quick(150)
@given(answers())
@example(("conversations.list", b'{"conversations":[{"conversation_id":"\\ud800"}]}'))
@example(("conversations.get", b'{"duration":1e400,"meeting_start_time":"9999-12-31T23:59:59-23:59"}'))
@example(("conversations.get", b'{"meeting_id":' + b"9" * 400 + b"}"))
def test_any_answer_decodes_or_is_refused(case: tuple[str, bytes]) -> None:
    """What was decoded can be shown and written again, as an export does."""
    name, body = case
    row = OPERATIONS[name]
    answer = result_of(lambda: decode(row, Reply(200, CIMultiDict(), body)))
    assert len(str(answer)) < 20_000
    if isinstance(answer, Exception):
        assert isinstance(answer, errors.UnexpectedAnswer)
        return
    msgspec.json.encode(answer)
    if isinstance(row, ListOperation):
        assert len(row.items(answer)) >= 0
        assert isinstance(getattr(answer, "next_page_token", ""), str)


@quick(60)
@given(st.sampled_from(sorted(NAMES)), st.binary(max_size=100))
@example("conversations.get", b"[" * DEEP)
@example("conversations.get", b'{"participants":' * 3000)
@example("conversations.get", b'{"a":"' + b"\\u0000" * 1000)
def test_any_bytes_decode_or_are_refused(name: str, body: bytes) -> None:
    """Without JSON as well."""
    answer = result_of(lambda: decode(OPERATIONS[name], Reply(200, CIMultiDict(), body)))
    assert not isinstance(answer, Exception) or (
        isinstance(answer, errors.UnexpectedAnswer) and str(answer).isprintable()
    )


HEADERS = st.fixed_dictionaries(
    {},
    optional={
        "Retry-After": TEXT | st.from_regex(r"[0-9A-Za-z:,+. -]{0,40}", fullmatch=True),
        "X-RateLimit-Type": st.sampled_from(["QPS", "Daily-limit", "\x1b", "²"]),
        "x-zm-trackingid": TEXT,
    },
)
CODES = st.sampled_from(
    [0, 104, 124, 200, 300, 429, 1005, 4001, 4700, 4711, 30031004, 10**30, -1, "124", None, [], 1.5]
)
MESSAGES = TEXT | st.sampled_from(["does not contain scopes:[a, \x1b]", "daily", "concurrent", "page token", "[" * 500])


@quick(100)
@given(
    st.integers(100, 999),
    HEADERS,
    st.binary(max_size=60)
    | st.builds(
        lambda **fields: json.dumps(fields).encode(),
        code=CODES,
        message=MESSAGES | VALUES,
        error_message=MESSAGES | st.none(),
        errors=st.lists(st.dictionaries(st.sampled_from(["field", "message", "x"]), VALUES, max_size=2) | ATOMS)
        | ATOMS,
    ),
)
def test_any_answer_is_a_success_or_a_documented_error(status: int, headers: dict[str, str], body: bytes) -> None:
    """An error of the tree, whose text is one printable line of bearable length."""
    error = failure(OPERATIONS["conversations.get"], Reply(status, CIMultiDict(headers), body), now=NOW)
    if error is None:
        assert 200 <= status < 300
        return
    assert isinstance(error, errors.CallError)
    assert str(error).isprintable()
    assert len(str(error)) < 6_000


@quick(100)
@given(st.text(max_size=70) | st.from_regex(r"[0-9A-Za-z:,+. -]{0,60}", fullmatch=True))
@example("²")
@example(",")
@example("Mon, 01 Jan 0001 00:00:00 +9999")
@example("0001-01-01T00:00:00+23:59")
def test_any_retry_after_is_an_instant_within_a_year_or_nothing(text: str) -> None:
    """It never raises, and never sends anybody to sleep for longer."""
    moment = parse_retry_after(text, NOW)
    assert moment is None or (moment.tzinfo is not None and (moment - NOW).days <= 366)


# --------------------------------------------------------------------------- webhooks

SECRET = "webhook-7d20c9f1be"
CLOCK = 1_700_000_000.0


def signed(body: bytes, secret: str = SECRET) -> dict[str, str]:
    """The headers of a genuine request."""
    digest = hmac.new(secret.encode(), b"v0:%d:" % CLOCK + body, hashlib.sha256).hexdigest()
    return {"X-Zm-Signature": f"v0={digest}", "X-Zm-Request-Timestamp": str(int(CLOCK))}


def receiver() -> WebhookReceiver:
    """A receiver whose clock stands still."""
    return WebhookReceiver(SECRET, clock=lambda: CLOCK)


WEBHOOKS = {
    "deep lists": b"[" * DEEP,
    "deep in the payload": b'{"event":"x","payload":{"object":' + b"[" * DEEP + b"]" * DEEP + b"}}",
    "deep enough to be read": b'{"event":"x","payload":{"object":{"a":' + b"[" * 900 + b"]" * 900 + b"}}}",
    "deep beside the payload": b'{"event":"x","more":' + b"[" * DEEP + b"]" * DEEP + b"}",
    "a huge time": b'{"event":"x","event_ts":' + b"9" * 4000 + b"}",
    "a time of a million digits": b'{"event":"x","event_ts":' + b"9" * 1_000_000 + b"}",
    "a negative time": b'{"event":"x","event_ts":-99999999999999999}',
    "NaN": b'{"event":"x","event_ts":NaN,"payload":{"object":{"create_time":NaN}}}',
    "huge integers in the object": b'{"event":"x","payload":{"object":{"create_time":' + b"9" * 400 + b"}}}",
    "lone surrogates": rb'{"event":"\ud800","payload":{"object":{"text":"\ud800","\ud800":1}}}',
    "a surrogate to sign": rb'{"event":"endpoint.url_validation","payload":{"plainToken":"\ud800"}}',
    "nothing to sign": b'{"event":"endpoint.url_validation"}',
    "a list to sign": b'{"event":"endpoint.url_validation","payload":{"plainToken":[1]}}',
    "another shape": b'{"event":{"a":1},"payload":[1,2]}',
    "changes that are none": b'{"event":"x","payload":{"object":[1,null,{"conversation_id":5}]}}',
    "many changes": b'{"event":"x","payload":{"object":[' + b"{}," * 100_000 + b"{}]}}",
    "a percent id": b'{"event":"x","payload":{"object":{"conversation_id":"' + b"%ff" * 100_000 + b'"}}}',
    "UTF-16": '{"event":"x"}'.encode("utf-16"),
    "nothing": b"",
}


@pytest.mark.parametrize("body", WEBHOOKS.values(), ids=WEBHOOKS.keys())
def test_a_hostile_webhook_is_an_event_or_refused(body: bytes) -> None:
    """Even if its signature is right; in bounded time and memory, and without the secret in the error."""
    with at_most(mib=100):
        result = result_of(lambda: receiver().receive(signed(body), body))
    if isinstance(result, errors.WebhookRefused):
        assert len(str(result)) < 500
        assert not exposed(result, SECRET)
    else:
        assert isinstance(result, (WebhookEvent, UrlValidation))
        msgspec.json.encode(result)


@pytest.mark.parametrize("body", [b"[" * DEEP, b"x" * 20_000_000, b'{"event":"endpoint.url_validation"}'])
def test_nothing_is_read_before_the_signature_is_right(body: bytes) -> None:
    """So that nobody without the secret can make the receiver work, or have anything signed."""
    with at_most(mib=90), pytest.raises(errors.WebhookRefused, match="signature"):
        receiver().receive(signed(body, "another-secret-5e81"), body)


@quick(100)
@given(
    st.binary(max_size=80)
    | st.builds(
        lambda **fields: json.dumps(fields).encode(),
        event=TEXT | st.just("endpoint.url_validation"),
        event_ts=ATOMS,
        payload=st.fixed_dictionaries({}, optional={"object": VALUES, "plainToken": ATOMS, "account_id": ATOMS})
        | VALUES,
    )
)
def test_any_signed_body_is_an_event_or_refused(body: bytes) -> None:
    """For any JSON in any field, and for any bytes."""
    result = result_of(lambda: receiver().receive(signed(body), body))
    assert isinstance(result, (WebhookEvent, UrlValidation, errors.WebhookRefused))


@quick(60)
@given(st.dictionaries(st.sampled_from(["x-zm-signature", "X-ZM-Request-Timestamp", "x"]) | TEXT, TEXT, max_size=4))
@example({"x-zm-signature": "v0=ü", "x-zm-request-timestamp": "1700000000"})
@example({"x-zm-signature": "v0=x", "x-zm-request-timestamp": "²"})
@example({"x-zm-signature": "v0=x", "x-zm-request-timestamp": "9" * 5000})
@example({"x-zm-signature": "\ud800", "x-zm-request-timestamp": "1700000000"})
def test_any_headers_are_refused(headers: dict[str, str]) -> None:
    """No header but the right one gets a body read."""
    with pytest.raises(errors.WebhookRefused):
        receiver().receive(headers, b"{}")


def test_a_webhook_cannot_be_replayed_or_moved_in_time() -> None:
    """The time is part of what is signed, and an old one is refused."""
    body = b'{"event":"x"}'
    genuine = signed(body)
    with pytest.raises(errors.WebhookRefused, match="signature"):
        receiver().receive({**genuine, "X-Zm-Request-Timestamp": str(int(CLOCK) + 1)}, body)
    for late in (301.0, -301.0):
        with pytest.raises(errors.WebhookRefused, match="replay"):
            WebhookReceiver(SECRET, clock=lambda late=late: CLOCK + late).receive(genuine, body)
