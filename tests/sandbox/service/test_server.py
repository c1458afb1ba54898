"""The sandbox as a server: addresses, the order of one request, both file hosts, latency, control and its end."""

from __future__ import annotations

import asyncio
import gc
import logging
import socket
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest

from tests.sandbox.conftest import Plain, Start
from zra_async.sandbox.api_error import ApiError
from zra_async.sandbox.clock import Clock
from zra_async.sandbox.faults.faults import Fault
from zra_async.sandbox.operations.route import HANDLERS, Answer, Call
from zra_async.sandbox.options import OptionFields, Options
from zra_async.sandbox.server import Sandbox

pytestmark = pytest.mark.usefixtures("echo")


async def test_every_host_has_its_own_address(start: Start) -> None:
    """Token host, API host and both file hosts listen on four ports of 127.0.0.1."""
    sandbox = (await start()).sandbox
    urls = [sandbox.api_url, sandbox.file_url, sandbox.upload_url, sandbox.token_url]
    assert len({url.split("/")[2] for url in urls}) == 4
    assert all(url.startswith("http://127.0.0.1:") for url in urls)
    assert [url.split("/", 3)[3] for url in urls] == ["v2", "v2", "v2", "oauth/token"]


async def test_the_environment_says_how_to_get_in(start: Start) -> None:
    """The variables carry credentials, plan and the three addresses that a client needs."""
    sandbox = (await start(plan="pro")).sandbox
    assert sandbox.environment() == {
        "ZOOM_ACCOUNT_ID": sandbox.account_id,
        "ZOOM_CLIENT_ID": sandbox.client_id,
        "ZOOM_CLIENT_SECRET": sandbox.client_secret,
        "ZRA_PLAN": "pro",
        "ZRA_TOKEN_URL": sandbox.token_url,
        "ZRA_API_URL": sandbox.api_url,
        "ZRA_FILE_URL": sandbox.file_url,
    }


