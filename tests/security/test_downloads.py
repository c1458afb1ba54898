"""Recordings from a server that means harm: where their links may lead, what is written, and what ends."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.core import tls
from tests.core.clients import client_of
from tests.core.server import Behaviour, Seen, Server, answer, hang_up, raw, redirect
from tests.security.exposure import shown
from tests.security.hostile import at_most, endless
from tests.security.profile import quick
from zra_async import Hosts, Network, RetryPolicy, errors
from zra_async.files.download import _part_path
from zra_async.files.names import safe_name
from zra_async.files.recording_stream import describe, disposition_name

SIGNATURE = "sig-0a9b8c7d6e5f4a"
AT_ONCE = RetryPolicy(base=0.0)


def recording(content: bytes = b"recorded", headers: dict[str, str] | None = None, **more: Any) -> Behaviour:
    """Answer with the bytes of a recording."""
    return answer(200, content, {"Content-Type": "video/mp4", **(headers or {})}, **more)


def leading_to(link: str, *behaviours: Behaviour) -> Behaviour:
    """Give ``link`` for every conversation, and behave like this, one after the other, wherever else one asks."""
    waiting = list(behaviours)

    async def behave(seen: Seen, writer: asyncio.StreamWriter) -> bool:
        if "/zra/conversations/" in seen.target:
            return await answer(200, {"conversation_id": "c", "recording_download_url": link})(seen, writer)
        return await (waiting.pop(0) if len(waiting) > 1 else waiting[0])(seen, writer)

    return behave


async def download(behaviours: tuple[Behaviour, ...], folder: Path, **options: Any) -> Any:
    """Download from a server whose links lead to itself: the error, which must be one of the tree, or the result."""
    async with Server() as server:
        server._otherwise = leading_to(f"{server.url}/recording?token={SIGNATURE}", *behaviours)
        async with client_of(server, **{"retry": AT_ONCE, **options}) as zra:
            try:
                return await zra.conversations.download_recording("c", to=folder)
            except errors.ZRAError as error:
                return error


# --------------------------------------------------------------------------- where a link may lead

FOREIGN = [
    "https://evil.test/recording",
    "https://zoom.us.evil.test/recording",
    "https://zoom.us@evil.test/recording",
    "https://zoom.us:443@evil.test/recording",
    "https://zoom.us\\@evil.test/recording",
    "https://evil.test\\.zoom.us/recording",
    "https://evil.test#@zoom.us/",
    "https://evil.test?@zoom.us/",
    "//evil.test/recording",
    "\\\\evil.test\\recording",
    "http://zoom.us/recording",
    "http://127.0.0.1:9/",
    "http://localhost/",
    "http://[::1]/",
    "http://169.254.169.254/latest/meta-data/",
    "https://127.0.0.1/",
    "https://2130706433/",
    "https://0x7f.1/",
    "file:///etc/passwd",
    "file://zoom.us/etc/passwd",
    "data:video/mp4,evil",
    "ftp://zoom.us/recording",
    "javascript:alert(1)",
    "/recording",
    "https:///recording",
    "https://[::1",
    "https://zoom.us:99999/",
    "https://ｚoom.us/",
    "https://zoom.us./",
]


@pytest.mark.parametrize("link", FOREIGN)
async def test_a_link_out_of_the_service_is_not_followed(link: str, tmp_path: Path) -> None:
    """Not to another host, not to this machine, not to a file; the error does not repeat it."""
    names: dict[str, Server] = {}
    async with (
        Server(tls=tls.server_context()) as api,
        Server(otherwise=recording(), tls=tls.server_context()) as evil,
    ):
        names |= {"api.zoom.us": api, "evil.test": evil, "zoom.us.evil.test": evil, "zoom.us.": evil}
        api._otherwise = leading_to(link + f"?{SIGNATURE}", recording())
        connector = tls.connector(names)
        async with client_of(api, hosts=Hosts(), network=Network(connector=connector)) as zra:
            with pytest.raises(errors.UnsafeRedirect) as caught:
                await zra.conversations.download_recording("c", to=tmp_path)
        await connector.close()
        assert evil.connections == 0
        assert len(api.seen) == 1
    assert SIGNATURE not in shown(caught.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("link", ["https://evil.test/x", "http://127.0.0.1:9/x", "file:///etc/passwd", "//evil.test"])
async def test_a_redirect_out_of_the_service_is_not_followed(status: int, link: str, tmp_path: Path) -> None:
    """A trusted host that points elsewhere is not trusted that far; the token goes nowhere."""
    async with (
        Server(tls=tls.server_context()) as api,
        Server(otherwise=redirect(status, f"{link}?{SIGNATURE}"), tls=tls.server_context()) as files,
        Server(otherwise=recording(), tls=tls.server_context()) as evil,
    ):
        api._otherwise = leading_to(f"https://files.zoom.us/recording?{SIGNATURE}", recording())
        connector = tls.connector({"api.zoom.us": api, "files.zoom.us": files, "evil.test": evil})
        async with client_of(api, hosts=Hosts(), network=Network(connector=connector)) as zra:
            with pytest.raises(errors.UnsafeRedirect) as caught:
                await zra.conversations.download_recording("c", to=tmp_path)
        await connector.close()
        assert evil.connections == 0
        assert not files.seen[0].bearer
    assert SIGNATURE not in shown(caught.value)
    assert not list(tmp_path.iterdir())


def elsewhere(then: Behaviour) -> Behaviour:
    """Redirect to another address of the same host once, with a signature of its own."""

    async def behave(seen: Seen, writer: asyncio.StreamWriter) -> bool:
        step = then if "elsewhere" in seen.target else redirect(302, f"/elsewhere?token={SIGNATURE}")
        return await step(seen, writer)

    return behave


TROUBLE: dict[str, Behaviour] = {
    "hangs up": hang_up,
    "breaks HTTP": raw("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"),
    "refuses": answer(403),
    "refuses in another way": answer(400, {"code": 300, "message": "no"}),
    "fails": answer(500),
    "goes in circles": redirect(302, f"/recording?token={SIGNATURE}"),
    "points to nowhere": redirect(302, f"https://[{SIGNATURE}"),
    "cuts it off": recording(length=100, keep=False),
    "compresses it": recording(headers={"Content-Encoding": "gzip"}),
    "sends a page": answer(200, b"<html>", {"Content-Type": "text/html"}),
}


@pytest.mark.parametrize("redirected", [False, True])
@pytest.mark.parametrize("behaviour", TROUBLE.values(), ids=TROUBLE.keys())
async def test_errors_of_a_download_do_not_show_the_link(
    behaviour: Behaviour, redirected: bool, tmp_path: Path
) -> None:
    """A link is the key to a recording for an hour, so that no tool that reports errors may print it."""
    error = await download((elsewhere(behaviour) if redirected else behaviour,), tmp_path, retry=RetryPolicy.none())
    assert isinstance(error, errors.CallError)
    assert SIGNATURE not in shown(error)
    assert SIGNATURE not in str(error)


# --------------------------------------------------------------------------- what is written

NAMES = [
    "../../etc/cron.d/evil",
    "..\\..\\evil.mp4",
    "/etc/passwd",
    "C:\\Windows\\evil.mp4",
    "c:evil.mp4",
    "evil.mp4::$DATA",
    "..",
    "...",
    ".bashrc",
    "~root",
    "a\x00b.mp4",
    "a\r\nb.mp4",
    "con.mp4",
    "COM¹.txt",
    "evil\u202e4pm.exe",
    "x" * 5000 + ".mp4",
    "ü" * 200 + ".mp4",
    "\ud800.mp4",
    " .mp4",
    "a/../../b",
    "%2e%2e%2fevil.mp4",
    "%2fetc%2fpasswd",
    "..%5cevil",
    "",
]


@quick(120)
@given(st.text(max_size=60) | st.text(alphabet="./\\:%20efc~\x00\r\n\u202e \ud800conul", max_size=300))
@example("../../etc/passwd")
def test_a_name_is_that_of_one_file_in_one_folder(name: str) -> None:
    """For any text: a safe name, which fits a file system also with the suffix of an unfinished download."""
    safe = safe_name(name, "fallback.mp4")
    assert safe not in {"", ".", ".."}
    assert not set(safe) & set('/\\:*?"<>|\x00\r\n\x1b')
    assert safe.isprintable() or all(c.isprintable() or c.isspace() or not c.isascii() for c in safe)
    assert not safe.startswith((".", " "))
    assert not safe.endswith((".", " "))
    assert Path("/folder", safe).parent == Path("/folder")
    assert len(os.fsencode(_part_path(Path("/folder", safe), "version").name)) <= 255
    assert safe_name(safe, "x") == safe


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("form", ['filename="{}"', "filename*=UTF-8''{}", "filename={}"])
async def test_no_name_leads_out_of_the_folder(name: str, form: str, tmp_path: Path) -> None:
    """Whatever the service calls a recording, in whichever way, one file appears in the folder and none elsewhere."""
    header = "attachment; " + form.format(name.replace('"', ""))
    header = "".join(c for c in header.encode("utf-8", "surrogatepass").decode("latin-1") if c not in "\r\n\x00")
    folder = tmp_path / "target"
    folder.mkdir()
    result = await download((recording(headers={"Content-Disposition": header[:8000]}),), folder)
    assert [entry.name for entry in tmp_path.iterdir()] == ["target"]
    assert not isinstance(result, errors.ZRAError)
    assert [folder / entry.name for entry in folder.iterdir()] == [result.path]


@quick(80)
@given(st.text(max_size=80) | st.builds('attachment; filename="{}"; filename*={}'.format, st.text(), st.text()))
@example("attachment; filename*=UTF-8''" + "%e9" * 50)
@example('filename="' + "\\" * 8000)
@example("filename" + " " * 8000)
@example("filename" * 1000 + "*=" * 50)
def test_any_disposition_is_read_in_no_time(header: str) -> None:
    """It gives a text."""
    with at_most(mib=20):
        assert isinstance(disposition_name(header), str)


@quick(80)
@given(st.sampled_from([200, 206]), st.text(max_size=40), st.text(max_size=40))
@example(206, "", "bytes 0-1/" + "9" * 5000)
@example(206, "", "bytes " + "9" * 5000 + "-1/5")
@example(206, "", "bytes ²-1/²")
@example(200, "9" * 5000, "")
@example(200, "²", "")
def test_any_range_is_understood_or_refused(status: int, length: str, content_range: str) -> None:
    """Numbers that are none, or far too large, are a documented error or no size at all."""
    try:
        start, about = describe(status, {"Content-Length": length, "Content-Range": content_range}, "")
    except errors.UnexpectedAnswer:
        return
    assert 0 <= start < 10**18
    assert about.size is None or 0 <= about.size < 10**18


async def test_a_planted_link_is_not_written_through(tmp_path: Path) -> None:
    """A symbolic link in the place of the unfinished file or of the finished one leads nowhere."""
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    folder = tmp_path / "target"
    folder.mkdir()
    named = {"Content-Disposition": 'attachment; filename="call.mp4"', "ETag": '"1"'}
    error = await download((recording(headers=named, length=100, keep=False),), folder)
    assert isinstance(error, errors.DownloadInterrupted)
    assert error.part is not None
    error.part.unlink()
    error.part.symlink_to(victim)
    async with Server() as server:
        server._otherwise = leading_to(f"{server.url}/recording", recording(b"x" * 100, headers=named))
        async with client_of(server) as zra:
            with pytest.raises(OSError, match="is a link"):
                await zra.conversations.download_recording("c", to=folder)
            error.part.unlink()
            (folder / "call.mp4").symlink_to(victim)
            with pytest.raises(errors.TargetExists):
                await zra.conversations.download_recording("c", to=folder)
            with pytest.raises(errors.InvalidArgument, match="not followed"):
                await zra.conversations.download_recording("c", to=folder / "call.mp4", overwrite=True)
    assert victim.read_bytes() == b"precious"
    assert (folder / "call.mp4").is_symlink()


# --------------------------------------------------------------------------- what ends


def partial(content: bytes, content_range: str, headers: str = "") -> Behaviour:
    """Answer with a part, as it claims."""
    head = f"HTTP/1.1 206 Partial\r\nContent-Length: {len(content)}\r\nContent-Range: {content_range}\r\n{headers}\r\n"
    return raw(head, content)


NEVER_WHOLE: dict[str, Callable[[], Behaviour]] = {
    "always breaks off at the same place": lambda: recording(length=1000, keep=False),
    "always breaks off, with a version": lambda: recording(headers={"ETag": '"1"'}, length=1000, keep=False),
    "ignores where to go on": lambda: partial(b"abc", "bytes 0-2/1000"),
    "sends another part than was asked for": lambda: partial(b"abc", "bytes 500-502/1000"),
    "sends more than there is": lambda: partial(b"abcdefghij", "bytes 0-2/3"),
    "counts in another way": lambda: partial(b"abc", "items 0-2/1000"),
    "has a size of 5000 digits": lambda: partial(b"abc", "bytes 0-2/" + "9" * 5000),
    "starts at 5000 digits": lambda: partial(b"abc", f"bytes {'9' * 5000}-2/3"),
    "says that the range is wrong": lambda: answer(416),
    "refers to itself": lambda: redirect(302, "/recording"),
}


@pytest.mark.parametrize("name", NEVER_WHOLE)
async def test_a_recording_that_never_gets_whole_is_given_up(name: str, tmp_path: Path) -> None:
    """After as many repeats as the policy allows, whatever has arrived before; no such file appears."""
    async with Server() as server:
        server._otherwise = leading_to(f"{server.url}/recording?token={SIGNATURE}", NEVER_WHOLE[name]())
        async with client_of(server, retry=AT_ONCE) as zra:
            with pytest.raises(errors.CallError):
                await zra.conversations.download_recording("c", to=tmp_path)
        assert len(server.seen) <= 20
    assert [path.suffix for path in tmp_path.iterdir()] in ([], [".part"])


async def test_a_download_without_an_end_keeps_the_memory_flat(tmp_path: Path) -> None:
    """It is the caller who ends it: nothing of it is held but a few chunks."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\n\r\n"
    with at_most(mib=12):
        async with Server() as server:
            server._otherwise = leading_to(f"{server.url}/recording", endless(head, b"x" * 65536))
            async with client_of(server) as zra, zra.conversations.open_recording("c") as stream:
                received = 0
                async for chunk in stream:
                    received += len(chunk)
                    if received > 64 * 1024 * 1024:
                        break
    assert not list(tmp_path.iterdir())
