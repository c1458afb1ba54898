"""The streams that the service refuses to the account of an export."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from zra_async import errors

#: errors that refuse a stream: no right, no scope, or a feature that is not in the plan
REFUSED = (errors.PermissionDenied, errors.MissingScopes)
#: so many refusals in a row close a stream: no call is made for it until the next run
_IN_A_ROW = 5


class Refusals:
    """Counts the refusals of one run, and closes the streams that are refused every time."""

    def __init__(self) -> None:
        self._in_a_row: Counter[str] = Counter()
        self._closed: set[str] = set()
        self._reasons: dict[str, str] = {}

    @property
    def reasons(self) -> Mapping[str, str]:
        """The streams of which something was refused in this run, each with the last reason."""
        return self._reasons

    def refuse(self, streams: Iterable[str], reason: str) -> None:
        """Note that the call for these streams was refused for one unit."""
        for stream in streams:
            self._reasons[stream] = reason
            self._in_a_row[stream] += 1
            if self._in_a_row[stream] >= _IN_A_ROW:
                self._closed.add(stream)

    def accept(self, streams: Iterable[str]) -> None:
        """Note that the call for these streams was answered for one unit."""
        for stream in streams:
            self._in_a_row[stream] = 0

    def close(self, streams: Iterable[str], reason: str) -> None:
        """Note that these streams cannot be read at all, because their list is refused."""
        for stream in streams:
            self._reasons[stream] = reason
            self._closed.add(stream)

    def note(self, stream: str, reason: str) -> None:
        """Note that records of a stream may be missing, because what names its units is refused."""
        self._reasons[stream] = reason

    def closes(self, streams: Iterable[str]) -> bool:
        """Return True if all of these streams are closed."""
        return self._closed.issuperset(streams)
