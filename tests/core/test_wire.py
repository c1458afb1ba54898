"""Both directions of the wire, without any I/O: arguments to requests, replies to answers or errors."""

from __future__ import annotations

import io
import json
import math
import re
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import StrEnum
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from multidict import CIMultiDict
from yarl import URL

from tests.core.rows import Thing, row
from zra_async import errors
from zra_async.core import wire
from zra_async.core.form import BytesBody
from zra_async.core.operation import Label
from zra_async.core.wire import Reply, decode, encode, failure, limit_kind, quote_path_value

GET = row()
POST = row(method="POST", path="/things")
NOTHING: Any = row(result=type(None))
TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
NOW = datetime(2026, 3, 1, tzinfo=UTC)


def reply(body: Any = b"", status: int = 200, **headers: str) -> Reply:
    """An answer; header names are given with underscores."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    fields = CIMultiDict({"x-zm-trackingid": "WEB_7"} | {name.replace("_", "-"): v for name, v in headers.items()})
    return Reply(status, fields, content)


def problem(body: Any, status: int, **headers: str) -> Any:
    """The error of an answer."""
    return failure(GET, reply(body, status, **headers), now=NOW)


# --------------------------------------------------------------------------- arguments → request


@given(TEXT)
@example("egLSRuj2SlWet+wLi87LNA==,1667893163000")
@example("/leading")
@example("//twice")
@example("a%2Fb")
@example("..")
@example("a/../b")
def test_path_values_round_trip(value: str) -> None:
    """Decoded once, or twice when it holds a slash, a quoted value is what it was; nothing in it splits the path."""
    quoted = quote_path_value(value)
    assert unquote(unquote(quoted) if "/" in value else quoted, errors="strict") == value
    assert not set(quoted) & set("/?#[]@!$&'()*+,;= ")
    assert "/" not in unquote(quoted)  # the service decodes once before it splits the path
    assert URL(f"https://h/{quoted}", encoded=True).raw_path == f"/{quoted}"


@given(TEXT)
@example("a/../b")
@example("%2e%2E%2fb")
@example("%252e%252e")
@example("..;x\\b")
@example("a..b/.c/d.")
def test_path_values_reach_the_target_or_are_refused(value: str) -> None:
    """A blank value, or one that could change the path, is refused before anything is sent."""
    steps = re.split(r"[/\\]", unquote(unquote(value)))
    if not value.strip() or any(re.fullmatch(r"\.\.?(;.*)?", step, re.DOTALL) for step in steps):
        with pytest.raises(errors.InvalidArgument, match="thing_id must not be"):
            encode(GET, path={"thing_id": value})
        return
    assert encode(GET, path={"thing_id": value}).target == f"/zra/things/{quote_path_value(value)}"


@given(st.dictionaries(TEXT, TEXT, max_size=5))
def test_queries_round_trip(query: dict[str, str]) -> None:
    """Any names and any texts arrive as they were given."""
    target = encode(POST, query=query).target
    assert dict(parse_qsl(urlsplit(target).query, keep_blank_values=True, errors="strict")) == query


class Colour(StrEnum):
    RED = "red"


class Whole:
    """A whole number of another library."""

    def __index__(self) -> int:
        return 30


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (False, "false"),
        (30, "30"),
        (100.0, "100.0"),
        (Decimal("0.1"), "0.1"),
        (Whole(), "30"),
        (date(2026, 1, 2), "2026-01-02"),
        (Colour.RED, "red"),
        (["a", "b,c"], "a,b,c"),
        (("a", 1, True), "a,1,true"),
        (datetime(2026, 1, 2, 3, 4, 5, 999_999, UTC), "2026-01-02T03:04:05Z"),
        (datetime(2026, 1, 2, 3, 4, tzinfo=timezone(timedelta(hours=5, minutes=30))), "2026-01-01T21:34:00Z"),
        (datetime(999, 1, 2, tzinfo=UTC), "0999-01-02T00:00:00Z"),
    ],
)
def test_query_values(value: object, text: str) -> None:
    """Booleans in lower case, several values with commas, times in UTC and whole seconds."""
    assert encode(POST, query={"v": value, "none": None}).query == {"v": text}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "thing_id is missing"),
        ({"path": {"thing_id": "1", "deal_id": "2"}}, "deal_id"),
        ({"path": {"thing_id": 5}}, "thing_id must be a text, not int"),
        ({"path": {"thing_id": None}}, "thing_id must be a text"),
        ({"path": {"thing_id": "\ud800"}}, "lone surrogate"),
        ({"path": {"thing_id": "1"}, "query": {"q": "\ud800"}}, "lone surrogate"),
        ({"path": {"thing_id": "1"}, "query": {"\ud800": "q"}}, "lone surrogate"),
        ({"path": {"thing_id": "1"}, "query": {"from": datetime(2026, 1, 1)}}, "aware datetime"),
        (
            {"path": {"thing_id": "1"}, "query": {"from": datetime.max.replace(tzinfo=timezone(timedelta(hours=-9)))}},
            "out of range",
        ),
        ({"path": {"thing_id": "1"}, "body": {"a": "\ud800"}}, "lone surrogate"),
        ({"path": {"thing_id": "1"}, "body": object()}, "a value cannot be sent"),
        ({"path": {"thing_id": "1"}, "body": io.BytesIO(b"{}")}, "a file object cannot be sent"),
        ({"path": {"thing_id": "1"}, "body": {"a": io.StringIO("x")}}, "a file object cannot be sent"),
        ({"path": {"thing_id": "1"}, "body": {"a": [{"b": math.nan, "c": None}]}}, "NaN and the infinities"),
        ({"path": {"thing_id": "1"}, "body": [math.inf]}, "NaN and the infinities"),
        ({"path": ["1"]}, "path must be a mapping"),
        ({"path": "1"}, "path must be a mapping"),
        ({"path": {"thing_id": "1"}, "query": [("a", "b")]}, "query must be a mapping"),
        ({"path": {"thing_id": "1"}, "query": {1: "b"}}, "query must be a mapping"),
        *(
            ({"path": {"thing_id": "1"}, "query": {"q": wrong}}, "a query value must be a text")
            for wrong in (
                b"b",
                {"a": 1},
                {"a"},
                object(),
                math.nan,
                math.inf,
                Decimal("NaN"),
                ["a", None],
                io.BytesIO(),
            )
        ),
    ],
)
def test_what_cannot_be_sent_is_refused(arguments: dict[str, Any], words: str) -> None:
    """An argument that makes no request is an `InvalidArgument` that says which, and nothing else."""
    with pytest.raises(errors.InvalidArgument, match=words):
        encode(GET, **arguments)


def test_bodies() -> None:
    """JSON is written once; bytes are taken as JSON that is written already; a `Body` goes as it is."""
    assert encode(POST).body is None
    assert encode(POST, body={"a": None, "b": [1]}).body == b'{"a":null,"b":[1]}'
    for raw in (b'{"a": 1}', bytearray(b'{"a": 1}'), memoryview(b'{"a": 1}')):
        request = encode(POST, body=raw)
        assert (request.body, request.content_type) == (b'{"a": 1}', "application/json")
    body = BytesBody(b"x")
    request = encode(POST, body=body)
    assert request.body is body
    assert request.content_type == "application/octet-stream"


def test_a_request_shows_neither_body_nor_query_values() -> None:
    """The repr of a request is fit for a log."""
    shown = repr(encode(POST, body={"word": "secret-in-body"}))
    assert "secret-in-body" not in shown


# --------------------------------------------------------------------------- reply → answer


@given(st.binary(max_size=300))
@example(b"\xff\xfe\x00\x00")
@example(b"[" * 100_000)
@example(b'{"a":' * 100_000)
@example(b'{"count": 1' + b"0" * 5000 + b"}")
@example(b'{"count": 1e999}')
@example(b'{"name": "\\ud800"}')
@example(b"\xef\xbb\xbf{}")
def test_any_bytes_are_an_answer_or_a_documented_error(content: bytes) -> None:
    """Whatever comes with a success: a `Thing` or `UnexpectedAnswer`, with status and tracking id."""
    try:
        outcome: Any = decode(GET, reply(content))
    except errors.UnexpectedAnswer as error:
        outcome = error
    assert isinstance(outcome, Thing) or (outcome.operation, outcome.status) == ("things.get", 200)
    assert isinstance(outcome, Thing) or "WEB_7" in str(outcome)


@given(st.binary(max_size=300), st.integers(100, 999), st.dictionaries(st.sampled_from(["Retry_After"]), st.text()))
def test_any_failure_is_a_documented_error(content: bytes, status: int, headers: dict[str, str]) -> None:
    """Whatever comes with whatever status: a success, or an error of the tree."""
    error = problem(content, status, **headers)
    if 200 <= status < 300:
        assert error is None or isinstance(error, errors.APIError)
    else:
        assert isinstance(error, errors.CallError)
        assert str(status) in str(error)


def test_nothing_is_read_where_nothing_is_expected() -> None:
    """An operation without a result takes any body, also none."""
    for content in (b"", b"<html>", b'{"x": 1}'):
        assert decode(NOTHING, reply(content, 204)) is None


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "it is empty"),
        (b"<html><body>Bad gateway</body></html>", "it begins with b'<html>"),
        (b'[{"name": "x"}]', "another shape"),
        (b'"text"', "another shape"),
        (b"null", "another shape"),
        (b"[" * 100_000, "nested too deeply|cut off or broken"),
    ],
)
def test_an_answer_that_is_not_what_was_expected(content: bytes, words: str) -> None:
    """The error says what is wrong with the answer, in few words."""
    with pytest.raises(errors.UnexpectedAnswer, match=words) as caught:
        decode(GET, reply(content))
    assert len(str(caught.value)) < 300


def test_a_broken_answer_is_not_repeated_in_the_error() -> None:
    """JSON that was cut off may hold a download link: none of it is shown."""
    with pytest.raises(errors.UnexpectedAnswer, match="cut off or broken") as caught:
        decode(GET, reply(b'{"downloadUrl": "https://x.zoom.us/d?access_token=link-83ab5c01'))
    assert "link-83ab5c01" not in str(caught.value)
    assert "zoom.us" not in str(caught.value)


# --------------------------------------------------------------------------- reply → error


@pytest.mark.parametrize(
    ("status", "code", "message", "kind"),
    [
        (400, 300, "Validation Failed.", errors.BadRequest),
        (400, 300, "The next page token is invalid or expired.", errors.PageTokenExpired),
        (400, 1001, "The from or to time is invalid.", errors.BadRequest),
        (401, 124, "Invalid access token.", errors.AuthenticationFailed),
        (400, 124, "Access token is expired.", errors.AuthenticationFailed),
        (401, 30031004, "No permission.", errors.AuthenticationFailed),
        (400, 30031004, "No permission.", errors.AuthenticationFailed),
        (401, None, "", errors.AuthenticationFailed),
        (403, 1004, "No permission", errors.PermissionDenied),
        (404, 1005, "Team does not exist", errors.NotFound),
        (404, 0, "Route Not Found", errors.NotFound),
        (409, 5004, "Conflict", errors.Conflict),
        (413, 1010, "Too large", errors.PayloadTooLarge),
        (418, 1, "Teapot", errors.APIError),
        (429, 429, "You have reached the maximum per-second rate limit.", errors.RateLimited),
        (429, 4001, "?", errors.RateLimited),
        (400, 4001, "?", errors.RateLimited),
        (500, 5000, "Oops", errors.ServerError),
        (599, None, "", errors.ServerError),
    ],
)
def test_every_error_has_its_class(status: int, code: int | None, message: str, kind: type[errors.APIError]) -> None:
    """Status first, then the service's code; the error carries all that the answer said."""
    error = problem({"code": code, "message": message}, status)
    assert type(error) is kind
    assert (error.operation, error.status, error.code, error.message) == ("things.get", status, code, message)
    assert error.tracking_id == "WEB_7"
    assert f"HTTP {status}" in str(error)
    assert message in str(error)


