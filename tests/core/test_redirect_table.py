"""Every cell of the table of redirects: the status, the kind of call, and the host that answers."""

from __future__ import annotations

from typing import Any

import pytest

from tests.core.clients import AT_ONCE, GET, POST, SAFE_POST, TOKEN, client_of
from tests.core.rows import row
from tests.core.server import Server, answer, error, redirect
from zra_async import RetryPolicy, ServerToServer, errors
from zra_async.core.form import BytesBody
from zra_async.core.operation import Host, Label, Operation
from zra_async.core.redirects import following
from zra_async.sandbox import Sandbox

FINE = answer(200, {"name": "fine"})
PATCH = row(name="things.change", method="PATCH", path="/things", retry_safe=True)
DELETE = row(name="things.delete", method="DELETE", path="/things", retry_safe=True)
UNSAFE_PATCH = row(name="things.turn", method="PATCH", path="/things", retry_safe=False)
UNSAFE_DELETE = row(name="things.pop", method="DELETE", path="/things", retry_safe=False)
FILE_GET = row(Label.FILES, host=Host.FILE)
UPLOAD = row(Label.FILES, name="files.upload", method="POST", path="/files", retry_safe=False, host=Host.FILE)
PART = row(Label.MULTIPART, name="files.part", method="POST", path="/files", retry_safe=True, host=Host.FILE)

#: what is done with 301 and 302, with 303, and with 307 and 308
TABLE: dict[str, tuple[Operation[Any], tuple[str, str, str]]] = {
    "GET": (GET, ("again", "again", "again")),
    "safe POST": (SAFE_POST, ("again", "GET", "again")),
    "safe PATCH": (PATCH, ("again", "GET", "again")),
    "safe DELETE": (DELETE, ("again", "GET", "again")),
    "unsafe POST": (POST, ("refused", "refused", "again")),
    "unsafe PATCH": (UNSAFE_PATCH, ("refused", "refused", "again")),
    "unsafe DELETE": (UNSAFE_DELETE, ("refused", "refused", "again")),
    "GET, file host": (FILE_GET, ("again", "again", "again")),
    "upload": (UPLOAD, ("again", "refused", "again")),
    "part": (PART, ("again", "GET", "again")),
}
COLUMN = {301: 0, 302: 0, 303: 1, 307: 2, 308: 2}
CELLS = [
    pytest.param(operation, status, columns[COLUMN[status]], id=f"{name}-{status}")
    for name, (operation, columns) in TABLE.items()
    for status in COLUMN
]
BODY = b'{"name":"' + b"x" * 400_000 + b'"}'


@pytest.mark.parametrize(("operation", "status", "follows"), CELLS)
async def test_a_cell(operation: Operation[Any], status: int, follows: str) -> None:
    """What arrives at the target is the same again, a GET without the body, or nothing."""
    assert following(operation, status) == follows
    arguments: dict[str, Any] = {"path": {"thing_id": "1"}} if "{" in operation.path else {"body": BytesBody(BODY)}
    async with Server() as first, Server(FINE) as second, client_of(first) as zra:
        first.script(redirect(status, f"{second.url}/there?x=1"))
        if follows == "refused":
            with pytest.raises(errors.RedirectedWrite, match=f"HTTP {status}.*not followed for a write") as caught:
                await zra.call(operation, **arguments)
            assert isinstance(caught.value, errors.AmbiguousWrite)
            assert isinstance(caught.value, errors.UnsafeRedirect)
            assert isinstance(caught.value.outcome, errors.UnsafeRedirect)
            assert (len(first.seen), len(second.seen)) == (1, 0)
            return
        assert (await zra.call(operation, **arguments)).name == "fine"
        sent, seen = first.seen[0], second.seen[0]
        assert (seen.target, seen.bearer) == ("/there?x=1", TOKEN)
        if follows == "GET":
            assert (seen.method, seen.body, seen.headers.get("content-type")) == ("GET", b"", None)
        else:
            assert (seen.method, seen.body) == (sent.method, sent.body)
        assert (len(first.seen), len(second.seen)) == (1, 1)


