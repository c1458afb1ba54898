"""Fixtures for your own test suite: a sandbox account, a client of it, its faults and its clock.

Opt in from your ``conftest.py`` with ``pytest_plugins = ["zra_async.testing"]``; the async fixtures need
pytest-asyncio.
Each test gets a fresh account:

    async def test_my_report(zra_client, zra_faults):
        zra_faults.add(Fault(operation="GET /deals", status=503, times=1))
        ...

| scope | sandbox | client | options |
|---|---|---|---|
| function | `zra_sandbox` | `zra_client` | `zra_sandbox_options` |
| module | `zra_module_sandbox` | `zra_module_client` | `zra_module_sandbox_options` |
| session | `zra_session_sandbox` | `zra_session_client` | `zra_session_sandbox_options` |
| function, synchronous tests | `zra_sync_sandbox` | | `zra_sandbox_options` |

Set an account up by overriding the fixture of its options, and that of one test with
``@pytest.mark.zra_sandbox(conversations=20, plan="pro")`` as well. A client belongs to the event loop of its scope:
tests with `zra_module_client` or `zra_session_client` run in it with ``@pytest.mark.asyncio(loop_scope="module")`` or
``"session"``; in any other loop the client raises `WrongLoop`. The sandboxes of these scopes and `zra_sync_sandbox` run
in threads of their own, so they serve any event loop, and synchronous code such as a ``TestClient``.

While a sandbox lives, a connection from this process to anything but loopback raises `OutsideConnection`, so that a
test can never reach the real service by mistake.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from zra_async.sandbox import Clock, Fault, Faults, Sandbox, SandboxThread

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Generator, Iterator

    from zra_async import ZRAClient

__all__ = [
    "Clock",
    "Fault",
    "Faults",
    "OutsideConnection",
    "Sandbox",
    "SandboxThread",
    "zra_client",
    "zra_clock",
    "zra_faults",
    "zra_loopback_only",
    "zra_module_client",
    "zra_module_sandbox",
    "zra_module_sandbox_options",
    "zra_sandbox",
    "zra_sandbox_options",
    "zra_session_client",
    "zra_session_sandbox",
    "zra_session_sandbox_options",
    "zra_sync_sandbox",
]


class OutsideConnection(RuntimeError):
    """A test tried to connect to a host outside this machine."""


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line("markers", "zra_sandbox(**options): how the sandbox of this test is set up")


@pytest.fixture
def zra_sandbox_options() -> dict[str, Any]:
    """Keyword arguments for `Sandbox`; override this fixture to set up all sandboxes of a module or directory."""
    return {}


@pytest.fixture(scope="module")
def zra_module_sandbox_options() -> dict[str, Any]:
    """Keyword arguments for the `Sandbox` of a module; override this fixture."""
    return {}


@pytest.fixture(scope="session")
def zra_session_sandbox_options() -> dict[str, Any]:
    """Keyword arguments for the `Sandbox` of the session; override this fixture."""
    return {}


@contextlib.contextmanager
def _loopback_only() -> Generator[None]:
    getaddrinfo = socket.getaddrinfo

    def look_up(host: Any, *arguments: Any, **options: Any) -> Any:
        _demand_loopback(host)
        return getaddrinfo(host, *arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        for name in ("connect", "connect_ex"):
            patch.setattr(socket.socket, name, _guarded_connect(getattr(socket.socket, name)))
        patch.setattr(socket, "getaddrinfo", look_up)
        yield


@pytest.fixture
def zra_loopback_only() -> Iterator[None]:
    """Let this process look up and connect to loopback addresses only, until the test ends."""
    with _loopback_only():
        yield


def _options_of(request: pytest.FixtureRequest, options: dict[str, Any]) -> dict[str, Any]:
    options = dict(options)
    for marker in reversed(list(request.node.iter_markers("zra_sandbox"))):  # the closest mark comes last and wins
        options.update(marker.kwargs)
    return options


@pytest_asyncio.fixture
async def zra_sandbox(
    request: pytest.FixtureRequest,
    zra_sandbox_options: dict[str, Any],
    zra_loopback_only: None,  # noqa: ARG001 - requested for what it does
) -> AsyncIterator[Sandbox]:
    """A fresh account on loopback."""
    async with Sandbox(**_options_of(request, zra_sandbox_options)) as sandbox:
        yield sandbox


@pytest.fixture
def zra_sync_sandbox(
    request: pytest.FixtureRequest,
    zra_sandbox_options: dict[str, Any],
    zra_loopback_only: None,  # noqa: ARG001 - requested for what it does
) -> Iterator[Sandbox]:
    """A fresh account on loopback, served from a thread of its own: for tests without an event loop."""
    with SandboxThread(**_options_of(request, zra_sandbox_options)) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def zra_module_sandbox(zra_module_sandbox_options: dict[str, Any]) -> Iterator[Sandbox]:
    """An account for all tests of a module."""
    with _loopback_only(), SandboxThread(**zra_module_sandbox_options) as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def zra_session_sandbox(zra_session_sandbox_options: dict[str, Any]) -> Iterator[Sandbox]:
    """An account for all tests of the session."""
    with _loopback_only(), SandboxThread(**zra_session_sandbox_options) as sandbox:
        yield sandbox


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def zra_module_client(zra_module_sandbox: Sandbox) -> AsyncIterator[ZRAClient]:
    """An open client for the tests of a module that run in the module's event loop."""
    async with zra_module_sandbox.client() as client:
        yield client


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def zra_session_client(zra_session_sandbox: Sandbox) -> AsyncIterator[ZRAClient]:
    """An open client for the tests that run in the session's event loop."""
    async with zra_session_sandbox.client() as client:
        yield client


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
