"""Commands in this process, quickly, and one account that several processes share."""

from __future__ import annotations

import json
import logging
import os
import subprocess
from collections.abc import Callable, Iterator

import pytest

from tests.cli.shell import PATIENCE, ZRA, Ended, environment
from zra_async.cli import main

Invoke = Callable[..., Ended]


@pytest.fixture
def invoke(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Invoke]:
    """Run ``zra`` in this process; the environment knows no account, and the log is as before afterwards."""
    root = logging.getLogger()
    before = root.level, root.handlers[:]
    for name in list(os.environ):
        if name.startswith(("ZOOM_", "ZRA_")):
            monkeypatch.delenv(name)

    def invoked(*arguments: str) -> Ended:
        capsys.readouterr()
        code = main(arguments)
        written = capsys.readouterr()
        return Ended(code, written.out, written.err)

    yield invoked
    root.level, root.handlers[:] = before


@pytest.fixture(scope="module")
def account() -> Iterator[dict[str, str]]:
    """The environment of an account that ``zra sandbox`` serves in another process, for one module."""
    process = subprocess.Popen(
        [*ZRA, "sandbox", "--conversations", "12", "--json", "--store-parts"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment(),
    )
    assert process.stdout is not None
    yield json.loads(process.stdout.readline())
    process.terminate()
    process.communicate(timeout=PATIENCE)
    assert process.returncode == 0


@pytest.fixture
def served(invoke: Invoke, account: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Invoke:
    """Run ``zra`` in this process against that account."""
    for name, value in account.items():
        monkeypatch.setenv(name, value)
    return invoke
