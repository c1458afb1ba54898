"""Knocking at hosts on loopback: each way not to answer is told apart."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import anyio
import pytest

from zra_async.cli.checks.probe import Endpoint, Probe, date_in, probe


@asynccontextmanager
async def answering(answer: bytes) -> AsyncIterator[int]:
    """A server that reads a little, answers, and hangs up."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(64)
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def knock(port: int, *, tls: bool = False) -> Probe:
    """Probe a port of this machine."""
    return await probe(Endpoint("127.0.0.1", port, tls))


async def test_an_answer_brings_the_clock_of_the_host() -> None:
    """The Date header is compared with the clock of this machine."""
    date = format_datetime(datetime.now(UTC) + timedelta(minutes=10), usegmt=True)
    async with answering(f"HTTP/1.1 404 Not Found\r\nDate: {date}\r\n\r\n".encode()) as port:
        found = await knock(port)
    assert found.problem == ""
    assert found.ahead is not None
    assert 595 < found.ahead.total_seconds() < 601


async def test_a_closed_port_is_refused() -> None:
    """Nobody listens there."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        found = await knock(free.getsockname()[1])
    assert "refused or blocked" in found.problem
    assert "nothing listens there" in found.advice  # and no firewall stands before one's own machine


async def test_something_else_than_http_is_noticed() -> None:
    """A mail server is not the service."""
    async with answering(b"220 mail.example ESMTP\r\n\r\n") as port:
        assert "does not speak HTTP" in (await knock(port)).problem


async def test_broken_tls_is_not_a_closed_port() -> None:
    """A host that does not speak TLS is told apart from one that is not there."""
    async with answering(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        found = await knock(port, tls=True)
    assert found.problem.startswith("TLS fails")


async def test_an_unknown_name_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that cannot be resolved is a matter of DNS, not of the service."""

    async def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(anyio, "getaddrinfo", unknown)
    found = await probe(Endpoint.of("https://api.zoom.example/v2"))
    assert found == Probe(
        host="api.zoom.example",
        problem="its name 'api.zoom.example' cannot be resolved",
        advice="check DNS, VPN and the spelling",
    )


def test_addresses_come_from_base_urls() -> None:
    """The port is the scheme's where none is given."""
    assert str(Endpoint.of("https://api.zoom.us/v2")) == "api.zoom.us"
    assert str(Endpoint.of("http://127.0.0.1:8080/v2")) == "127.0.0.1:8080"
    assert Endpoint.of("https://api.zoom.us/v2") == Endpoint("api.zoom.us", 443, tls=True)


@pytest.mark.parametrize("head", ["HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nDate: yesterday\r\n\r\n"])
def test_a_host_may_keep_its_clock_to_itself(head: str) -> None:
    """No date, or one that cannot be read, is no date."""
    assert date_in(head) is None
