"""Faults: each kind as a plain client meets it, on the operation it was armed for and no other."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.sandbox.conftest import Start
from zra_async.sandbox.clock import Clock
from zra_async.sandbox.faults.faults import Fault, Faults
from zra_async.sandbox.operations.route import HANDLERS, Answer, Call

pytestmark = pytest.mark.usefixtures("echo")
DEAL = "GET /deals/{dealId}"


async def test_a_status_fault_answers_in_place_of_the_operation(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """Status, body and headers are those of the fault, and the operation does not run."""

    async def never(_: Call) -> Answer:
        raise AssertionError("the operation ran")

    monkeypatch.setitem(HANDLERS, ("GET", "/deals/{dealId}"), never)
    fault = Fault(operation=DEAL, status=503, body={"code": 1, "message": "busy"}, headers={"X-Extra": "1"})
    plain = await start(faults=[fault])
    reply = await plain.send("GET", "/zra/deals/d")
    assert (reply.status, reply.body, reply.headers["X-Extra"]) == (503, {"code": 1, "message": "busy"}, "1")
    assert "x-zm-trackingid" in reply.headers


async def test_a_text_body_is_sent_as_it_is(start: Start) -> None:
    """A body that is a text is not encoded, so that broken JSON and HTML can be sent."""
    fault = Fault(operation=DEAL, status=502, body="<html>", content_type="text/html")
    plain = await start(faults=[fault])
    reply = await plain.send("GET", "/zra/deals/d")
    assert (reply.content, reply.headers["Content-Type"]) == (b"<html>", "text/html")


async def test_only_the_named_operation_is_hit(start: Start) -> None:
    """Other operations, and the other prefix where one is named, work on."""
    plain = await start(faults=[Fault(operation="GET /iq/deals/{dealId}", status=500)])
    assert (await plain.send("GET", "/zra/deals/d")).status == 200
    assert (await plain.send("GET", "/iq/deals")).status == 200
    assert (await plain.send("GET", "/iq/deals/d")).status == 500


@pytest.mark.parametrize(
    ("pattern", "names", "hit"),
    [
        ("* /files*", ["POST /zra/files", "POST /iq/files/multipart"], True),
        ("GET *", ["GET /zra/deals", "GET /zra/team/{teamId}"], True),
        ("GET *", ["POST /zra/team", "token", "download"], False),
        ("*", ["token", "download", "PATCH /zra/team/{teamId}"], True),
        (DEAL, ["GET /zra/deals/{dealId}/activities", "GET /zra/deals"], False),
        ("token", ["POST /zra/team"], False),
    ],
)
def test_patterns(pattern: str, names: list[str], hit: bool) -> None:
    """An asterisk stands for anything, and everything else for itself."""
    assert [Fault(operation=pattern, status=500).covers(name) for name in names] == [hit] * len(names)


@pytest.mark.parametrize(
    "fields",
    [
        {"operation": DEAL},
        {"operation": "GET /deal", "status": 500},
        {"operation": DEAL, "status": 500, "stall": True},
        {"operation": DEAL, "reset": "before", "lose_answer": True},
        {"operation": DEAL, "stall": True, "truncate": 1},
        {"operation": DEAL, "body": {}, "delay": 1},
        {"operation": DEAL, "status": 500, "times": 0},
        {"operation": DEAL, "status": 500, "probability": 0},
        {"operation": DEAL, "drip": -1.0},
    ],
)
def test_faults_without_sense_are_refused(fields: dict[str, Any]) -> None:
    """A fault that does nothing, contradicts itself or names no operation is a ValueError."""
    with pytest.raises(ValueError, match=r"."):
        Fault(**fields)


async def test_times_are_counted(start: Start) -> None:
    """A fault with ``times`` strikes that often, the next one after it, and the log tells."""
    first = Fault(operation=DEAL, status=500, times=2)
    second = Fault(operation=DEAL, status=503, times=1)
    plain = await start(faults=[first, second])
    assert [(await plain.send("GET", "/zra/deals/d")).status for _ in range(4)] == [500, 500, 503, 200]
    assert [fault for _, fault in plain.sandbox.faults.struck] == [first, first, second]
    assert not plain.sandbox.faults


def test_probability_is_a_share_and_repeats_with_the_seed() -> None:
    """About the given share is hit, and the same seed hits the same requests."""

    def draw(seed: int) -> list[bool]:
        faults = Faults([Fault(operation="token", status=500, probability=0.2)], seed=seed)
        return [faults.take("token", early=False) is not None for _ in range(1000)]

    assert draw(1) == draw(1) != draw(2)
    assert 150 < sum(draw(1)) < 250


async def test_clear_disarms(start: Start) -> None:
    """After ``clear`` nothing fails any more."""
    plain = await start(faults=[Fault(operation="*", status=500)], sign_in=False)
    plain.sandbox.faults.clear()
    await plain.sign_in()
    assert (await plain.send("GET", "/zra/deals")).status == 200


@pytest.mark.parametrize("kind", ["seconds", "date", "iso", "garbage", "absent"])
async def test_retry_after_in_all_its_forms(start: Start, kind: Any) -> None:
    """Retry-After comes in seconds, as an HTTP date, as an ISO instant, as nonsense or not at all."""
    clock = Clock(datetime(2026, 3, 1, 12, tzinfo=UTC), frozen=True)
    fault = Fault(operation=DEAL, status=429, retry_after=kind, retry_seconds=90)
    plain = await start(faults=[fault], clock=clock)
    value = (await plain.send("GET", "/zra/deals/d")).headers.get("Retry-After")
    due = datetime(2026, 3, 1, 12, 1, 30, tzinfo=UTC)
    match kind:
        case "seconds":
            assert value == "90"
        case "date":
            assert parsedate_to_datetime(str(value)) == due
        case "iso":
            assert datetime.fromisoformat(str(value)) == due
        case "garbage":
            assert value
            assert not value[0].isdigit()
        case _:
            assert value is None


async def test_delay_comes_before_a_true_answer(start: Start) -> None:
    """A delayed request is answered rightly, and not before its time."""
    plain = await start(faults=[Fault(operation=DEAL, delay=0.1)])
    began = asyncio.get_running_loop().time()
    assert (await plain.send("GET", "/zra/deals/d")).status == 200
    assert asyncio.get_running_loop().time() - began >= 0.1


async def test_a_stalled_request_is_never_answered(start: Start) -> None:
    """Nothing comes until the client gives up, and the server then lets go."""
    plain = await start(faults=[Fault(operation=DEAL, stall=True, times=1)])
    with pytest.raises(asyncio.TimeoutError):
        await plain.send("GET", "/zra/deals/d", timeout=aiohttp.ClientTimeout(sock_read=0.1))
    assert (await plain.send("GET", "/zra/deals/d")).status == 200


async def test_closing_the_sandbox_ends_a_stall(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that waits forever is hung up on when the server closes, long before the server loses patience."""
    monkeypatch.setattr("zra_async.sandbox.server.SHUTDOWN", 60)
    plain = await start(faults=[Fault(operation=DEAL, stall=True)])
    waiting = asyncio.create_task(plain.send("GET", "/zra/deals/d"))
    while not plain.sandbox.faults.struck:
        await asyncio.sleep(0)
    async with asyncio.timeout(300):
        await plain.sandbox.close()
    with pytest.raises(aiohttp.ClientConnectionError):
        await waiting


