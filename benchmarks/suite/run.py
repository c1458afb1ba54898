"""Runs benchmarks one after the other, each in a process of its own and within its budget of time."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from benchmarks.report import Options, machine, progress
from benchmarks.suite.chart import draw
from benchmarks.suite.outcome import Outcome, Status, met
from benchmarks.suite.summary import as_markdown, as_text

#: seconds for all of them together; the summary must be there within half an hour
TOTAL = 29.5 * 60.0
#: seconds that each benchmark may take; together they are `TOTAL`, so that one that hangs takes no other's time
BUDGETS = {
    "calls": 175.0,
    "download": 170.0,
    "export": 195.0,
    "imports": 25.0,
    "ingest": 130.0,
    "limits": 190.0,
    "sandbox": 60.0,
    "shared": 150.0,
    "soak": 300.0,
    "truth": 105.0,
    "upload": 270.0,
}
BUDGET = 60.0  # for one that is not in the table
_GOODBYE = 15.0  # seconds for an interrupted benchmark to end its servers and remove its files

Command = Callable[[str, Options], Sequence[str]]


def run_all(names: Sequence[str], options: Options, folder: Path) -> int:
    """Run the named benchmarks into ``folder``; 0 = every target met, 1 = one missed or a benchmark failed."""
    folder.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    outcomes = []
    for name in names:
        budget = min(BUDGETS.get(name, BUDGET), TOTAL - (time.monotonic() - began))
        outcome = run_one(name, options, folder, budget)
        progress(f"{name}: {outcome.status} after {outcome.seconds:.0f} s{': ' * bool(outcome.reason)}{outcome.reason}")
        outcomes.append(_charted(outcome, folder))
        write(outcomes, folder)  # what is known stays known, whatever happens to the next one
    print(as_text(outcomes))
    return 0 if met(outcomes) else 1


def command(name: str, options: Options) -> Sequence[str]:
    """The command of one benchmark."""
    quick = ["--quick"] if options.quick else []
    return [sys.executable, "-m", "benchmarks", name, "--json", *quick]


def run_one(name: str, options: Options, folder: Path, budget: float, command: Command = command) -> Outcome:
    """Run one benchmark for at most ``budget`` seconds; its complaints go to ``NAME.log``, its report to ``NAME.json``.

    What an earlier run left under these names is replaced.
    """
    for kind in ("json", "log", "svg"):
        (folder / f"{name}.{kind}").unlink(missing_ok=True)
    if budget <= 0:
        return Outcome(name, "over time", 0.0, reason="not started: the time for all benchmarks was used up")
    began = time.monotonic()
    with (folder / f"{name}.log").open("wb") as log:
        code, text = _output(command(name, options), log, budget)
    seconds = time.monotonic() - began
    if code is None:
        return Outcome(name, "over time", seconds, reason=f"stopped: it may take {budget:.0f} s")
    document = _document(text)
    if document is None or code not in (0, 1):
        return Outcome(name, "crashed", seconds, reason=f"exit code {code}: {_last_line(folder / f'{name}.log')}")
    (folder / f"{name}.json").write_bytes(text)
    status: Status = "met" if code == 0 else "missed"
    return Outcome(name, status, seconds, document)


def write(outcomes: Sequence[Outcome], folder: Path) -> None:
    """Write ``all.json`` and ``REPORT.md``."""
    document = {
        "machine": machine(),
        "met": met(outcomes),
        "seconds": round(sum(outcome.seconds for outcome in outcomes), 1),
        "benchmarks": [outcome.as_dict() for outcome in outcomes],
    }
    text = json.dumps(document, ensure_ascii=False, indent=1)
    (folder / "all.json").write_text(text + "\n", "utf-8")
    charts = [outcome.name for outcome in outcomes if (folder / f"{outcome.name}.svg").exists()]
    (folder / "REPORT.md").write_text(as_markdown(outcomes, machine(), charts), "utf-8")


def _charted(outcome: Outcome, folder: Path) -> Outcome:
    """Draw what can be drawn; numbers without a chart are still numbers."""
    if (report := outcome.report) is None:
        return outcome
    try:
        draw(report, folder / f"{outcome.name}.svg")
    except ImportError:
        progress("no chart: matplotlib is not installed; pip install 'zra-async[bench]' brings it")
    return outcome


def _output(arguments: Sequence[str], log: IO[bytes], budget: float) -> tuple[int | None, bytes]:
    """The exit code of a command, None when it took too long, and what it printed."""
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=log, start_new_session=True) as process:
        try:
            text, _ = process.communicate(timeout=budget)
        except subprocess.TimeoutExpired:
            _end(process)
            return None, b""
        except BaseException:
            _end(process)
            raise
        finally:
            _kill_group(process.pid)  # servers that a crash left behind would disturb the next benchmark
    return process.returncode, text


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGINT)  # as a person would, so that temporary files go
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.communicate(timeout=_GOODBYE)
    _kill_group(process.pid)


def _kill_group(group: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def _document(text: bytes) -> Mapping[str, Any] | None:
    try:
        document = json.loads(text)
    except ValueError:
        return None
    return document if isinstance(document, dict) and {"name", "results", "targets", "notes"} <= set(document) else None


def _last_line(log: Path) -> str:
    lines = log.read_text("utf-8", errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")
