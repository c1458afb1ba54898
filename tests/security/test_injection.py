"""Ids, names and values from anywhere: each stays where it belongs, in the path, the query, a header or a form."""

from __future__ import annotations

import asyncio
import re
from email import policy
from email.parser import BytesParser
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.core.clients import TOKEN, client_of
from tests.core.server import Server, answer
from tests.security.hostile import outcome
from tests.security.profile import quick
from zra_async import OPERATIONS, Network, ZRAClient, errors
from zra_async.core.form import BytesBody, FileForm
from zra_async.core.wire import encode

HOSTILE = [
    "../../users/me",
    "..%2f..%2fusers%2fme",
    "%2e%2e",
    "%2e%2e%2f",
    "%252e%252e%252fusers",
    "..;/users",
    "..\\users",
    "a/../../users",
    "./a",
    "a?page_size=1",
    "a#b",
    "a&b=c",
    "a b",
    "a HTTP/1.1\r\nHost: evil.test\r\nX: ",
    "a\r\nX-Injected: 1",
    "a%0d%0aX-Injected:%201",
    "a\x00b",
    "a\u2028b\x85c",
    "//evil.test/",
    "https://evil.test/",
    "@evil.test",
    "{other}",
    "%s%n%x",
    "\ud800",
    "ａ．．／b",
    "x" * 5000,
]
ANY_TEXT = st.text(max_size=40) | st.text(alphabet="./\\%25efEF;?#&=@: \r\n\x00ab{}", max_size=40)
_SEGMENT = re.compile(r"[A-Za-z0-9%._~-]+")


def checked_target(target: str, template: str) -> None:
    """The path has the steps of its template, and nothing in it but what cannot be misread."""
    assert target.isascii()
    assert target.isprintable()
    assert " " not in target
    path = target.partition("?")[0]
    steps, expected = path.split("/"), template.split("/")
    assert len(steps) == len(expected)
    for step, told in zip(steps, expected, strict=True):
        assert step == told or "{" in told
        assert not told or _SEGMENT.fullmatch(step)
        assert step not in {".", ".."}


WITH_IDS = {name: row for name, row in OPERATIONS.items() if "{" in row.path}


@quick(120)
@given(st.sampled_from(sorted(WITH_IDS)), st.data())
def test_no_id_changes_the_path_of_any_operation(name: str, data: st.DataObject) -> None:
    """For each operation with an id and any texts: the steps of its path stay as they are, or it is refused."""
    row = WITH_IDS[name]
    names = re.findall(r"{(\w+)}", row.path)
    values = {parameter: data.draw(st.sampled_from(HOSTILE) | ANY_TEXT) for parameter in names}
    try:
        target = encode(row, path=values).target
    except errors.InvalidArgument:
        return
    checked_target(target, f"/{row.prefix}{row.path}")


@quick(50)
@given(ANY_TEXT | st.sampled_from(HOSTILE))
@example("a\r\nX-Injected: 1")
def test_an_id_on_the_wire_is_one_step(value: str) -> None:
    """What a server reads as its request line and headers holds no more than was meant."""

    async def scene() -> None:
        async with Server(otherwise=answer(200, {})) as server, client_of(server) as zra:
            result = await outcome(zra.conversations.get(value))
        if isinstance(result, errors.InvalidArgument):
            assert not server.seen
            return
        seen = server.seen[0]
        checked_target(seen.target, "/v2/zra/conversations/{id}")
        assert set(seen.headers) == {"host", "authorization", "accept", "accept-encoding", "user-agent"}
        assert seen.bearer == TOKEN

    asyncio.run(scene())


@quick(50)
@given(st.dictionaries(ANY_TEXT, ANY_TEXT, max_size=4))
def test_a_query_holds_what_was_given(query: dict[str, str]) -> None:
    """No name and no value adds another parameter, a fragment or a header."""
    try:
        target = encode(OPERATIONS["conversations.list"], query=query).target
    except errors.InvalidArgument:
        return
    assert target.isascii()
    assert target.isprintable()
    assert dict(parse_qsl(urlsplit(target).query, keep_blank_values=True, strict_parsing=bool(query))) == query


