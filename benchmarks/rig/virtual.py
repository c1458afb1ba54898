"""Virtual time: minutes of waiting that are over at once."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import async_solipsism  # type: ignore[import-untyped]

T = TypeVar("T")
_TICK = 1e-6  # the resolution of the virtual clock


class _Loop(async_solipsism.EventLoop):  # type: ignore[misc]
    """A loop in which every timer moves the clock on, so that one a rounding error ahead cannot fire for ever."""

    def call_at(self, when: float, callback: Any, *args: Any, context: Any = None) -> asyncio.TimerHandle:
        handle: asyncio.TimerHandle = super().call_at(
            max(when, self.time() + 2 * _TICK), callback, *args, context=context
        )
        return handle


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run ``work`` in an event loop whose clock jumps over every wait."""
    with asyncio.Runner(loop_factory=_Loop) as runner:
        return runner.run(work)
