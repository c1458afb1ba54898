"""The file host of the sandbox: uploads, parts, completion, and recordings to download."""

from __future__ import annotations

import asyncio
import hashlib
import io
import resource
import sys
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from hypothesis import given
from hypothesis import strategies as st

from zra_async.sandbox.account import Options
from zra_async.sandbox.clock import Clock
from zra_async.sandbox.downloads import content_range
from zra_async.sandbox.files import Files
from zra_async.sandbox.multipart import Form
from zra_async.sandbox.route import HANDLERS, ApiError, Call

WEEK = 7 * 86_400
VIDEO = b"\x00\x01moving pictures\r\n--almost a boundary\r\n" * 50


class Host:
    """A file host with nothing around it: no redirects, no tokens."""

    def __init__(self, **options: Any) -> None:
        self.clock = Clock(datetime(2026, 1, 5, tzinfo=UTC), frozen=True)
        self.files = Files(Options(**options), self.clock)
        self.user = SimpleNamespace(licensed=True)
        self.client: TestClient[web.Request, web.Application]

    async def serve(self, request: web.Request) -> web.Response:
        account: Any = SimpleNamespace(files=self.files, world=SimpleNamespace(user=lambda _: self.user))
        template = request.path
        body = await request.json() if request.content_type == "application/json" else None
        call = Call(account, "POST", template, {}, request.query, body, False, "user", request)
        try:
            answer = await HANDLERS["POST", template](call)
        except ApiError as error:
            return web.json_response({"code": error.code, "message": error.message}, status=error.status)
        return web.json_response(answer.body, status=answer.status)

    async def post(self, path: str, **arguments: Any) -> tuple[int, dict[str, Any]]:
        async with self.client.post(path, **arguments) as response:
            return response.status, await response.json()

    async def single(self, name: str, data: bytes = VIDEO, **fields: str) -> tuple[int, dict[str, Any]]:
        form = aiohttp.FormData(fields)
        form.add_field("file", io.BytesIO(data), filename=name)
        return await self.post("/files", data=form)

    async def event(self, method: str, **params: Any) -> tuple[int, dict[str, Any]]:
        return await self.post("/files/multipart/upload_events", json={"method": method, "params": params})

    async def create(self, name: str = "call.mp4", **params: Any) -> str:
        status, body = await self.event("CreateMultipartUpload", file_name=name, **params)
        assert status == 201, body
        return body["upload_context"]

    async def part(self, context: str, number: object, data: bytes) -> tuple[int, dict[str, Any]]:
        form = aiohttp.FormData({"upload_context": context, "part_number": str(number)})
        form.add_field("file", io.BytesIO(data), filename="blob")
        return await self.post("/files/multipart", data=form)

    async def etag(self, context: str, number: int, data: bytes) -> dict[str, Any]:
        status, body = await self.part(context, number, data)
        assert status == 201, body
        return body["part_number_etag"]

    async def complete(self, context: str, etags: list[dict[str, Any]]) -> tuple[int, dict[str, Any]]:
        return await self.event("CompleteMultipartUpload", upload_context=context, part_number_etags=etags)


@asynccontextmanager
async def running(**options: Any):
    """Serve a host on loopback."""
    host = Host(**options)
    app = web.Application()
    app.router.add_routes(host.files.routes())
    app.router.add_post("/{tail:.*}", host.serve)
    async with TestClient(TestServer(app)) as client:
        host.client = client
        yield host
    await host.files.close()


@pytest.fixture
async def host():
    """A host that drops the bytes and takes parts of any size."""
    async with running() as host:
        host.files.min_part = 10
        yield host


@pytest.fixture
async def keeper():
    """A host that keeps the bytes and takes parts of any size."""
    async with running(store_parts=True) as host:
        host.files.min_part = 10
        yield host


# Single uploads


async def test_single_upload_is_measured_and_hashed(host: Host) -> None:
    """A single upload answers 201 with a file id under which size and hashes are found, and no bytes are kept."""
    status, body = await host.single("call.mp4")
    stored = host.files.find(body["file_id"])
    assert status == 201
    assert stored is not None
    assert (stored.name, stored.kind, stored.size) == ("call.mp4", "main", len(VIDEO))
    assert stored.sha256 == hashlib.sha256(VIDEO).hexdigest()
    assert [(part.number, part.md5, part.times_received) for part in stored.parts] == [
        (1, hashlib.md5(VIDEO).hexdigest(), 1)
    ]
    assert stored.path is None
    assert stored.created == host.clock.now()