async def raw_exchange(url: str, request: bytes) -> tuple[bytes, type[BaseException] | None]:
    """Send bytes over a bare socket and give what comes back, and how the connection ended."""
    host, port = url.removeprefix("http://").partition("/")[0].split(":")
    loop = asyncio.get_running_loop()
    with socket.socket() as bare:
        bare.setblocking(False)
        await loop.sock_connect(bare, (host, int(port)))
        received = b""
        try:
            await loop.sock_sendall(bare, request)
            while chunk := await loop.sock_recv(bare, 65536):
                received += chunk
        except ConnectionError as error:
            return received, type(error)
        return received, None


@pytest.mark.parametrize(
    "fields", [{"reset": "before"}, {"reset": "after"}, {"lose_answer": True}], ids=["before", "after", "lost"]
)
async def test_a_reset_is_a_reset(start: Start, fields: dict[str, Any]) -> None:
    """The client's socket sees ECONNRESET and not one byte of an answer."""
    plain = await start(faults=[Fault(operation="PATCH /team/{teamId}", **fields)])
    head = f"PATCH /v2/zra/team/t HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {plain.bearer}\r\n"
    request = f"{head}Content-Length: 2\r\n\r\n{{}}".encode()
    assert await raw_exchange(plain.sandbox.api_url, request) == (b"", ConnectionResetError)


