"""What became of one benchmark: its report, or why there is none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from benchmarks.report import Cell, Report, Row, Spread, Target

Status = Literal["met", "missed", "crashed", "over time"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a benchmark ended after so many seconds; `document` is its JSON object, `reason` why it has none."""

    name: str
    status: Status
    seconds: float
    document: Mapping[str, Any] | None = None
    reason: str = ""

    @property
    def report(self) -> Report | None:
        """The report that the JSON object holds."""
        return None if self.document is None else report_of(self.document)

    def as_dict(self) -> dict[str, Any]:
        """All of it as plain values."""
        return {
            "name": self.name,
            "status": self.status,
            "seconds": round(self.seconds, 1),
            "reason": self.reason,
            "report": self.document,
        }


def met(outcomes: Sequence[Outcome]) -> bool:
    """Whether every benchmark ended and held its targets."""
    return all(outcome.status == "met" for outcome in outcomes)


def targets(outcomes: Sequence[Outcome]) -> Iterator[tuple[str, Target]]:
    """Every target with the name of its benchmark."""
    for outcome in outcomes:
        if (report := outcome.report) is not None:
            yield from ((outcome.name, target) for target in report.targets)


def report_of(document: Mapping[str, Any]) -> Report:
    """Read what `Report.as_json` wrote."""
    return Report(
        document["name"],
        {title: [_row(row) for row in rows] for title, rows in document["results"].items()},
        [Target(t["name"], t["value"], t["target"], t["met"]) for t in document["targets"]],
        document["notes"],
    )


def _row(row: Mapping[str, Any]) -> Row:
    return {column: _cell(value) for column, value in row.items()}


def _cell(value: Any) -> Cell:
    if isinstance(value, dict):
        return Spread(value["median"], value["min"], value["max"])
    plain: Cell = value
    return plain
