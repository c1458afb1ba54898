"""``zra cat``: what a folder holds, for pipes and spreadsheets."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path

from tests.cli.conftest import Invoke
from zra_async.bulk import read_stream

OLD = Path(__file__).parents[1] / "data" / "export-0.1.0"


def test_present_records_in_both_formats(invoke: Invoke, tmp_path: Path) -> None:
    """Each present record comes once, with the same columns and values in JSON lines and in CSV."""
    folder = tmp_path / "folder"
    shutil.copytree(OLD, folder)
    expected = list(read_stream(folder, "comments"))
    lines = invoke("cat", str(folder), "comments")
    assert (lines.code, [json.loads(line) for line in lines.out.splitlines()]) == (0, expected)
    table = list(csv.DictReader(io.StringIO(invoke("cat", str(folder), "comments", "--format", "csv").out)))
    assert [row["comment"] for row in table] == [row["comment"] for row in expected]
    assert [json.loads(row["mention_teams"]) for row in table] == [row["mention_teams"] for row in expected]
    assert list(table[0]) == list(expected[0])


def test_what_cannot_be_read(invoke: Invoke, tmp_path: Path) -> None:
    """An unknown stream and a folder without an export are told apart, and print nothing."""
    unknown = invoke("cat", str(OLD), "coments")
    assert (unknown.code, unknown.out) == (2, "")
    assert "comments" in unknown.err
    empty = invoke("cat", str(tmp_path), "comments")
    assert empty.code not in (0, 2)
    assert "holds no export" in empty.err
