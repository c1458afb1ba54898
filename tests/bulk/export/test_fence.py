"""A unit that is listed anew while it is read comes once, and as it was listed last."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.bulk.export.account import account
from zra_async import errors
from zra_async.bulk import read_stream
from zra_async.bulk.export import job, record_stream
from zra_async.bulk.export.rows.account import IndicatorRow
from zra_async.bulk.export.sources.account import Reading
from zra_async.bulk.export.streams import UnitKind
from zra_async.bulk.export.units import Listed, Waiting

ID = "indicator-1"


class Moving:
    """A source with one unit, which changes once a worker holds it, and is listed anew in the ways of ``pages``."""

    kind: UnitKind = "indicator"
    unchanged_too = False
    complete = True
    unproven = ()

    def __init__(self, way: str) -> None:
        self._way = way
        self._held = asyncio.Event()
        self._relisted = asyncio.Event()
        self._lists = 0
        self.reads: list[str] = []

    async def pages(self) -> AsyncGenerator[Sequence[Listed]]:
        """List the unit, and list it again when it is being read."""
        self._lists += 1
        if self._lists == 1:
            yield [Listed(ID, "old", b"{}")]
            await self._held.wait()
            if self._way == "a list that begins anew":
                raise errors.PageTokenExpired("indicators.list", status=400)
        yield [Listed(ID, "new", b"{}")]
        self._relisted.set()

    async def read(self, unit: Waiting, run: int) -> Reading:
        """Read the unit as its row says; the old one does not come before the new one is listed."""
        self.reads.append(unit.version)
        if unit.version == "old":
            self._held.set()
            await self._relisted.wait()
        return Reading({"indicators": [IndicatorRow(id=ID, name=unit.version, run=run)]})


@pytest.fixture(params=["the same list", "a list that begins anew"])
def moving(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Moving:
    """The source of every export of this test."""
    source = Moving(request.param)
    for module in (job, record_stream):
        monkeypatch.setattr(module, "stages", lambda *_: [[source]])
    return source


async def test_a_folder_holds_it_once(moving: Moving, tmp_path: Path) -> None:
    """What was read of its older row is dropped, and the newer one is read and written."""
    told: list[Any] = []
    async with account() as (_, zra):
        report = await zra.export(tmp_path, streams="indicators", on_event=told.append)
    assert moving.reads == ["old", "new"]
    assert [row["name"] for row in read_stream(tmp_path, "indicators")] == ["new"]
    assert report.units["indicator"].done == 1
    assert report.records["indicators"] == 1
    assert (told[-1].done, told[-1].total) == (1, 1)


async def test_an_iterator_gives_it_once(moving: Moving) -> None:
    """The same without a folder."""
    async with account() as (_, zra):
        records = [record async for _, record in zra.export_records(streams="indicators")]
    assert [record["name"] for record in records] == ["new"]
