"""The sources of an import's records: an iterable, an async iterable, or a file."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from zra_async.api.crm.records import CrmRecord
from zra_async.bulk.crm.chunks import stage_of
from zra_async.bulk.crm.kinds import DEALS, Kind, checked
from zra_async.bulk.tables.record_files import BATCH, PathLike, TableRow, read_rows, reader_of, take
from zra_async.core.cancellation import CallersCode
from zra_async.errors import InvalidArgument
from zra_async.osfiles.threads import to_thread

Given = CrmRecord | Mapping[str, object]
#: records as structures or mappings, or the path of a JSONL or CSV file of them
Records = PathLike | Iterable[Given] | AsyncIterable[Given]
#: how many names of unregistered stages are remembered: a wrong column must not fill the memory
_MOST_STAGES = 100


@dataclass(slots=True)
class Survey:
    """The result of a first pass over an input: the number of rows, and the unregistered stages that its deals name."""

    rows: int = 0
    stages: dict[str, int] = field(default_factory=dict[str, int])

    def note(self, stage: str) -> None:
        """Count a stage that is not registered."""
        if stage in self.stages or len(self.stages) < _MOST_STAGES:
            self.stages[stage] = self.stages.get(stage, 0) + 1


class Input:
    """The records of one kind."""

    def __init__(self, kind: Kind, given: Records) -> None:
        self.kind = kind
        self.path: PathLike | None = None
        self._read: Callable[[], Iterator[TableRow]] | None = None
        if isinstance(given, (str, os.PathLike)):
            self.path = given
            self._read = reader_of(given, kind.columns)
        elif isinstance(given, (bytes, bytearray, Mapping, CrmRecord)) or not isinstance(
            given,
            (Iterable, AsyncIterable),  # pyright: ignore[reportUnnecessaryIsInstance]
        ):
            raise InvalidArgument(f"{kind.name} must be an iterable of records or the path of a file of them")
        self._given = given

    async def survey(self, registered: frozenset[str]) -> Survey | None:
        """Look through an input that can be read twice, a file or a collection; None for one that cannot.

        Only of deals every record is looked at: their stages must be ``registered``.
        """
        if self._read is None and not isinstance(self._given, Collection):
            return None
        if self._read is None and self.kind is not DEALS:
            return Survey(len(self._given))  # type: ignore[arg-type]
        found = Survey()
        async with contextlib.aclosing(self.batches()) as batches:
            async for batch in batches:
                found.rows += len(batch)
                if self.kind is DEALS:
                    await to_thread(_note_stages, batch, registered, found)
        return found

    async def batches(self) -> AsyncGenerator[list[TableRow]]:
        """The rows, some at a time."""
        if self._read is not None:
            async with contextlib.aclosing(read_rows(self._read)) as batches:
                async for batch in batches:
                    yield batch
        elif isinstance(self._given, AsyncIterable):
            async with contextlib.aclosing(_gathered(self._given)) as batches:
                async for batch in batches:
                    yield batch
        else:
            rows = _numbered(self._given)  # type: ignore[arg-type]
            failure: BaseException | None = None
            while failure is None:
                batch, failure = take(rows)
                if batch:
                    yield batch
                elif failure is None:
                    return
                await asyncio.sleep(0)  # many records at once must not hold the event loop
            raise failure


def _numbered(given: Iterable[Given]) -> Iterator[TableRow]:
    return (TableRow(index, None, value) for index, value in enumerate(given))


async def _gathered(given: AsyncIterable[Given]) -> AsyncGenerator[list[TableRow]]:
    values = aiter(given)
    index = 0
    failure: BaseException | None = None
    ended = False
    while not ended:
        batch: list[TableRow] = []
        code = CallersCode()
        try:
            while len(batch) < BATCH:
                batch.append(TableRow(index, None, await anext(values)))
                index += 1
        except StopAsyncIteration:
            ended = True
        except BaseException as problem:
            if not code.raised(problem):
                raise
            ended, failure = True, problem
        if batch:
            yield batch  # also before an error: these rows were taken
    if failure is not None:
        raise failure


def _note_stages(batch: list[TableRow], registered: frozenset[str], found: Survey) -> None:
    for row in batch:
        with contextlib.suppress(InvalidArgument):  # reported when its turn comes
            stage = stage_of(checked(DEALS, row))
            if stage and stage not in registered:
                found.note(stage)
