"""Hosts that do not exist: names that lead to loopback servers, with certificates made for the occasion."""

from __future__ import annotations

import functools
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from socket import AF_INET, AddressFamily
from typing import Any

import aiohttp
import trustme
from aiohttp.abc import AbstractResolver, ResolveResult

from tests.core.server import Server


@functools.cache
def authority() -> trustme.CA:
    """The only authority that the clients of these tests trust."""
    return trustme.CA()


@functools.cache
def server_context() -> ssl.SSLContext:
    """What a server of any of the hosts needs."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    names = ("api.zoom.us", "*.zoom.us", "zoom.us", "*.zoomgov.com", "evil.test", "zoom.us.evil.test", "127.0.0.1")
    authority().issue_cert(*names).configure_cert(context)
    return context


def client_context() -> ssl.SSLContext:
    """What a client needs to believe these hosts."""
    context = ssl.create_default_context()
    authority().configure_trust(context)
    return context


@dataclass
class Names(AbstractResolver):
    """Resolves names to servers on loopback; `asked` keeps what was looked up."""

    servers: Mapping[str, Server] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    async def resolve(self, host: str, port: int = 0, family: AddressFamily = AF_INET) -> list[ResolveResult]:
        """Lead ``host`` to its server, whatever the port; a host may be given as ``host:port`` as well."""
        self.asked.append(host)
        server = self.servers.get(f"{host}:{port}") or self.servers.get(host)
        if server is None:
            raise OSError(f"{host} is unknown")
        found: Any = {
            "hostname": host,
            "host": "127.0.0.1",
            "port": server.port,
            "family": AF_INET,
            "proto": 0,
            "flags": 0,
        }
        return [found]

    async def close(self) -> None:
        """Hold nothing."""


def connector(servers: Mapping[str, Server]) -> aiohttp.TCPConnector:
    """A connector that finds and believes ``servers``."""
    return aiohttp.TCPConnector(resolver=Names(servers), ssl=client_context(), use_dns_cache=False)
