"""Runs what touches the network twice: with the private parts of aiohttp, and with their public fallbacks."""

from __future__ import annotations

import pytest

from zra_async.core.transport import aiohttp_internals

#: names by which a module of tests shows that it makes requests
_ON_THE_NETWORK = ("Server", "Sandbox", "client_of", "ZRAClient", "aioresponses", "AiohttpTransport")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test of a module that makes requests in both ways."""
    if any(hasattr(metafunc.module, name) for name in _ON_THE_NETWORK):
        metafunc.fixturenames.append("internals")
        metafunc.parametrize("internals", ["private", "public"], indirect=True)


@pytest.fixture
def internals(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Switch the private parts of aiohttp on or off."""
    monkeypatch.setattr(aiohttp_internals, "ENABLED", request.param == "private")
