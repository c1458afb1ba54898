"""The report of an import: counts for each kind, and every record that failed."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import Any, Self

import msgspec

from zra_async.bulk.crm.kinds import KindName
from zra_async.bulk.tables.record_files import PathLike, TableRow
from zra_async.core.callbacks import guarded
from zra_async.errors import InvalidArgument, LedgerError
from zra_async.osfiles.output import Output, open_output
from zra_async.osfiles.paths import shown
from zra_async.osfiles.threads import to_thread
from zra_async.results.plain import plain

#: how many failed records a report holds; all of them go to ``failed_to`` and ``on_failed``
KEPT = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedRecord:
    """One record that was not imported, exactly as it was given, and why.

    `index` is its place in the input, from 0, and `line` its line in a file, from 1. `sent` tells whether the service
    refused it, or this client before it was sent. Of a line that cannot be read, `record` is its text.
    """

    kind: KindName
    index: int
    line: int | None
    crm_id: str
    record: object = field(repr=False)
    reason: str
    sent: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class KindReport:
    """The counts of one kind. `imported` holds deletions too, and those of an earlier run (`reused`).

    `unexplained` are records of which the service said that they failed, but not which ones: they are neither in
    `imported` nor in `failed`.
    """

    read: int = 0
    imported: int = 0
    failed: int = 0
    unexplained: int = 0
    reused: int = 0

    @property
    def pending(self) -> int:
        """The number of records that were read and have no outcome, because the import ended early."""
        return self.read - self.imported - self.failed - self.unexplained


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """The report of an import.

    `kinds` has the counts of each kind that was given, `failures` the first 1 000 records that failed. `stopped` says
    why the import ended before its input, "" when it did not, and `resets_at` when to go on.
    """

    kinds: Mapping[KindName, KindReport]
    failures: tuple[FailedRecord, ...] = field(repr=False)
    stopped: str = ""
    resets_at: datetime | None = None
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain JSON values, with times as ISO 8601 texts."""
        return plain(self)

    @property
    def imported(self) -> int:
        """The number of imported records of all kinds."""
        return sum(kind.imported for kind in self.kinds.values())

    @property
    def failed(self) -> int:
        """The number of failed records of all kinds, those that the service did not name included."""
        return sum(kind.failed + kind.unexplained for kind in self.kinds.values())

    @property
    def partial(self) -> bool:
        """True if anything is missing: failed records, or records that were not sent."""
        return bool(self.stopped or self.failed)


OnFailed = Callable[[FailedRecord], None]


class Failures:
    """Takes every failed record: keeps the first, tells a callback, and writes all of them to a file.

    The file appears, and replaces the one of an earlier run, when the import is over; not where it ends with an error
    before any record has failed. A pipe or a device gets each record at once, and is never replaced.
    """

    def __init__(self, path: PathLike | None, on_failed: OnFailed | None) -> None:
        self.kept: list[FailedRecord] = []
        self._path = path
        self._tell = guarded("on_failed", on_failed)
        self._lines: list[bytes] = []
        self._output: Output | None = None

    async def __aenter__(self) -> Self:
        if self._path is not None:
            try:
                self._output = await to_thread(open_output, self._path)
            except OSError as problem:
                raise InvalidArgument(self._problem(problem)) from problem
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None or self.kept:  # otherwise those of an earlier run are still true
                await self.finish()
        finally:
            if self._output is not None:
                self._output.close()

    async def finish(self) -> None:
        """Write what is left, and put the file in place; safe to call twice. Raises `LedgerError`."""
        if self._output is None:
            return
        try:
            await self.write()
        finally:
            output, self._output = self._output, None
            try:
                await output.finish()
            except OSError as problem:
                raise LedgerError(self._problem(problem)) from problem

    def add(self, failed: FailedRecord) -> None:
        """Take note of a record that failed."""
        if len(self.kept) < KEPT:
            self.kept.append(failed)
        if self._output is not None:
            self._lines.append(_line(failed))
        self._tell(failed)

    async def write(self) -> None:
        """Let the file have what has come in since the last time."""
        lines, self._lines = self._lines, []
        if lines and self._output is not None:
            try:
                await self._output.write(b"".join(lines))
            except OSError as problem:
                raise LedgerError(self._problem(problem)) from problem

    def _problem(self, problem: OSError) -> str:
        return f"failed_to={shown(self._path or '')} cannot be written: {problem.strerror}"


def _line(failed: FailedRecord) -> bytes:
    record: Any = failed.record
    with contextlib.suppress(TypeError, ValueError):
        record = msgspec.to_builtins(record, str_keys=True)
    value: dict[str, Any] = {
        "kind": failed.kind,
        "index": failed.index,
        "line": failed.line,
        "crm_id": failed.crm_id,
        "reason": failed.reason,
        "sent": failed.sent,
        "record": record,
    }
    try:
        return msgspec.json.encode(value) + b"\n"
    except (TypeError, ValueError, OverflowError):
        return msgspec.json.encode(value | {"record": ascii(record), "crm_id": ascii(failed.crm_id)}) + b"\n"


def failed_row(kind: KindName, row: TableRow, crm_id: str, reason: str, *, sent: bool) -> FailedRecord:
    """The failure of the record that ``row`` held."""
    return FailedRecord(
        kind=kind, index=row.index, line=row.line, crm_id=crm_id, record=row.value, reason=reason, sent=sent
    )
