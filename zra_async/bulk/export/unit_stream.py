"""An export as an async iterator of units, for a destination of your own that acknowledges what it has stored."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import msgspec

from zra_async.bulk.caller import BulkCaller
from zra_async.bulk.database import Database
from zra_async.bulk.events import OnEvent
from zra_async.bulk.export.folder.ledger import SqliteLedger
from zra_async.bulk.export.folder.tables import SCHEMA
from zra_async.bulk.export.job import export
from zra_async.bulk.export.plan import Sweep
from zra_async.bulk.export.rows.schema import RUN_COLUMN
from zra_async.bulk.export.units import Outcome
from zra_async.bulk.owner import Owner
from zra_async.core.events import Observer
from zra_async.core.tasks import is_cancelled
from zra_async.errors import ClientNotOpen
from zra_async.osfiles.paths import StrPath, shown
from zra_async.osfiles.threads import wait_until_done
from zra_async.results.exports import ExportReport, UnitKind

KIND = 0x5A524155  #: "ZRAU"
#: units that may be read and not taken yet
_AHEAD = 32
_decoder = msgspec.json.Decoder(dict[str, Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A conversation, deal, team, or another unit of an account, with everything that has changed of it.

    `rows` has the new rows of each stream that has changed; they replace all rows of that stream of the unit, even if
    there are none. A unit that is ``deleted`` has no rows in any stream any more. `run` is the number of the run.
    """

    kind: UnitKind
    id: str
    state: Literal["done", "deleted"]
    run: int
    rows: Mapping[str, Sequence[dict[str, Any]]]
    _stored: Callable[[], None] = field(repr=False, compare=False)

    def acknowledge(self) -> None:
        """Say that the unit is stored: it comes no more until it changes. Safe to call twice."""
        self._stored()


