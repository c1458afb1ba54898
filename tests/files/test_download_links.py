"""The links to recordings: where they may lead, who gets the token, and what is said when they are refused."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from tests.core.clients import TOKEN
from tests.core.server import Behaviour, answer, hang_up, raw, redirect
from tests.files.store import DATA, SECRET, Store, served
from zra_async import RetryPolicy
from zra_async.errors import ClientNotOpen, LinkRefused, PermissionDenied, UnexpectedAnswer, UnsafeRedirect


async def test_a_link_carries_its_own_permission(tmp_path: Path) -> None:
    """The token goes to the API and not with the link."""
    store = Store()
    async with served(store) as (server, zra):
        await zra.conversations.download_recording("1", to=tmp_path)
        assert server.seen[0].bearer == TOKEN
        assert [seen.bearer for seen in store.asked] == [""]


async def test_a_trusted_host_that_wants_the_token_gets_it_in_the_end(tmp_path: Path) -> None:
    """Only after a fresh link was refused without it."""
    store = Store()
    no = answer(401, {"code": 124, "message": "Invalid access token."})
    async with served(store, store.serve, no) as (server, zra):
        await zra.conversations.download_recording("1", to=tmp_path)
        assert [seen.bearer for seen in server.seen[1:]] == ["", TOKEN]
        assert store.links == 1


async def test_a_link_that_is_always_refused(tmp_path: Path) -> None:
    """After a fresh link, with and without the token, the answer is no."""
    page = answer(403, b"<html>expired</html>", {"Content-Type": "text/html"})
    store = Store()
    async with served(store, store.serve, page, page) as (_, zra):
        with pytest.raises(LinkRefused):
            await zra.conversations.download_recording("1", to=tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "link",
    [
        "http://example.com/file?jwt={}",
        "https://example.com/file?jwt={}",
        "https://zoom.us.example.com/file?jwt={}",
        "https://zoom.us@example.com/{}",
        "file:///etc/passwd?{}",
        "https:///{}",
        "nonsense {}",
        "http://[broken/{}",
    ],
)
async def test_links_lead_to_trusted_hosts_only(tmp_path: Path, link: str, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever else a link says, nothing is sent there, and the link is not repeated in the error."""
    caplog.set_level(logging.DEBUG)
    store = Store()
    store.link = link.format(SECRET)
    async with served(store) as (server, zra):
        with pytest.raises(UnsafeRedirect) as caught:
            await zra.conversations.download_recording("1", to=tmp_path)
        assert len(server.seen) == 1
    assert SECRET not in f"{caught.value} {caught.value!r} {caplog.text}"


async def test_redirects_of_a_link(tmp_path: Path) -> None:
    """A redirect within the trusted hosts is followed, one out of them is not."""
    store = Store()
    async with served(store, store.serve, redirect(302, "/moved/file?jwt=" + SECRET)) as (_, zra):
        got = await zra.conversations.download_recording("1", to=tmp_path)
        assert got.path.read_bytes() == DATA
        assert store.asked[0].target.startswith("/moved/file")
    out = redirect(302, "https://example.com/file?jwt=" + SECRET)
    async with served(store, store.serve, out) as (_, zra):
        with pytest.raises(UnsafeRedirect, match=r"https://example\.com") as caught:
            await zra.conversations.download_recording("1", to=tmp_path / "other.mp4")
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("behaviour", [hang_up, answer(500, {}), raw("nonsense\r\n\r\n", keep=False)])
async def test_a_link_is_a_secret(tmp_path: Path, behaviour: Behaviour, caplog: pytest.LogCaptureFixture) -> None:
    """No error and no log record repeats a link, its path or its query."""
    caplog.set_level(logging.DEBUG)
    store = Store()
    async with served(store, store.serve, *[behaviour] * 9) as (_, zra):
        with pytest.raises(Exception) as caught:  # noqa: PT011 (each has an error of its own)
            await zra.conversations.download_recording("1", to=tmp_path)
    shown = f"{caught.value} {caught.value!r} {caught.value.__cause__} {caught.value.__context__!r} {caplog.text}"
    assert SECRET not in shown
    assert "/file/1" not in shown


async def test_a_refusal_of_the_host(tmp_path: Path) -> None:
    """An answer that is neither the recording nor a reason to try again is an error of its own."""
    for behaviour, kind in (
        (answer(400, {}), Exception),
        (answer(204), UnexpectedAnswer),
        (answer(206, DATA, {"Content-Type": "video/mp4"}), UnexpectedAnswer),
        (answer(200, DATA, {"Content-Type": "video/mp4", "Content-Encoding": "gzip"}), UnexpectedAnswer),
    ):
        store = Store()
        async with served(store, store.serve, behaviour) as (_, zra):
            with pytest.raises(kind):
                await zra.conversations.download_recording("1", to=tmp_path)
    assert list(tmp_path.iterdir()) == []


async def test_a_token_that_may_not_read_the_conversation(tmp_path: Path) -> None:
    """The errors of the conversation come out as they are, and are not repeated twice over."""
    no = answer(403, {"code": 1004, "message": "No permission."})
    async with served(Store(), no) as (server, zra):
        with pytest.raises(PermissionDenied):
            await zra.conversations.download_recording("1", to=tmp_path)
        assert len(server.seen) == 1
    async with served(Store(), *[answer(500, {})] * 20, retry=RetryPolicy(base=0.0, server=2)) as (server, zra):
        with pytest.raises(Exception, match="HTTP 500"):
            await zra.conversations.download_recording("1", to=tmp_path)
        assert len(server.seen) == 3


async def test_a_client_that_closes_ends_a_download() -> None:
    """Whoever reads on is told that the client is closed, and not of the inside of a connection."""
    async with served(Store(bytes(3_000_000))) as (_, zra), zra.conversations.open_recording("1") as recording:
        assert await recording.read()
        await zra.aclose()
        with pytest.raises(ClientNotOpen, match="closed"):
            async for _chunk in recording:
                pass
