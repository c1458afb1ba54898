"""All benchmarks at once: each on its own, within its time, and everything told of them in the end."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from benchmarks import __main__ as command_line
from benchmarks.report import Options, Report, Spread, at_least, at_most, spread
from benchmarks.rig.least import under_limits
from benchmarks.suite import run
from benchmarks.suite.chart import draw, panels
from benchmarks.suite.outcome import Outcome, report_of
from benchmarks.suite.summary import as_markdown, as_text, markdown_table

ROWS = [
    {"client": "zra", "concurrency": 8, "calls/s": spread([3.0, 1.0, 2.0]), "CPU": 0.5},
    {"client": "a < b & c", "concurrency": 8, "calls/s": spread([9.0]), "CPU": 0.25},
]
REPORT = Report("made_up", {"speed": ROWS}, [at_least("ratio", 0.9, 0.8)], ["A note."])
MISSED = Report("slow", {"speed": ROWS}, [at_least("ratio", 0.7, 0.8), at_most("429s", 0, 0)])
DIES = "import sys; print('{'); sys.exit('ValueError: the disk is full')"
HANGS = "import time; print('ready', flush=True); time.sleep(60)"


def printing(report: Report) -> str:
    return f"import sys; print({report.as_json()!r}); sys.exit({0 if report.met else 1})"


def scripts(monkeypatch: pytest.MonkeyPatch, **texts: str) -> None:
    """Let the benchmarks of these names be these programs."""
    monkeypatch.setattr(run.run_one, "__defaults__", (lambda name, options: [sys.executable, "-c", texts[name]],))


def outcome(report: Report) -> Outcome:
    return Outcome(report.name, "met" if report.met else "missed", 1.0, json.loads(report.as_json()))


def test_a_report_survives_its_json() -> None:
    """What a benchmark prints as JSON is read back as the same report."""
    assert report_of(json.loads(REPORT.as_json())) == REPORT


def test_every_ending_is_told_apart(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A crash and a stop for time are reported as such, the others run all the same, and the exit code is 1."""
    scripts(monkeypatch, dies=DIES, hangs=HANGS, slow=printing(MISSED), made_up=printing(REPORT))
    monkeypatch.setattr(run, "BUDGETS", {"hangs": 0.5})
    assert run.run_all(["dies", "hangs", "slow", "made_up"], Options(quick=True), tmp_path) == 1
    document = json.loads((tmp_path / "all.json").read_text("utf-8"))
    found = {one["name"]: (one["status"], one["reason"]) for one in document["benchmarks"]}
    assert found == {
        "dies": ("crashed", "exit code 1: ValueError: the disk is full"),
        "hangs": ("over time", "stopped: it may take 0 s"),
        "slow": ("missed", ""),
        "made_up": ("met", ""),
    }
    assert not document["met"]
    assert {path.name for path in tmp_path.glob("*.json")} == {"all.json", "slow.json", "made_up.json"}
    shown = capsys.readouterr().out
    assert [line.split()[-1] for line in shown.splitlines()[2:7]] == ["MISSED", "met", "met", "CRASHED", "TIME"]
    assert "2 of 3 targets met; without a result: dies, hangs" in shown


