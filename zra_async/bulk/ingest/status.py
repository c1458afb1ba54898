"""The status of an ingest, read from its ledger while it runs or afterwards."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from zra_async.bulk.database import ledger_path
from zra_async.bulk.ingest.ledger import LEDGER_KIND, State
from zra_async.bulk.tables.record_files import PathLike
from zra_async.errors import LedgerError
from zra_async.osfiles.threads import to_thread
from zra_async.results.plain import plain

_MOST = 1_000
_COUNTS = "SELECT state, COUNT(*) FROM items GROUP BY state"
_ROWS = "SELECT key, state, step, begun, conversation_id, code, reason, candidates FROM items WHERE state NOT IN (?, ?)"


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownItem:
    """One item that is not finished. `step` is the one that comes next, or that is under way or in doubt (`begun`)."""

    key: str
    state: State
    step: str
    begun: bool
    conversation_id: str
    code: int | None
    reason: str
    candidates: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestStatus:
    """The status of an ingest.

    `counts` are by state: ``done``; ``waiting`` and ``unanalysed`` (added, the analysis is not ended); ``open`` (the
    next run goes on); ``failed`` (wants ``retry_failed``); ``unfit`` (could not be sent as it was given);
    ``uncertain`` (may be a conversation). `items` are the first of those that are not ``done`` or ``waiting``.
    """

    counts: Mapping[State, int]
    items: tuple[KnownItem, ...] = field(repr=False)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain JSON values, with times as ISO 8601 texts."""
        return plain(self)

    @property
    def total(self) -> int:
        """The number of items in the ledger."""
        return sum(self.counts.values())


async def ingest_status(ledger: PathLike, *, most: int = _MOST) -> IngestStatus:
    """Read the ledger at ``ledger``, also while a run writes it; at most ``most`` items. Raises `LedgerError`."""
    return await to_thread(_read, ledger, most)


def _read(ledger: PathLike, most: int) -> IngestStatus:
    path = ledger_path(ledger)
    if not path.exists() or not path.stat().st_size:
        raise LedgerError(f"there is no ledger at {path}" + (": the file is empty" if path.exists() else ""))
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=10)) as connection:
            if connection.execute("PRAGMA application_id").fetchone()[0] != LEDGER_KIND:
                raise LedgerError(f"{path} is not the ledger of an ingest")
            connection.execute("BEGIN")
            counts = dict(connection.execute(_COUNTS).fetchall())
            rows = connection.execute(f"{_ROWS} ORDER BY key LIMIT ?", ("done", "waiting", most)).fetchall()
    except sqlite3.Error as problem:
        raise LedgerError(f"the ledger {path} cannot be read: {problem}") from problem
    return IngestStatus(counts=counts, items=tuple(map(_item, rows)))


def _item(row: tuple[str, State, str, int, str, int | None, str, str]) -> KnownItem:
    key, state, step, begun, conversation_id, code, reason, candidates = row
    return KnownItem(
        key=key,
        state=state,
        step=step,
        begun=bool(begun),
        conversation_id=conversation_id,
        code=code,
        reason=reason,
        candidates=tuple(candidates.split("\n")) if candidates else (),
    )
