"""Tables for people, laid out by hand: the widths come from the first page, so that later pages can be streamed."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from rich.cells import cell_len, set_cell_size

from zra_async.cli.output.wording import printable

GAP = "  "
LEAST = 6  #: columns of text that a cell keeps when the terminal is narrow
_ENDLESS = 100_000  #: the width of a file
#: links that open a recording for whoever has them: in a table on a screen they are of no use
_LINKS = frozenset({"downloadUrl", "recording_download_url"})


def width() -> int:
    """Return the greatest width of a line: the terminal's width, or no bound for a file."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else _ENDLESS


def cell(value: object, *, name: str = "") -> str:
    """A value as one line of text."""
    if value is None:
        return ""
    if name in _LINKS and value:
        return "(a link: --json shows it)"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return _several(cast("Sequence[object]", value))
    if isinstance(value, Mapping):
        return printable(json.dumps(value, ensure_ascii=False))
    return printable(" ".join(str(value).split()))


def _several(values: Sequence[object]) -> str:
    if all(isinstance(value, (str, int, float)) for value in values):
        return ", ".join(cell(value) for value in values)
    return f"{len(values)} items"


def fit(natural: Sequence[int], room: int) -> list[int]:
    """Widths of columns that share ``room``: the widest give way first."""
    widths = list(natural)
    room -= len(GAP) * (len(widths) - 1)
    while sum(widths) > room and max(widths, default=0) > LEAST:
        widest = max(widths)
        others = [width for width in widths if width < widest]
        target = max([LEAST, *others]) if others else LEAST
        many = widths.count(widest)
        cut = min(widest - target, -(-(sum(widths) - room) // many)) or 1
        widths = [width - cut if width == widest else width for width in widths]
    return widths


def spread(natural: Sequence[int], room: int) -> list[int]:
    """Widths of columns whose first is an id, which is of no use when it is cut: it goes whole if there is room."""
    first, *others = natural
    if not others or first > 0.6 * room:
        return fit(natural, room)
    return [first, *fit(others, room - first - len(GAP))]


def within(natural: Sequence[int], room: int) -> list[int]:
    """The widths of as many columns, from the first on, as there is room for."""
    for many in range(len(natural), 1, -1):
        widths = spread(natural[:many], room)
        if sum(widths) + len(GAP) * (many - 1) <= room:
            return widths
    return fit(natural[:1], room)


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns of a table, and how wide they are."""

    columns: tuple[str, ...]
    widths: tuple[int, ...]
    numeric: frozenset[str]

    @classmethod
    def of(cls, rows: Sequence[Mapping[str, Any]], columns: Sequence[str], room: int | None = None) -> Layout:
        """Lay out ``columns`` (all that the rows have, where none are named) for these rows.

        Columns that nothing fills are left out, and so are the last ones where the room is too narrow for all.
        """
        names = list(columns) or list(dict.fromkeys(name for row in rows for name in row))
        filled = [name for name in names if any(row.get(name) is not None for row in rows)] or names
        natural = [max(cell_len(text) for text in (name, *_column(rows, name))) for name in filled]
        numbers = {name for name in filled if all(_is_number(row.get(name)) for row in rows)}
        widths = within(natural, room or width())
        return cls(tuple(filled[: len(widths)]), tuple(widths), frozenset(numbers))

    def head(self) -> str:
        """The line with the names of the columns."""
        return self._line(self.columns)

    def line(self, row: Mapping[str, Any]) -> str:
        """One row."""
        return self._line([cell(row.get(name), name=name) for name in self.columns])

    def _line(self, texts: Iterable[str]) -> str:
        cells = [
            _aligned(text, width, right=name in self.numeric)
            for text, width, name in zip(texts, self.widths, self.columns, strict=True)
        ]
        return GAP.join(cells).rstrip() + "\n"


def _column(rows: Sequence[Mapping[str, Any]], name: str) -> list[str]:
    return [cell(row.get(name), name=name) for row in rows]


def _is_number(value: object) -> bool:
    return value is None or (isinstance(value, (int, float)) and not isinstance(value, bool))


def _aligned(text: str, room: int, *, right: bool) -> str:
    if cell_len(text) > room:
        return set_cell_size(text, room - 1) + "…"
    return " " * (room - cell_len(text)) + text if right else set_cell_size(text, room)


def sheet(row: Mapping[str, Any]) -> str:
    """One thing, a field a line; long texts go on below."""
    shown = {name: cell(value, name=name) for name, value in row.items() if value not in (None, "", [], ())}
    names = max((cell_len(name) for name in shown), default=0)
    room = max(width() - names - len(GAP), 20)
    lines: list[str] = []
    for name, text in shown.items():
        first, *rest = textwrap.wrap(text, room) or [""]
        lines.append(f"{name:<{names}}{GAP}{first}")
        lines += [" " * names + GAP + line for line in rest]
    return "".join(line.rstrip() + "\n" for line in lines)
