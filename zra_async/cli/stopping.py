"""Signals that stop a command: Ctrl-C, SIGTERM, and SIGHUP when its terminal is closed."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Generator, Iterable
from types import FrameType
from typing import Any

from zra_async.cli.exits import Exit


class Stopped(KeyboardInterrupt):
    """A signal arrived in the middle of something that blocks the event loop."""

    def __init__(self, signum: signal.Signals) -> None:
        self.signum = signum
        super().__init__(signum.name)


def code_of(signum: signal.Signals) -> Exit:
    """The exit code of a command that this signal has stopped."""
    return Exit.HUNG_UP if signum.name == "SIGHUP" else Exit.INTERRUPTED


def stop_signals() -> list[signal.Signals]:
    """The signals that stop a command here.

    A signal that was ignored when the command started stays ignored: ``nohup`` and background jobs rely on that.
    """
    known = (getattr(signal, name, None) for name in ("SIGINT", "SIGTERM", "SIGHUP"))
    return [signum for signum in known if signum is not None and signal.getsignal(signum) is not signal.SIG_IGN]


@contextlib.contextmanager
def interruptible() -> Generator[None]:
    """Let a signal end a system call that blocks the event loop, with `Stopped`.

    The event loop notices a signal only between two of its steps.
    """

    before: dict[signal.Signals, Any] = {}

    def stop(signum: int, frame: FrameType | None) -> None:  # noqa: ARG001 (the signature of a handler)
        with contextlib.suppress(RuntimeError):  # the loop has heard of the signal as well, and would act a second time
            _let_go(asyncio.get_running_loop(), before)
        before.clear()
        raise Stopped(signal.Signals(signum))

    try:
        for signum in stop_signals():
            before[signum] = signal.signal(signum, stop)
        yield
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


@contextlib.contextmanager
def handled(loop: asyncio.AbstractEventLoop, stop: Callable[[signal.Signals], None]) -> Generator[None]:
    """Call ``stop`` for the first signal that stops a command; the second one ends the process as it always does."""
    signals = stop_signals()

    def first(signum: signal.Signals) -> None:
        _let_go(loop, signals)
        stop(signum)

    with contextlib.suppress(NotImplementedError):  # no such thing on Windows, where Ctrl-C raises KeyboardInterrupt
        for signum in signals:
            loop.add_signal_handler(signum, first, signum)
    try:
        yield
    finally:
        _let_go(loop, signals)


def _let_go(loop: asyncio.AbstractEventLoop, signals: Iterable[signal.Signals]) -> None:
    with contextlib.suppress(NotImplementedError):
        for signum in signals:
            loop.remove_signal_handler(signum)
