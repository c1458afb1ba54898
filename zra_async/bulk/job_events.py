"""Who is told how far a job is, and what a job of many tasks raises when one of them fails."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from zra_async.core.events import JobProgress, Observer

logger: logging.Logger = logging.getLogger("zra_async")
OnEvent = Callable[[JobProgress], None]


def both(observer: Observer, on_event: OnEvent | None) -> OnEvent:
    """Tell the client's observer, and the callback until it fails: that must not break the job."""
    callback = on_event

    def tell(progress: JobProgress) -> None:
        nonlocal callback
        observer(progress)
        if callback is not None:
            try:
                callback(progress)
            except Exception:
                callback = None
                logger.exception("the on_event callback failed; it is not called again")

    return tell


def first_of(failures: BaseExceptionGroup[Any]) -> BaseException:
    """The failure that came first: the others were only stopped by it."""
    first: BaseException = failures.exceptions[0]
    return first_of(first) if isinstance(first, BaseExceptionGroup) else first  # pyright: ignore[reportUnknownArgumentType]