async def test_kept_bytes_are_removed_at_close(keeper: Host) -> None:
    """With store_parts the bytes lie in a file until the host is closed."""
    _, body = await keeper.single("call.mp4")
    stored = keeper.files.find(body["file_id"])
    assert stored is not None
    assert stored.path is not None
    assert stored.path.read_bytes() == VIDEO
    await keeper.files.close()
    assert not stored.path.parent.exists()


@pytest.mark.parametrize("name", ["a.mov", "a.MP4", "a.avi", "a.wmv", "a.h264", "Zürich 100%.mp4"])
async def test_video_names_are_taken(host: Host, name: str) -> None:
    """Every documented video format is taken, and the name arrives as it was."""
    status, body = await host.single(name)
    stored = host.files.find(body["file_id"])
    assert status == 201
    assert stored is not None
    assert stored.name == name


@pytest.mark.parametrize("name", ["a.mp3", "mp4", "a.vtt", "transcript.json.zip", "notes.json", ""])
async def test_other_names_are_refused(host: Host, name: str) -> None:
    """A single upload of any other file type is 400/300."""
    assert await host.single(name) == (400, {"code": 300, "message": "Invalid File type."})


async def test_attachments_need_their_main_file_in_order(host: Host) -> None:
    """Transcript and metadata need an existing main file, and the transcript goes before the metadata."""
    _, main = await host.single("call.mp4")
    main_id = main["file_id"]
    assert (await host.single("x.transcript.json"))[1]["message"] == "Missing field: main_file_id"
    assert await host.single("transcript.json", main_file_id="nobody") == (
        404,
        {"code": 1005, "message": "File ID does not exist: nobody."},
    )
    _, transcript = await host.single("transcript.json", main_file_id=main_id, source="2")
    assert (await host.single("metadata.json", main_file_id=transcript["file_id"]))[0] == 404
    _, metadata = await host.single("metadata.json", main_file_id=main_id)
    assert (await host.single("transcript.json", main_file_id=main_id))[0] == 400
    stored = host.files.find(main_id)
    assert stored is not None
    assert stored.attachments == (transcript["file_id"], metadata["file_id"])
    assert [file.source for file in host.files.all()] == [1, 2, 1]


async def test_metadata_may_come_without_transcript(host: Host) -> None:
    """The transcript is optional."""
    _, main = await host.single("call.mp4")
    assert (await host.single("metadata.json", main_file_id=main["file_id"]))[0] == 201


@pytest.mark.parametrize("source", ["0", "3", "gong"])
async def test_unknown_source_is_refused(host: Host, source: str) -> None:
    """Only the sources 1 and 2 exist."""
    status, body = await host.single("call.mp4", source=source)
    assert (status, body["code"]) == (400, 300)
    assert host.files.all() == ()


async def test_single_upload_is_bounded(keeper: Host) -> None:
    """A single upload over the bound is 400/300, and what had come in is removed."""
    keeper.files.max_single = 100_000
    status, body = await keeper.single("call.mp4", bytes(100_001))
    assert (status, body) == (400, {"code": 300, "message": "Maximum file size exceeded: 100000."})
    path = keeper.files.fresh_path()
    assert path is not None
    assert list(path.parent.iterdir()) == []
    assert (await keeper.single("call.mp4", bytes(100_000)))[0] == 201


async def test_missing_file_is_refused(host: Host) -> None:
    """A form without its file field is 400/300."""
    form = aiohttp.FormData({"source": "1"}, default_to_multipart=True)
    assert await host.post("/files", data=form) == (400, {"code": 300, "message": "Missing field: file"})


async def test_user_without_license_is_refused(host: Host) -> None:
    """Every upload operation of a user without the plan is 400/200."""
    host.user.licensed = False
    for status, body in (
        await host.single("call.mp4"),
        await host.part("context", 1, b"x"),
        await host.event("CreateMultipartUpload", file_name="call.mp4"),
    ):
        assert (status, body["code"]) == (400, 200)
        assert body["message"].startswith("Zoom IQ plan is missing.")


