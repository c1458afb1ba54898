"""Another aiohttp, and instrumentation that is older than our import: each in a process of its own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest

import zra_async

ROOT = Path(zra_async.__file__).parent.parent
WORK = """
import asyncio
from tests.core.clients import POST, SAFE_POST, client_of, get, post
from tests.core.rows import row
from tests.core.server import Server, answer, hang_up
from zra_async import RetryPolicy, errors
from zra_async.core.form import BytesBody
from zra_async.core.operation import Host, Label

ADD = row(name="files.add", method="POST", path="/files", host=Host.FILE, label=Label.FILES, retry_safe=False)

async def main():
    async with Server() as server, client_of(server) as zra:
        assert (await get(zra)).name == "default"
        assert (await post(zra)).name == "default"
        await zra.call(ADD, body=BytesBody(bytes(3_000_000)))
        assert len(server.seen[-1].body) == 3_000_000
        server.script(answer(200, b"recorded"))
        assert await (await zra._session.fetch("a", server.url + "/file", {})).read() == b"recorded"
        assert (await zra._session._transport.post_form(server.url + "/token", {"a": "b"}, "Basic x", 30))[0] == 200
        count = len(server.seen)
        for behaviour, call in ((hang_up, post(zra)), (hang_up, zra.call(ADD, body=BytesBody(bytes(600_000))))):
            server.script(behaviour)
            try:
                await call
            except errors.AmbiguousWrite:
                count += 1
            assert len(server.seen) == count, "a write went out twice"
        server.script(hang_up)
        await post(zra, SAFE_POST)
        assert zra.limits.snapshot()[Label.LIGHT].in_window >= 5
    async with Server(hang_up) as server, client_of(server, retry=RetryPolicy.none()) as zra:
        try:
            await get(zra)
        except errors.ConnectionLost:
            pass
        assert len(server.seen) == 1, "aiohttp repeated by itself"

asyncio.run(main())
print("all done")
"""
#: names that another version may have changed, and what replaces them in the source of aiohttp
RENAMED = {
    "send": [(r"\bdef send\(self, conn", "def _send(self, conn"), (r"\breq\.send\(conn\)", "req._send(conn)")],
    "write_bytes": [(r"\bwrite_bytes\b", "_write_bytes")],
    "_request": [(r"\bdef _request\(", "def _do_request("), (r"\bself\._request\(", "self._do_request(")],
    "_buffer": [(r"\b_buffer\b", "_chunks")],
    "transport": [
        (r"(class StreamWriter.*?)def transport\(", r"\1def _transport("),
        (r"writer\.transport", "writer._transport"),
    ],
    "_retry_connection": [(r"\b_retry_connection\b", "_repeat_connection")],
    "set_response_params": [(r"\bset_response_params\b", "configure_response")],
}


def run(code: str, *folders: Path) -> str:
    """Run code in a new process that looks into ``folders`` first."""
    path = os.pathsep.join(str(folder) for folder in (*folders, ROOT))
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": path, "AIOHTTP_NO_EXTENSIONS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def changed_aiohttp(folder: Path, names: list[str]) -> Path:
    """Copy aiohttp with these names replaced."""
    target = folder / "aiohttp"
    shutil.copytree(Path(aiohttp.__file__).parent, target, ignore=shutil.ignore_patterns("__pycache__", "*.so", "web*"))
    for path in [*target.glob("*.py")]:
        text = before = path.read_text("utf-8")
        for name in names:
            for pattern, replacement in RENAMED[name]:
                text = re.sub(pattern, replacement, text, flags=re.DOTALL)
        if text != before:
            path.write_text(text, "utf-8")
    for web in Path(aiohttp.__file__).parent.glob("web*.py"):
        shutil.copy(web, target)
    return folder


@pytest.mark.timeout(180)
@pytest.mark.parametrize("names", [*([name] for name in RENAMED), list(RENAMED)], ids="+".join)
def test_an_aiohttp_without_a_private_part(tmp_path: Path, names: list[str]) -> None:
    """Whatever is renamed, calls, uploads, downloads and tokens work, and no write goes out twice."""
    place = changed_aiohttp(tmp_path, names)
    check = f"import aiohttp; assert aiohttp.__file__.startswith({str(place)!r})\n"
    assert "all done" in run(check + WORK, place)


def test_an_instrumentation_that_came_first() -> None:
    """A wrapper of the request method that was installed before our import sees every request."""
    first = """
import functools, aiohttp
seen = []
original = aiohttp.ClientSession._request
@functools.wraps(original)
async def wrapper(self, method, url, *arguments, **options):
    seen.append(method)
    return await original(self, method, url, *arguments, **options)
aiohttp.ClientSession._request = wrapper
"""
    out = run(first + WORK + "\nprint(*seen)")
    assert out.split("all done")[1].split() == [
        *("GET", "POST", "POST", "GET", "POST"),  # call, write, upload, download, token
        *("POST", "POST", "POST", "POST", "GET"),  # two lost writes, a repeated one, a lost call
    ]
