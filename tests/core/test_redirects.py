"""Redirects are followed with method, body and Authorization to trusted https hosts, and to no other."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from yarl import URL

from tests.core import tls
from tests.core.clients import GET, POST, TOKEN, client_of, get
from tests.core.rows import row
from tests.core.server import Server, answer, error, redirect
from zra_async import Hosts, Network, ZRAClient, errors
from zra_async.core.events import Event, Redirected
from zra_async.core.form import BytesBody, FileForm
from zra_async.core.operation import Host, Label
from zra_async.core.redirects import Route, is_trusted
from zra_async.core.wire import Reply

STATUSES = [301, 302, 303, 307, 308]
TRUSTED = ("zoom.us", "zoomgov.com")
FINE = answer(200, {"name": "fine"})
UPLOAD = row(Label.FILES, name="things.upload", method="POST", path="/files", retry_safe=False, host=Host.FILE)


class FileBody:
    """A file that is read while it is sent, from its beginning each time."""

    content_type = "video/mp4"

    def __init__(self, path: Path) -> None:
        self._path = path
        self.size = path.stat().st_size

    async def write(self, send: Callable[[bytes | memoryview], Awaitable[None]]) -> None:
        with self._path.open("rb") as file:
            while chunk := file.read(100_000):
                await send(chunk)


@dataclass
class Zoom:
    """The two hosts of the service, another one of its domain, and two that must never see a token."""

    api: Server
    file: Server
    other: Server
    evil: Server
    plain: Server

    def client(self, **options: Any) -> ZRAClient:
        servers = {
            "api.zoom.us": self.api,
            "fileapi.zoom.us": self.file,
            "eu01.zoom.us": self.other,
            "api.zoom.us:80": self.plain,
        }
        network = Network(connector=tls.connector({**servers, **dict.fromkeys(EVIL, self.evil)}))
        return client_of(self.api, hosts=Hosts(), network=network, **options)

    @property
    def leaked(self) -> int:
        """How often somebody connected to a host that is not trusted."""
        return self.evil.connections + self.plain.connections


EVIL = ("evil.test", "zoom.us.evil.test", "notzoom.us")


@pytest.fixture
async def zoom() -> AsyncIterator[Zoom]:
    """The hosts, of which all but one speak TLS."""
    async with AsyncExitStack() as stack:
        context = tls.server_context()
        kinds = (context, context, context, context, None)
        yield Zoom(*[await stack.enter_async_context(Server(otherwise=FINE, tls=kind)) for kind in kinds])


@pytest.fixture
async def zra(zoom: Zoom) -> AsyncIterator[ZRAClient]:
    """A client of these hosts, with a connector of its own, which is closed at the end."""
    client = zoom.client()
    async with client:
        yield client
    connector = client._session.config.network.connector
    assert connector is not None
    await connector.close()


@dataclass(frozen=True)
class Sent:
    """One way to send something, and what must arrive."""

    send: Callable[[ZRAClient], Awaitable[Any]]
    source: Callable[[Zoom], Server]
    content_type: str
    content: Callable[[bytes], bytes]  # of the body that arrived
    expected: bytes


def json_body(_: Path) -> Sent:
    """JSON to the API host."""
    body = {"name": "new", "of": [1, None, "ü"]}
    return Sent(
        lambda zra: zra.call(POST, body=body),
        lambda zoom: zoom.api,
        "application/json",
        lambda got: json.dumps(json.loads(got)).encode(),
        json.dumps(body).encode(),
    )


def bytes_body(_: Path) -> Sent:
    """Bytes, more than fit into one write, to the file host."""
    body = b"0123456789" * 70_000
    return Sent(
        lambda zra: zra.call(UPLOAD, body=BytesBody(body)),
        lambda zoom: zoom.file,
        "application/octet-stream",
        bytes,
        body,
    )


def file_body(path: Path) -> Sent:
    """A form around a file on disk, to the file host."""
    file = path / "call.mp4"
    file.write_bytes(b"recorded" * 60_000)
    form = FileForm(FileBody(file), file_name="call.mp4", fields={"source": "2"})
    return Sent(
        lambda zra: zra.call(UPLOAD, body=form),
        lambda zoom: zoom.file,
        form.content_type,
        lambda got: hashlib.sha256(got.partition(b"video/mp4\r\n\r\n")[2].rpartition(b"\r\n--")[0]).digest(),
        hashlib.sha256(file.read_bytes()).digest(),
    )


KINDS = pytest.mark.parametrize("kind", [json_body, bytes_body, file_body])
#: what is followed: an upload over all that ask for the same again, another unsafe write only where nothing was done
FOLLOWED = pytest.mark.parametrize(
    ("kind", "status"),
    [
        (json_body, 307),
        (json_body, 308),
        *((kind, s) for kind in (bytes_body, file_body) for s in (301, 302, 307, 308)),
    ],
)


@FOLLOWED
async def test_a_trusted_target_gets_everything(
    zoom: Zoom, zra: ZRAClient, tmp_path: Path, status: int, kind: Callable[[Path], Sent]
) -> None:
    """Method, body, content type and Authorization arrive as they were sent, whatever the status."""
    sent = kind(tmp_path)
    sent.source(zoom).script(redirect(status, "https://eu01.zoom.us/v2/elsewhere?part=1#top"))
    assert (await sent.send(zra)).name == "fine"
    seen = zoom.other.seen[0]
    assert (seen.method, seen.target) == ("POST", "/v2/elsewhere?part=1")
    assert seen.bearer == TOKEN
    assert seen.headers["content-type"] == sent.content_type
    assert sent.content(seen.body) == sent.expected
    assert seen.body == sent.source(zoom).seen[0].body


@pytest.mark.parametrize("status", STATUSES)
@KINDS
async def test_no_other_target_gets_anything(
    zoom: Zoom, zra: ZRAClient, tmp_path: Path, status: int, kind: Callable[[Path], Sent]
) -> None:
    """A foreign host, a look-alike, and plain http are not even connected to; the error names the host."""
    sent = kind(tmp_path)
    for location in (
        "https://evil.test/v2/x",
        "https://zoom.us.evil.test/",
        "//notzoom.us/",
        "http://api.zoom.us/v2/x",
    ):
        sent.source(zoom).script(redirect(status, location))
        with pytest.raises(errors.UnsafeRedirect, match=rf"{URL(location).host}, which is not a trusted https host"):
            await sent.send(zra)
    assert zoom.leaked == 0
    assert len(sent.source(zoom).seen) == 4


@FOLLOWED
async def test_a_circle_ends(
    zoom: Zoom, zra: ZRAClient, tmp_path: Path, status: int, kind: Callable[[Path], Sent]
) -> None:
    """Two hosts that point to each other: nobody is asked twice."""
    sent = kind(tmp_path)
    source = sent.source(zoom)
    source._otherwise = redirect(status, "https://eu01.zoom.us/v2/there")
    zoom.other._otherwise = redirect(status, f"https://{'api' if source is zoom.api else 'fileapi'}.zoom.us/v2/back")
    with pytest.raises(errors.UnsafeRedirect, match="circle"):
        await sent.send(zra)
    assert [len(source.seen), len(zoom.other.seen)] == [2, 1]


async def test_a_longer_way_than_five_hops(zoom: Zoom, zra: ZRAClient) -> None:
    """Five hops are followed, the sixth is not."""
    hops = [redirect(307, f"/v2/hop/{number}") for number in range(6)]
    zoom.api.script(*hops[:5])
    assert (await get(zra)).name == "fine"
    assert zoom.api.seen[-1].target == "/v2/hop/4"
    zoom.api.script(*hops)
    with pytest.raises(errors.UnsafeRedirect, match="more than 5 times"):
        await get(zra)


async def test_every_hop_is_an_attempt_that_pays(zoom: Zoom) -> None:
    """A redirect is counted by the limits of its label, and observers learn the host and no more."""
    events: list[Event] = []
    client = zoom.client(observer=events.append)
    zoom.api.script(redirect(307, "https://eu01.zoom.us/v2/x?signature=sig-55dd01a7e3"))
    async with client as zra:
        await get(zra)
        assert zra.limits.snapshot()[Label.LIGHT].in_window == 2
    assert [e for e in events if isinstance(e, Redirected)] == [Redirected("things.get", "eu01.zoom.us")]
    assert "sig-55dd01a7e3" not in repr(events)
    await client._session.config.network.connector.close()  # type: ignore[union-attr]


async def test_the_repeat_of_a_redirected_call_starts_anew(zoom: Zoom, zra: ZRAClient) -> None:
    """A failure behind a redirect is repeated from the first host, which may know a better one by then."""
    zoom.api.script(redirect(307, "https://eu01.zoom.us/v2/x"), FINE)
    zoom.other.script(error(503, 1, "down"))
    assert (await get(zra)).name == "fine"
    assert [len(zoom.api.seen), len(zoom.other.seen)] == [2, 1]


@pytest.mark.parametrize("location", ["", "https://", "https:///path", "https://[::1", "https://api.zoom.us:99999/"])
async def test_a_redirect_to_nowhere(location: str) -> None:
    """Without a usable Location there is nothing to follow."""
    async with Server(answer(302, headers={"Location": location})) as server, client_of(server) as zra:
        with pytest.raises(errors.UnsafeRedirect, match="without a usable Location"):
            await get(zra)
        assert len(server.seen) == 1


@pytest.mark.parametrize("status", [300, 304, 305, 399])
async def test_other_3xx_answers_are_not_understood(status: int) -> None:
    """Only the five redirects are followed."""
    async with Server(answer(status, headers={"Location": "/x"})) as server, client_of(server) as zra:
        with pytest.raises(errors.UnexpectedAnswer, match=f"HTTP {status}"):
            await get(zra)
        assert len(server.seen) == 1


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_loopback_stands_for_several_hosts(host: str) -> None:
    """On loopback http leads to another loopback address, as in the sandbox, and nowhere else."""
    async with Server() as first, Server(FINE) as second:
        hosts = Hosts(api=f"http://{host}:{first.port}/v2")
        async with client_of(first, hosts=hosts) as zra:
            first.script(redirect(307, f"http://{host}:{second.port}/x"), redirect(307, "http://api.zoom.us/"))
            assert (await get(zra)).name == "fine"
            assert second.seen[0].bearer == TOKEN
            with pytest.raises(errors.UnsafeRedirect):
                await get(zra)


HERE = "https://api.zoom.us/v2/zra/things"
TRICKS = [
    "https://evil.test#.zoom.us",
    "https://evil.test?.zoom.us",
    "https://evil.test/.zoom.us",
    "https://evil.test\\.zoom.us/",
    "https://api.zoom.us@evil.test/",
    "https://user:pass@api.zoom.us/",
    "https://@evil.test/",
    "https:evil.test",
    "https:\\\\evil.test\\",
    "//evil.test:443@zoom.us:1/",
    "https://api.zoom.us./",
    "https://xn--zoom-.us/",
    "https://ｚoom.us/",
    "https://api.zoom.us%00.evil.test/",
    "https://api.zoom.us%2f.evil.test/",
    "https://evil.test%2f.zoom.us/",
    "https://evil.test%00.zoom.us/",
    "https://evil.test%20.zoom.us/",
    "ftp://api.zoom.us/",
    "http://127.0.0.1/",
    "http://localhost/",
    "https://127.0.0.1/",
    "wss://api.zoom.us/",
    "javascript:alert(1)",
]


def follow(location: str) -> str:
    """Where a redirect from the API host leads."""
    route = Route(HERE, TRUSTED)
    route.follow(GET, Reply(307, {"Location": location}, b""))
    return route.url


@pytest.mark.parametrize("location", TRICKS)
def test_tricks_lead_nowhere(location: str) -> None:
    """Whatever a Location pretends, it is not followed away from the service."""
    try:
        url = follow(location)
    except errors.UnsafeRedirect:
        return
    assert URL(url, encoded=True).origin() == URL(HERE).origin()


@given(st.text(alphabet="htps:/@.#?\\%20zoomusevil.test[]\t\r\n é-", max_size=40) | st.text(max_size=40))
@example("https://eu.zoom.us/")
def test_no_location_leads_away_from_the_trusted_domains(location: str) -> None:
    """For any Location: refused, or the host that would be connected to is one of the trusted ones."""
    try:
        url = URL(follow(location), encoded=True)
    except errors.UnsafeRedirect:
        return
    assert url.scheme == "https"
    host = url.raw_host or ""
    assert host in TRUSTED or host.endswith((".zoom.us", ".zoomgov.com"))


@pytest.mark.parametrize(
    ("target", "here", "trusted"),
    [
        ("https://corp.test/x", "https://corp.test/y", True),
        ("https://corp.test:8443/x", "https://corp.test/y", False),
        ("https://API.Zoom.US/x", "https://corp.test/y", True),
        ("https://zoomgov.com/x", "https://corp.test/y", True),
        ("http://corp.test/x", "http://corp.test/y", False),
        ("http://127.0.0.1:1/x", "https://api.zoom.us/y", False),
        ("https://127.0.0.1:1/x", "http://127.0.0.1:2/y", False),
        ("http://[::1]:1/x", "http://127.0.0.1:2/y", True),
        ("http://127.evil.test/x", "http://127.0.0.1/y", False),
    ],
)
def test_who_is_trusted(target: str, here: str, trusted: bool) -> None:
    """The trusted domains, the same https origin, and loopback from loopback."""
    assert is_trusted(URL(target), URL(here), TRUSTED) is trusted