# Forms


def raw_form(*fields: str) -> bytes:
    return b"".join(f"--B\r\nContent-Disposition: form-data; {field}\r\n\r\ndata\r\n".encode() for field in fields)


@pytest.mark.parametrize("field", ["name=file; filename=a.mp4", 'name="file"; filename=a.mp4', "name=file"])
async def test_unquoted_field_names_are_refused(host: Host, field: str) -> None:
    """A form whose name or filename is not quoted is 400/300."""
    body = raw_form(field) + b"--B--\r\n"
    headers = {"Content-Type": "multipart/form-data; boundary=B"}
    status, answer = await host.post("/files", data=body, headers=headers)
    assert (status, answer["code"]) == (400, 300)
    assert "quoted" in answer["message"]


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", b""),
        ("application/x-www-form-urlencoded; boundary=B", b"--B--\r\n"),
        ("multipart/form-data; boundary=B", b""),
        ("multipart/form-data; boundary=B", b"nothing here"),
        ("multipart/form-data; boundary=B", raw_form('name="file"; filename="a.mp4"')),
        ("multipart/form-data; boundary=B", raw_form('name="source"')[:-10]),
        ("multipart/form-data; boundary=B", b'--B\r\nContent-Disposition: attachment; name="a"\r\n\r\n\r\n--B--'),
        ("multipart/form-data; boundary=B", b"--B\r\nContent-Type: text/plain\r\n\r\n\r\n--B--"),
        ("multipart/form-data; boundary=B", b"--B\r\nX: " + b"y" * 40_000),
        ("multipart/form-data; boundary=B", b"--Bad\r\n\r\n"),
        ("multipart/form-data; boundary=B", raw_form('name="source"').replace(b"data", b"\xff") + b"--B--\r\n"),
        ("multipart/form-data; boundary=B", raw_form('name="source"').replace(b"data", b"x" * 70_000) + b"--B--\r\n"),
    ],
)
async def test_malformed_forms_are_refused(host: Host, content_type: str, body: bytes) -> None:
    """A body that is no form, or ends too early, is 400/300 and not a crash."""
    status, answer = await host.post("/files", data=body, headers={"Content-Type": content_type})
    assert (status, answer["code"]) == (400, 300)


class Chunks:
    """A request body that arrives in these pieces."""

    def __init__(self, chunks: list[bytes]) -> None:
        self._chunks = iter(chunks)

    async def readany(self) -> bytes:
        return next(self._chunks, b"")


@given(
    values=st.lists(
        st.one_of(st.binary(max_size=40), st.sampled_from([b"\r\n", b"\r\n--B", b"--BX--", b""])), max_size=4
    ),
    sizes=st.lists(st.integers(1, 60), min_size=1, max_size=200),
)
def test_forms_are_read_alike_however_they_are_cut(values: list[bytes], sizes: list[int]) -> None:
    """The same fields come out of a body wherever the network cuts it, whatever the values contain."""
    head = b'\r\nContent-Type: a/b\r\ncontent-disposition: form-data; filename="f%%20 \\"%d\\""; name="n%d"\r\n\r\n'
    body = b"".join(b"--BXB" + head % (n, n) + value + b"\r\n" for n, value in enumerate(values)) + b"--BXB--\r\n"
    chunks: list[bytes] = []
    for size in sizes:
        chunks.append(body[:size])
        body = body[size:]
    chunks.append(body)

    async def read() -> list[tuple[str, str | None, bytes]]:
        content: Any = Chunks([chunk for chunk in chunks if chunk])
        form = Form(content, 'multipart/form-data; charset=utf-8; boundary="BXB"')
        fields: list[tuple[str, str | None, bytes]] = []
        while (field := await form.field()) is not None:
            fields.append((field.name, field.filename, b"".join([bytes(piece) async for piece in form.pieces()])))
        return fields

    assert asyncio.run(read()) == [(f"n{n}", f'f  "{n}"', value) for n, value in enumerate(values)]


# Multipart uploads


