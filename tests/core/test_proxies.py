"""A proxy that cannot be used as given is an error of the configuration, before anything is sent."""

from __future__ import annotations

import asyncio
import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core import tls
from tests.core.clients import client_of, get
from tests.core.server import Server, answer, raw
from zra_async import Hosts, Network, RetryPolicy, ServerToServer, errors
from zra_async.core.transport.proxies import check_proxy

FINE = answer(200, {"name": "fine"})
PASSWORD = "pass-of-proxy-5d02c7"
WRONG = [
    "127.0.0.1:3128",
    "proxy.corp:3128",
    "proxy.corp",
    "localhost",
    "//proxy.corp:3128",
    f"user:{PASSWORD}@proxy.corp:3128",
    f"socks5://user:{PASSWORD}@proxy.corp:1080",
    "socks5h://proxy.corp:1080",
    "socks4://proxy.corp",
    "ftp://proxy.corp",
    "://proxy.corp",
    "http:/proxy.corp:3128",
    "http:proxy.corp:3128",
    "http://",
    "http://:3128",
    "http://user@:3128",
    f"http://user:{PASSWORD}@",
    "http://proxy.corp:",
    "http://proxy.corp:0",
    "http://proxy.corp:65536",
    "http://proxy.corp:-1",
    "http://proxy.corp:port",
    "http://proxy.corp:3128/path",
    "http://proxy.corp:3128?x=1",
    "http://proxy.corp:3128#x",
    "http://proxy.corp:3128?",
    f"http://user:{PASSWORD}#1@proxy.corp:3128",
    f"http://user:{PASSWORD}/1@proxy.corp:3128",
    f"http://us%3Aer:{PASSWORD}@proxy.corp:3128",
    f"http://user:{PASSWORD}%E2%82%AC@proxy.corp:3128",
    "http://[::1:3128",
    "http://proxy corp:3128",
    "http://pro%20xy:3128",
    " http://proxy.corp:3128",
    "http://proxy.corp:3128 ",
    "http://proxy.corp:3128\n",
    "http://proxy.corp\t:3128",
    "",
    " ",
    3128,
    b"http://proxy.corp:3128",
    ("proxy.corp", 3128),
]


@pytest.mark.parametrize("address", WRONG, ids=repr)
def test_a_proxy_that_cannot_be_used(address: object) -> None:
    """The error says which form is accepted and shows neither the address nor its password."""
    form = "give it as http://host:port"
    with pytest.raises(errors.ConfigurationError, match=form) as caught:
        Network(proxy=address)  # type: ignore[arg-type]
    assert PASSWORD not in str(caught.value)


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:3128",
        "https://proxy.corp",
        "HTTP://Proxy.Corp:3128/",
        "http://[::1]:3128",
        "http://user@proxy.corp:1",
        "http://user:@proxy.corp:65535",
        f"http://us%40er:{PASSWORD}%2F%23%3A@proxy.corp:3128",
        "http://üser:pässword@proxy.corp:3128",
    ],
)
def test_a_proxy_that_can_be_used(address: str) -> None:
    """Host, port, user and password in any of their usual forms."""
    assert Network(proxy=address).proxy == address


@given(st.text(max_size=30).map(lambda text: f"http://{text}") | st.text(max_size=30))
def test_any_text_is_accepted_or_refused_in_our_words(address: str) -> None:
    """No text raises anything else than our error."""
    try:
        check_proxy("proxy", address)
    except errors.ConfigurationError:
        return
    assert address.lower().startswith(("http://", "https://"))


async def test_odd_characters_of_credentials_arrive() -> None:
    """A percent-encoded user and password are sent to the proxy as they were meant."""
    async with Server() as server, Server(FINE) as proxy:
        network = Network(proxy=f"http://us%40er:p%2F%23%3A%25w@127.0.0.1:{proxy.port}")
        async with client_of(server, network=network) as zra:
            assert (await get(zra)).name == "fine"
        sent = proxy.seen[0].headers["proxy-authorization"].removeprefix("Basic ")
        assert base64.b64decode(sent) == b"us@er:p/#:%w"


