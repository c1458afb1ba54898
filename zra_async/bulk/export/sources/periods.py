"""Lists over a period: asked for with both bounds, compared with the echo, and walked in windows where it is narrower.

The service echoes the period that an answer covers. Without bounds, or for a long range, it may cover less than was
asked for, and only the echo tells. A period counts as listed only where an echo proves it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Any

from zra_async import errors
from zra_async.core.pages import Page
from zra_async.results.exports import UnitKind, UnprovenPeriod

#: the earliest time that a list is asked for: before recordings of sales conversations were kept
FLOOR = datetime(2000, 1, 1, tzinfo=UTC)
#: how far a list of what has happened reaches into the future: clocks differ
AHEAD = timedelta(days=1)
#: how far a list of meetings to come, and of deals to close, reaches into the future
HORIZON = timedelta(days=5 * 366)

#: lengths of windows, tried one after the other while the service refuses the range
_SPANS = tuple(timedelta(days=days) for days in (366, 180, 90, 31, 30, 7, 1))
_LEAST = timedelta(hours=1)  #: a window that moves by less proves nothing in any reasonable number of calls
_LATE = timedelta(minutes=10)  #: what is younger than this is listed again by the next run
_BAD_PERIOD = 1001

ListPeriod = Callable[[datetime, datetime], AsyncGenerator[Page[Any]]]


class PeriodWalk:
    """One list over one period, from its newest window to its oldest. `unproven` is what no echo has proven."""

    def __init__(self, kind: UnitKind, listing: ListPeriod, since: datetime, until: datetime, now: datetime) -> None:
        self.unproven: list[UnprovenPeriod] = []
        self._kind: UnitKind = kind
        self._listing = listing
        self._since, self._until, self._now = since, until, now

    async def pages(self) -> AsyncGenerator[Page[Any]]:
        """Yield every page of every window; an item may come twice, where windows touch.

        Raises `BadRequest` if the service refuses even the shortest window of the past.
        """
        end, span = self._until, self._until - self._since
        while end > self._since:
            begin = max(self._since, end - span)
            echo: tuple[datetime | None, datetime | None] | None = None
            try:
                async with aclosing(self._listing(begin, end)) as pages:
                    async for page in pages:
                        echo = echo or (getattr(page.answer, "from_", None), getattr(page.answer, "to", None))
                        yield page
            except errors.BadRequest as refusal:
                if refusal.code != _BAD_PERIOD or isinstance(refusal, errors.PageTokenExpired) or echo is not None:
                    raise
                shorter = next((length for length in _SPANS if length < end - begin), None)
                if shorter is not None:
                    span = shorter
                elif end > self._now > self._since:
                    self._doubt(self._now, end, str(refusal))
                    end, span = self._now, self._now - self._since
                else:
                    raise
                continue
            end, span = self._next(begin, end, span, *(echo or (None, None)))

    def _next(
        self, begin: datetime, end: datetime, span: timedelta, first: datetime | None, last: datetime | None
    ) -> tuple[datetime, timedelta]:
        """Return the end and the length of the window after the one from ``begin`` to ``end``, given its echo."""
        if first is None or last is None:
            self._doubt(begin, end, "the answer does not say which period it covers")
            return begin, span
        if last < end and last < self._now - _LATE:
            if _LEAST <= last - first < end - begin:
                return end, last - first  # the same end again, with a window as long as the service's own
            self._doubt(max(begin, last), end, f"the answer covers only what is before {_text(last)}")
        if first <= begin:
            return begin, span
        if first > end - _LEAST:
            self._doubt(begin, end, f"the answer covers only what is after {_text(first)}")
            return self._since, span
        return first, span

    def _doubt(self, since: datetime, until: datetime, reason: str) -> None:
        self.unproven.append(UnprovenPeriod(kind=self._kind, since=since, until=until, reason=reason))


def _text(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