async def test_parts_in_any_order_become_a_file(host: Host) -> None:
    """Parts may come in any order; Complete names them in order and answers the file id."""
    context = await host.create()
    third = await host.etag(context, 3, b"end")
    first = await host.etag(context, 1, b"a" * 20)
    second = await host.etag(context, 2, b"b" * 20)
    assert second == {"part_number": 2, "etag": hashlib.md5(b"b" * 20).hexdigest()}
    status, body = await host.complete(context, [first, second, third])
    stored = host.files.find(body["file_id"])
    assert status == 201
    assert stored is not None
    assert (stored.size, stored.sha256, stored.name) == (43, None, "call.mp4")
    assert [part.sha256 for part in stored.parts] == [
        hashlib.sha256(data).hexdigest() for data in (b"a" * 20, b"b" * 20, b"end")
    ]


async def test_kept_parts_are_joined(keeper: Host) -> None:
    """With store_parts the file is the parts joined in order, its hash is known, and no part is left over."""
    context = await keeper.create()
    second = await keeper.etag(context, 2, b"world")
    await keeper.etag(context, 1, b"overwritten")
    first = await keeper.etag(context, 1, b"hello, new ")
    _, body = await keeper.complete(context, [first, second])
    stored = keeper.files.find(body["file_id"])
    assert stored is not None
    assert stored.path is not None
    assert stored.path.read_bytes() == b"hello, new world"
    assert stored.sha256 == hashlib.sha256(b"hello, new world").hexdigest()
    assert list(stored.path.parent.iterdir()) == [stored.path]


async def test_receipts_of_a_part_are_counted(host: Host) -> None:
    """A part that is sent again replaces the first and is counted."""
    context = await host.create()
    await host.etag(context, 1, b"first version")
    again = await host.etag(context, 1, b"second")
    _, body = await host.complete(context, [again])
    stored = host.files.find(body["file_id"])
    assert stored is not None
    assert [(part.size, part.times_received) for part in stored.parts] == [(6, 2)]


async def test_etags_must_name_every_part_in_order(host: Host) -> None:
    """A wrong etag, a missing, a foreign or a misplaced part is 400/300, and the right list still completes."""
    context = await host.create()
    one, two = await host.etag(context, 1, b"1" * 20), await host.etag(context, 2, b"2" * 20)
    three = {"part_number": 3, "etag": one["etag"]}
    wrong = {"part_number": 2, "etag": one["etag"]}
    for etags in ([], [one], [two], [two, one], [one, two, three], [one, wrong], [one, one, two], [{"etag": "x"}]):
        assert await host.complete(context, etags) == (400, {"code": 300, "message": "Invalid part number etags."})
    assert (await host.complete(context, [one, two]))[0] == 201


async def test_a_gap_between_parts_is_refused(host: Host) -> None:
    """The parts must be numbered from 1 without a gap."""
    context = await host.create()
    one, three = await host.etag(context, 1, b"1" * 20), await host.etag(context, 3, b"3" * 20)
    assert (await host.complete(context, [one, three]))[1]["message"] == "Invalid part number etags."


async def test_small_parts_are_refused_at_completion() -> None:
    """Every part but the last must have 5 MB."""
    async with running() as host:
        context = await host.create()
        small, last = await host.etag(context, 1, bytes(4_999_999)), await host.etag(context, 2, b"end")
        status, body = await host.complete(context, [small, last])
        assert (status, body["code"]) == (400, 300)
        assert body["message"] == "Each part must be at least 5 MB in size, except the last part."
        enough = await host.etag(context, 1, bytes(5_000_000))
        assert (await host.complete(context, [enough, last]))[0] == 201


async def test_large_parts_are_refused(host: Host) -> None:
    """A part over the bound is 400/300 and does not count as received."""
    host.files.max_part = 50_000
    context = await host.create()
    status, body = await host.part(context, 1, bytes(50_001))
    assert (status, body["message"]) == (400, "Maximum file size exceeded: 50000.")
    assert (await host.part(context, 1, bytes(50_000)))[0] == 201
    upload = host.files.upload(context)
    assert upload is not None
    assert upload.parts[1].times_received == 1


