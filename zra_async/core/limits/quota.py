"""The calls of one day, from midnight to midnight UTC, as this client and as the service counts them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

_DAY = timedelta(days=1)


class Daily:
    """A daily counter; several buckets may share it.

    `configured` is this client's part of the day, None without a limit. `limit` is the same after what the service has
    said: its last word counts, and never more than is configured.
    """

    def __init__(self, configured: int | None, clock: Callable[[], datetime]) -> None:
        self.configured = configured
        self.limit: int | None = configured
        self._clock = clock
        self._own = 0  # calls of this client since midnight
        self._flying = 0  # of these, the ones whose answers are outstanding
        self._ceiling: int | None = None  # own calls at which the account's day is used up, as the service counts
        self._ceiling_ends: datetime | None = None
        self._begins, self._ends = _day_of(clock())
        self._closed_until: datetime | None = None

    @property
    def over(self) -> bool:
        """True after a daily refusal of the service, until its day ends."""
        return self._closed_until is not None and self._clock() < self._closed_until

    @property
    def used(self) -> int:
        """Calls of this day that are no longer available, whoever made them."""
        self._roll()
        if self.limit is None or self._ceiling is None:
            return self._own
        return max(self._own, self.limit - max(0, self._ceiling - self._own))

    def take(self) -> datetime | None:
        """Count one call and return the day that pays for it; None when no call is left."""
        self._roll()
        for most in (self.limit, self._ceiling):
            if most is not None and self._own >= most:
                return None
        if self.over:
            return None
        self._own += 1
        self._flying += 1
        return self._begins

    def settle(self, day: datetime, *, sent: bool) -> None:
        """End a call that ``day`` has paid for; one that was never sent is given back."""
        self._roll()
        if day == self._begins:
            self._flying -= 1
            self._own -= not sent

    def learn(self, limit: int | None, remaining: int | None, ends: datetime) -> None:
        """Take the service's word: this client's part of its daily limit, and what is left for the whole account.

        ``ends`` is when the service's day ends on this machine's clock: what is left then is not known any more.
        """
        self._roll()
        if limit is not None:
            self.limit = limit if self.configured is None else min(limit, self.configured)
        if remaining is not None:
            # the service may not have counted what is still on its way, the answered call excepted
            self._ceiling = self._own + remaining - max(0, self._flying - 1)
            self._ceiling_ends = ends

    def close(self, until: datetime) -> None:
        """Grant nothing until then: the service has refused a call because its day is used up."""
        self._closed_until = until

    def resets_at(self) -> datetime:
        """Return when calls are possible again: when the service said, or the next midnight UTC."""
        now = self._clock()
        if self._closed_until is not None and now < self._closed_until:
            return self._closed_until
        if self._ceiling_ends is not None and now < self._ceiling_ends:
            return self._ceiling_ends
        return _day_of(now)[1]

    def _roll(self) -> None:
        now = self._clock()
        if self._ceiling_ends is not None and now >= self._ceiling_ends:
            self._ceiling = self._ceiling_ends = None
        # a clock that is set back a little must not hand out the same day twice
        if now >= self._ends or now < self._begins - _DAY:
            self._begins, self._ends = _day_of(now)
            if self._ceiling is not None:
                self._ceiling -= self._own  # the service's day is not over yet
            self._own = self._flying = 0


def _day_of(now: datetime) -> tuple[datetime, datetime]:
    begins = datetime.combine(now.astimezone(UTC).date(), datetime.min.time(), UTC)
    return begins, begins + _DAY