def test_all_met(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The exit code is 0 when every benchmark ends and holds its targets."""
    scripts(monkeypatch, made_up=printing(REPORT))
    assert run.run_all(["made_up"], Options(), tmp_path) == 0
    assert json.loads((tmp_path / "all.json").read_text("utf-8"))["met"]


def test_one_that_hangs_is_interrupted_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A benchmark over its time is interrupted as a person would, so that it can remove its files."""
    begun, cleaned = tmp_path / "begun", tmp_path / "cleaned"
    text = (
        "import pathlib, time\n"
        f"try:\n pathlib.Path({str(begun)!r}).touch()\n time.sleep(3600)\n"
        f"finally:\n pathlib.Path({str(cleaned)!r}).touch()"
    )

    class Begun(subprocess.Popen[bytes]):
        def communicate(self, *arguments: Any, **options: Any) -> Any:
            while not begun.exists():  # its time begins when it does
                time.sleep(0.001)
            return super().communicate(*arguments, **options)

    monkeypatch.setattr(run.subprocess, "Popen", Begun)
    monkeypatch.setattr(run, "_GOODBYE", 500.0)
    ended = run.run_one("it", Options(), tmp_path, 0.01, lambda name, options: [sys.executable, "-c", text])
    assert (ended.status, cleaned.exists()) == ("over time", True)


def test_no_time_left(tmp_path: Path) -> None:
    """A benchmark whose turn comes after the time for all is not started, and says so."""
    ended = run.run_one("it", Options(), tmp_path, 0.0)
    assert (ended.status, ended.seconds) == ("over time", 0.0)


def test_an_older_result_does_not_stay(tmp_path: Path) -> None:
    """What a former run left is not taken for the result of one that crashed."""
    for kind in ("json", "svg"):
        (tmp_path / f"it.{kind}").write_text("old")
    run.run_one("it", Options(), tmp_path, 5.0, lambda name, options: [sys.executable, "-c", DIES])
    assert [path.name for path in tmp_path.iterdir()] == ["it.log"]


def test_the_budgets_fit() -> None:
    """All benchmarks have a time of their own, and with all of them used up the summary comes within half an hour."""
    assert set(command_line.names()) <= set(run.BUDGETS)
    assert sum(run.BUDGETS.values()) <= run.TOTAL
    assert run.TOTAL + 15 < 30 * 60


def test_the_summary_has_everything() -> None:
    """The Markdown holds machine, verdicts, chart, tables with spreads, and notes."""
    crashed = Outcome("dies", "crashed", 2.0, reason="exit code 1: ValueError")
    text = as_markdown([outcome(REPORT), crashed], {"cores": 2, "libraries": {"aiohttp": "3.1"}}, {"made_up"})
    for piece in ("not every target met", "- cores: 2", "aiohttp 3.1", "| made_up | ratio | 0.9 | >= 0.8 | met |"):
        assert piece in text
    for piece in ("![made_up](made_up.svg)", "| 2 (1–3) |", "A note.", "crashed after 2 s: exit code 1: ValueError"):
        assert piece in text
    assert "dies.svg" not in text
    assert "1 of 1 targets met" in as_text([outcome(REPORT)])


def test_a_bar_in_a_cell() -> None:
    """A cell cannot end its column."""
    assert "a \\| b" in markdown_table([{"x": "a | b"}])


def test_panels() -> None:
    """A panel shows the first measured column, and names a bar by what tells the rows apart."""
    [panel] = panels(REPORT)
    assert (panel.title, panel.axis) == ("speed", "calls/s")
    assert [(bar.label, bar.ours, bar.value.median) for bar in panel.bars] == [
        ("zra", True, 2),
        ("a < b & c", False, 9),
    ]
    assert panels(Report("words", {"facts": [{"a": "b", "n": 3}]})) == []


def test_labels_are_as_short_as_they_can_be() -> None:
    """A bar is named by the first columns that tell the rows apart, and ours stands out only where there are others."""
    rows = [{"plan": p, "lane": lane, "calls": n, "share": n / 7} for n, (p, lane) in enumerate(["xa", "xb", "ya"])]
    [panel] = panels(Report("limits", {"t": rows}))
    assert [bar.label for bar in panel.bars] == ["x, a", "x, b", "y, a"]
    assert all(bar.ours for bar in panel.bars)


def test_many_bars_become_few() -> None:
    """More bars than a glance takes in are drawn by their groups, from the least to the greatest of each."""
    rows = [{"plan": p, "lane": lane, "share": p + lane / 100} for p in range(3) for lane in range(10)]
    [panel] = panels(Report("limits", {"t": rows}))
    assert (panel.title, len(panel.bars)) == ("t, over every plan", 10)
    assert (panel.bars[4].label, panel.bars[4].value) == ("lane 4", Spread(1.04, 0.04, 2.04))
    assert panels(Report("soak", {"t": rows})) == []


def test_a_job_is_drawn_beside_the_least_that_its_limits_allow() -> None:
    """The chart of a job under the limits shows how long it took, and not only how long it had to take."""
    counts = {"calls": 160, "accepted": 160, "peak": 80, "rejected": 0}
    rows, targets = under_limits({"LIGHT": counts}, "the export", 1.02, {})
    [panel] = panels(Report("export", {"t": rows}))
    assert panel.axis == "seconds"
    assert [(bar.label, bar.value.median) for bar in panel.bars] == [
        ("LIGHT, the least possible", 1.0),
        ("the export", 1.02),
    ]
    assert all(target.met for target in targets)


def test_a_chart(tmp_path: Path) -> None:
    """A chart names its axes and follows the reader's light or dark page; the same numbers give the same file."""
    pytest.importorskip("matplotlib", reason="charts need the bench extra")
    path, again = tmp_path / "a.svg", tmp_path / "b.svg"
    assert draw(REPORT, path)
    assert draw(REPORT, again)
    text = path.read_text("utf-8")
    assert text == again.read_text("utf-8")
    assert "calls/s (median; line: least to greatest)" in text
    assert "prefers-color-scheme: dark" in text
    assert "var(--ink" in text
    assert "#010203" not in text
    assert not draw(Report("words", {"facts": [{"a": "b"}]}), path)


def test_infinite_and_absent_numbers_are_left_out() -> None:
    """What is no number has no bar."""
    rows = [{"client": name, "s": s} for name, s in (("a", Spread(1, 1, 1)), ("b", None), ("c", float("inf")))]
    assert [bar.label for bar in panels(Report("x", {"t": rows}))[0].bars] == ["a"]


def test_all_wants_a_folder(capsys: pytest.CaptureFixture[str]) -> None:
    """``all`` without --out is refused with a word about it."""
    with pytest.raises(SystemExit, match="2"):
        command_line.main(["all"])
    assert "--out FOLDER" in capsys.readouterr().err
