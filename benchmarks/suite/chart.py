"""One SVG for each benchmark: bars of every client, with their spread, legible on light and on dark pages."""

from __future__ import annotations

import io
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.report import Cell, Report, Row, Spread

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WIDTH, _BAR, _FRAME = 7.6, 0.3, 0.95  # inches: the chart, one bar, and what surrounds the bars of a panel
#: matplotlib draws in the first colour; in the file it becomes a variable that is dark on light pages and the reverse
_INKS = {"ink": ("#010203", "#1f2328", "#e6edf3"), "faint": ("#010204", "#d0d7de", "#3d444d")}
_OURS, _OTHERS = "#2f81f7", "#8b949e"  # both stand out from white and from near-black
_OUR_NAMES = ("zra", "ours")
#: that nothing is lost or left behind has no picture, and memory beside that of the audit would look like a leak
_WORDS_ONLY = ("soak",)
_MANY = 16  # bars that can be taken in at a glance


@dataclass(frozen=True, slots=True)
class Bar:
    """One client's number."""

    label: str
    value: Spread
    ours: bool


@dataclass(frozen=True, slots=True)
class Panel:
    """One table as bars; `axis` names the column, with its unit, that they show."""

    title: str
    axis: str
    bars: Sequence[Bar]


def panels(report: Report) -> list[Panel]:
    """What of a report can be drawn: of each table its first measured column."""
    if report.name in _WORDS_ONLY:
        return []
    found = [_panel(title, rows) for title, rows in report.results.items()]
    return [panel for panel in found if panel is not None]


def draw(report: Report, path: Path) -> bool:
    """Draw a report into an SVG file; False when it holds nothing to draw. Raises ImportError without matplotlib."""
    drawn = panels(report)
    if not drawn:
        return False
    path.write_text(_svg(report.name, drawn), "utf-8")
    return True


def _panel(title: str, rows: Sequence[Row]) -> Panel | None:
    axis = _measured(rows)
    if axis is None:
        return None
    names = _names(rows, axis)
    nobody = not any(map(_is_ours, rows))  # without a client of ours there are no peers either
    bars = [
        Bar(_label(row, names) or axis, _spread(row[axis]), nobody or _is_ours(row))
        for row in rows
        if _drawable(row, axis)
    ]
    if len(bars) > _MANY and len(names) > 1:
        first, *others = names
        groups = [_label(row, others) for row in rows if _drawable(row, axis)]
        return Panel(f"{title}, over every {first}", axis, _merged(bars, groups))
    return Panel(title, axis, bars)


def _merged(bars: Sequence[Bar], groups: Sequence[str]) -> list[Bar]:
    """One bar for each group, from the least of its bars to the greatest."""
    members: dict[str, list[Bar]] = {}
    for group, bar in zip(groups, bars, strict=True):
        members.setdefault(group, []).append(bar)
    return [
        Bar(
            group,
            Spread(
                statistics.median(bar.value.median for bar in found),
                min(bar.value.least for bar in found),
                max(bar.value.greatest for bar in found),
            ),
            any(bar.ours for bar in found),
        )
        for group, found in members.items()
    ]


def _measured(rows: Sequence[Row]) -> str | None:
    """The first column with a spread, else the first with fractions."""
    for kind in (Spread, float):
        for row in rows:
            for column, cell in row.items():
                if isinstance(cell, kind):
                    return column
    return None


def _drawable(row: Row, axis: str) -> bool:
    cell = row.get(axis)
    return isinstance(cell, (Spread, int, float)) and math.isfinite(_spread(cell).greatest)


def _spread(cell: Cell) -> Spread:
    if isinstance(cell, Spread):
        return cell
    assert isinstance(cell, (int, float))
    return Spread(cell, cell, cell)


def _names(rows: Sequence[Row], axis: str) -> list[str]:
    """The first columns that differ, as many as it takes to tell the rows apart."""
    before = list(rows[0])
    before = before[: before.index(axis)] if axis in before else before
    chosen: list[str] = []
    for column in before:
        if len({_label(row, chosen) for row in rows}) == len(rows):
            break
        if len({row.get(column) for row in rows}) > 1:
            chosen.append(column)
    return chosen


