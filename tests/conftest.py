"""For the whole suite: nothing that it writes may hold a secret, and aioresponses must work with every aiohttp."""

from __future__ import annotations

import inspect
import os
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import aiohttp
import aioresponses.core
import pytest
from hypothesis import HealthCheck, settings

from tests import leap, loops
from tests.leaks import Leaks, listening, output_of

_LEAKS = Leaks()
_MOST_WORKERS = 16  # each one collects all tests

# a busy machine is no reason to fail; in CI every run looks at the same examples
settings.register_profile(
    "suite", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize="CI" in os.environ
)
settings.load_profile("suite")


#: a program that is started in the background or under nohup inherits that these are ignored, and so would its children
for signum, handler in (
    (signal.SIGINT, signal.default_int_handler),
    (signal.SIGQUIT, signal.SIG_DFL),
    (signal.SIGHUP, signal.SIG_DFL),
    (signal.SIGTERM, signal.SIG_DFL),
):
    if signal.getsignal(signum) is signal.SIG_IGN:
        signal.signal(signum, handler)


pytest_addoption = loops.pytest_addoption


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> Mapping[str, loops.Factory]:
    """Choose the event loops of a test."""
    kinds = "asyncio" if leap.is_used_by(item) else config.getoption("--loops")
    return loops.of(kinds, item.path.relative_to(Path(__file__).parent))


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
    if report.when == "teardown" and not hasattr(report, "node"):  # which worker ran it: that one has noted it
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


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Use the cores that this process may use; a few files need no workers, whose start costs seconds."""
    folders = any(Path(argument.partition("::")[0]).is_dir() for argument in config.args)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, _MOST_WORKERS) if folders and cores > 1 else 0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run slow tests first, so that no worker is left alone with one of them at the end."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)