@pytest.mark.parametrize("status", [400, 401, 403])
@pytest.mark.parametrize(
    ("code", "message", "scopes"),
    [
        (4711, "Invalid access token, does not contain scopes:[a:read, b:write:admin].", ("a:read", "b:write:admin")),
        (104, "Invalid access token, does not contain scope: [a:read]", ("a:read",)),
        (4700, "Invalid access token, does not contain scopes.", ("things:read",)),
        (None, "does not contain scopes:[ a , ,b]", ("a", "b")),
        (4711, "does not contain scopes:[]", ("things:read",)),
    ],
)
def test_missing_scopes_are_named(status: int, code: int | None, message: str, scopes: tuple[str, ...]) -> None:
    """From the text of the answer, or else those of the operation; no token is blamed for it."""
    error = problem({"code": code, "message": message}, status)
    assert type(error) is errors.MissingScopes
    assert error.scopes == scopes
    assert all(scope in str(error) for scope in scopes)


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        ({"code": 1005, "message": "No such deal"}, errors.NotFound, 200),
        ({"code": "1001", "error_message": "Bad time"}, errors.BadRequest, 200),
        ({"code": 124, "message": "Invalid access token."}, errors.AuthenticationFailed, 200),
        ({"code": 429, "message": "daily"}, errors.RateLimited, 201),
        ({"code": 4711, "message": "does not contain scopes:[x]"}, errors.MissingScopes, 200),
        ({"code": 9999, "message": "?"}, errors.BadRequest, 202),
        ({"code": 0, "message": "Route Not Found"}, errors.NotFound, 200),
    ],
)
def test_a_success_with_an_error_inside_is_an_error(body: Any, kind: type[errors.APIError], status: int) -> None:
    """A code with a message in a 2xx answer counts, and the error keeps the HTTP status."""
    error = problem(body, status)
    assert type(error) is kind
    assert error.status == status


