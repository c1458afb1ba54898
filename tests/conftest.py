"""For the whole suite: nothing that it writes may hold a secret, and aioresponses must work with every aiohttp."""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import aiohttp
import aioresponses.core
import pytest
from hypothesis import HealthCheck, settings

from tests.leaks import Leaks, listening, output_of

_LEAKS = Leaks()

# a busy machine is no reason to fail; in CI every run looks at the same examples
settings.register_profile(
    "suite", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize="CI" in os.environ
)
settings.load_profile("suite")


@pytest.fixture(scope="session", autouse=True)
def leaks() -> Iterator[Leaks]:
    """The secrets and the output of the whole suite; at its end none of the secrets may be in the output."""
    with listening(_LEAKS):
        yield _LEAKS
    found = _LEAKS.found()
    _LEAKS.close()
    assert not found, "secrets were shown:\n" + "\n".join(found)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note what a test printed."""
    if report.when == "teardown":
        _LEAKS.saw(output_of(report))


def pytest_unconfigure() -> None:
    """Forget the output also where the fixture never ran: beside workers, or without tests."""
    _LEAKS.close()


class _MockedResponse(aiohttp.ClientResponse):
    """aiohttp 3.14 wants a stream writer for each response, which aioresponses does not know of."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if "stream_writer" in inspect.signature(aiohttp.ClientResponse.__init__).parameters:
            kwargs.setdefault("stream_writer", Mock(output_size=0))
        super().__init__(*args, **kwargs)


@pytest.fixture
def mocked(monkeypatch: pytest.MonkeyPatch) -> Iterator[aioresponses.core.aioresponses]:
    """Answers in place of the network, for plain requests; anything about connections needs a real socket."""
    monkeypatch.setattr(aioresponses.core, "ClientResponse", _MockedResponse)
    with aioresponses.core.aioresponses() as mock:
        yield mock


#: files whose tests kill processes at random instants, move gigabytes, or soak: they want a machine of their own
_SLOW = frozenset(
    {
        "bulk/test_crm_import.py",
        "bulk/test_export.py",
        "bulk/test_export_killed.py",
        "bulk/test_ingest.py",
        "bulk/test_ingest_doubt.py",
        "bulk/test_ingest_items.py",
        "bulk/test_ingest_killed.py",
        "cli/test_process.py",
        "files/test_kill.py",
        "files/test_large.py",
        "files/test_upload.py",
        "files/test_upload_faults.py",
        "files/test_upload_sources.py",
        "sandbox/service/test_schemathesis.py",
        "security/test_hostile_server.py",
        "soak/test_soak.py",
        "test_distribution.py",
    }
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the slow files."""
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here) and item.path.relative_to(here).as_posix() in _SLOW:
            item.add_marker(pytest.mark.slow)
            if not item.get_closest_marker("timeout"):
                item.add_marker(pytest.mark.timeout(240))
