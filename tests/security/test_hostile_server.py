"""Whatever a server sends: an error of the documented tree, in bounded time and memory."""

from __future__ import annotations

import asyncio
import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.core.clients import client_of, get, post
from tests.core.rows import Thing
from tests.core.server import Behaviour, Server, answer, error, raw
from tests.security.hostile import MIB, at_most, bomb, endless, outcome
from tests.security.profile import quick
from zra_async import OPERATIONS, Network, RetryPolicy, ServerToServer, errors
from zra_async.core.wire import Reply, decode

pytestmark = pytest.mark.slow

NO_REPEATS = RetryPolicy.none()
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"

# --------------------------------------------------------------------------- too much

ENDLESS: dict[str, tuple[Behaviour, type[errors.CallError]]] = {
    "a body without a length": (endless(OK + b"\r\n", b"x" * 65536), errors.AnswerTooLarge),
    "a chunked body": (endless(CHUNKED, b"10000\r\n" + b"x" * 65536 + b"\r\n"), errors.AnswerTooLarge),
    "a body of a byte a chunk": (endless(CHUNKED, b"1\r\nx\r\n" * 5000), errors.CallError),
    "an error body": (endless(b"HTTP/1.1 400 No\r\n\r\n", b"x" * 65536), errors.AnswerTooLarge),
    "header fields": (endless(OK, b"".join(b"X-%d: x\r\n" % n for n in range(500))), errors.ConnectionLost),
    "one header field": (endless(OK + b"X: ", b"x" * 65536), errors.ConnectionLost),
    "a reason": (endless(b"HTTP/1.1 200 ", b"x" * 65536), errors.ConnectionLost),
    "no line end": (endless(b"", b"x" * 65536), errors.ConnectionLost),
    "trailers": (endless(CHUNKED + b"0\r\n", b"X: " + b"x" * 1000 + b"\r\n"), errors.ConnectionLost),
    "a chunk extension": (endless(CHUNKED + b"5;", b"x" * 65536), errors.TransportError),
    "a chunk size": (endless(CHUNKED, b"0" * 65536), errors.TransportError),
    "interim answers": (endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 20), errors.AttemptTimeout),
    "early hints": (endless(b"", b"HTTP/1.1 103 Early\r\nLink: <x>\r\n\r\n" * 20), errors.AttemptTimeout),
    "a body that drips": (endless(OK + b"Content-Length: 1000\r\n\r\n", b"x", pause=0.01), errors.AttemptTimeout),
    "headers that drip": (endless(OK + b"X: ", b"x", pause=0.01), errors.AttemptTimeout),
    "nothing": (endless(b"", b"", pause=0.01), errors.AttemptTimeout),
}


@pytest.mark.parametrize("name", ENDLESS)
async def test_what_does_not_end_is_ended(name: str) -> None:
    """No later than its timeout, and before it fills the memory."""
    behaviour, expected = ENDLESS[name]
    network = Network(max_answer_bytes=2 * MIB)
    timeout = 0.25 if issubclass(errors.AttemptTimeout, expected) else 500.0
    async with (
        Server(otherwise=behaviour) as server,
        client_of(server, timeout=timeout, retry=NO_REPEATS, network=network) as zra,
    ):
        with at_most(mib=12), pytest.raises(expected):
            await get(zra)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "deflate without a header", "br", "zstd"])
@pytest.mark.parametrize("status", [200, 500])
async def test_a_compressed_body_is_counted_as_it_comes_out(encoding: str, status: int) -> None:
    """64 MiB in a few KiB stop at the bound; a compression that is not there is an error, too."""
    body = bomb(encoding) or b"\x00" * 100
    behaviour = answer(status, body, {"Content-Encoding": encoding.partition(" ")[0]})
    network = Network(max_answer_bytes=2 * MIB)
    async with Server(otherwise=behaviour) as server, client_of(server, retry=NO_REPEATS, network=network) as zra:
        expected = errors.AnswerTooLarge if bomb(encoding) else errors.ConnectionLost
        with at_most(mib=40), pytest.raises(expected):
            await get(zra)


