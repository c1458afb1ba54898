"""The file host's three operations: the forms and events that go over the wire, and what is refused before it."""

from __future__ import annotations

import email
import warnings
from collections.abc import Awaitable, Callable
from email import policy
from typing import Any

import pytest

from zra_async.api.files.models import PartNumberEtag
from zra_async.api.files.operations import MAX_PART_BYTES, MAX_SINGLE_BYTES, FileOperations
from zra_async.core import wire
from zra_async.core.form import BytesBody
from zra_async.core.operation import Host, Label
from zra_async.errors import InvalidArgument

from .conftest import RecordingCaller

Call = Callable[[FileOperations], Awaitable[Any]]
MANY = [PartNumberEtag(part_number=n, etag="e") for n in range(1, 102)]
ETAGS = (PartNumberEtag(part_number=1, etag="e1"), PartNumberEtag(part_number=2, etag="e2"))


class Sized:
    """A body that claims a size; nothing of it is ever read."""

    content_type = "video/mp4"

    def __init__(self, size: int) -> None:
        self.size = size

    async def write(self, send: Any) -> None:
        """Never called by these tests."""
        raise AssertionError


async def form_of(request: wire.Request) -> dict[str, tuple[str | None, bytes]]:
    """The fields of a form body: file name and content by field name."""
    body = request.body
    assert body is not None
    assert not isinstance(body, bytes)
    pieces: list[bytes] = []

    async def send(chunk: bytes | memoryview) -> None:
        pieces.append(bytes(chunk))

    await body.write(send)
    raw = b"".join(pieces)
    assert len(raw) == body.size
    assert request.content_type == body.content_type
    message = email.message_from_bytes(
        b"Content-Type: " + body.content_type.encode() + b"\r\n\r\n" + raw, policy=policy.HTTP
    )
    return {
        str(part.get_param("name", header="content-disposition")): (part.get_filename(), part.get_payload(decode=True))
        for part in message.iter_parts()
    }


# --------------------------------------------------------------------------- what is sent


@pytest.mark.parametrize("content", [b"abc", bytearray(b"abc"), memoryview(b"abc"), BytesBody(b"abc")])
async def test_single_upload_is_a_form(caller: RecordingCaller, content: Any) -> None:
    """Content of every kind goes out as the file of a form, with its name."""
    uploaded = await FileOperations(caller).upload_single(content, file_name="call.mp4")
    assert caller.sent.target == "/zra/files"
    assert await form_of(caller.sent) == {"file": ("call.mp4", b"abc")}
    assert uploaded.file_id == "xBvggqyjQUal6TecwMlYwE"


async def test_an_attachment_names_its_main_file(caller: RecordingCaller) -> None:
    """``main_file_id`` and ``source`` are fields of the form, and stand before the file."""
    await FileOperations(caller).upload_single(b"{}", file_name="call.transcript.json", main_file_id="m", source=2)
    form = await form_of(caller.sent)
    assert form == {
        "main_file_id": (None, b"m"),
        "source": (None, b"2"),
        "file": ("call.transcript.json", b"{}"),
    }
    assert list(form)[-1] == "file"


async def test_a_part_names_its_upload_and_number(caller: RecordingCaller) -> None:
    """A part carries the context and its number, and its receipt can be handed on as it is."""
    part = await FileOperations(caller).upload_part(b"xyz", upload_context="ctx", part_number=100)
    assert caller.sent.target == "/zra/files/multipart"
    form = await form_of(caller.sent)
    assert (form["upload_context"][1], form["part_number"][1], form["file"][1]) == (b"ctx", b"100", b"xyz")
    assert part.part_number_etag == PartNumberEtag(part_number=1, etag="etag1")


async def test_creation_sends_its_event(caller: RecordingCaller) -> None:
    """Beginning an upload sends the method and its parameters."""
    begun = await FileOperations(caller).create_multipart_upload("call.mp4", "m")
    assert caller.sent.target == "/zra/files/multipart/upload_events"
    assert caller.body == {
        "method": "CreateMultipartUpload",
        "params": {"file_name": "call.mp4", "main_file_id": "m"},
    }
    assert begun.upload_context.startswith("noNpr2pkBEv4")