@pytest.mark.parametrize("number", [0, 101, "-1", "one", "1.0", "9" * 20])
async def test_part_numbers_are_bounded(host: Host, number: object) -> None:
    """Parts are numbered 1 to 100."""
    context = await host.create()
    assert await host.part(context, number, b"x") == (400, {"code": 300, "message": "Part number exceeded: 100."})


async def test_the_file_may_precede_the_other_fields(host: Host) -> None:
    """The order of the form fields does not matter."""
    context = await host.create()
    form = aiohttp.FormData()
    form.add_field("file", b"data", filename="blob")
    form.add_field("part_number", "7")
    form.add_field("upload_context", context)
    status, body = await host.post("/files/multipart", data=form)
    assert (status, body["part_number_etag"]["part_number"]) == (201, 7)


async def test_unknown_context_leaves_nothing_behind(keeper: Host) -> None:
    """A part for an unknown context is 404/1005, in whatever order its fields come, and its bytes are removed."""
    form = aiohttp.FormData()
    form.add_field("file", b"data", filename="blob")
    form.add_field("part_number", "1")
    form.add_field("upload_context", "nowhere")
    expected = (404, {"code": 1005, "message": "Upload context nowhere not exist."})
    assert await keeper.post("/files/multipart", data=form) == expected
    assert await keeper.part("nowhere", 1, b"data") == expected
    assert await keeper.complete("nowhere", []) == expected
    path = keeper.files.fresh_path()
    assert path is not None
    assert list(path.parent.iterdir()) == []


async def test_a_context_lives_for_seven_days(keeper: Host) -> None:
    """A second before the seventh day is over the upload completes; afterwards it is unknown and its bytes gone."""
    context, late = await keeper.create(), await keeper.create()
    etag, _ = await keeper.etag(context, 1, b"x"), await keeper.etag(late, 1, b"y")
    keeper.clock.advance(WEEK - 1)
    assert (await keeper.complete(context, [etag]))[0] == 201
    keeper.clock.advance(1)
    assert (await keeper.part(late, 2, b"z"))[0] == 404
    assert keeper.files.uploads() == ()
    path = keeper.files.fresh_path()
    assert path is not None
    assert len(list(path.parent.iterdir())) == 1


async def test_opaque_etags_hold_as_well(host: Host) -> None:
    """An etag need not be a hash: it is only compared."""
    host.files.etag = "opaque"
    context = await host.create()
    etag = await host.etag(context, 1, b"x")
    assert etag["etag"] != hashlib.md5(b"x").hexdigest()
    assert (await host.complete(context, [etag]))[0] == 201


async def test_second_completion_answers_the_same_file(host: Host) -> None:
    """By default a lost answer can be asked for again; as an option the context is gone."""
    context = await host.create()
    etag = await host.etag(context, 1, b"x")
    first = await host.complete(context, [etag])
    assert await host.complete(context, [etag]) == first
    assert len(host.files.all()) == 1
    host.files.complete_twice = "gone"
    assert (await host.complete(context, [etag]))[0] == 404
    assert (await host.part(context, 2, b"late"))[0] == 404


async def test_concurrent_completions_make_one_file(keeper: Host) -> None:
    """Two Completes at once answer one file."""
    context = await keeper.create()
    etags = [await keeper.etag(context, 1, bytes(3_000_000)), await keeper.etag(context, 2, b"x")]
    answers = await asyncio.gather(keeper.complete(context, etags), keeper.complete(context, etags))
    assert answers[0] == answers[1]
    assert len(keeper.files.all()) == 1


async def test_multipart_takes_vtt_transcripts(host: Host) -> None:
    """A multipart transcript may be a .vtt file, and needs its main file like any other."""
    _, main = await host.single("call.mp4")
    assert (await host.event("CreateMultipartUpload", file_name="talk.vtt"))[0] == 400
    context = await host.create("talk.vtt", main_file_id=main["file_id"])
    await host.complete(context, [await host.etag(context, 1, b"WEBVTT")])
    assert [file.kind for file in host.files.all()] == ["main", "transcript"]


