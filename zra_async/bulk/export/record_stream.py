"""An export as an async iterator of records, for a sink of your own."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Coroutine, Iterable, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from zra_async.bulk.caller import BulkCaller
from zra_async.bulk.database import Database
from zra_async.bulk.events import OnEvent, both
from zra_async.bulk.export.folder.ledger import SqliteLedger
from zra_async.bulk.export.folder.tables import KIND, SCHEMA
from zra_async.bulk.export.measure import Measure
from zra_async.bulk.export.plan import plan, stages, workers
from zra_async.bulk.export.progress import Tally
from zra_async.bulk.export.reader import read_units
from zra_async.bulk.export.rows.schema import RUN_COLUMN
from zra_async.bulk.export.units import Outcome
from zra_async.bulk.export.windows import extended
from zra_async.core.events import Observer
from zra_async.core.place import Place
from zra_async.core.tasks import is_cancelled, shielded
from zra_async.errors import ClientNotOpen, ExportIncomplete, InvalidArgument, LedgerError
from zra_async.osfiles.temporary import TemporaryFolder
from zra_async.osfiles.threads import to_thread, wait_until_done
from zra_async.results.exports import ExportReport

Spawn = Callable[[Coroutine[Any, Any, Any]], "asyncio.Task[Any]"]

#: units that may be read and not taken yet
_AHEAD = 32
_decoder = msgspec.json.Decoder(dict[str, Any])


class RecordStream:
    """The records of an export as pairs ``(stream, record)``; made by `ZRAClient.export_records`.

    All records of one conversation, deal or team come one after another. A conversation comes once, however its list
    shifts while it is read. What was read and not taken yet is bounded; what is known of the account waits in a
    temporary file. Several tasks may read one stream: each record goes to one of them, and all of them are told of the
    end and of an error. Leave it by its ``async with``, or call `aclose`, when you stop before the end.
    """

    def __init__(
        self,
        zra: BulkCaller,
        spawn: Spawn,
        *,
        streams: str | Iterable[str] | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        concurrency: int | None = None,
        on_event: OnEvent | None = None,
        observer: Observer | None = None,
    ) -> None:
        self._zra = zra
        self._spawn = spawn
        self._plan = plan(streams, since, until, incremental=False)
        if "recordings" in self._plan.streams:
            raise InvalidArgument("recordings are files: export them into a folder, with zra.export(to=…)")
        self._workers = workers(concurrency, zra.limits.snapshot())
        self._tally = Tally(both(observer, on_event))
        self._ready: deque[tuple[str, dict[str, Any]]] = deque()
        self._outcomes: asyncio.Queue[Outcome | None] = asyncio.Queue(_AHEAD)
        self._task: asyncio.Task[None] | None = None
        self._place: Place | None = None  # where the task runs
        self._records: Counter[str] = Counter()
        self._turn = asyncio.Lock()
        self._closed_by: asyncio.Task[Any] | None = None
        self._ended = False
        self.report: ExportReport | None = None  #: what was read, once everything was

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Stop reading; no record comes any more. Another task that still reads gets `ClientNotOpen`."""
        if self._place is not None:
            if self._place.forked:
                return  # the task is the parent's
            self._place.check()
        if not self._ended and self._closed_by is None:
            self._closed_by = asyncio.current_task()
        self._ready.clear()
        if self._task is not None:
            self._task.cancel()
            await wait_until_done(self._task)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> tuple[str, dict[str, Any]]:
        """Give the next record.

        Raises what makes every further call useless, such as `AuthenticationFailed`, and at the end `ExportIncomplete`
        if something could not be read.
        """
        while not self._ready:
            if self._place is not None:
                self._place.check()
            async with self._turn:  # a task that waited for its turn may find records, or the end
                if not self._ready:
                    await self._fill()
        return self._ready.popleft()

    async def _fill(self) -> None:
        """Wait for the records of the next unit, or raise what every reader is told at the end."""
        self._check_open()
        if self._task is None:
            self._task = self._spawn(self._run())
            self._place = Place("stream of records")
            # a task that is cancelled before its first step runs no code of its own that could tell the reader
            self._task.add_done_callback(self._tell_end)
        outcome = None if self._task.done() and self._outcomes.empty() else await self._outcomes.get()
        self._check_open()
        if outcome is None:
            self._end(self._task)
        else:
            self._take(outcome)

    def _take(self, outcome: Outcome) -> None:
        for part in outcome.parts:
            self._records[part.stream] += part.records
            for record in _decoder.decode_lines(part.lines):
                del record[RUN_COLUMN]
                self._ready.append((part.stream, record))

    def _check_open(self) -> None:
        if self._closed_by is None:
            return
        if self._closed_by is asyncio.current_task():
            raise StopAsyncIteration
        # to end the other task's loop without a word would look like the end of the account
        raise ClientNotOpen("another task closed this stream before its end: let one task read it, and close it last")

    def _end(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            raise ClientNotOpen("the client was closed while its account was exported")
        self._ended = True
        task.result()
        if self.report is not None and self.report.partial:
            raise ExportIncomplete(self.report)
        raise StopAsyncIteration

    def _tell_end(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            task.exception()  # every reader is told; asyncio must not complain where none is left
        if self._outcomes.empty():
            self._outcomes.put_nowait(None)  # whoever waits for an outcome; where there is one, nobody waits

    async def _run(self) -> None:
        try:
            folder = await to_thread(TemporaryFolder, "zra-export-")
        except OSError as problem:
            raise LedgerError(f"the export has no place for its ledger: {problem.strerror}") from problem
        try:
            await self._export(Path(folder.name))
        finally:
            await shielded(to_thread(folder.cleanup))

    async def _export(self, folder: Path) -> None:
        measure = Measure(self._zra)
        database = await Database.open(
            folder / "ledger.sqlite", kind=KIND, schema=SCHEMA, purpose="this temporary ledger", durable=False
        )
        async with database:
            ledger = SqliteLedger(database)
            run = await ledger.begin(self._plan.parameters, await self._zra.service_time(), {})

            async def commit(outcomes: Sequence[Outcome]) -> Sequence[Outcome]:
                noted = await ledger.commit(outcomes)  # first: what it drops must not be given out
                for outcome in noted:
                    if outcome.state == "done" and not is_cancelled():
                        await self._outcomes.put(outcome)
                return noted

            sources = stages(self._plan, measure.calls, ledger, self._plan.asked, None)
            await read_units(
                sources,
                self._plan.streams,
                ledger,
                run,
                commit,
                self._tally,
                measure.calls.refusals,
                workers=self._workers,
                held=_AHEAD,
            )
            summary = await ledger.summary()
            proven = all(period.kind != "conversation" for period in summary.unproven)
            covered = extended(None, self._plan.asked, run.begun, summary.latest) if proven else None
            self.report = await measure.report(
                ledger, run, self._plan, folder=None, records=self._records, covered=covered
            )
