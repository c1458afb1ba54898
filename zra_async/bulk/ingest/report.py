"""The report of an ingest: counts, and every item that is not a conversation yet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from zra_async.core.callbacks import guarded
from zra_async.results.plain import plain

#: how many outcomes a report holds that are no success; all are in the ledger and go to ``on_outcome``
KEPT = 1_000

#: added: it is a conversation now · already_added: it was one before · skipped: an earlier run has finished it ·
#: unanalysed: added, but its analysis had not ended in time · failed: refused, or its files cannot be sent ·
#: uncertain: it may be a conversation, which nobody can tell for sure · interrupted: the service could not be reached;
#: the next run goes on · deferred: left for another day, when the file host takes requests again
OutcomeName = Literal[
    "added", "already_added", "skipped", "unanalysed", "failed", "uncertain", "interrupted", "deferred"
]
GOOD: tuple[OutcomeName, ...] = ("added", "already_added", "skipped")


@dataclass(frozen=True, slots=True)
class ItemOutcome:
    """The outcome of one item. `conversation_id` is a meeting UUID if a cloud recording was added.

    `code` is the service's own, None where it did not refuse. `candidates` are the conversations that an uncertain
    item may be.
    """

    key: str
    outcome: OutcomeName
    conversation_id: str = ""
    code: int | None = None
    reason: str = ""
    candidates: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestReport:
    """The report of an ingest.

    `counts` has every outcome, `problems` the first 1 000 items that are neither added nor skipped. `stopped` says why
    the run ended before its input, "" when it did not, and `resets_at` when to go on with what is deferred. `sent` is
    how many bytes of files were uploaded. `warnings` are the first 1 000 pairs of a key and what is odd about the item:
    it is uploaded all the same, and the service may ignore its transcript or metadata without a word.
    """

    counts: Mapping[OutcomeName, int]
    problems: tuple[ItemOutcome, ...] = field(repr=False)
    stopped: str = ""
    resets_at: datetime | None = None
    sent: int = 0
    warnings: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain JSON values, with times as ISO 8601 texts."""
        return plain(self)

    @property
    def done(self) -> int:
        """The number of items that are conversations."""
        return sum(self.counts.get(name, 0) for name in (*GOOD, "unanalysed"))

    @property
    def failed(self) -> int:
        """The number of items that failed or are uncertain."""
        return self.counts.get("failed", 0) + self.counts.get("uncertain", 0)

    @property
    def partial(self) -> bool:
        """True if anything is missing that another run, or a look at the problems, may bring."""
        return bool(self.stopped) or any(count for name, count in self.counts.items() if name not in GOOD)


OnOutcome = Callable[[ItemOutcome], None]


class Outcomes:
    """Counts the outcomes of a run, keeps the first problems, and tells a callback of each."""

    def __init__(self, on_outcome: OnOutcome | None) -> None:
        self.counts: Counter[OutcomeName] = Counter()
        self.problems: list[ItemOutcome] = []
        self.sent = 0
        self.warnings: dict[tuple[str, str], None] = {}  # each once, in their order
        self._tell = guarded("on_outcome", on_outcome)

    def warn(self, key: str, warnings: Iterable[str]) -> None:
        """Take note of what is odd about an item."""
        for text in warnings:
            if len(self.warnings) < KEPT:
                self.warnings[key, text] = None

    def add(self, outcome: ItemOutcome) -> None:
        """Take note of what became of an item."""
        self.counts[outcome.outcome] += 1
        if outcome.outcome not in GOOD and len(self.problems) < KEPT:
            self.problems.append(outcome)
        self._tell(outcome)