async def test_compression_within_compression_is_not_unpacked() -> None:
    """A second layer could be a bomb within a bomb; it is taken for what it is, and is no JSON."""
    behaviour = answer(200, bomb("gzip", MIB), {"Content-Encoding": "gzip, gzip"})
    async with Server(otherwise=behaviour) as server, client_of(server, retry=NO_REPEATS) as zra:
        with at_most(mib=8), pytest.raises((errors.UnexpectedAnswer, errors.ConnectionLost)):
            await get(zra)


def test_the_largest_answer_can_be_borne() -> None:
    """JSON of nothing but empty objects takes up to sixty times its size when it is read: a gigabyte at most."""
    network = Network()
    body = b'{"conversations":[' + b"{}," * 100_000 + b"{}]}"
    with at_most(mib=60 * len(body) / MIB):
        page = decode(OPERATIONS["conversations.list"], Reply(200, {}, body))
    assert len(page.conversations) == 100_001
    assert network.max_answer_bytes * 60 <= 1024 * MIB


async def test_a_bomb_is_not_asked_for_again_and_again() -> None:
    """An answer that is too large is final: the default policy makes one attempt."""
    behaviour = answer(200, b"[" * (2 * MIB))
    network = Network(max_answer_bytes=MIB)
    async with Server(otherwise=behaviour) as server, client_of(server, network=network) as zra:
        with pytest.raises(errors.AnswerTooLarge):
            await get(zra)
        assert len(server.seen) == 1


# --------------------------------------------------------------------------- what is no HTTP, or contradicts itself

BROKEN = {
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 5\r\n\r\n{}...",
    "a length and chunks": CHUNKED.replace(b"\r\n\r\n", b"\r\nContent-Length: 2\r\n\r\n") + b"2\r\n{}\r\n0\r\n\r\n",
    "a negative length": OK + b"Content-Length: -2\r\n\r\n{}",
    "a length of a hundred digits": OK + b"Content-Length: " + b"9" * 100 + b"\r\n\r\n{}",
    "a length in other digits": OK + "Content-Length: ²\r\n\r\n{}".encode(),
    "a length that is too long": OK + b"Content-Length: 100\r\n\r\n{}",
    "a huge length": OK + b"Content-Length: 9000000000000000000\r\n\r\n{}",
    "a negative chunk": CHUNKED + b"-2\r\n{}\r\n0\r\n\r\n",
    "a huge chunk": CHUNKED + b"ffffffffffffffff\r\n{}\r\n",
    "a status of four digits": b"HTTP/1.1 2000 OK\r\n\r\n",
    "status zero": b"HTTP/1.1 000 No\r\nContent-Length: 0\r\n\r\n",
    "another protocol": b"SSH-2.0-OpenSSH_9.6\r\n",
    "HTTP/0.9": b"<html>hello",
    "HTTP/3": b"HTTP/3 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    "a NUL in a header": OK + b"X: a\x00b\r\nContent-Length: 2\r\n\r\n{}",
    "a bare CR in a header": OK + b"X: a\rContent-Length: 5\r\nContent-Length: 2\r\n\r\n{}",
    "a folded header": OK + b"X: a\r\n b\r\nContent-Length: 0\r\n\r\n",
    "no body": b"HTTP/1.1 204 No Content\r\n\r\n",
    "204 with a body": b"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\n{}",
    "an upgrade": b"HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n{}",
    "an interim answer alone": b"HTTP/1.1 100 Continue\r\n\r\n",
    "gzip that is none": OK + b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd",
    "gzip that is cut off": OK + b"Content-Encoding: gzip\r\n\r\n" + (bomb("gzip", MIB) or b"")[:50],
    "an unknown transfer encoding": OK + b"Transfer-Encoding: gzip\r\n\r\nabc",
}


@pytest.mark.parametrize("answered", BROKEN.values(), ids=BROKEN.keys())
async def test_broken_http_is_a_documented_error(answered: bytes) -> None:
    """For a read and for a write; the write is told to be in doubt, since it has arrived."""
    behaviour = raw("", answered, keep=False)
    async with Server(otherwise=behaviour) as server, client_of(server, timeout=300.0, retry=NO_REPEATS) as zra:
        with pytest.raises((errors.TransportError, errors.UnexpectedAnswer)):
            await get(zra)
        with pytest.raises((errors.AmbiguousWrite, errors.UnexpectedAnswer)):
            await post(zra)


