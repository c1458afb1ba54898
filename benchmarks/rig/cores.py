"""Which core runs what: the side that is measured has one to itself, and its counterpart another."""

from __future__ import annotations

import os


def cores() -> list[int]:
    """The cores that this process may use, in order; empty where the platform does not tell."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


_AT_START = cores()  # pinning this process would hide the other cores


def pin(which: int, pid: int = 0) -> None:
    """Keep a process, by default this one, on the first (0) or last (-1) core, where the platform can."""
    if _AT_START:
        os.sched_setaffinity(pid, {_AT_START[which]})
