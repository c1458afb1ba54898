"""Multipart uploads to the sandbox: their parts, their completion, and what is left of those that fail."""

from __future__ import annotations

import asyncio
import hashlib
import resource
import sys
from pathlib import Path

import aiohttp
import pytest

from tests.sandbox.file_host import Host, running

WEEK = 7 * 86_400


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
    async with asyncio.timeout(300):
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