@pytest.mark.parametrize("wrong", ["127.0.0.1:1", "socks5://127.0.0.1:1", "http://127.0.0.1:x", "http://a b"])
async def test_a_broken_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    """It is refused for calls, tokens and downloads, without a repeat and without a connection."""
    monkeypatch.setenv("http_proxy", wrong)
    monkeypatch.delenv("no_proxy", raising=False)
    network = Network(trust_env=True)
    async with Server() as server:
        async with client_of(server, network=network) as zra:
            with pytest.raises(errors.ConfigurationError, match="environment's HTTP_PROXY"):
                await get(zra)
            with pytest.raises(errors.ConfigurationError, match="environment's HTTP_PROXY"):
                await zra._session.fetch("a", server.url, {})
        async with client_of(server, ServerToServer("a", "c", "secret-44cd01b7"), network=network) as zra:
            with pytest.raises(errors.ConfigurationError, match="environment's HTTP_PROXY"):
                await get(zra)
        assert server.connections == 0


@pytest.mark.parametrize("exempt", ["127.0.0.1", "*", "example.com,127.0.0.1", "{server}", " 127.0.0.1 , x"])
async def test_no_proxy_is_respected(monkeypatch: pytest.MonkeyPatch, exempt: str) -> None:
    """A host that is exempt is reached directly, with or without its port, and whatever the proxy is."""
    async with Server(FINE) as server:
        monkeypatch.setenv("http_proxy", "socks5://127.0.0.1:1")
        monkeypatch.setenv("no_proxy", exempt.format(server=f"127.0.0.1:{server.port}"))
        async with client_of(server, network=Network(trust_env=True)) as zra:
            assert (await get(zra)).name == "fine"


# --------------------------------------------------------------------------- why a connection could not be made


async def why(hosts: Hosts, network: Network | None = None) -> errors.ConnectFailed:
    """The error of a call that gets no connection."""
    async with Server() as server:
        pass
    async with client_of(server, hosts=hosts, network=network or Network(), retry=RetryPolicy.none()) as zra:
        with pytest.raises(errors.ConnectFailed) as caught:
            await get(zra)
    assert not caught.value.sent
    return caught.value


def at(url: str) -> Hosts:
    """Hosts at one address."""
    return Hosts(api=f"{url}/v2", file=f"{url}/v2", token=f"{url}/oauth/token")


async def test_the_cause_of_a_failed_connect() -> None:
    """DNS, a refused connection, a certificate and TLS each have their words, and a cause of the system."""
    async with Server() as gone:
        pass
    error = await why(at(gone.url))
    assert "the connection was refused" in str(error)
    assert isinstance(error.__cause__, ConnectionRefusedError)

    connector = tls.connector({})
    error = await why(Hosts(), Network(connector=connector))
    assert "cannot be resolved by DNS" in str(error)
    assert isinstance(error.__cause__, OSError)
    await connector.close()

    async with Server(tls=tls.server_context()) as server:
        error = await why(at(server.url))
        assert "certificate is not trusted" in str(error)
        assert error.__cause__ is not None
        assert error.__cause__.__traceback__ is None

    async def plain(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Speak http\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(plain, "127.0.0.1", 0)
    error = await why(at(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"))
    assert "TLS handshake failed" in str(error)
    server.close()


async def test_the_cause_behind_a_proxy() -> None:
    """A proxy that cannot be reached and one that refuses are told apart, without its password."""
    async with Server() as gone:
        pass
    error = await why(Hosts(), Network(proxy=f"http://user:{PASSWORD}@127.0.0.1:{gone.port}"))
    assert f"the proxy 127.0.0.1:{gone.port}: the connection was refused" in str(error)
    refused = raw("HTTP/1.1 407 Who\r\nContent-Length: 0\r\n\r\n", keep=False)
    async with Server(otherwise=refused) as proxy:
        denied = await why(Hosts(), Network(proxy=f"http://user:{PASSWORD}@127.0.0.1:{proxy.port}"))
    assert "the proxy refused the way to api.zoom.us with HTTP 407: check its user and password" in str(denied)
    for each in (error, denied):
        assert PASSWORD not in f"{each!r} {each.__cause__!r} {vars(each)}"