@pytest.mark.parametrize("agent", ["x\r\nX-Injected: 1", "x\nX-Injected: 1", "x\x00"])
def test_a_header_of_our_own_cannot_be_split(agent: str) -> None:
    """A user agent with a line break is refused when it is given: nothing is sent."""
    with pytest.raises(errors.ConfigurationError, match="user_agent"):
        Network(user_agent=agent)


# --------------------------------------------------------------------------- forms


def parts_of(content_type: str, body: bytes) -> list[Any]:
    """The parts of a form, as a parser sees them that is not ours."""
    whole = b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body
    return list(BytesParser(policy=policy.HTTP).parsebytes(whole).iter_parts())


NAMES = [
    'a"; name="main_file_id',
    'a"\r\nContent-Type: text/html\r\n\r\n<script>',
    "a\r\n--boundary--\r\n.mp4",
    "a\n.mp4",
    "../../evil.mp4",
    "..\\..\\evil.mp4",
    "a%22.mp4",
    "a;b.mp4",
    "\u202e4pm.mp4",
    "a\\",
    'a\\"b',
    "a\\\r\nb",
]


@quick(80)
@given(ANY_TEXT | st.sampled_from(NAMES), st.dictionaries(st.sampled_from(["source", "main_file_id"]), ANY_TEXT))
@example('a\\"; x="y', {"main_file_id": "v\r\n--x\r\nContent-Disposition: form-data; name=source\r\n\r\n2"})
@example("a\\", {})
def test_a_form_has_the_parts_that_were_meant(name: str, fields: dict[str, str]) -> None:
    """No name or value ends its part, adds another, or becomes a header."""
    content = b"bytes\r\n--zra-\r\nContent-Disposition: form-data; name=x\r\n\r\n"

    async def body() -> tuple[str, bytes]:
        form = FileForm(BytesBody(content), file_name=name, fields=fields)
        pieces: list[bytes] = []

        async def send(piece: bytes | memoryview) -> None:
            pieces.append(bytes(piece))

        await form.write(send)
        return form.content_type, b"".join(pieces)

    try:
        content_type, sent = asyncio.run(body())
    except UnicodeEncodeError:
        assert any("\ud800" <= c <= "\udfff" for text in (name, *fields.values()) for c in text)
        return
    parts = parts_of(content_type, sent)
    assert [part.get_param("name", header="content-disposition") for part in parts] == [*fields, "file"]
    for part in parts:
        assert {header.lower() for header, _ in part.items()} <= {"content-disposition", "content-type"}
    assert parts[-1].get_payload(decode=True) == content
    for part, value in zip(parts, fields.values(), strict=False):
        assert part.get_payload(decode=True) == value.encode()


async def test_two_forms_never_have_the_same_boundary() -> None:
    """It cannot be guessed, and so cannot be in a file that somebody else made."""
    made = {FileForm(BytesBody(b"x"), file_name="a.mp4", fields={}).content_type for _ in range(1000)}
    assert len(made) == 1000


@pytest.mark.parametrize("name", ["call\x00.mp4", "call.exe\x00.mp4", "\x00"])
async def test_a_name_that_programs_read_differently_is_not_sent(name: str) -> None:
    """Where a NUL ends a text for some programs and not for others, the file has two names."""
    async with Server(otherwise=answer(201, {"file_id": "f", "upload_context": "u"})) as server:
        async with client_of(server) as zra:
            for call in _uploads(zra, name):
                with pytest.raises(errors.InvalidArgument):
                    await call
        assert not server.seen


def _uploads(zra: ZRAClient, name: str) -> Any:
    yield zra.files.upload(b"x", file_name=name)
    yield zra.files.upload(b"x", file_name=name, part_size=5 * 1024 * 1024)
    yield zra.files.upload_single(b"x", file_name=name)
    yield zra.files.create_multipart_upload(name)


async def test_names_of_operations_do_not_reach_other_attributes() -> None:
    """``call`` by name finds operations, and nothing that merely has an attribute of that name."""
    async with Server() as server, client_of(server) as zra:
        for name in ("__class__", "_session", "conversations.__init__", "conversations._caller.raw", "aclose", ""):
            with pytest.raises(errors.InvalidArgument, match="no operation is called"):
                await zra.call_named(name)
        assert not server.seen
