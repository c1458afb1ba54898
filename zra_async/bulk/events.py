"""The progress of a job, told to the client's observer and to the job's own callback."""

from __future__ import annotations

from collections.abc import Callable

from zra_async.core.callbacks import guarded
from zra_async.core.events import JobProgress, Observer

OnEvent = Callable[[JobProgress], None]


def both(observer: Observer | None, on_event: OnEvent | None) -> OnEvent:
    """Tell the client's observer, which is guarded already, and the callback, which changes nothing by its failures.

    Raises `InvalidArgument` for an async callback.
    """
    callback = guarded("on_event", on_event)

    def tell(progress: JobProgress) -> None:
        if observer is not None:
            observer(progress)
        callback(progress)

    return tell
