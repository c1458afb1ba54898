"""Recordings to download from the sandbox: their bytes, their links, and the ranges of them."""

from __future__ import annotations

import hashlib

import pytest

from tests.sandbox.file_host import VIDEO, Host
from zra_async.sandbox.clock import Clock
from zra_async.sandbox.options import Options
from zra_async.sandbox.world.downloads import content_range
from zra_async.sandbox.world.file_store import Files


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
