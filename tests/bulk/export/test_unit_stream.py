"""Units for a destination of somebody else's: each is given until it is acknowledged, and again when it changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bulk.export.account import account, quick_disk  # noqa: F401
from tests.bulk.export.truth import Truth
from zra_async import ZRAClient, errors
from zra_async.bulk import Unit
from zra_async.sandbox import Fault

STREAMS = "conversations,comments"


async def take(zra: ZRAClient, ledger: Path, streams: str = STREAMS) -> list[Unit]:
    """Store every unit, many at a time, and acknowledge them at the end."""
    async with zra.export_units(ledger, streams=streams) as units:
        found = [unit async for unit in units]
        for unit in found:
            unit.acknowledge()
            unit.acknowledge()
    assert units.report is not None
    assert not units.report.partial
    assert units.report.units["conversation"].in_processing == 0
    return found


async def test_units_come_until_they_are_acknowledged(tmp_path: Path) -> None:
    """What was not acknowledged comes again, the rest does not, and all of the account was given."""
    async with account(80) as (sandbox, zra):
        stored: list[Unit] = []
        async with zra.export_units(tmp_path / "ledger", streams=STREAMS) as units:
            async for unit in units:
                if len(stored) == 20:
                    break
                stored.append(unit)
                unit.acknowledge()
        assert units.report is None
        rest = await take(zra, tmp_path / "ledger")
        assert len(rest) == 60
        truth = Truth(sandbox)
        for unit in [*stored, *rest]:
            for stream in STREAMS.split(","):
                assert list(unit.rows[stream]) == truth.records(stream, unit.id)
        assert len({unit.id for unit in [*stored, *rest]}) == 80
        assert await take(zra, tmp_path / "ledger") == []


async def test_changes_and_deletions(tmp_path: Path) -> None:
    """Later runs give what is gone, and of an added stream only its rows; what is the same does not come again."""
    async with account(5) as (_, zra):
        first = await take(zra, tmp_path / "ledger", "conversations,teams")
        gone = next(unit.id for unit in first if unit.kind == "conversation")
        await zra.conversations.delete(gone)
        (deleted,) = await take(zra, tmp_path / "ledger", "conversations,teams")
        assert (deleted.id, deleted.state, dict(deleted.rows)) == (gone, "deleted", {})
        added = await take(zra, tmp_path / "ledger", "conversations,teams,comments")
        assert [set(unit.rows) for unit in added] == [{"comments"}] * 4


async def test_an_error_reaches_the_reader(tmp_path: Path) -> None:
    """The reader gets the error of the export, also while units are not acknowledged."""
    fault = Fault(operation="GET /conversations/{conversationId}", status=401)
    async with account(30, faults=[fault]) as (_, zra), zra.export_units(tmp_path / "ledger") as units:
        with pytest.raises(errors.AuthenticationFailed):
            [unit async for unit in units]


async def test_an_error_before_the_first_unit_is_raised_once(tmp_path: Path) -> None:
    """Leaving the stream does not raise again what the reader was told."""
    fault = Fault(operation="GET /conversations/{conversationId}", status=401)
    async with account(3, faults=[fault]) as (_, zra):
        units = zra.export_units(tmp_path / "ledger", streams="conversations")
        with pytest.raises(errors.AuthenticationFailed):
            await anext(units)
        await units.aclose()


async def test_a_client_that_is_closed(tmp_path: Path) -> None:
    """A client can be closed while units are neither taken nor acknowledged."""
    async with account(80) as (_, zra):
        units = zra.export_units(tmp_path / "ledger", streams="conversations")
        assert (await anext(units)).kind == "conversation"
        await zra.aclose()
        with pytest.raises(errors.ClientNotOpen):
            [unit async for unit in units]