@pytest.mark.parametrize(
    "parts",
    [
        ETAGS,
        reversed(ETAGS),
        [{"part_number": 2, "etag": "e2"}, {"part_number": 1, "etag": "e1"}],
        (part for part in ETAGS),
    ],
    ids=["structs", "reversed", "mappings", "generator"],
)
async def test_completion_sends_the_receipts_in_order(caller: RecordingCaller, parts: Any) -> None:
    """Completing an upload sends every receipt, by part number, however they were given."""
    done = await FileOperations(caller).complete_multipart_upload("ctx", parts)
    assert caller.body == {
        "method": "CompleteMultipartUpload",
        "params": {
            "upload_context": "ctx",
            "part_number_etags": [{"part_number": 1, "etag": "e1"}, {"part_number": 2, "etag": "e2"}],
        },
    }
    assert done.file_id == "xBvggqyjQUal6TecwMlYwQ"


async def test_events_by_the_names_of_the_wire(caller: RecordingCaller) -> None:
    """``upload_events`` sends what the two named methods send."""
    files = FileOperations(caller)
    await files.upload_events("CreateMultipartUpload", file_name="f")
    await files.create_multipart_upload("f")
    await files.upload_events("CompleteMultipartUpload", upload_context="c", part_number_etags=ETAGS)
    await files.complete_multipart_upload("c", ETAGS)
    bodies = [request.body for request in caller.requests]
    assert bodies[0] == bodies[1] != bodies[2] == bodies[3]


@pytest.mark.parametrize(
    ("call", "label", "repeatable"),
    [
        (lambda f: f.upload_single(b"x", file_name="f"), Label.FILES, False),
        (lambda f: f.upload_part(b"x", upload_context="c", part_number=1), Label.MULTIPART, True),
        (lambda f: f.create_multipart_upload("f"), Label.MULTIPART, True),
        (lambda f: f.upload_events("CreateMultipartUpload", file_name="f"), Label.MULTIPART, True),
        (lambda f: f.complete_multipart_upload("c", ETAGS), Label.MULTIPART, False),
    ],
)
async def test_what_may_be_repeated(caller: RecordingCaller, call: Call, label: Label, repeatable: bool) -> None:
    """A part and a creation may be repeated when their answer is lost, a single upload and a completion may not."""
    await call(FileOperations(caller))
    row = caller.sent.operation
    assert (row.host, row.label, row.retry_safe) == (Host.FILE, label, repeatable)


async def test_the_deprecated_twins_warn_where_they_are_called(caller: RecordingCaller) -> None:
    """All events go to the old prefix under ``legacy``, and the warning points at the caller's own line."""
    files = FileOperations(caller, legacy=True)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        await files.upload_single(b"x", file_name="f")
        await files.upload_part(b"x", upload_context="c", part_number=1)
        await files.create_multipart_upload("f")
        await files.complete_multipart_upload("c", ETAGS)
        await files.upload_events("CreateMultipartUpload", file_name="f")
    assert [request.target for request in caller.requests] == [
        "/iq/files",
        "/iq/files/multipart",
        *["/iq/files/multipart/upload_events"] * 3,
    ]
    assert {warning.filename for warning in caught} == {__file__}
    assert len(caught) == 5
    assert caller.requests[2].operation.retry_safe


# --------------------------------------------------------------------------- what is refused


