"""The progress of a transfer, reported to a plain callback."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from zra_async.core.callbacks import guarded

_EVERY = 0.05  #: seconds between two reports of a transfer that goes on


@dataclass(frozen=True, slots=True)
class Progress:
    """Bytes and parts so far, in absolute numbers. `total` is None while the size of a download is not known.

    `sent` counts the bytes of the file that were moved, and goes back when a part has to be sent again.
    """

    sent: int
    total: int | None
    parts_done: int
    parts_total: int


OnProgress = Callable[[Progress], None]


class Meter:
    """Adds up what the parts of one transfer report and calls back, at most every 50 ms and at each end of a part."""

    def __init__(self, total: int | None, parts_total: int, on_progress: OnProgress | None) -> None:
        self.total = total
        self._parts_total = parts_total
        self._tell = None if on_progress is None else guarded("on_progress", on_progress)
        self._done = 0
        self._parts_done = 0
        self._running: dict[int, int] = {}
        self._due = 0.0

    def begin(self, number: int) -> None:
        """An attempt to send part ``number`` starts from its beginning."""
        self._running[number] = 0

    def add(self, number: int, size: int) -> None:
        """So many more bytes of a part were moved."""
        self._running[number] = self._running.get(number, 0) + size
        if self._tell is not None and time.monotonic() >= self._due:
            self._report()

    def finish(self, number: int, size: int) -> None:
        """A part of ``size`` bytes is done, now or in an earlier run."""
        self._running.pop(number, None)
        self._done += size
        self._parts_done += 1
        self._report()

    def reset(self) -> None:
        """All begins anew."""
        self._running.clear()
        self._done = self._parts_done = 0

    def undo(self, number: int, size: int) -> None:
        """A part that was done has to be sent again."""
        self._running.pop(number, None)
        self._done -= size
        self._parts_done -= 1
        self._report()

    def _report(self) -> None:
        if self._tell is None:
            return
        self._due = time.monotonic() + _EVERY
        sent = self._done + sum(self._running.values())
        # guarded: a failure must not break the attempt that happens to report
        self._tell(Progress(sent, self.total, self._parts_done, self._parts_total))