@pytest.mark.parametrize(
    "body",
    [
        {"method": "AbortMultipartUpload", "params": {}},
        {"method": "CreateMultipartUpload"},
        {"method": "CreateMultipartUpload", "params": {"file_name": 5}},
        {"method": "CreateMultipartUpload", "params": {"file_name": "notes.txt"}},
        {"method": "CompleteMultipartUpload", "params": {"part_number_etags": []}},
        ["CreateMultipartUpload"],
    ],
)
async def test_bad_events_are_refused(host: Host, body: object) -> None:
    """An unknown method or unusable params are 400/300."""
    status, answer = await host.post("/files/multipart/upload_events", json=body)
    assert (status, answer["code"]) == (400, 300)


async def test_a_cut_upload_leaves_nothing_behind(keeper: Host) -> None:
    """When the connection is lost in the middle of a part, its bytes are removed and it does not count."""
    context = await keeper.create()
    host, port = keeper.client.server.host, keeper.client.server.port
    head = f'name="upload_context"\r\n\r\n{context}\r\n--B\r\nContent-Disposition: form-data; name="file"; filename="b"'
    body = f"--B\r\nContent-Disposition: form-data; {head}\r\n\r\n".encode() + bytes(500_000)
    _, writer = await asyncio.open_connection(host, port)
    writer.write(
        b"POST /files/multipart HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=B\r\n"
        b"Content-Length: 1000000\r\n\r\n" + body
    )
    await writer.drain()
    path = keeper.files.fresh_path()
    assert path is not None
    while not list(path.parent.iterdir()):
        await asyncio.sleep(0)
    writer.close()
    await writer.wait_closed()
    async with asyncio.timeout(5):
        while list(path.parent.iterdir()):
            await asyncio.sleep(0)
    upload = keeper.files.upload(context)
    assert upload is not None
    assert upload.parts == {}


def resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
async def test_memory_stays_flat_under_a_large_upload() -> None:
    """300 MB in three parts at once, sent and received in this process, cost less than 25 MB."""
    size, chunk = 100 * 1024**2, bytes(64 * 1024)
    frame = b'--B\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'
    file_head = b'--B\r\nContent-Disposition: form-data; name="file"; filename="blob"\r\n\r\n'

    async def body(context: str, number: int):
        yield frame % (b"upload_context", context.encode()) + frame % (b"part_number", b"%d" % number) + file_head
        for _ in range(size // len(chunk)):
            yield chunk
        yield b"\r\n--B--\r\n"

    async with running() as host:
        context = await host.create()
        headers = {"Content-Type": "multipart/form-data; boundary=B"}
        before = peak = resident()
        uploads = [
            asyncio.create_task(host.post("/files/multipart", data=body(context, number), headers=headers))
            for number in (1, 2, 3)
        ]
        while not all(upload.done() for upload in uploads):
            await asyncio.sleep(0.005)
            peak = max(peak, resident())
        etags = [upload.result()[1]["part_number_etag"] for upload in uploads]
        _, done = await host.complete(context, etags)
        stored = host.files.find(done["file_id"])
    assert stored is not None
    assert stored.size == 3 * size
    assert peak - before < 25e6


# Downloads


async def test_recordings_are_served_as_they_are_known(host: Host) -> None:
    """A link gives the bytes that `content` knows, different for every conversation, the same for the same seed."""
    seen: set[str] = set()
    for conversation_id in ("egLSRuj2SlWet+wLi87LNA==,1667893163000", "//a b/ü", "7f"):
        content = host.files.content(conversation_id)
        async with host.client.get(host.files.download_link(conversation_id)) as response:
            data = await response.read()
            assert response.status == 200
            assert response.headers["Content-Type"] == "video/mp4"
        assert 100_000 <= len(data) == content.size <= 3_000_000
        assert hashlib.sha256(data).hexdigest() == content.sha256()
        assert Files(Options(), host.clock).content(conversation_id).sha256() == content.sha256()
        seen.add(content.sha256())
    assert len(seen) == 3


def test_links_begin_with_the_base_url() -> None:
    """A link is absolute once the server has said where it serves."""
    files = Files(Options(), Clock(frozen=True))
    files.base_url = "http://127.0.0.1:8000/"
    assert files.download_link("a/b").startswith("http://127.0.0.1:8000/recordings/")


async def test_ranges_put_together_are_the_recording(host: Host) -> None:
    """Consecutive ranges are 206 with a Content-Range, and together give the whole; HEAD gives no bytes."""
    content = host.files.content("one")
    link = host.files.download_link("one")
    data = b""
    while len(data) < content.size:
        async with host.client.get(link, headers={"Range": f"bytes={len(data)}-{len(data) + 99_999}"}) as response:
            piece = await response.read()
            last = len(data) + len(piece) - 1
            assert response.status == 206
            assert response.headers["Content-Range"] == f"bytes {len(data)}-{last}/{content.size}"
            data += piece
    assert hashlib.sha256(data).hexdigest() == content.sha256()
    async with host.client.head(link) as response:
        assert (response.status, int(response.headers["Content-Length"])) == (200, content.size)
        assert await response.read() == b""


async def test_a_range_past_the_end_is_416(host: Host) -> None:
    """A range that begins at or past the end is 416 with the size."""
    size = host.files.content("one").size
    async with host.client.get(host.files.download_link("one"), headers={"Range": f"bytes={size}-"}) as response:
        assert response.status == 416
        assert response.headers["Content-Range"] == f"bytes */{size}"


async def test_if_range_guards_against_another_version(host: Host) -> None:
    """If-Range with the ETag continues; with another one the whole file is sent."""
    link = host.files.download_link("one")
    async with host.client.head(link) as response:
        etag = response.headers["ETag"]
    for value, status in ((etag, 206), ('"other"', 200)):
        async with host.client.get(link, headers={"Range": "bytes=5-", "If-Range": value}) as response:
            assert response.status == status


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-0", (0, 1)),
        ("bytes=10-", (10, 100)),
        ("bytes=90-500", (90, 100)),
        ("bytes=-10", (90, 100)),
        ("bytes=-500", (0, 100)),
        ("bytes=-0", (100, 100)),
        ("bytes=100-", (100, 100)),
        ("bytes=5-4", None),
        ("bytes=-", None),
        ("bytes=0-1,5-6", None),
        ("items=0-1", None),
        ("", None),
    ],
)
def test_range_headers(header: str, expected: tuple[int, int] | None) -> None:
    """A Range header is read as HTTP has it; what is not understood is ignored."""
    assert content_range(header, 100) == expected


