"""The place where an object may be used: the event loop that it was opened in, and no forked process."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

from zra_async.errors import WrongLoop

_generation = 0  # of forks between the first process and this one


def _forked() -> None:
    global _generation
    _generation += 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


class Place:
    """The event loop and the process in which it was made. ``what`` names the object in errors."""

    __slots__ = ("_generation", "_loop", "_what")

    def __init__(self, what: str) -> None:
        self._what = what
        self._loop = asyncio.get_running_loop()
        self._generation = _generation

    @property
    def forked(self) -> bool:
        """Tell if this process is a fork of the one in which it was made."""
        return self._generation != _generation

    @property
    def is_foreign(self) -> bool:
        """Tell if another event loop runs here, or this is a forked process; code without a loop is not foreign."""
        try:
            return self.forked or asyncio.get_running_loop() is not self._loop
        except RuntimeError:
            return False

    def check(self) -> None:
        """Raise `WrongLoop` in any other event loop, thread or process."""
        self.clock()

    def clock(self) -> Callable[[], float]:
        """Return the clock of the event loop. Raises `WrongLoop` in any other event loop, thread or process."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            raise self._elsewhere() from None
        if loop is not self._loop or self._generation != _generation:
            raise self._elsewhere()
        return loop.time

    def _elsewhere(self) -> WrongLoop:
        if self.forked:
            return WrongLoop(
                f"this {self._what} belongs to the process that forked this one: make a new ZRAClient in each process"
            )
        return WrongLoop(
            f"this {self._what} belongs to another event loop: use it in the loop that opened it, or make a new "
            "ZRAClient for each event loop and thread (in tests: give fixture and test the same loop scope)"
        )