LINES = st.sampled_from(
    [
        *("Content-Length: 2", "Content-Length: 0", "Content-Length: x", "Transfer-Encoding: chunked"),
        *("Transfer-Encoding: identity", "Content-Encoding: gzip", "Content-Encoding: deflate", "Content-Encoding: x"),
        *(
            "Connection: close",
            "Connection: upgrade",
            "Upgrade: websocket",
            "Location: https://evil.test/",
            "Location:",
        ),
        *("Retry-After: -1", "Retry-After: 9999-12-31T00:00:00Z", "Retry-After: 1e9", "X-RateLimit-Type: QPS"),
        *("X-RateLimit-Type: Daily-limit", "X-RateLimit-Limit: ²", "X-RateLimit-Limit: 0", "X-RateLimit-Remaining: ٣"),
        *("x-zm-trackingid: \x1b[2J", "Set-Cookie: a=b", "Content-Type: text/html; charset=utf-7", ":", "X", " x"),
    ]
)
BODIES = st.sampled_from(
    [
        *(b"", b"{}", b"2\r\n{}\r\n0\r\n\r\n", b"[" * 3000, b"\x1f\x8b\x08", b"null", b'"', b"\xff\xfe{", b"NaN"),
        *(b'{"code":300,"message":"The next page token is invalid or expired."}', b'{"code":4711,"message":[]}'),
        *(b'{"code":124,"message":"x"}', b'{"errors":[1,{"field":{}}],"code":1}', b'{"count":' + b"9" * 5000 + b"}"),
    ]
)


@quick(120)
@given(
    st.sampled_from([200, 201, 204, 206, 301, 304, 307, 400, 401, 404, 418, 429, 500, 503, 599, 999]),
    st.lists(LINES, max_size=4),
    BODIES | st.binary(max_size=60),
)
@example(200, ["Content-Length: 2", "X-RateLimit-Type: QPS", "X-RateLimit-Limit: ²"], b"{}")
@example(429, ["Content-Length: 0", "Retry-After: 9999-12-31T00:00:00Z"], b"")
def test_any_answer_is_an_answer_or_a_documented_error(status: int, lines: list[str], body: bytes) -> None:
    """Put together from pieces that are plausible one by one."""
    head = "\r\n".join([f"HTTP/1.1 {status} Hm", *lines]) + "\r\n\r\n"

    async def scene() -> None:
        behaviour = raw("", head.encode("utf-8") + body, keep=False)
        async with Server(otherwise=behaviour) as server, client_of(server, timeout=300.0, retry=NO_REPEATS) as zra:
            result = await outcome(get(zra))
        assert not isinstance(result, errors.ZRAError) or str(result).isprintable()

    asyncio.run(scene())


# --------------------------------------------------------------------------- JSON

DEEP = 100_000
JSON_TRICKS = {
    "deep lists": b"[" * DEEP + b"]" * DEEP,
    "deep objects": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    "deep in an unknown field": b'{"name":"x","more":' + b"[" * DEEP + b"]" * DEEP + b"}",
    "deep and cut off": b'{"name":' + b"[" * DEEP,
    "a number of a million digits": b'{"count":' + b"9" * 1_000_000 + b"}",
    "a text of a million digits": b'{"count":"' + b"9" * 1_000_000 + b'"}',
    "a number of a million digits in an unknown field": b'{"more":' + b"9" * 1_000_000 + b"}",
    "a huge exponent": b'{"count":1e999999999}',
    "a million exponents": b'{"count":1e' + b"9" * 1_000_000 + b"}",
    "NaN": b'{"count":NaN}',
    "Infinity": b'{"count":-Infinity}',
    "lone surrogates": rb'{"name":"\ud800"}',
    "half a surrogate pair twice": rb'{"name":"\ud800\ud800","\udfff":1}',
    "the same key many times": b'{"name":"' + b'","name":"'.join([b"x"] * 10_000) + b'"}',
    "UTF-16": '{"name":"x"}'.encode("utf-16"),
    "UTF-32": '{"name":"x"}'.encode("utf-32"),
    "broken UTF-8": b'{"name":"\xff"}',
    "a byte order mark": b'\xef\xbb\xbf{"name":"x"}',
    "something after the end": b'{"name":"x"}{"name":"y"}',
    "a NUL": b'{"name":"x\x00"}',
    "many empty lists": b'{"name":[' + b"[]," * 100_000 + b"[]]}",
    "nothing": b"",
    "null": b"null",
    "a text": b'"x"',
}