@pytest.mark.parametrize(
    "body",
    [
        {"code": 0, "message": "success"},
        {"code": 200, "message": "ok"},
        {"code": 201, "message": "created"},
        {"code": 5},
        {"message": "hello"},
        {"name": "code"},
        {"code": 1001, "message": "x" * 9000},
        [],
        None,
    ],
)
def test_a_success_is_a_success(body: Any) -> None:
    """Codes of success, data that has a field of that name, and large answers are no errors."""
    assert problem(body, 200) is None


def test_refused_fields_are_named() -> None:
    """The fields of a refusal stand in the error, the first five of them in its text."""
    fields = [{"field": f"records[{n}].name", "message": "must not be blank"} for n in range(2000)]
    error = problem({"code": 300, "message": "Validation Failed.", "errors": fields}, 400)
    assert error.code == 300
    assert len(error.errors) == 2000
    assert "records[4].name: must not be blank" in str(error)
    assert "records[5]" not in str(error)


@pytest.mark.parametrize(
    "fields", [None, {}, "text", [1, "a", None], [{"field": None, "message": {"deep": [1]}}], [{}], [[]]]
)
def test_odd_refused_fields_do_no_harm(fields: Any) -> None:
    """Whatever stands in ``errors``, code and message are understood."""
    error = problem({"code": 300, "message": "Validation Failed.", "errors": fields}, 400)
    assert (error.code, error.message) == (300, "Validation Failed.")