async def test_a_fixed_port_is_used_and_a_taken_one_is_an_error(start: Start) -> None:
    """``port`` fixes the API host; a port in use raises and leaves nothing open."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        with pytest.raises(OSError, match=str(port)):
            await start(port=port)
    plain = await start(port=port)
    assert plain.sandbox.api_url == f"http://127.0.0.1:{port}/v2"


def test_options_as_keywords_are_those_of_the_dataclass() -> None:
    """The keyword arguments and the options cannot drift apart."""
    assert set(OptionFields.__annotations__) == {field.name for field in fields(Options)}


@pytest.mark.parametrize(
    "options", [{"plan": "gold"}, {"redirect_status": 200}, {"awkward": 2}, {"latency": -1}, {"conversations": -1}]
)
def test_options_without_sense_are_refused(options: dict[str, Any]) -> None:
    """An unknown plan or a number out of bounds is a ValueError before anything listens."""
    with pytest.raises(ValueError, match=r"."):
        Sandbox(**options)


async def test_a_call_reaches_its_handler_decoded(start: Start) -> None:
    """Path, query and body arrive decoded, and the last of a repeated parameter wins."""
    plain = await start()
    reply = await plain.send("PATCH", "/zra/team/%252Fa%3D%3D?x=a%2Bb+c&y=&x=%C3%BC", json={"team_name": "ü"})
    assert reply.body["path"] == {"teamId": "/a=="}
    assert reply.body["query"] == {"x": "ü", "y": ""}
    assert reply.body["body"] == {"team_name": "ü"}
    assert reply.body["legacy"] is False
    assert (await plain.send("GET", "/iq/deals")).body["legacy"] is True


async def test_every_answer_can_be_traced(start: Start) -> None:
    """Successes, refusals and unknown routes carry different tracking ids."""
    plain = await start()
    replies = [await plain.send("GET", path) for path in ("/zra/deals", "/zra/nothing", "/zra/deals")]
    assert [reply.status for reply in replies] == [200, 404, 200]
    assert len({reply.headers["x-zm-trackingid"] for reply in replies}) == 3


async def test_token_then_scopes_then_rate_then_body(start: Start) -> None:
    """Of several mistakes in one request the earliest check speaks, and only admitted requests use the rate up."""
    plain = await start(plan="free", scopes=("iq_team:write:admin",), clock=Clock(frozen=True))
    good, plain.bearer = plain.bearer, "unknown"
    assert (await plain.send("POST", "/zra/team", data=b"{")).status == 401
    plain.bearer = good
    assert (await plain.send("POST", "/zra/crm/settings", data=b"{")).body["code"] == 4711
    assert (await plain.send("POST", "/zra/team", data=b"{")).body["code"] == 300
    assert (await plain.send("POST", "/zra/team", data=b"{")).status == 429
    stats = plain.sandbox.stats["HEAVY"]
    assert (stats.calls, stats.accepted, stats.rejected) == (4, 1, 1)


@pytest.mark.parametrize("body", [b"{", b"\xff", b"{'a': 1}", b"[1,]"])
async def test_broken_json_is_refused(start: Start, body: bytes) -> None:
    """A body that is not JSON is 400/300."""
    plain = await start()
    reply = await plain.send("PATCH", "/zra/team/t", data=body)
    assert (reply.status, reply.body["code"]) == (400, 300)


async def test_no_body_is_none(start: Start) -> None:
    """A write without a body reaches its handler with None."""
    assert (await (await start()).send("PATCH", "/zra/team/t")).body["body"] is None


async def test_an_immense_body_is_refused(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """A JSON body over the limit is 413 and the connection stays good."""
    monkeypatch.setattr("zra_async.sandbox.server.BODY_LIMIT", 100_000)
    plain = await start()
    reply = await plain.send("PATCH", "/zra/team/t", data=b" " * 100_001)
    assert reply.status == 413
    assert (await plain.send("GET", "/zra/deals")).status == 200


async def test_refusals_of_a_handler_are_sent_as_documented(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """An ApiError becomes its status, code, message, errors and headers."""

    async def refuse(_: Call) -> Answer:
        errors = [{"field": "f", "message": "m"}]
        raise ApiError(409, 5, "conflict", errors=errors, headers={"X-Why": "because"})

    monkeypatch.setitem(HANDLERS, ("GET", "/deals"), refuse)
    reply = await (await start()).send("GET", "/zra/deals")
    assert (reply.status, reply.headers["X-Why"]) == (409, "because")
    assert reply.body == {"code": 5, "message": "conflict", "errors": [{"field": "f", "message": "m"}]}


async def test_a_bug_in_a_handler_is_logged_and_answered(
    start: Start, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A handler that breaks is a 500 with a traceback in the log, and the connection lives on."""

    async def broken(_: Call) -> Answer:
        raise ZeroDivisionError

    monkeypatch.setitem(HANDLERS, ("GET", "/deals"), broken)
    plain = await start()
    with caplog.at_level(logging.ERROR):
        assert (await plain.send("GET", "/zra/deals")).status == 500
    assert "ZeroDivisionError" in caplog.text
    caplog.clear()
    assert (await plain.send("GET", "/zra/conversations")).status == 200


async def test_operations_are_counted_by_name(start: Start) -> None:
    """The stats tell how often each operation and the token endpoint were called."""
    plain = await start()
    for path in ("/zra/deals/a", "/zra/deals/b", "/iq/deals/a"):
        await plain.send("GET", path)
    assert plain.sandbox.stats.operations == {"token": 1, "GET /zra/deals/{dealId}": 2, "GET /iq/deals/{dealId}": 1}


# The file hosts


async def upload(plain: Plain, url: str, body: Any, **headers: str) -> tuple[int, str | None]:
    """Post a body to a file host and give status and Location."""
    async with plain.session.post(url, data=body, headers=headers, allow_redirects=False) as response:
        await response.read()
        return response.status, response.headers.get("Location")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_the_public_file_host_forwards(start: Start, status: int) -> None:
    """The public host answers with the configured status and the same path and query on the second host."""
    plain = await start(redirect_status=status)
    answer = await upload(plain, plain.sandbox.file_url + "/zra/files?a=b%20c", b"x")
    assert answer == (status, plain.sandbox.upload_url + "/zra/files?a=b%20c")


