"""The event loops that the tests run on: asyncio's own, and uvloop where it is installed.

``--loops`` says which; ``.ci/run`` gives ``--loops uvloop`` for all tests of the core, the files and the bulk jobs. By
default, a few modules of these run on both loops, and everything else runs on asyncio's own.
"""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

Factory = Callable[[], asyncio.AbstractEventLoop]
#: modules that run on both loops in every run: calls, limits, streams, uploads, downloads, and jobs
ON_BOTH = frozenset(
    {
        "core/test_answers.py",
        "core/test_auth.py",
        "core/test_transport.py",
        "files/test_download.py",
        "files/test_upload_completion.py",
        "files/test_upload_resumed.py",
        "bulk/test_crm_rate.py",
        "bulk/test_database.py",
        "bulk/test_record_files.py",
    }
)


def of(kinds: str | None, path: Path) -> Mapping[str, Factory]:
    """Return the loops for a test at ``path``, seen from the folder of the tests; ``kinds`` is the option."""
    kinds = kinds or ("both" if path.as_posix() in ON_BOTH else "asyncio")
    found: dict[str, Factory] = {}
    if kinds != "uvloop":
        found["asyncio"] = asyncio.new_event_loop
    if kinds != "asyncio" and importlib.util.find_spec("uvloop"):
        found["uvloop"] = _uvloop
    if not found:
        raise pytest.UsageError("--loops=uvloop needs uvloop: pip install uvloop")
    return found


def _uvloop() -> asyncio.AbstractEventLoop:
    import uvloop

    return uvloop.new_event_loop()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--loops``."""
    parser.addoption("--loops", choices=("asyncio", "uvloop", "both"), help="the event loops to run every test on")
