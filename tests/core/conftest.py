"""What the tests on sockets share: both ways on which a request may get onto a connection."""

from __future__ import annotations

import pytest

from zra_async.core import exchange


@pytest.fixture(params=["straight", "session"])
def both_ways(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the test on a version of aiohttp that is known, and then as on one that is not."""
    monkeypatch.setattr(exchange, "_known", request.param == "straight")