async def test_the_second_file_host_demands_the_token(start: Start) -> None:
    """A client that drops Authorization on the way is told that its token is invalid."""
    plain = await start()
    url = plain.sandbox.upload_url + "/zra/files/multipart/upload_events"
    assert (await upload(plain, url, b"{}"))[0] == 401
    assert (await upload(plain, url, b"{}", Authorization=f"Bearer {plain.bearer}"))[0] == 200


async def test_without_a_redirect_the_public_host_serves_itself(start: Start) -> None:
    """With redirect status 0 the public host takes the upload."""
    plain = await start(redirect_status=0)
    url = plain.sandbox.file_url + "/zra/files/multipart/upload_events"
    assert await upload(plain, url, b"{}", Authorization=f"Bearer {plain.bearer}") == (200, None)


async def test_operations_live_on_their_own_host_only(start: Start) -> None:
    """Files are unknown on the API host, and everything else on the file hosts."""
    plain = await start()
    sandbox = plain.sandbox
    assert (await plain.send("POST", "/zra/files")).status == 404
    assert (await plain.send("POST", "/zra/files/multipart/upload_events", json={})).status == 404
    for base in (sandbox.file_url, sandbox.upload_url):
        assert (await plain.send("GET", "/zra/deals", base=base)).status == 404
    assert (await plain.send("GET", "/v2/zra/deals", base=sandbox.token_url.removesuffix("/oauth/token"))).status == 404


@pytest.mark.parametrize("early", ["redirect", "refused", "fault"])
async def test_an_early_answer_does_not_break_a_sender(start: Start, early: str) -> None:
    """A client in the middle of a large body gets the answer every time, and never a broken pipe."""
    plain = await start()
    sandbox = plain.sandbox
    url, expected = (sandbox.upload_url, 401) if early == "refused" else (sandbox.file_url, 307)
    if early == "fault":
        sandbox.faults.add(Fault(operation="* /files", status=429))
        url, expected = sandbox.upload_url, 429
        plain.session.headers["Authorization"] = f"Bearer {plain.bearer}"

    async def body() -> Any:
        for _ in range(320):
            yield bytes(64 * 1024)

    for _ in range(3):
        status, _ = await upload(plain, url + "/zra/files", body(), **{"Content-Length": str(320 * 64 * 1024)})
        assert status == expected


async def test_file_labels_are_counted_on_the_second_host(start: Start) -> None:
    """Only what reaches the second host counts: both multipart operations together, single uploads apart."""
    plain = await start(clock=Clock(frozen=True))
    sandbox = plain.sandbox
    headers = {"Authorization": f"Bearer {plain.bearer}"}
    for path, count in (("/zra/files/multipart", 11), ("/zra/files/multipart/upload_events", 10), ("/iq/files", 1)):
        for _ in range(count):
            await upload(plain, sandbox.file_url + path, b"", **headers)
            await upload(plain, sandbox.upload_url + path, b"", **headers)
    multipart, files = sandbox.stats["MULTIPART"], sandbox.stats["FILES"]
    assert (multipart.calls, multipart.accepted, multipart.rejected) == (21, 20, 1)
    assert (files.calls, files.accepted) == (1, 1)


# Time


async def test_latency_is_added_to_every_answer(start: Start) -> None:
    """Each answer takes at least the latency, refusals and tokens too."""
    plain = await start(latency=0.05)
    loop = asyncio.get_running_loop()
    for path in ("/zra/deals", "/zra/nothing"):
        began = loop.time()
        await plain.send("GET", path)
        assert loop.time() - began >= 0.05
    began = loop.time()
    await plain.grant()
    assert loop.time() - began >= 0.05


async def test_jitter_strikes_before_the_request_is_counted(start: Start) -> None:
    """With jitter, requests sent at one moment are counted at different ones."""
    moments: list[int] = []
    plain = await start(jitter=0.05)
    windows = plain.sandbox._service.windows
    admit = windows.admit

    def noting(label: str, now: int) -> Any:
        moments.append(now)
        return admit(label, now)

    windows.admit = noting  # type: ignore[method-assign]
    await asyncio.gather(*(plain.send("GET", "/zra/deals") for _ in range(20)))
    assert max(moments) - min(moments) > 5_000_000


# Control


