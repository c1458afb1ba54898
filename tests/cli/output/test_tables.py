"""Tables: what fits, what is cut, and what must not reach a terminal."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from zra_async.cli.output.tables import LEAST, Layout, cell, fit, sheet


@given(st.lists(st.integers(1, 200), min_size=1, max_size=8), st.integers(20, 200))
def test_columns_share_the_room(natural: list[int], room: int) -> None:
    """No column grows, none falls below its least width, and all fit as long as that is possible."""
    widths = fit(natural, room)
    assert all(min(LEAST, given) <= width <= given for width, given in zip(widths, natural, strict=True))
    if sum(min(LEAST, width) for width in natural) + 2 * (len(natural) - 1) <= room:
        assert sum(widths) + 2 * (len(widths) - 1) <= room


def test_the_widest_column_gives_way_first() -> None:
    """Short columns keep their width while a long one is cut."""
    assert fit([10, 100], 62) == [10, 50]


@given(st.lists(st.text(max_size=60), min_size=1, max_size=5))
def test_every_line_is_one_line_within_its_width(texts: list[str]) -> None:
    """Whatever the texts hold, wide characters and line ends too, a row is one line of at most the given width."""
    rows = [{"name": text, "other": "x" * 50} for text in texts]
    layout = Layout.of(rows, ("name", "other"), room=40)
    for row in rows:
        line = layout.line(row)
        assert line.count("\n") == 1
        assert cell_len(line.rstrip("\n")) <= 40


def test_a_narrow_screen_shows_fewer_columns() -> None:
    """The id stays whole as long as some of the screen is left for the rest; the last columns give way."""
    row = {"id": "x" * 20, "a": "y" * 30, "b": "z" * 30, "c": "w" * 30}
    assert Layout.of([row], (), room=60).widths == (20, 11, 11, 11)
    narrow = Layout.of([row], (), room=40)
    assert (narrow.columns, narrow.widths) == (("id", "a", "b"), (20, 8, 8))


def test_later_rows_keep_the_columns_of_the_first() -> None:
    """A longer value on a later page is cut, so that the columns stay where they are."""
    layout = Layout.of([{"id": "abc", "n": 1}], ("id", "n"), room=80)
    assert layout.head() == "id   n\n"
    assert layout.line({"id": "abcdef", "n": 22}) == "ab…  …\n"


def test_escapes_of_a_name_are_made_visible() -> None:
    """A value cannot move the cursor, ring the bell or recolour the screen."""
    assert cell("\x1b[2Jgone\x07\x9b31m") == "\\x1b[2Jgone\\x07\\x9b31m"


def test_links_are_not_shown_on_a_screen() -> None:
    """A link that opens a recording for whoever sees it stays out of tables."""
    assert "https" not in sheet({"recording_download_url": "https://x.example/secret", "topic": "a"})


def test_a_sheet_leaves_out_what_is_not_there() -> None:
    """Fields without a value take no line, and nested ones are counted or written as JSON."""
    shown = sheet({"a": None, "b": "", "c": [], "d": False, "e": {"x": 1}, "f": [{"y": 1}, {"y": 2}], "g": ["p", "q"]})
    assert shown == 'd  no\ne  {"x": 1}\nf  2 items\ng  p, q\n'