@pytest.mark.parametrize(("fields", "ran"), [({"reset": "after"}, 0), ({"lose_answer": True}, 1)])
async def test_a_lost_answer_means_that_the_work_was_done(
    start: Start, monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any], ran: int
) -> None:
    """A reset after the body does nothing, a lost answer comes after the write."""
    bodies: list[Any] = []

    async def write(call: Call) -> Answer:
        bodies.append(call.body)
        return Answer(status=204)

    monkeypatch.setitem(HANDLERS, ("PATCH", "/team/{teamId}"), write)
    plain = await start(faults=[Fault(operation="PATCH /team/{teamId}", **fields)])
    with pytest.raises(aiohttp.ClientConnectionError):
        await plain.send("PATCH", "/zra/team/t", json={"team_name": "n"})
    assert bodies == [{"team_name": "n"}] * ran


async def test_a_reset_before_the_body_does_not_wait_for_it(start: Start) -> None:
    """The connection is gone although the body was only announced."""
    plain = await start(faults=[Fault(operation="PATCH /team/{teamId}", reset="before")])
    request = b"PATCH /v2/zra/team/t HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n"
    async with asyncio.timeout(300):
        assert await raw_exchange(plain.sandbox.api_url, request) == (b"", ConnectionResetError)


async def test_a_truncated_body_keeps_its_full_length_header(start: Start) -> None:
    """Five bytes arrive under a header that promised more, and then the connection ends."""
    plain = await start()
    whole = await plain.send("GET", "/zra/deals/d")
    plain.sandbox.faults.add(Fault(operation=DEAL, truncate=5))
    head = f"GET /v2/zra/deals/d HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {plain.bearer}\r\n\r\n"
    received, ended = await raw_exchange(plain.sandbox.api_url, head.encode())
    headers, _, body = received.partition(b"\r\n\r\n")
    assert body == whole.content[:5]
    assert f"content-length: {len(whole.content)}".encode() in headers.lower()
    assert ended is None


async def test_a_dripping_body_arrives_whole_and_slowly(start: Start) -> None:
    """The body is right, and takes the time that its rate says."""
    plain = await start()
    whole = await plain.send("GET", "/zra/deals/d")
    plain.sandbox.faults.add(Fault(operation=DEAL, drip=len(whole.content) / 0.2))
    began = asyncio.get_running_loop().time()
    reply = await plain.send("GET", "/zra/deals/d")
    assert reply.content == whole.content
    assert asyncio.get_running_loop().time() - began >= 0.15


