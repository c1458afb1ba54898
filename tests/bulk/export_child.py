"""One export in a process of its own, to be killed from outside or at a step of its own choice."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from zra_async import Label, Rate, RetryPolicy, ZRAClient
from zra_async.bulk import export, sink  # noqa: F401 (loaded before the fork, so that a child starts at once)

UNLIMITED = {label: Rate(1_000_000) for label in Label}


def run(environment: Mapping[str, str], folder: str, streams: str, die: tuple[str, int, str] | None = None) -> None:
    """Export into ``folder``. ``die`` is a step, which of its calls, and "before" or "after" it."""
    os.environ.update(environment)
    os.fsync = lambda fd: None  # type: ignore[assignment]  # a process dies here, not the machine: its writes stay
    if die is not None:
        _arm(*die)
    asyncio.run(_export(Path(folder), streams))


async def _export(folder: Path, streams: str) -> None:
    async with ZRAClient.from_env(limits=UNLIMITED, retry=RetryPolicy(base=0.01), observer=lambda _: None) as zra:
        await zra.export(folder, streams=streams)


def _arm(step: str, which: int, when: str) -> None:
    """Make the ``which``-th call of a step the last thing that this process does."""
    owner, name = {"fsync": (os, "fsync"), "replace": (Path, "replace"), "write": (os, "write")}[step]
    true: Callable[..., Any] = getattr(owner, name)
    calls = 0

    def deadly(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls < which:
            return true(*arguments)
        if when == "after":
            true(*arguments)
        return os.kill(os.getpid(), signal.SIGKILL)

    setattr(owner, name, deadly)
