"""The summary of all benchmarks: for a terminal, and as Markdown with the charts in it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from benchmarks.report import Report, Row, columns, table, text
from benchmarks.suite.outcome import Outcome, met, targets

_WORDS = {True: "met", False: "MISSED"}


def target_rows(outcomes: Sequence[Outcome]) -> list[Row]:
    """Each target next to its result, and a row for each benchmark that has none to show."""
    rows: list[Row] = [
        {"benchmark": name, "target": t.name, "result": t.value, "bound": t.target, "verdict": _WORDS[t.met]}
        for name, t in targets(outcomes)
    ]
    return rows + [
        {"benchmark": o.name, "target": o.reason, "verdict": o.status.upper()} for o in outcomes if o.document is None
    ]


def verdict(outcomes: Sequence[Outcome]) -> str:
    """One sentence about all of them."""
    held = [target.met for _, target in targets(outcomes)]
    failed = [outcome.name for outcome in outcomes if outcome.document is None]
    parts = [f"{sum(held)} of {len(held)} targets met"]
    parts += [f"without a result: {', '.join(failed)}"] if failed else []
    minutes = sum(outcome.seconds for outcome in outcomes) / 60
    return f"{'; '.join(parts)}; {len(outcomes)} benchmarks in {minutes:.1f} minutes."


def as_text(outcomes: Sequence[Outcome]) -> str:
    """The table of targets for a terminal."""
    rows = target_rows(outcomes)
    return f"targets\n{table(rows)}\n\n{verdict(outcomes)}" if rows else verdict(outcomes)


def as_markdown(outcomes: Sequence[Outcome], machine: Mapping[str, Any], charts: Collection[str]) -> str:
    """All of it: machine, targets, and each benchmark with its chart, tables and notes."""
    parts = [f"# Benchmarks: {'every target met' if met(outcomes) else 'not every target met'}", verdict(outcomes)]
    parts += ["Numbers are medians, with the least and the greatest of the runs in brackets.", _facts(machine)]
    if rows := target_rows(outcomes):
        parts.append("## Targets\n\n" + markdown_table(rows))
    parts += [_section(outcome, outcome.name in charts) for outcome in outcomes]
    return "\n\n".join(parts) + "\n"


def markdown_table(rows: Sequence[Row]) -> str:
    """A table as Markdown."""
    names = columns(rows)
    lines = [names, ["---"] * len(names)] + [[text(row.get(name)) for name in names] for row in rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def _facts(machine: Mapping[str, Any]) -> str:
    libraries = ", ".join(f"{name} {version}" for name, version in machine["libraries"].items())
    facts = [f"- {name}: {value}" for name, value in machine.items() if name != "libraries"]
    return "\n".join([*facts, f"- libraries: {libraries}"])


def _section(outcome: Outcome, chart: bool) -> str:
    parts = [f"## {outcome.name}"]
    report = outcome.report
    if report is None:
        return "\n\n".join([*parts, f"{outcome.status} after {outcome.seconds:.0f} s: {outcome.reason}"])
    parts += [f"![{outcome.name}]({outcome.name}.svg)"] if chart else []
    parts += _body(report)
    return "\n\n".join([*parts, f"Took {outcome.seconds:.0f} s; repeat it with `python -m benchmarks {outcome.name}`."])


def _body(report: Report) -> list[str]:
    tables = [f"### {title}\n\n{markdown_table(rows)}" for title, rows in report.results.items() if rows]
    return [*tables, *report.notes]