@pytest.mark.parametrize("body", JSON_TRICKS.values(), ids=JSON_TRICKS.keys())
@pytest.mark.parametrize("status", [200, 400])
async def test_json_that_is_meant_to_hurt(body: bytes, status: int) -> None:
    """It is understood, or it is an error of the tree; and it takes neither long nor much memory."""
    async with Server(otherwise=answer(status, body)) as server, client_of(server, retry=NO_REPEATS) as zra:
        with at_most(mib=60):
            result = await outcome(get(zra))
    if isinstance(result, Thing):
        assert result.count is None or abs(result.count) < 10**400
    else:
        assert isinstance(result, errors.CallError)
        assert len(str(result)) < 2_000


@pytest.mark.parametrize("kind", ["text/html", "application/octet-stream", "", "x", "application/json; charset=utf-7"])
async def test_the_content_type_is_not_believed(kind: str) -> None:
    """JSON is read as UTF-8 whatever it is called; what is no JSON is refused whatever it is called."""
    async with Server(answer(200, {"name": "ü"}, {"Content-Type": kind})) as server, client_of(server) as zra:
        assert (await get(zra)).name == "ü"
        server.script(answer(200, b"+AHs-", {"Content-Type": kind}))
        with pytest.raises(errors.UnexpectedAnswer):
            await get(zra)


async def test_the_last_of_equal_keys_counts() -> None:
    """As in every usual parser, so that nobody on the way reads something else."""
    async with Server(answer(200, b'{"name":"first","name":"last"}')) as server, client_of(server) as zra:
        assert (await get(zra)).name == "last"


# --------------------------------------------------------------------------- texts that end up in logs

FORGED = "gone\r\n2026-01-01 00:00:00 CRITICAL forged\x1b[2J\x1b]0;title\x07\u202e\u2028\x85\x00\ud7ff\ufeff"


@pytest.mark.parametrize("status", [200, 400, 401, 404, 429, 500])
async def test_an_answer_cannot_forge_lines_of_a_log_or_drive_a_terminal(status: int) -> None:
    """Texts of the service appear in errors without line breaks, escape sequences and writing directions."""
    scopes = f"does not contain scopes:[{FORGED}]"
    bodies = [
        json.dumps({"code": 300, "message": FORGED, "errors": [{"field": FORGED, "message": FORGED}]}).encode(),
        json.dumps({"code": 4711, "message": scopes}).encode(),
        FORGED.encode(),
    ]
    for body in bodies:
        behaviour = answer(status, body, {"x-zm-trackingid": "a\x1b[31m\x9b2J"})
        async with Server(otherwise=behaviour) as server, client_of(server, retry=NO_REPEATS) as zra:
            for call in (get, post):
                with pytest.raises(errors.CallError) as caught:
                    await call(zra)
                assert str(caught.value).isprintable()


async def test_limits_in_foreign_digits_are_passed_over() -> None:
    """A header that merely looks like a number changes nothing, and breaks nothing."""
    for digits in ("²", "٣", "१", "①", "1_000", "+5", "1e3", " ", "9" * 5000):
        headers = {"X-RateLimit-Type": "QPS", "X-RateLimit-Limit": digits.encode().decode("latin-1")}
        async with Server(otherwise=answer(200, {"name": "x"}, headers)) as server, client_of(server) as zra:
            before = {state.label: state.limit for state in zra.limits.snapshot().values()}
            assert (await get(zra)).name == "x"
            assert before == {state.label: state.limit for state in zra.limits.snapshot().values()}


async def test_a_refusal_at_the_token_endpoint_cannot_forge_lines_either() -> None:
    """Its reason is told as one printable line."""
    server = Server(otherwise=error(400, 1, FORGED))
    async with server, client_of(server, ServerToServer("account", "cid", "cs-19b7d04ce2")) as zra:
        with pytest.raises(errors.TokenError) as caught:
            await get(zra)
    assert str(caught.value).isprintable()
    assert "forged" in str(caught.value)
