"""The report of a benchmark: for people, for programs, and as an exit code."""

from __future__ import annotations

import json
import sys
from types import ModuleType

import pytest

from benchmarks import __main__ as command
from benchmarks.report import Options, Report, at_least, at_most, spread

TABLE = {"speed": [{"client": "ours", "calls/s": spread([3.0, 1.0, 2.0]), "fast": True}]}


def a_benchmark(monkeypatch: pytest.MonkeyPatch, report: Report) -> list[Options]:
    seen: list[Options] = []

    def main(options: Options) -> Report:
        seen.append(options)
        return report

    module = ModuleType("benchmarks.made_up")
    module.main = main  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "benchmarks.made_up", module)
    monkeypatch.setattr(command, "names", lambda: ["made_up"])
    return seen


def test_json_is_one_object(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """With --json stdout holds exactly one object with machine, results and targets."""
    seen = a_benchmark(monkeypatch, Report("made_up", TABLE, [at_least("ratio", 0.9, 0.8)]))
    assert command.main(["made_up", "--json", "--quick"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert seen == [Options(quick=True)]
    assert set(report) == {"name", "machine", "results", "targets", "notes"}
    assert report["results"]["speed"] == [
        {"client": "ours", "calls/s": {"median": 2.0, "min": 1.0, "max": 3.0}, "fast": True}
    ]
    assert report["targets"] == [{"name": "ratio", "value": 0.9, "target": ">= 0.8", "met": True}]
    assert {"cpu", "cores", "kernel", "python", "libraries"} <= set(report["machine"])


def test_a_missed_target_fails_the_run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """One missed target is exit code 1, and the table names it."""
    a_benchmark(monkeypatch, Report("made_up", TABLE, [at_least("ratio", 0.9, 0.8), at_most("429s", 1, 0)]))
    assert command.main(["made_up"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[-1] for line in lines if line.strip().startswith(("ratio", "429s"))] == ["met", "MISSED"]
    assert any("2 (1–3)" in line for line in lines)


def test_an_unknown_name(capsys: pytest.CaptureFixture[str]) -> None:
    """A name that no benchmark has is exit code 2, with the names that there are."""
    assert command.main(["nothing"]) == 2
    complaint = capsys.readouterr().err
    assert all(name in complaint for name in command.names())


def test_bounds_include_themselves() -> None:
    """A value that equals its bound is met, one just past it is not."""
    assert at_least("x", 1.0, 1.0).met
    assert not at_least("x", 0.999, 1.0).met
    assert at_most("x", 1.0, 1.0).met
    assert not at_most("x", 1.001, 1.0).met
