"""Answers that are not as documented: an export fails the unit or tells the field, and is never less in silence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.bulk.export.account import account, quick_disk
from zra_async.sandbox import Fault

__all__ = ["quick_disk"]
INTERACTIONS = "GET /conversations/{conversationId}/interactions"


@pytest.mark.parametrize("wrong", [{"0": {}}, "x", [None], [{"transcripts": {"0": {}}}], [{"metrics": []}]])
async def test_a_container_of_the_wrong_type_fails_its_unit(tmp_path: Path, wrong: object) -> None:
    """The unit is failed with its reason, the report is partial, and the next run brings what was missing."""
    async with account(5) as (sandbox, zra):
        sandbox.faults.add(Fault(operation=INTERACTIONS, status=200, body={"participants": wrong}, times=1))
        report = await zra.export(tmp_path, streams="conversations,transcripts")
        assert (report.partial, report.units["conversation"].failed) == (True, 1)
        assert "another shape: participants" in report.failures[0].reason
        again = await zra.export(tmp_path, streams="conversations,transcripts")
        assert (again.partial, again.units["conversation"].done) == (False, 1)


async def test_dropped_fields_are_reported(tmp_path: Path) -> None:
    """A field that cannot be read is null in its record, and counted in report and manifest."""
    odd: dict[str, Any] = {"participants": [{"user_id": "u", "transcripts": [{"item_id": "1", "text": {"a": 1}}]}]}
    async with account(5) as (sandbox, zra):
        sandbox.faults.add(Fault(operation=INTERACTIONS, status=200, body=odd, times=1))
        report = await zra.export(tmp_path, streams="transcripts")
    assert not report.partial
    assert report.dropped_fields == {"conversations.interactions": 1}
    assert json.loads((tmp_path / "manifest.json").read_bytes())["dropped_fields"] == report.dropped_fields


async def test_amounts_are_exported_as_they_were_sent(tmp_path: Path) -> None:
    """A fraction is not cut, and a whole number stays whole, in records and in Parquet files."""
    deals = [
        {"deal_id": "a", "deal_amount": 1000000.75, "time_in_stage": 0.5},
        {"deal_id": "b", "deal_amount": 9007199254740993, "time_in_stage": 12},
        {"deal_id": "c", "deal_amount": "2500.25"},
    ]
    async with account(1) as (sandbox, zra):
        sandbox.faults.add(Fault(operation="GET /deals", status=200, body={"deals": deals}))
        for deal in deals:
            fault = Fault(operation="GET /deals/{dealId}", status=200, body={"deal_id": deal["deal_id"]}, times=1)
            sandbox.faults.add(fault)
        await zra.export(tmp_path, streams="deals")
    lines = (tmp_path / "deals-00001.jsonl").read_text().splitlines()
    rows = {row["deal_id"]: (row["deal_amount"], row["time_in_stage"]) for row in map(json.loads, lines)}
    assert rows == {"a": (1000000.75, 0.5), "b": (9007199254740993, 12), "c": (2500.25, None)}
    duckdb = pytest.importorskip("duckdb")
    from zra_async.bulk import to_parquet

    written = await to_parquet(tmp_path)
    found = duckdb.sql(f"SELECT deal_amount FROM '{written['deals']}' WHERE deal_id = 'a'").fetchall()
    assert found == [(1000000.75,)]