async def test_the_control_endpoint_is_off_unless_asked_for(start: Start) -> None:
    """Without ``control`` the paths do not exist."""
    plain = await start()
    base = plain.sandbox.api_url.removesuffix("/v2")
    assert (await plain.send("GET", "/_sandbox/stats", base=base)).status == 404


async def test_faults_clock_tokens_and_stats_under_remote_control(start: Start) -> None:
    """Another process can arm and clear faults, move the clock, revoke tokens and read the counters."""
    plain = await start(control=True, clock=Clock(datetime(2026, 3, 1, tzinfo=UTC), frozen=True))

    async def control(method: str, what: str, body: Any = None) -> tuple[int, Any]:
        base = plain.sandbox.api_url.removesuffix("/v2")
        reply = await plain.send(method, f"/_sandbox/{what}", base=base, json=body)
        return reply.status, reply.body if reply.content else None

    assert (await control("POST", "faults", {"operation": "GET /deals", "status": 503, "times": 1}))[0] == 201
    assert (await plain.send("GET", "/zra/deals")).status == 503
    assert (await control("POST", "faults", [{"operation": "*", "status": 500}]))[0] == 201
    assert (await control("GET", "faults"))[1]["faults"][0]["status"] == 500
    assert await control("DELETE", "faults") == (204, None)
    for nonsense in ({"operation": "*"}, {"operation": "*", "status": "x"}, 5, None):
        assert (await control("POST", "faults", nonsense))[0] == 400
    assert (await control("POST", "clock", {"advance": 90}))[1] == {"now": "2026-03-01T00:01:30Z", "frozen": True}
    assert (await control("POST", "clock", {"advance": -1}))[0] == 400
    assert (await control("POST", "clock", {"freeze": True}))[0] == 200
    assert (await control("DELETE", "tokens"))[0] == 204
    assert (await plain.send("GET", "/zra/deals")).status == 401
    status, stats = await control("GET", "stats")
    assert (status, stats["tokens_issued"]) == (200, 1)
    assert stats["labels"]["MEDIUM"] == {"calls": 2, "accepted": 1, "rejected": 0, "peak": 1}
    assert stats["operations"]["GET /zra/deals"] == 2


# The end


async def test_closing_ends_every_connection_and_leaves_nothing(start: Start) -> None:
    """After the end ports refuse, no task of the sandbox is left, and closing again is harmless."""
    before = asyncio.all_tasks()
    async with Sandbox(conversations=1) as sandbox, aiohttp.ClientSession() as session:
        plain = Plain(sandbox, session)
        await plain.sign_in()
        assert (await plain.send("GET", "/zra/deals")).status == 200
        await sandbox.close()
        with pytest.raises(aiohttp.ClientConnectionError):
            await plain.send("GET", "/zra/deals")
    await asyncio.sleep(0)
    gc.collect()
    assert asyncio.all_tasks() == before


async def test_closing_does_not_wait_for_a_slow_sender(start: Start) -> None:
    """A client that never ends its body does not keep the sandbox from closing."""
    plain = await start()
    host, port = plain.sandbox.api_url.removeprefix("http://").removesuffix("/v2").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = (
        f"PATCH /v2/zra/team/t HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {plain.bearer}\r\nContent-Length: 9\r\n\r\n"
    )
    writer.write(head.encode())
    while not plain.sandbox.stats.operations["PATCH /zra/team/{teamId}"]:
        await asyncio.sleep(0.01)
    async with asyncio.timeout(300):
        await plain.sandbox.close()
    assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()


async def test_a_client_that_leaves_in_the_middle_is_no_error(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    """A connection lost while its body is read is not logged at all."""
    plain = await start()
    host, port = plain.sandbox.api_url.removeprefix("http://").removesuffix("/v2").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    head = (
        f"PATCH /v2/zra/team/t HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {plain.bearer}\r\nContent-Length: 9\r\n\r\n"
    )
    writer.write(head.encode())
    while not plain.sandbox.stats.operations["PATCH /zra/team/{teamId}"]:
        await asyncio.sleep(0.01)
    writer.transport.abort()
    for _ in range(10):
        await asyncio.sleep(0.01)
    assert (await plain.send("GET", "/zra/deals")).status == 200
    assert not caplog.records