def _label(row: Row, names: Sequence[str]) -> str:
    cells = ((name, row.get(name)) for name in names)
    return ", ".join(f"{name} {cell:,}" if isinstance(cell, (int, float)) else str(cell) for name, cell in cells)


def _is_ours(row: Row) -> bool:
    name = next((cell for cell in row.values() if isinstance(cell, str)), "")
    return name.startswith(_OUR_NAMES)


def _svg(name: str, drawn: Sequence[Panel]) -> str:
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    heights = [len(panel.bars) * _BAR + _FRAME for panel in drawn]
    ink, faint = _INKS["ink"][0], _INKS["faint"][0]
    settings: dict[Any, object] = {
        "svg.fonttype": "none",
        "svg.hashsalt": name,  # the same numbers give the same file
        "font.family": "sans-serif",
        "font.size": 9,
        **dict.fromkeys(("text.color", "axes.labelcolor", "xtick.color", "ytick.color"), ink),
        "axes.edgecolor": faint,
        "grid.color": faint,
    }
    with rc_context(settings):
        figure = Figure(figsize=(_WIDTH, sum(heights)), layout="constrained")
        plots = figure.subplots(len(drawn), 1, squeeze=False, height_ratios=heights)[:, 0]
        for axes, panel in zip(plots, drawn, strict=True):
            _draw_panel(axes, panel)
        file = io.StringIO()
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    return _themed(file.getvalue(), _described(name, drawn))


def _draw_panel(axes: Axes, panel: Panel) -> None:
    ink = _INKS["ink"][0]
    places = range(len(panel.bars))
    medians = [bar.value.median for bar in panel.bars]
    below = [bar.value.median - bar.value.least for bar in panel.bars]
    above = [bar.value.greatest - bar.value.median for bar in panel.bars]
    axes.barh(places, medians, height=0.62, color=[_OURS if bar.ours else _OTHERS for bar in panel.bars])
    spreads = any(below + above)
    if spreads:
        axes.errorbar(medians, places, xerr=[below, above], fmt="none", ecolor=ink, elinewidth=1, capsize=2.5)
    for place, bar in zip(places, panel.bars, strict=True):
        axes.annotate(
            f"{_short(bar.value.median)}", (max(bar.value.greatest, 0), place), (5, 0), va="center", fontsize=8,
            textcoords="offset points",
        )  # fmt: skip
    axes.set_yticks(places, [bar.label for bar in panel.bars])
    axes.set_ylim(len(panel.bars) - 0.5, -0.5)  # the first row on top
    axes.set_xlim(0, max([bar.value.greatest for bar in panel.bars] or [1]) * 1.12 or 1)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.10g}")
    axes.set_xlabel(f"{panel.axis} (median; line: least to greatest)" if spreads else panel.axis)
    axes.set_title(panel.title, loc="left", fontsize=10, fontweight="bold")
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(length=0)
    axes.grid(axis="x", linewidth=0.6)
    axes.set_axisbelow(True)


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _described(name: str, drawn: Sequence[Panel]) -> str:
    return f"{name}: {'; '.join(f'{panel.axis} of {panel.title}' for panel in drawn)}"


def _themed(svg: str, description: str) -> str:
    """Let the page, or the reader's system, decide whether the ink is dark or light."""
    for name, (drawn, light, _) in _INKS.items():
        svg = svg.replace(drawn, f"var(--{name}, {light})")
    style = f":root{{{_variables(1)}}}@media (prefers-color-scheme: dark){{:root{{{_variables(2)}}}}}"
    head, tag, rest = svg.partition("<svg ")
    attributes, end, body = rest.partition(">")
    title = description.replace("&", "&amp;").replace("<", "&lt;")
    return f'{head}{tag}role="img" {attributes}{end}\n <title>{title}</title>\n <style>{style}</style>{body}'


def _variables(which: int) -> str:
    inks: Mapping[str, tuple[str, str, str]] = _INKS
    return "".join(f"--{name}:{colours[which]};" for name, colours in inks.items())