def test_an_error_page_is_quoted_in_short() -> None:
    """HTML from a gateway gives a short error, not a page."""
    error = problem(b"<html>" + b"x" * 100_000, 502)
    assert type(error) is errors.ServerError
    assert len(str(error)) < 600


@pytest.mark.parametrize(
    ("headers", "message", "label", "kind"),
    [
        ({"X-RateLimit-Type": "QPS"}, "", Label.LIGHT, "per_second"),
        ({"X-RateLimit-Type": "qps"}, "", Label.RESOURCE_INTENSIVE, "per_minute"),
        ({"X-RateLimit-Type": "Daily-limit"}, "", Label.HEAVY, "daily"),
        ({}, "You have reached the maximum per-second rate limit for this API.", Label.LIGHT, "per_second"),
        ({}, "You have reached the maximum daily rate limit for this API.", Label.LIGHT, "daily"),
        ({}, "Too many concurrent requests.", Label.LIGHT, "concurrent"),
        ({}, "slow down", Label.LIGHT, "unknown"),
        ({"X-RateLimit-Type": "QPS"}, "daily", Label.LIGHT, "per_second"),
    ],
)
def test_which_limit_a_429_speaks_of(headers: dict[str, str], message: str, label: Label, kind: str) -> None:
    """The header decides, then the words."""
    assert limit_kind(row(label), CIMultiDict(headers), message) == kind


def test_a_429_tells_when_to_come_back() -> None:
    """Retry-After becomes an aware moment in the error and in its text."""
    error = problem({"code": 429, "message": "daily"}, 429, Retry_After="2026-03-02T00:00:00Z")
    assert error.resets_at == datetime(2026, 3, 2, tzinfo=UTC)
    assert "daily limit: come back at 2026-03-02T00:00:00+00:00" in str(error)
    assert not error.local
    assert problem({}, 503, Retry_After="30").resets_at == NOW + timedelta(seconds=30)


def test_a_reply_shows_neither_headers_nor_body() -> None:
    """The repr of a reply is fit for a log."""
    shown = repr(wire.Reply(200, {"Set-Cookie": "cookie-secret"}, b"body-secret"))
    assert "secret" not in shown


@pytest.mark.parametrize(("text", "told"), [("v=2.0;clid=us02;rid=WEB_7", True), ("x" * 200, True), ("x" * 201, False)])
def test_a_tracking_id_that_is_too_long_is_none(text: str, told: bool) -> None:
    """What a server puts in place of a tracking id, such as the token or a page of text, is not passed on."""
    assert Reply(200, CIMultiDict({"x-zm-trackingid": text}), b"{}").tracking_id == (text if told else "")