async def test_a_refusal_can_be_struck_too(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """The content type of a true answer is changed while status and body stay."""
    plain = await start(faults=[Fault(operation=DEAL, content_type="text/plain")])
    reply = await plain.send("GET", "/zra/deals/d")
    assert (reply.status, reply.headers["Content-Type"]) == (200, "text/plain")
    assert reply.body["path"] == {"dealId": "d"}


async def test_a_revoked_token_is_refused_with_the_same_request(start: Start) -> None:
    """The token dies just before the request that carries it, and a new one is good."""
    plain = await start(faults=[Fault(operation=DEAL, revoke_token=True, times=1)])
    assert (await plain.send("GET", "/zra/deals/d")).status == 401
    await plain.sign_in()
    assert (await plain.send("GET", "/zra/deals/d")).status == 200


async def test_the_token_endpoint_can_fail(start: Start) -> None:
    """A fault for ``token`` strikes the token host."""
    plain = await start(sign_in=False, faults=[Fault(operation="token", status=503, times=1)])
    assert (await plain.grant()).status == 503
    assert (await plain.grant()).status == 200


async def test_refused_requests_use_no_fault_up(start: Start) -> None:
    """A request that its token or its rate stops does not count as hit."""
    clock = Clock(frozen=True)
    plain = await start(plan="free", clock=clock, faults=[Fault(operation="GET /deals", status=500, times=1)])
    good = plain.bearer
    plain.bearer = "unknown"
    assert (await plain.send("GET", "/zra/deals")).status == 401
    plain.bearer = good
    await plain.send("GET", "/zra/conversations")
    await plain.send("GET", "/zra/conversations")
    assert (await plain.send("GET", "/zra/deals")).status == 429
    clock.advance(1)
    assert (await plain.send("GET", "/zra/deals")).status == 500


async def test_faults_load_from_toml(start: Start, tmp_path: Path) -> None:
    """The tables of a file are armed in their order."""
    file = tmp_path / "faults.toml"
    file.write_text(
        '[[fault]]\noperation = "* /deals*"\nstatus = 500\ntimes = 1\n\n[[fault]]\noperation="*"\ndelay=0.01'
    )
    plain = await start()
    plain.sandbox.faults.load(file)
    assert list(plain.sandbox.faults) == [
        Fault(operation="* /deals*", status=500, times=1),
        Fault(operation="*", delay=0.01),
    ]
    assert (await plain.send("GET", "/zra/deals")).status == 500


@pytest.mark.parametrize("text", ['[[fault]]\noperation="*"\nstatsu=1', '[[faults]]\noperation="*"\nstatus=500'])
def test_misspelt_toml_is_refused(tmp_path: Path, text: str) -> None:
    """A wrong key in a fault file is an error and not a fault that never strikes."""
    file = tmp_path / "faults.toml"
    file.write_text(text)
    with pytest.raises(ValueError, match=r"statsu|faults"):
        Faults().load(file)


def recording(plain: Any) -> str:
    """A download link of the sandbox."""
    return plain.sandbox.account.files.download_link("some conversation")  # type: ignore[no-any-return]


async def test_downloads_can_be_cut_and_resumed(start: Start) -> None:
    """A fault for ``download`` cuts the stream under its full length, and a Range goes on where it was cut."""
    plain = await start()
    async with plain.session.get(recording(plain)) as response:
        whole = await response.read()
    plain.sandbox.faults.add(Fault(operation="download", truncate=50_000, times=1))
    beginning = b""
    async with plain.session.get(recording(plain)) as response:
        assert response.content_length == len(whole)
        with contextlib.suppress(aiohttp.ClientPayloadError):
            async for chunk in response.content.iter_any():
                beginning += chunk
    assert beginning == whole[:50_000]
    headers = {"Range": f"bytes={len(beginning)}-"}
    async with plain.session.get(recording(plain), headers=headers) as response:
        assert response.status == 206
        assert beginning + await response.read() == whole


async def test_downloads_can_drip_and_fail(start: Start) -> None:
    """A download can be slow, of the wrong type, or refused."""
    plain = await start()
    faults = plain.sandbox.faults
    faults.add(Fault(operation="download", drip=400_000, content_type="text/html", times=1))
    faults.add(Fault(operation="download", status=503, times=1))
    began = asyncio.get_running_loop().time()
    async with plain.session.get(recording(plain), headers={"Range": "bytes=0-79999"}) as response:
        assert response.headers["Content-Type"] == "text/html"
        assert len(await response.read()) == 80_000
    assert asyncio.get_running_loop().time() - began >= 0.15
    async with plain.session.get(recording(plain)) as response:
        assert response.status == 503


async def test_a_storm_of_faults_leaves_the_server_whole(start: Start) -> None:
    """After many faults at once every request is answered again, and nothing is left behind."""
    kinds: list[dict[str, Any]] = [{"reset": "before"}, {"lose_answer": True}, {"truncate": 3}, {"status": 500}]
    plain = await start(limits=False)
    plain.sandbox.faults.add(*[Fault(operation="*", times=25, probability=0.5, **kind) for kind in kinds])
    calls = [plain.send("GET", path) for path in itertools.islice(itertools.cycle(["/zra/deals", "/iq/deals/d"]), 300)]
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert all(not isinstance(r, BaseException) or isinstance(r, aiohttp.ClientError) for r in results)
    plain.sandbox.faults.clear()
    assert {(await plain.send("GET", "/zra/deals")).status for _ in range(20)} == {200}
