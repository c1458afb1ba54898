"""Single uploads to the sandbox, and the forms in which they come."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sandbox.file_host import VIDEO, Host
from zra_async.sandbox.operations.multipart import Form

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