async def test_links_die_after_an_hour(host: Host) -> None:
    """A link works for an hour; expired, tampered or invented it is 403 with a page for people."""
    link = host.files.download_link("one")
    host.clock.advance(3599)
    async with host.client.head(link) as response:
        assert response.status == 200
    host.clock.advance(1)
    fresh = host.files.download_link("one")
    bad = (
        link,
        link.replace("expires=", "expires=9"),
        fresh.replace("recordings/", "recordings/x"),
        fresh.partition("?")[0],
    )
    for url in bad:
        async with host.client.get(url) as response:
            assert response.status == 403
            assert response.content_type == "text/html"


async def test_uploaded_recordings_come_back(keeper: Host) -> None:
    """The recording of a conversation made from a kept file is that file, under its name."""
    _, body = await keeper.single('Zürich "Q3".mov')
    keeper.files.bind("one", body["file_id"])
    async with keeper.client.get(keeper.files.download_link("one"), headers={"Range": "bytes=7-19"}) as response:
        assert await response.read() == VIDEO[7:20]
        assert response.content_type == "video/quicktime"
        assert response.content_disposition is not None
        assert response.content_disposition.filename == 'Zürich "Q3".mov'
    assert keeper.files.content("one").sha256() == hashlib.sha256(VIDEO).hexdigest()


async def test_dropped_recordings_are_generated(host: Host) -> None:
    """The recording of a conversation whose file was dropped is made up like any other."""
    _, body = await host.single("call.mov")
    before = host.files.content("one")
    host.files.bind("one", body["file_id"])
    assert host.files.content("one") == before


def test_awkward_names_occur_at_their_rate() -> None:
    """File names that need care occur as often as the option says."""
    clock = Clock(frozen=True)

    def awkward(rate: float) -> int:
        files = Files(Options(awkward=rate), clock)
        return sum(not files.content(str(number)).name.startswith("GMT_") for number in range(1000))

    assert awkward(0) == 0
    assert 60 < awkward(0.1) < 150