REFUSED: list[tuple[str, Call]] = [
    ("file_name", lambda f: f.upload_single(b"x", file_name="")),
    ("file_name", lambda f: f.upload_single(b"x", file_name=" ")),
    ("file_name", lambda f: f.upload_single(b"x", file_name="\udcff.mp4")),
    ("main_file_id", lambda f: f.upload_single(b"x", file_name="f", main_file_id="")),
    ("main_file_id", lambda f: f.upload_single(b"x", file_name="f", main_file_id="\udcff")),
    ("source", lambda f: f.upload_single(b"x", file_name="f", source=3)),
    ("source", lambda f: f.upload_single(b"x", file_name="f", source=True)),
    ("content", lambda f: f.upload_single(b"", file_name="f")),
    ("content", lambda f: f.upload_single("text", file_name="f")),
    ("content", lambda f: f.upload_single(Sized(MAX_SINGLE_BYTES + 1), file_name="f")),
    ("content", lambda f: f.upload_part(Sized(MAX_PART_BYTES + 1), upload_context="c", part_number=1)),
    ("content", lambda f: f.upload_part(b"", upload_context="c", part_number=1)),
    ("upload_context", lambda f: f.upload_part(b"x", upload_context=" ", part_number=1)),
    ("part_number", lambda f: f.upload_part(b"x", upload_context="c", part_number=0)),
    ("part_number", lambda f: f.upload_part(b"x", upload_context="c", part_number=101)),
    ("part_number", lambda f: f.upload_part(b"x", upload_context="c", part_number="1")),
    ("file_name", lambda f: f.create_multipart_upload("")),
    ("main_file_id", lambda f: f.create_multipart_upload("f", " ")),
    ("upload_context", lambda f: f.complete_multipart_upload("", ETAGS)),
    ("part_number_etags", lambda f: f.complete_multipart_upload("c", [])),
    ("part_number_etags", lambda f: f.complete_multipart_upload("c", {"part_number": 1, "etag": "e"})),
    ("part_number_etags[0]", lambda f: f.complete_multipart_upload("c", [("1", "e")])),
    ("part_number_etags[0].part_number", lambda f: f.complete_multipart_upload("c", [{"etag": "e"}])),
    (
        "part_number_etags[0].part_number",
        lambda f: f.complete_multipart_upload("c", [{"part_number": 101, "etag": "e"}]),
    ),
    ("part_number_etags[1].etag", lambda f: f.complete_multipart_upload("c", [ETAGS[0], {"part_number": 2}])),
    ("part_number_etags[0]: etag", lambda f: f.complete_multipart_upload("c", [{"part_number": 1, "etag": 5}])),
    ("part 1 is there twice", lambda f: f.complete_multipart_upload("c", [ETAGS[0], ETAGS[0]])),
    ("at most 100", lambda f: f.complete_multipart_upload("c", MANY)),
    ("method", lambda f: f.upload_events("Abort", file_name="f")),
    ("method", lambda f: f.upload_events(None, upload_context="c", part_number_etags=ETAGS)),
    ("file_name", lambda f: f.upload_events("CreateMultipartUpload")),
    ("upload_context", lambda f: f.upload_events("CreateMultipartUpload", file_name="f", upload_context="c")),
    ("upload_context", lambda f: f.upload_events("CompleteMultipartUpload", part_number_etags=ETAGS)),
    ("part_number_etags", lambda f: f.upload_events("CompleteMultipartUpload", upload_context="c")),
    ("main_file_id", lambda f: f.upload_events("CompleteMultipartUpload", upload_context="c", main_file_id="m")),
]


@pytest.mark.parametrize(("named", "call"), REFUSED)
async def test_calls_refuse(caller: RecordingCaller, named: str, call: Call) -> None:
    """Every documented limit is checked before the wire, and the error names what broke it."""
    with pytest.raises(InvalidArgument) as refused:
        await call(FileOperations(caller))
    assert named in str(refused.value)
    assert not caller.requests


async def test_an_open_file_is_not_content(caller: RecordingCaller, tmp_path: Any) -> None:
    """A file object can write, but it is no body: it knows neither its size nor how to be sent twice."""
    with (tmp_path / "f").open("w+b") as file, pytest.raises(InvalidArgument, match="bytes or a Body"):
        await FileOperations(caller).upload_single(file, file_name="f")
    assert not caller.requests


async def test_the_largest_allowed_sizes_pass(caller: RecordingCaller) -> None:
    """A file and a part of exactly the documented maximum are accepted."""
    await FileOperations(caller).upload_single(Sized(MAX_SINGLE_BYTES), file_name="f")
    await FileOperations(caller).upload_part(Sized(MAX_PART_BYTES), upload_context="c", part_number=1)
    assert len(caller.requests) == 2
