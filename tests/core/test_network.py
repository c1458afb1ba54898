"""How the client reaches the network: connectors, TLS, proxies and traces of the caller's own."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest

from tests.core import tls
from tests.core.clients import TOKEN, client_of, get
from tests.core.server import Server, answer, raw
from tests.leaks import Leaks
from zra_async import Hosts, Network, Pool, RetryPolicy, errors
from zra_async.core.transport import AiohttpTransport

FINE = answer(200, {"name": "fine"})
PASSWORD = "pass-of-proxy-19a7"
ZOOM = Hosts()


async def test_a_connector_of_ones_own_stays_open() -> None:
    """A connector serves the client and is left open for its owner, with its connections."""
    async with Server() as server, aiohttp.TCPConnector(limit=7) as connector:
        network = Network(connector=connector)
        for _ in range(2):
            async with client_of(server, network=network) as zra:
                await get(zra)
        assert not connector.closed
        assert server.connections == 1


async def test_a_tls_context_of_ones_own() -> None:
    """``Network(ssl=…)`` decides which servers are believed; by default the test authority is not."""
    async with Server(tls=tls.server_context()) as server:
        async with client_of(server, network=Network(ssl=tls.client_context())) as zra:
            assert (await get(zra)).name == "default"
        async with client_of(server, retry=RetryPolicy.none()) as zra:
            with pytest.raises(errors.ConnectFailed, match="certificate verify failed"):
                await get(zra)
        assert len(server.seen) == 1


def test_a_connector_brings_its_own_tls() -> None:
    """A context beside a connector would be ignored, so it is refused."""
    with pytest.raises(errors.ConfigurationError, match="give ssl to the connector"):
        Network(connector=SimpleNamespace(), ssl=ssl.create_default_context())  # type: ignore[arg-type]


@pytest.mark.parametrize("options", [{"connections": 0}, {"read_timeout": 0.0}, {"keepalive_timeout": -1.0}])
def test_a_pool_that_cannot_work_is_refused(options: dict[str, Any]) -> None:
    """No connection at all, or no time, is an error of the configuration."""
    with pytest.raises(errors.ConfigurationError, match="at least one connection"):
        Pool(**options)


async def test_trace_configs_are_told() -> None:
    """The caller's own traces see requests, beside our own."""
    seen: list[str] = []

    async def started(_: object, __: object, params: aiohttp.TraceRequestStartParams) -> None:
        seen.append(params.method)

    async def sent(_: object, __: object, params: aiohttp.TraceRequestHeadersSentParams) -> None:
        seen.append(params.url.path)

    trace = aiohttp.TraceConfig()
    trace.on_request_start.append(started)
    trace.on_request_headers_sent.append(sent)
    async with Server() as server, client_of(server, network=Network(trace_configs=[trace])) as zra:
        await get(zra)
    assert seen == ["GET", "/v2/zra/things/1"]


async def test_a_proxy_with_a_password(leaks: Leaks) -> None:
    """Requests to http hosts go to the proxy as a whole, with the proxy's own credentials."""
    leaks.guard(PASSWORD)
    async with Server() as server, Server(FINE) as proxy:
        address = f"http://user:{PASSWORD}@127.0.0.1:{proxy.port}"
        network = Network(proxy=address)
        assert PASSWORD not in repr(network)
        async with client_of(server, network=network) as zra:
            assert (await get(zra)).name == "fine"
        assert proxy.seen[0].target == f"{server.url}/v2/zra/things/1"
        assert proxy.seen[0].headers["proxy-authorization"].startswith("Basic ")
        assert server.seen == []


async def test_a_proxy_on_the_way_to_https_sees_no_token(leaks: Leaks) -> None:
    """For https the proxy gets a CONNECT; one that refuses is an error that says so, and nothing was sent."""
    leaks.guard(PASSWORD)
    refused = raw("HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n", keep=False)
    async with Server(otherwise=refused) as proxy:
        network = Network(proxy=f"http://user:{PASSWORD}@127.0.0.1:{proxy.port}")
        async with client_of(proxy, hosts=ZOOM, network=network, retry=RetryPolicy.none()) as zra:
            with pytest.raises(
                errors.ConnectFailed, match=r"proxy refused the way to api\.zoom\.us with HTTP 407"
            ) as caught:
                await get(zra)
        assert (proxy.seen[0].method, proxy.seen[0].target) == ("CONNECT", "api.zoom.us:443")
        assert proxy.seen[0].bearer == ""
        assert not caught.value.sent
        assert PASSWORD not in str(caught.value)


async def test_a_proxy_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """``trust_env`` takes the proxy from the environment, and no_proxy before it."""
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    async with Server(FINE) as server, Server(FINE, FINE) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        async with client_of(server) as zra:
            await get(zra)
        async with client_of(server, network=Network(trust_env=True)) as zra:
            await get(zra)
            assert (len(server.seen), len(proxy.seen)) == (1, 1)
            monkeypatch.setenv("no_proxy", "127.0.0.1")
            await get(zra)
            assert (len(server.seen), len(proxy.seen)) == (2, 1)


async def test_a_netrc_file_does_not_get_in_the_way(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """``trust_env`` with a .netrc that knows the host: our Authorization is the only one."""
    netrc = tmp_path / "netrc"
    netrc.write_text("default login someone password netrc-pass-5512\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    async with Server(FINE) as server, client_of(server, network=Network(trust_env=True)) as zra:
        assert (await get(zra)).name == "fine"
        assert server.seen[0].bearer == TOKEN


async def test_a_cancelled_end_closes_every_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that is slow to close costs a caller who does not wait for it no other one."""
    closed: list[object] = []

    async def slow(self: aiohttp.ClientSession) -> None:
        closed.append(self)
        await asyncio.sleep(0 if len(closed) > 1 else 60)

    transport = AiohttpTransport(Network())
    await transport.open()
    with monkeypatch.context() as patch:
        patch.setattr(aiohttp.ClientSession, "close", slow)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await transport.close()
    assert len(closed) == 2
    await transport.close()
