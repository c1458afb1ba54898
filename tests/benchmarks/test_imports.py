"""The benchmark of imports: whole processes, in turn, and a ratio that is held to its bound."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import imports
from benchmarks.report import Options

TWO = {imports.NOTHING: "", imports.OURS: "zra_async", imports.GROUND: "aiohttp, msgspec"}


def test_processes_take_turns(tmp_path: Path) -> None:
    """Each round times every stack, and the bytecode of what is imported is kept."""
    measured = imports.measure(TWO, tmp_path, rounds=2)
    assert [list(one) for one in measured] == [list(TWO)] * 2
    assert all(seconds > 0 for one in measured for seconds in one.values())
    assert list(tmp_path.rglob("zra_async/client.*.pyc"))


@pytest.mark.parametrize(("ours", "met"), [(0.11, True), (0.13, True), (0.14, False)])
def test_the_ratio_is_held_to_its_bound(monkeypatch: pytest.MonkeyPatch, ours: float, met: bool) -> None:
    """The median over the rounds is what counts, whatever a single round shows."""
    usual = {imports.NOTHING: 0.01, imports.OURS: ours, imports.GROUND: 0.1, "boto3": 0.2}
    rounds = [usual, {**usual, imports.OURS: 9.0}, usual]
    monkeypatch.setattr(imports, "measure", lambda *_, **__: rounds)
    report = imports.main(Options())
    assert report.met is met
    [rows] = report.results.values()
    assert [row["import"] for row in rows] == list(usual)
    assert [row["ours is, times"] is None for row in rows] == [True, True, False, False]


def test_a_stack_that_is_not_installed_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """A peer that is missing costs its row, and no more."""
    monkeypatch.setattr(imports, "STACKS", {**TWO, "another": "aiohttp, no_such_module.at_all"})
    [rows] = imports.main(Options(quick=True)).results.values()
    assert [row["import"] for row in rows] == list(TWO)