class UnitStream:
    """The units of an export that are new, changed or deleted; made by `ZRAClient.export_units`.

    Use it in ``async with``, and read it with ``async for`` in one task. Acknowledge each unit once it is stored, one
    by one or many at a time; what was not acknowledged comes again in the next run, so a unit may come more than once,
    the newest version last.
    """

    def __init__(
        self,
        zra: BulkCaller,
        spawn: Callable[[Coroutine[Any, Any, ExportReport]], asyncio.Task[ExportReport]],
        ledger: StrPath,
        *,
        streams: str | Iterable[str] | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        incremental: bool = True,
        sweep: Sweep = "always",
        adopt: bool = False,
        concurrency: int | None = None,
        on_event: OnEvent | None = None,
        observer: Observer | None = None,
    ) -> None:
        self._handover = _Handover(ledger)
        self._spawn = spawn
        self._begin: Callable[[], Coroutine[Any, Any, ExportReport]] = partial(
            export,
            zra,
            self._handover,
            streams=streams,
            since=since,
            until=until,
            incremental=incremental,
            sweep=sweep,
            adopt=adopt,
            concurrency=concurrency,
            on_event=on_event,
            observer=observer,
        )
        self._task: asyncio.Task[ExportReport] | None = None
        self._told = False  # the reader knows how the export ended
        self.report: ExportReport | None = None  #: the report, once every unit was acknowledged and the stream is left

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Unit:
        """Return the next unit. Raises errors that would make every later call fail, such as `AuthenticationFailed`."""
        if self._handover.closed:
            raise ClientNotOpen("this stream of units was closed: begin another one")
        if self._task is None:
            self._task = self._spawn(self._begin())
            self._task.add_done_callback(lambda _: self._handover.end())
        unit = await self._handover.next()
        if unit is not None:
            return unit
        if self._task.done():
            if self._task.cancelled():
                raise ClientNotOpen("the client was closed while its account was exported")
            self._told = True
            self.report = self._task.result()
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Note what was acknowledged, and stop reading. The run is complete if every unit was acknowledged."""
        task, handover = self._task, self._handover
        complete = handover.ended and not handover.pending
        handover.close()
        if task is None:
            return
        if not complete:
            task.cancel()
        await wait_until_done(task)
        if complete and not task.cancelled() and not self._told:
            self._told = True
            self.report = task.result()
        elif not task.cancelled():
            task.exception()  # the reader was told of it, or does not want to know


class _Handover:
    """The destination of a stream of units: it passes units on, and notes those that are acknowledged."""

    folder: Path | None = None

    def __init__(self, path: StrPath) -> None:
        self._path = path
        self._ready: deque[Unit] = deque()
        self._changed = asyncio.Event()
        self._acknowledged: list[Outcome] = []
        self.pending: dict[int, Outcome] = {}
        self.ended: bool = False
        self.closed: bool = False

    def __str__(self) -> str:
        return shown(self._path)

    @asynccontextmanager
    async def open(self, account: str, *, adopt: bool) -> AsyncGenerator[_HandoverLedger]:
        """Open the ledger, and note at the end what was acknowledged until then."""
        database = await Database.open(
            self._path,
            kind=KIND,
            schema=SCHEMA,
            purpose=f"the ledger {self} of a stream of units",
            owner=Owner(account, adopt),
        )
        async with database:
            ledger = _HandoverLedger(database, self)
            try:
                yield ledger
            finally:
                await ledger.commit([])

    async def give(self, outcome: Outcome, news: Outcome, run: int) -> None:
        """Pass on what is new of a unit, and wait while too many are not taken."""
        while len(self._ready) >= _AHEAD and not self.closed:
            await self._wait()
        seq = outcome.unit.seq
        self.pending[seq] = outcome

        def stored() -> None:
            if (found := self.pending.pop(seq, None)) is not None:
                self._acknowledged.append(found)
                self._changed.set()

        rows = {part.stream: _rows(part.lines) for part in news.parts if part.state == "done"}
        state: Literal["done", "deleted"] = "deleted" if outcome.state == "deleted" else "done"
        unit = outcome.unit
        self._ready.append(Unit(kind=unit.kind, id=unit.id, state=state, run=run, rows=rows, _stored=stored))
        self._changed.set()

    def acknowledged(self) -> list[Outcome]:
        """Take the outcomes that were acknowledged since the last time."""
        found, self._acknowledged = self._acknowledged, []
        return found

    async def next(self) -> Unit | None:
        """Take the next unit; None after the last one."""
        while not self._ready:
            if self.ended:
                return None
            await self._wait()
        self._changed.set()
        return self._ready.popleft()

    async def until_acknowledged(self) -> None:
        """End the units, and wait until all of them are acknowledged."""
        self.end()
        while self.pending:
            await self._wait()

    def end(self) -> None:
        """Say that no unit comes any more."""
        self.ended = True
        self._changed.set()

    def close(self) -> None:
        """Say that nobody takes units any more."""
        self.closed = True
        self._changed.set()

    async def _wait(self) -> None:
        self._changed = asyncio.Event() if self._changed.is_set() else self._changed
        await self._changed.wait()


class _HandoverLedger(SqliteLedger):
    """A ledger that notes a unit as done when it is acknowledged, and passes on only what has changed."""

    def __init__(self, database: Database, handover: _Handover) -> None:
        super().__init__(database)
        self._handover = handover

    async def commit(self, outcomes: Sequence[Outcome]) -> Sequence[Outcome]:
        """Pass on the units that have changed, and note the others and what was acknowledged."""
        quiet: list[Outcome] = []
        for outcome, news in await self.changes(outcomes):
            if news is None:
                quiet.append(outcome)
            elif not self._handover.closed and not is_cancelled():  # else nobody takes it: it comes again
                await self._handover.give(outcome, news, self.run)
        return await self.write([*quiet, *self._handover.acknowledged()], None)

    async def flush(self) -> None:
        """Wait until all units are acknowledged, and note them."""
        await self._handover.until_acknowledged()
        await self.commit([])


def _rows(lines: bytes) -> list[dict[str, Any]]:
    rows = _decoder.decode_lines(lines)
    for row in rows:
        del row[RUN_COLUMN]
    return rows
