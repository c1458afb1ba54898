"""Faults on purpose: what goes wrong, for which operation, and how often."""

from __future__ import annotations

import random
import tomllib
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from fnmatch import fnmatchcase
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from zra_async.sandbox.service.table import ROWS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from os import PathLike

#: what can fail besides the operations of the table: the token endpoint and the download of a recording
TOKEN, DOWNLOAD = "token", "download"
RetryAfter = Literal["seconds", "date", "iso", "garbage", "absent"]


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One way to go wrong. At most one of ``status``, ``stall``, ``reset``, ``revoke_token`` and ``lose_answer``.

    ``operation`` is ``"GET /deals/{dealId}"``, a pattern such as ``"* /files*"``, ``"token"`` or ``"download"``; a path
    may carry its ``/zra`` or ``/iq`` prefix to mean that one alone. File operations fail on the host that takes
    the bytes and not on the one that forwards. Times are real seconds.
    """

    operation: str
    status: int | None = None  #: answer with this status instead of doing anything
    body: Any = None  #: its body: a text as it is, anything else as JSON; None: an error body of the service
    headers: dict[str, str] = {}  #: added to the answer
    retry_after: RetryAfter | None = None  #: form of an added Retry-After header; "absent" takes it away
    retry_seconds: float = 1.0  #: how far ahead the Retry-After points
    delay: float = 0.0  #: wait this long first
    stall: bool = False  #: never answer, until the client goes or the server closes
    reset: Literal["before", "after"] | None = None  #: reset the connection before or after the body is read
    truncate: int | None = None  #: send this many bytes of the body, under its full Content-Length, and hang up
    drip: float | None = None  #: send the body at this many bytes a second
    content_type: str | None = None  #: in place of the true one
    revoke_token: bool = False  #: kill every access token first, so that this request is refused
    lose_answer: bool = False  #: do what was asked, then reset the connection
    times: int | None = None  #: how many requests it hits; None: no end
    probability: float = 1.0  #: chance to hit a request that it could hit

    def __post_init__(self) -> None:
        ends = [self.status is not None, self.stall, self.reset is not None, self.revoke_token, self.lose_answer]
        changes = [self.headers, self.retry_after, self.truncate is not None, self.drip, self.content_type]
        if sum(ends) > 1:
            raise ValueError("status, stall, reset, revoke_token and lose_answer exclude each other")
        if any(ends[1:]) and any(changes):
            raise ValueError("there is no answer to change after stall, reset, revoke_token or lose_answer")
        if not any(ends) and not any(changes) and not self.delay:
            raise ValueError("a fault must do something")
        if self.body is not None and self.status is None:
            raise ValueError("a body needs a status")
        if not 0 < self.probability <= 1 or (self.times is not None and self.times < 1):
            raise ValueError("probability must be in (0, 1] and times at least 1")
        if self.delay < 0 or (self.truncate or 0) < 0 or (self.drip is not None and self.drip <= 0):
            raise ValueError("delay and truncate must not be negative, and drip must be positive")
        if not any(self.covers(name) for name in _NAMES):
            raise ValueError(f"no operation is called {self.operation!r}")

    @property
    def early(self) -> bool:
        """Tell whether it strikes before the token is checked."""
        return self.reset == "before" or self.revoke_token

    def covers(self, name: str) -> bool:
        """Tell whether ``operation`` covers a request called ``GET /zra/deals``, ``token`` or ``download``."""
        if fnmatchcase(name, self.operation):
            return True
        method, _, path = name.partition(" ")
        bare = path.removeprefix("/zra").removeprefix("/iq")
        return bool(path) and fnmatchcase(f"{method} {bare}", self.operation)

    def retry_header(self, now: datetime) -> str:
        """The value of the Retry-After header at ``now``."""
        at = now + timedelta(seconds=self.retry_seconds)
        match self.retry_after:
            case "seconds":
                return str(max(0, round(self.retry_seconds)))
            case "date":
                return format_datetime(at.astimezone(UTC), usegmt=True)
            case "iso":
                return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            case _:
                return "soon, perhaps"


#: every name that a request can have for `Fault.covers`
_NAMES = frozenset(
    {TOKEN, DOWNLOAD}
    | {f"{row.method} /zra{row.template}" for row in ROWS}
    | {f"{row.method} /iq{row.template}" for row in ROWS if row.twin}
)


@dataclass(slots=True)
class _Armed:
    fault: Fault
    left: float


class Faults:
    """The faults that are armed, tried in the order in which they were added; `struck` is the log of their hits."""

    def __init__(self, faults: Iterable[Fault] = (), *, seed: int = 0) -> None:
        self._chance = random.Random(seed)
        self._armed: list[_Armed] = []
        self.struck: deque[tuple[str, Fault]] = deque(maxlen=10_000)
        self.add(*faults)

    def __bool__(self) -> bool:
        return bool(self._armed)

    def __iter__(self) -> Iterator[Fault]:
        return iter([armed.fault for armed in self._armed])

    def add(self, *faults: Fault) -> None:
        """Arm ``faults``."""
        self._armed += [_Armed(fault, inf if fault.times is None else fault.times) for fault in faults]

    def clear(self) -> None:
        """Disarm every fault."""
        self._armed.clear()

    def load(self, path: str | PathLike[str]) -> None:
        """Arm the ``[[fault]]`` tables of a TOML file, whose keys are the fields of `Fault`."""
        document = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        if unknown := set(document) - {"fault"}:
            raise ValueError(f"a fault file holds [[fault]] tables only, not {', '.join(sorted(unknown))}")
        self.add(*parse_faults(document.get("fault", [])))

    def take(self, name: str, *, early: bool) -> Fault | None:
        """The fault that strikes the request called ``name`` at this point, if any; it counts as used."""
        for armed in self._armed:
            fault = armed.fault
            if fault.early == early and fault.covers(name) and self._chance.random() < fault.probability:
                armed.left -= 1
                if armed.left == 0:
                    self._armed.remove(armed)
                self.struck.append((name, fault))
                return fault
        return None


def parse_faults(tables: Any) -> list[Fault]:
    """Make faults of the tables of a TOML file or the objects of a JSON list; ValueError when they make no sense."""
    try:
        return msgspec.convert(tables, list[Fault])
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from None
