"""The work of an export: lists run ahead into the ledger, workers read the units, outcomes are committed in groups."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Sequence

import msgspec

from zra_async import errors
from zra_async.bulk.export.destination import ExportLedger, ExportRun
from zra_async.bulk.export.groups import MOST_UNITS, Groups
from zra_async.bulk.export.progress import Tally
from zra_async.bulk.export.refusals import REFUSED, Refusals
from zra_async.bulk.export.sources.account import Gone, NotReady, Reading, Source
from zra_async.bulk.export.streams import STREAMS
from zra_async.bulk.export.units import Listed, Outcome, StreamPart, Waiting
from zra_async.core.tasks import Tasks, shielded
from zra_async.results.exports import UnitKind

#: so many units may be listed and not read; they are on the disk, not in memory
_AHEAD = 100_000
_BATCH = 256
#: a list whose page token expires is begun anew; so many times in a row without anything new, and it is given up
_VAIN_RESTARTS = 5
#: so many units in a row lost to the network mean that there is no network
_LOST = 50
#: after these every further call would fail as well
_FATAL = (errors.AuthenticationFailed, errors.MissingScopes, errors.UnsafeRedirect)
_encode_lines = msgspec.json.Encoder().encode_lines


#: commits outcomes, and returns those that were not dropped
Commit = Callable[[Sequence[Outcome]], Awaitable[Sequence[Outcome]]]


async def read_units(
    stages: Iterable[Sequence[Source]],
    streams: Sequence[str],
    ledger: ExportLedger,
    run: ExportRun,
    commit: Commit,
    tally: Tally,
    refusals: Refusals,
    *,
    workers: int,
    held: int = MOST_UNITS,
) -> None:
    """Read the units of all sources, stage after stage, and hand over what became of them in groups.

    At most ``held`` units wait to be handed over.
    """
    for sources in stages:
        await UnitReader(sources, streams, ledger, run, commit, tally, refusals, workers=workers, held=held).run()


class UnitReader:
    """Lists and reads the units of several sources, until all of them are committed."""

    def __init__(
        self,
        sources: Sequence[Source],
        streams: Sequence[str],
        ledger: ExportLedger,
        run: ExportRun,
        commit: Commit,
        tally: Tally,
        refusals: Refusals,
        *,
        workers: int,
        held: int,
    ) -> None:
        self._sources: dict[UnitKind, Source] = {source.kind: source for source in sources}
        self._streams = streams
        self._ledger = ledger
        self._run = run
        self._commit_outcomes = commit
        self._tally = tally
        self._refusals = refusals
        self._workers = workers
        self._queue: asyncio.Queue[Waiting | None] = asyncio.Queue(workers)
        self._groups = Groups(self._commit, held)
        self._listed = False
        self._more = asyncio.Event()  # something was listed since the ledger was last asked
        self._committed = asyncio.Event()
        self._lost = 0

    async def run(self) -> None:
        """Do it all. What was complete when an error or a cancellation came is committed before it is passed on."""
        try:
            async with Tasks() as tasks:
                tasks.start(self._groups.run)
                tasks.start(self._list_all)
                tasks.start(self._work)
        finally:
            await shielded(self._groups.flush())

    # Lists

    async def _list_all(self) -> None:
        for source in self._sources.values():
            if source.kind not in self._run.listed:
                await self._list_permitted(source)
            self._tally.listed(source.kind)
        self._listed = True
        self._more.set()

    async def _list_permitted(self, source: Source) -> None:
        """List a source, or close its streams if the account may not list it."""
        try:
            await self._list(source)
        except REFUSED as problem:
            self._refusals.close(self._streams_of(source.kind), str(problem))
            if self._refusals.closes(self._streams):
                raise  # nothing can be read at all
            if source.kind == "team" and "playlists" in self._streams:
                self._refusals.note("playlists", str(problem))

    def _streams_of(self, kind: UnitKind) -> list[str]:
        return [stream for stream in self._streams if STREAMS[stream].unit == kind]

    async def _list(self, source: Source) -> None:
        vain = 0
        while vain <= _VAIN_RESTARTS:
            before = self._tally.left
            try:
                async with contextlib.aclosing(source.pages()) as pages:
                    async for page in pages:
                        await self._offer(source, page)
            except errors.PageTokenExpired:
                # The order of a list is not documented, so it is read from its beginning; what is known is left out.
                vain = 0 if self._tally.left > before else vain + 1
                if vain > _VAIN_RESTARTS:
                    raise
                continue
            missing = await self._ledger.end_list(source.kind, complete=source.complete, unproven=source.unproven)
            self._tally.found(source.kind, missing)
            return

    async def _offer(self, source: Source, page: Sequence[Listed]) -> None:
        streams = self._streams_of(source.kind)
        added = await self._ledger.offer(source.kind, page, streams, unchanged_too=source.unchanged_too)
        self._tally.found(source.kind, added)
        self._more.set()
        while self._tally.left > _AHEAD:
            self._committed.clear()
            await self._committed.wait()

    # Units

    async def _work(self) -> None:
        async with Tasks() as tasks:
            for _ in range(self._workers):
                tasks.start(self._read_units)
            await self._feed()
        self._groups.end()

    async def _feed(self) -> None:
        after = 0
        while True:
            self._more.clear()
            listed = self._listed
            units = await self._ledger.take(self._sources, after, _BATCH)
            for unit in units:
                await self._queue.put(unit)
                after = unit.seq
            if units:
                continue
            if listed:
                break
            await self._more.wait()
        for _ in range(self._workers):
            await self._queue.put(None)

    async def _read_units(self) -> None:
        while (unit := await self._queue.get()) is not None:
            await self._groups.put(await self._read(unit))

    async def _read(self, unit: Waiting) -> Outcome:
        if not unit.id:
            return Outcome(unit, "failed", reason="the list names it without an id")
        if unit.streams and self._refusals.closes(unit.streams):
            return Outcome(unit, "kept")
        try:
            reading = await self._sources[unit.kind].read(unit, self._run.number)
        except Gone:
            outcome = Outcome(unit, "deleted")
        except NotReady:
            outcome = Outcome(unit, "processing")
        except (errors.CallError, errors.InvalidArgument) as problem:
            return self._failed(unit, problem)
        else:
            outcome = Outcome(unit, "kept") if reading is None else self._done(unit, reading)
        self._lost = 0
        return outcome

    def _done(self, unit: Waiting, reading: Reading) -> Outcome:
        parts: list[StreamPart] = []
        for stream in self._streams_of(unit.kind):
            if unit.streams and stream not in unit.streams:
                continue
            if stream in reading.refused:
                parts.append(StreamPart(stream, b"", 0, "refused", reading.refused[stream]))
            else:
                rows = reading.rows.get(stream, ())
                parts.append(StreamPart(stream, _encode_lines(rows), len(rows)))
        return Outcome(unit, "done", parts, reading.people)

    def _failed(self, unit: Waiting, problem: errors.ZRAError) -> Outcome:
        if isinstance(problem, _FATAL) or (isinstance(problem, errors.RateLimited) and problem.kind == "daily"):
            raise problem
        self._lost = self._lost + 1 if isinstance(problem, errors.TransportError) else 0
        if self._lost >= max(_LOST, 2 * self._workers):
            raise problem
        return Outcome(unit, "failed", reason=str(problem))

    async def _commit(self, outcomes: Sequence[Outcome]) -> None:
        self._tally.finished(await self._commit_outcomes(outcomes))
        self._committed.set()
