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
_LEAST = timedelta(days=1)  #: an answer that covers less of a longer period would need too many calls
_LATE = timedelta(minutes=10)  #: a conversation that is younger than this is listed again by the next run
_BAD_PERIOD = 1001

ListPeriod = Callable[[datetime, datetime], AsyncGenerator[Page[Any]]]
Period = tuple[datetime, datetime]


class PeriodWalk:
    """One list over one period, asked for as a whole first, then in the pieces that the answers leave out.

    `unproven` is what no echo has proven. A list that reaches into the future ``beyond`` now has to prove that, too;
    for any other list, what is younger than ten minutes may be missing, since the next run lists it again.
    """

    def __init__(
        self, kind: UnitKind, listing: ListPeriod, period: Period, now: datetime, *, beyond: bool = False
    ) -> None:
        self.unproven: list[UnprovenPeriod] = []
        self._kind: UnitKind = kind
        self._listing = listing
        self._now = now
        self._present = period[1] if beyond else now - _LATE
        self._todo = [period]
        self._span = period[1] - period[0]  # the longest window that the service may take

    async def pages(self) -> AsyncGenerator[Page[Any]]:
        """Yield every page of every window; an item may come twice, where windows touch.

        Raises `BadRequest` if the service refuses even the shortest window of the past.
        """
        while self._todo:
            begin, end = self._todo.pop()
            if end - begin > self._span:
                self._todo.append((begin, end - self._span))
                begin = end - self._span
            echo: tuple[datetime | None, datetime | None] | None = None
            try:
                async with aclosing(self._listing(begin, end)) as pages:
                    async for page in pages:
                        echo = echo or (getattr(page.answer, "from_", None), getattr(page.answer, "to", None))
                        yield page
            except errors.BadRequest as refusal:
                if refusal.code != _BAD_PERIOD or isinstance(refusal, errors.PageTokenExpired) or echo is not None:
                    raise
                self._refused(begin, end, refusal)
                continue
            self._covered(begin, end, *(echo or (None, None)))

    def _refused(self, begin: datetime, end: datetime, refusal: errors.BadRequest) -> None:
        """Go on with shorter windows, or without the future. Raises ``refusal`` if nothing is left to try."""
        shorter = next((length for length in _SPANS if length < end - begin), None)
        self._todo.append((begin, end))
        if shorter is not None:
            self._span = shorter
        elif end > self._now:
            self._doubt(self._now, end, str(refusal))
            self._todo = [(first, min(last, self._now)) for first, last in self._todo if first < self._now]
            self._span = max((last - first for first, last in self._todo), default=self._span)
        else:
            raise refusal

    def _covered(self, begin: datetime, end: datetime, first: datetime | None, last: datetime | None) -> None:
        """Note what the answer for a window leaves out, by the period that it says it covers."""
        if first is None or last is None:
            self._doubt(begin, end, "the answer does not say which period it covers")
            return
        rest = [(begin, first)] if first > begin else []
        if last < min(end, self._present):
            rest.append((last, end))
        if rest and min(last, end) - max(first, begin) < _LEAST:
            self._doubt(begin, end, f"the answer covers only {_text(first)} to {_text(last)}")
            return
        self._todo += rest

    def _doubt(self, since: datetime, until: datetime, reason: str) -> None:
        self.unproven.append(UnprovenPeriod(kind=self._kind, since=since, until=until, reason=reason))


def _text(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
