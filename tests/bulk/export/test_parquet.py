"""Parquet files of an export, read back with DuckDB."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.bulk.export.account import account, quick_disk  # noqa: F401
from tests.bulk.export.truth import EVERY_STREAM, lines
from zra_async import errors
from zra_async.bulk import read_stream, to_parquet

duckdb = pytest.importorskip("duckdb")


def query(text: str) -> list[Any]:
    """The rows of a query."""
    with duckdb.connect() as engine:
        return engine.execute(text).fetchall()


def schema(path: Path) -> list[tuple[str, str]]:
    """The columns of a file and their types."""
    return [row[:2] for row in query(f"DESCRIBE SELECT * FROM '{path}'")]


def plain(path: Path) -> list[dict[str, Any]]:
    """The rows of a file as JSON values."""
    return [json.loads(row[0]) for row in query(f"SELECT to_json(t)::VARCHAR FROM '{path}' t")]


async def test_every_stream_comes_over_whole(tmp_path: Path) -> None:
    """Each stream becomes one file with its records in order, odd characters and nested values included."""
    async with account(40, awkward=0.5) as (_, zra):
        await zra.export(tmp_path, streams="all")
    written = await to_parquet(tmp_path)
    assert set(written) == set(EVERY_STREAM)
    for stream, path in written.items():
        wanted = list(read_stream(tmp_path, stream))
        assert [row[0] for row in query(f"SELECT count(*) FROM '{path}'")] == [len(wanted)]
        for got, record in zip(plain(path), wanted, strict=True):
            assert {name: value for name, value in got.items() if not _is_time(value)} == {
                name: value for name, value in record.items() if not _is_time(record[name])
            }
    assert not list(tmp_path.rglob("*.tmp"))


def _is_time(value: Any) -> bool:
    """Whether a value looks like a time: engines write those in forms of their own."""
    return isinstance(value, str) and len(value) >= 19 and value[4:5] == value[7:8] == "-"


async def test_the_query_of_the_readme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The query that the README shows runs as it stands there."""
    readme = Path(__file__).parents[3] / "README.md"
    (example,) = re.findall(r"^```sql\n(.*?)^```$", readme.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    monkeypatch.chdir(tmp_path)
    async with account(30) as (_, zra):
        await zra.export("account")
    await to_parquet("account")
    found = query(example)
    assert len(found) == 5
    assert found[0][1] >= found[-1][1] >= 1


async def test_times_are_times(tmp_path: Path) -> None:
    """A column of times can be computed with."""
    async with account(10) as (sandbox, zra):
        await zra.export(tmp_path, streams="conversations")
        first = min(row["meeting_start_time"] for row in sandbox.truth.conversations())
    path = (await to_parquet(tmp_path))["conversations"]
    found = query(f"SELECT strftime(min(meeting_start_time)::TIMESTAMP, '%Y-%m-%dT%H:%M:%SZ') FROM '{path}'")
    assert dict(schema(path))["meeting_start_time"] == "TIMESTAMP WITH TIME ZONE"
    assert len(found[0][0]) == len(first)


async def test_the_schema_does_not_depend_on_the_data(tmp_path: Path) -> None:
    """An empty account gives files with the very columns and types of a full one."""
    for name, conversations in (("empty", 0), ("full", 30)):
        async with account(conversations) as (_, zra):
            await zra.export(tmp_path / name, streams="all")
    empty, full = [await to_parquet(tmp_path / name) for name in ("empty", "full")]
    assert query(f"SELECT count(*) FROM '{empty['conversations']}'") == [(0,)]
    for stream in EVERY_STREAM:
        assert schema(empty[stream]) == schema(full[stream])


async def test_only_what_is_current_goes_over(tmp_path: Path) -> None:
    """What was replaced or deleted since is in the segments, and not in the Parquet files."""
    async with account(20) as (sandbox, zra):
        await zra.export(tmp_path, streams="conversations,transcripts")
        first, second = [row["conversation_id"] for row in lines(tmp_path, "conversations")][:2]
        await zra.conversations.delete(first)
        present = sandbox.world.find(second)
        host = next(user for user in sandbox.world.users if user.licensed and present and user is not present.host)
        await zra.conversations.update_host(second, new_host_id=host.user_id)
        await zra.export(tmp_path, streams="conversations,transcripts", incremental=False)
    path = (await to_parquet(tmp_path, tmp_path / "elsewhere"))["conversations"]
    found = dict(query(f"SELECT conversation_id, host_id FROM '{path}'"))
    assert path == tmp_path / "elsewhere" / "conversations.parquet"
    assert len(found) == 19
    assert first not in found
    assert found[second] == host.user_id
    assert len(list(lines(tmp_path, "conversations"))) == 21
    assert not list(tmp_path.glob(".*"))


async def test_what_cannot_be_converted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder without an export is told, and so is a missing DuckDB."""
    with pytest.raises(errors.LedgerError, match="holds no export"):
        await to_parquet(tmp_path)
    with pytest.raises(errors.LedgerError, match="holds no export"):
        list(read_stream(tmp_path, "conversations"))
    with pytest.raises(errors.InvalidArgument, match="no stream is called"):
        list(read_stream(tmp_path, "conversation"))
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(errors.ConfigurationError, match=r"zra-async\[parquet\]"):
        await to_parquet(tmp_path)
