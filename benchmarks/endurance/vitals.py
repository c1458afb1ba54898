"""How a process is: its memory, tasks, file handles and connections over time, and every complaint of the runtime."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import logging
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median

import psutil

MIB = 1024**2


@dataclass(frozen=True, slots=True)
class Vitals:
    """One look at this process: resident bytes, allocated blocks of the interpreter, and what it holds open."""

    memory: int
    blocks: int
    tasks: int
    handles: int
    connections: int


def look() -> Vitals:
    """Look at this process, within its event loop."""
    _give_back()
    process = psutil.Process()
    connections = process.net_connections("tcp")
    return Vitals(
        process.memory_info().rss,
        sys.getallocatedblocks(),
        len(asyncio.all_tasks()),
        process.num_fds(),
        len(connections),
    )


def _give_back() -> None:
    """Let the allocator return what is free, where it can: what it only hoards is no growth."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)


async def watch(seen: list[Vitals], seconds: float) -> None:
    """Look again and again, until it is cancelled."""
    while True:
        await asyncio.sleep(seconds)
        seen.append(look())


async def at_rest() -> Vitals:
    """Look when what has ended is gone."""
    for _ in range(3):
        await asyncio.sleep(0.1)
        gc.collect()
    return look()


def growth(
    seen: Sequence[Vitals], of: Callable[[Vitals], float], typical: Callable[[list[float]], float] = median
) -> float:
    """How much the last third of the looks shows more than the middle one; the first is for caches and pools."""
    third = len(seen) // 3
    if third == 0:
        return 0.0
    return typical([of(v) for v in seen[-third:]]) - typical([of(v) for v in seen[third : 2 * third]])


class _Listener(logging.Handler):
    def __init__(self, heard: list[str]) -> None:
        super().__init__(logging.ERROR)
        self._heard = heard

    def emit(self, record: logging.LogRecord) -> None:
        self._heard.append(f"{record.name}: {record.getMessage()}")


@contextlib.contextmanager
def complaints() -> Iterator[list[str]]:
    """Collect what goes wrong unseen.

    That is: resources and coroutines that were left behind, errors that nobody retrieved, and whatever is logged as an
    error.
    """
    heard: list[str] = []
    listener = _Listener(heard)
    hooks = sys.unraisablehook, threading.excepthook
    sys.unraisablehook = lambda info: heard.append(f"unraisable in {info.object!r}: {info.exc_value!r}")
    threading.excepthook = lambda info: heard.append(f"in a thread: {info.exc_value!r}")
    logging.getLogger().addHandler(listener)
    try:
        with warnings.catch_warnings(record=True) as caught:
            for kind in (ResourceWarning, RuntimeWarning):
                warnings.simplefilter("always", kind)
            try:
                yield heard
            finally:
                gc.collect()
                heard += [f"{w.category.__name__}: {w.message}" for w in caught]
    finally:
        logging.getLogger().removeHandler(listener)
        sys.unraisablehook, threading.excepthook = hooks
