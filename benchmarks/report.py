"""What a benchmark tells: the machine, its results with their spread, and the targets it held or missed."""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

_LIBRARIES = ("aiohttp", "msgspec", "aiolimiter", "uvloop", "httpx", "pydantic", "requests", "boto3")


@dataclass(frozen=True, slots=True)
class Options:
    """How a benchmark is run; `quick` asks for a smoke run whose numbers mean little."""

    quick: bool = False


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of several runs, with the least and the greatest."""

    median: float
    least: float
    greatest: float

    def __str__(self) -> str:
        return f"{_number(self.median)} ({_number(self.least)}–{_number(self.greatest)})"


def spread(values: Iterable[float]) -> Spread:
    """Summarise the runs of one measurement."""
    ordered = sorted(values)
    return Spread(statistics.median(ordered), ordered[0], ordered[-1])


Cell = str | int | float | bool | None | Spread
Row = Mapping[str, Cell]


@dataclass(frozen=True, slots=True)
class Target:
    """A number and the bound that it is held to."""

    name: str
    value: float
    target: str
    met: bool


def at_least(name: str, value: float, bound: float) -> Target:
    """Hold ``value`` to a lower bound."""
    return Target(name, value, f">= {bound:g}", value >= bound)


def at_most(name: str, value: float, bound: float) -> Target:
    """Hold ``value`` to an upper bound."""
    return Target(name, value, f"<= {bound:g}", value <= bound)


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of one benchmark.

    `results` are tables by title, each a sequence of rows whose keys are the columns; `notes` say what a reader must
    know to judge them.
    """

    name: str
    results: Mapping[str, Sequence[Row]]
    targets: Sequence[Target] = ()
    notes: Sequence[str] = ()

    @property
    def met(self) -> bool:
        """Whether every target was held."""
        return all(target.met for target in self.targets)

    def as_json(self) -> str:
        """The report as one JSON object."""
        return json.dumps(
            {
                "name": self.name,
                "machine": machine(),
                "results": {title: [_plain(row) for row in rows] for title, rows in self.results.items()},
                "targets": [
                    {"name": t.name, "value": _rounded(t.value), "target": t.target, "met": t.met} for t in self.targets
                ],
                "notes": list(self.notes),
            },
            ensure_ascii=False,
        )

    def as_text(self) -> str:
        """The report as tables for a terminal."""
        facts = machine()
        libraries = ", ".join(f"{name} {version}" for name, version in facts.pop("libraries").items())
        parts = [f"{self.name}: {', '.join(f'{k} {v}' for k, v in facts.items())}\n{libraries}"]
        parts += [f"{title}\n{table(rows)}" for title, rows in self.results.items()]
        parts += self.notes
        if self.targets:
            rows = [
                {"target": t.name, "value": t.value, "bound": t.target, "": "met" if t.met else "MISSED"}
                for t in self.targets
            ]
            parts.append(f"targets\n{table(rows)}")
        return "\n\n".join(parts)


def machine() -> dict[str, Any]:
    """What the numbers were measured on."""
    libraries = {}
    for name in _LIBRARIES:
        try:
            libraries[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
        "kernel": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "libraries": libraries,
    }


def progress(text: str) -> None:
    """Say on stderr what is being measured, so that stdout holds the report alone."""
    print(text, file=sys.stderr, flush=True)


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def _plain(row: Row) -> dict[str, Any]:
    return {column: _plain_cell(cell) for column, cell in row.items()}


def _plain_cell(cell: Cell) -> Any:
    if isinstance(cell, Spread):
        return {"median": _rounded(cell.median), "min": _rounded(cell.least), "max": _rounded(cell.greatest)}
    return _rounded(cell) if isinstance(cell, float) else cell


def _rounded(value: float) -> float:
    return float(f"{value:.6g}")


def _number(value: float) -> str:
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def text(cell: Cell) -> str:
    """A cell as a reader wants it."""
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, (int, float)):
        return _number(cell)
    return "–" if cell is None else str(cell)


def columns(rows: Sequence[Row]) -> list[str]:
    """The columns of a table, in the order in which they appear first."""
    return list(dict.fromkeys(column for row in rows for column in row))


def table(rows: Sequence[Row]) -> str:
    """A table for a terminal."""
    names = columns(rows)
    lines = [names] + [[text(row.get(name)) for name in names] for row in rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(names))]
    return "\n".join("  " + "  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)
