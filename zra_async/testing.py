"""Fixtures for your own test suite: a sandbox account, a client of it, its faults and its clock.

Opt in from your ``conftest.py`` with ``pytest_plugins = ["zra_async.testing"]``; the fixtures are async and need
pytest-asyncio. Each test gets a fresh account:

    async def test_my_report(zra_client, zra_faults):
        zra_faults.add(Fault(operation="GET /deals", status=503, times=1))
        ...

Set the account up with ``@pytest.mark.zra_sandbox(conversations=20, plan="pro")``, or for many tests by overriding the
fixture `zra_sandbox_options`. While a sandbox lives, a connection from this process to anything but loopback raises
`OutsideConnection`, so that a test can never reach the real service by mistake.
"""

from __future__ import annotations

import ipaddress
import socket
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from zra_async.sandbox import Clock, Fault, Faults, Sandbox

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from zra_async import ZRAClient

__all__ = [
    "Clock",
    "Fault",
    "Faults",
    "OutsideConnection",
    "Sandbox",
    "zra_client",
    "zra_clock",
    "zra_faults",
    "zra_loopback_only",
    "zra_sandbox",
    "zra_sandbox_options",
]


class OutsideConnection(RuntimeError):
    """A test tried to reach something outside this machine."""


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line("markers", "zra_sandbox(**options): how the sandbox of this test is set up")


@pytest.fixture
def zra_sandbox_options() -> dict[str, Any]:
    """Keyword arguments for `Sandbox`; override this fixture to set up all sandboxes of a module or directory."""
    return {}


@pytest.fixture
def zra_loopback_only() -> Iterator[None]:
    """Let this process look up and connect to loopback addresses only, until the test ends."""
    getaddrinfo = socket.getaddrinfo

    def look_up(host: Any, *arguments: Any, **options: Any) -> Any:
        _demand_loopback(host)
        return getaddrinfo(host, *arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        for name in ("connect", "connect_ex"):
            patch.setattr(socket.socket, name, _guarded_connect(getattr(socket.socket, name)))
        patch.setattr(socket, "getaddrinfo", look_up)
        yield


@pytest_asyncio.fixture
async def zra_sandbox(
    request: pytest.FixtureRequest,
    zra_sandbox_options: dict[str, Any],
    zra_loopback_only: None,  # noqa: ARG001 - requested for what it does
) -> AsyncIterator[Sandbox]:
    """A fresh account on loopback."""
    options = dict(zra_sandbox_options)
    for marker in reversed(list(request.node.iter_markers("zra_sandbox"))):  # the closest mark comes last and wins
        options.update(marker.kwargs)
    async with Sandbox(**options) as sandbox:
        yield sandbox


@pytest_asyncio.fixture
async def zra_client(zra_sandbox: Sandbox) -> AsyncIterator[ZRAClient]:
    """An open client of the sandbox."""
    async with zra_sandbox.client() as client:
        yield client


@pytest.fixture
def zra_faults(zra_sandbox: Sandbox) -> Faults:
    """The faults of the sandbox, none at first."""
    return zra_sandbox.faults


@pytest.fixture
def zra_clock(zra_sandbox: Sandbox) -> Clock:
    """The sandbox's clock, to be advanced past a token's life, a link's or a rate window's."""
    return zra_sandbox.clock


def _guarded_connect(connect: Callable[..., Any]) -> Callable[..., Any]:
    def guarded(self: socket.socket, address: Any) -> Any:
        if self.family in (socket.AF_INET, socket.AF_INET6):
            _demand_loopback(address[0])
        return connect(self, address)

    return guarded


def _demand_loopback(host: Any) -> None:
    name = host.decode("ascii", "replace") if isinstance(host, bytes) else host
    if name is None or name == "localhost":
        return
    try:
        loopback = ipaddress.ip_address(str(name).partition("%")[0]).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise OutsideConnection(f"a test with a sandbox may not reach {name}, only loopback addresses")
