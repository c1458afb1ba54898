"""Virtual time: coroutines that wait for minutes and finish at once."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import async_solipsism

T = TypeVar("T")
_TICK = 1e-6  # the resolution of the virtual clock


class Loop(async_solipsism.EventLoop):
    """A loop in which every timer moves the clock on, however near it is, as real time would.

    Without this a timer set a rounding error ahead would fire at once, for ever, at the same virtual instant.
    """

    def call_at(self, when: float, callback: Any, *args: Any, context: Any = None) -> asyncio.TimerHandle:
        return super().call_at(max(when, self.time() + 2 * _TICK), callback, *args, context=context)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run ``work`` in an event loop whose clock jumps over every wait."""
    with asyncio.Runner(loop_factory=Loop) as runner:
        return runner.run(work)
