"""The proxy of the environment: used for the service, never for this machine, refused when it cannot be used."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.cli.conftest import Invoke
from zra_async.cli.checks.probe import Endpoint, probe
from zra_async.cli.checks.proxies import network_for, proxy_of
from zra_async.config import Hosts

NAMES = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy")
LOOPBACK = Hosts(api="http://127.0.0.1:1/v2", file="http://127.0.0.1:2/v2", token="http://localhost:1/oauth/token")


@pytest.fixture(autouse=True)
def _without_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


@asynccontextmanager
async def proxying(answer: bytes, asked: list[bytes]) -> AsyncIterator[int]:
    """A proxy that keeps what it is asked for, answers, and hangs up."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy"])
def test_the_proxy_is_the_environments(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Either case of the variable counts, and without one the hosts are reached directly."""
    assert not network_for(Hosts()).trust_env
    monkeypatch.setenv(name, "http://proxy.example:3128")
    assert proxy_of("https://api.zoom.us/v2") == "http://proxy.example:3128"
    assert network_for(Hosts()).trust_env


@pytest.mark.parametrize("wrong", ["socks5://proxy:1080", "ftp://proxy", "http://jo:s3cret/@proxy:1", "http://proxy:0"])
def test_a_proxy_that_cannot_be_used_is_a_matter_of_set_up(
    wrong: str, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is sent the command names the variable, not its value, and ends with 4."""
    for name in ("ZOOM_ACCOUNT_ID", "ZOOM_CLIENT_ID", "ZOOM_CLIENT_SECRET"):
        monkeypatch.setenv(name, "abcdefgh")
    monkeypatch.setenv("HTTPS_PROXY", wrong)
    for line in (("list", "deals"), ("check",), ("export", "--to", "out")):
        ended = invoke(*line)
        assert ended.code == 4
        assert "HTTPS_PROXY" in ended.out + ended.err
        assert "s3cret" not in ended.out + ended.err
        assert "credentials" not in ended.err


@pytest.mark.parametrize("excepted", ["*", "zoom.us", ".zoom.us", "api.zoom.us,fileapi.zoom.us,zoom.us"])
def test_no_proxy_excepts_hosts(excepted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hosts in NO_PROXY are reached directly."""
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", excepted)
    assert proxy_of("https://api.zoom.us/v2") == ""


def test_an_account_on_this_machine_is_reached_directly(served: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither ``--sandbox`` nor the account of ``zra sandbox`` needs the proxy, whatever it is."""
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert not network_for(LOOPBACK).trust_env
    for line in (("list", "teams"), ("list", "teams", "--sandbox", "--sandbox-conversations", "2"), ("check",)):
        assert served(*line).code == 0


async def test_check_goes_through_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The probe asks the proxy for a tunnel with its user and password, and says what the proxy answers."""
    asked: list[bytes] = []
    async with proxying(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", asked) as port:
        monkeypatch.setenv("HTTPS_PROXY", f"http://jo:p%40ss@127.0.0.1:{port}")
        address = Endpoint.of("https://api.zoom.us/v2")
        found = await probe(address)
    assert asked[0].startswith(b"CONNECT api.zoom.us:443 HTTP/1.1\r\n")
    assert b"Proxy-Authorization: Basic am86cEBzcw==" in asked[0]
    assert found.problem == "the proxy 127.0.0.1 does not let it through (HTTP 407)"
    assert found.advice == "check user and password in HTTPS_PROXY"
    assert "p%40ss" not in repr(address)


async def test_a_proxy_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that refuses the connection is to blame, and not the host behind it."""
    async with proxying(b"", []) as port:
        pass
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
    found = await probe(Endpoint.of("https://api.zoom.us/v2"))
    assert found.problem == f"the proxy 127.0.0.1: port {port}: the connection is refused or blocked"
    assert "HTTPS_PROXY" in found.advice