async def test_a_303_to_the_same_address_is_no_circle() -> None:
    """The result of a write may be where the write was sent; a second 303 from there is a circle."""
    async with Server() as server, client_of(server) as zra:
        server.script(redirect(303, "/v2/zra/things"), FINE)
        assert (await zra.call(SAFE_POST, body={})).name == "fine"
        assert [seen.method for seen in server.seen] == ["POST", "GET"]
        server.script(redirect(303, "/v2/zra/things"), redirect(303, "/v2/zra/things"))
        with pytest.raises(errors.UnsafeRedirect, match="circle"):
            await zra.call(SAFE_POST, body={})


async def test_a_get_stays_a_get() -> None:
    """Behind a 303 a later redirect repeats the GET, and never the write."""
    async with Server() as server, client_of(server) as zra:
        server.script(redirect(303, "/a"), redirect(307, "/b"), redirect(302, "/c"), FINE)
        await zra.call(PATCH, body={"name": "new"})
    assert [(seen.method, len(seen.body)) for seen in server.seen] == [("PATCH", 14), *[("GET", 0)] * 3]


async def test_a_failure_behind_a_303_repeats_the_write() -> None:
    """A repeat begins at the first host, with the write itself."""
    async with Server() as server, client_of(server) as zra:
        server.script(redirect(303, "/a"), error(503, 1, "down"), FINE)
        await zra.call(PATCH, body={"name": "new"})
    assert [seen.method for seen in server.seen] == ["PATCH", "GET", "PATCH"]


async def test_a_write_that_is_redirected_to_a_foreign_host_is_in_doubt() -> None:
    """A 302 to a host that is not trusted sends nothing there, and does not tell either."""
    async with Server(redirect(302, "https://evil.test/")) as server, client_of(server) as zra:
        with pytest.raises(errors.RedirectedWrite, match=r"evil\.test, which is not a trusted https host"):
            await zra.call(POST, body={})


@pytest.mark.parametrize("status", COLUMN)
async def test_a_download_follows_with_get(status: int) -> None:
    """A link may be redirected with any status."""
    async with Server() as server, client_of(server, retry=RetryPolicy.none()) as zra:
        server.script(
            answer(200, {"recording_download_url": f"{server.url}/link"}),
            redirect(status, f"{server.url}/file"),
            answer(200, b"recorded", {"Content-Type": "video/mp4"}),
        )
        async with zra.conversations.open_recording("c") as recording:
            assert b"".join([chunk async for chunk in recording]) == b"recorded"
        assert [seen.method for seen in server.seen] == ["GET"] * 3


@pytest.mark.parametrize("status", COLUMN)
async def test_the_token_endpoint_is_not_followed(status: int) -> None:
    """The client secret goes to the configured address and to no other; the error names the setting."""
    async with Server() as server, Server() as other:
        server.script(redirect(status, f"{other.url}/oauth/token"))
        async with client_of(server, ServerToServer("a", "c", "secret-5d1e9f77"), retry=AT_ONCE) as zra:
            with pytest.raises(errors.TokenError, match="check the token URL"):
                await zra.call(GET, path={"thing_id": "1"})
        assert (len(server.seen), other.seen) == (1, [])


@pytest.mark.parametrize("status", [0, 301, 302, 307, 308])
async def test_uploads_follow_the_sandbox(status: Any) -> None:
    """A small and a large file reach the host behind the public one, whatever kind of redirect it uses."""
    async with Sandbox(redirect_status=status, conversations=1) as sandbox, sandbox.client() as zra:
        assert (await zra.files.upload(bytes(1000), file_name="a.mp4")).file_id
        assert (await zra.files.upload(bytes(11_000_000), file_name="b.mp4", part_size=6_000_000)).parts == 2
