"""The state behind the live view, with a clock of its own."""

from __future__ import annotations

from zra_async.cli.output.board import Board, used
from zra_async.cli.output.live import picture
from zra_async.core.events import JobProgress, TokenFetched
from zra_async.core.limits import LimitState
from zra_async.core.operation import Label


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def state(label: Label, *, in_window: int = 0, used_today: int = 0, refused: int = 0, **more: float) -> LimitState:
    """A bucket as the limiter shows it."""
    period = 60.0 if label is Label.RESOURCE_INTENSIVE else 1.0
    return LimitState(
        label=label,
        limit=20,
        period=period,
        in_window=in_window,
        waiting=0,
        waiting_bulk=0,
        frozen_for=more.get("frozen_for", 0.0),
        used_today=used_today,
        per_day=None,
        refused=refused,
    )


def board(*states: LimitState) -> tuple[Board, Clock]:
    """A board and its clock."""
    clock = Clock()
    return Board("work", lambda: {s.label: s for s in states}, clock), clock


def test_the_time_left_follows_from_the_pace_of_this_run() -> None:
    """What an earlier run had done does not make this one look faster; the slowest stream counts."""
    shown, clock = board()
    shown.observe(JobProgress("export", "deals", 900, 0, 1000))
    shown.observe(JobProgress("export", "teams", 0, 0, 10))
    clock.now += 10
    shown.observe(JobProgress("export", "deals", 950, 0, 1000))
    shown.observe(JobProgress("export", "teams", 9, 0, 10))
    assert shown.left == 10.0


def test_there_is_no_guess_without_ground() -> None:
    """Before anything has moved, or without a known total, nothing is said of the time left."""
    shown, clock = board()
    shown.observe(JobProgress("export", "deals", 0, 0, 1000))
    shown.observe(JobProgress("export", "users", 5, 0, None))
    clock.now += 10
    assert shown.left is None


def test_failed_units_are_over_too() -> None:
    """A unit that failed does not hold the stream open."""
    shown, clock = board()
    shown.observe(JobProgress("export", "deals", 0, 0, 10))
    clock.now += 5
    shown.observe(JobProgress("export", "deals", 4, 6, 10))
    assert shown.left is None
    assert shown.streams["deals"].share == 1.0


def test_other_events_pass_by() -> None:
    """A board listens to jobs alone."""
    shown, _ = board()
    shown.observe(TokenFetched(3600))
    assert shown.streams == {}


def test_only_limits_in_use_are_shown() -> None:
    """An untouched label is left out; RESOURCE-INTENSIVE shares a daily counter, which proves nothing."""
    shown, _ = board(
        state(Label.LIGHT, used_today=5),
        state(Label.MEDIUM),
        state(Label.HEAVY, used_today=3),
        state(Label.RESOURCE_INTENSIVE, used_today=3),
    )
    assert set(shown.limits) == {Label.LIGHT, Label.HEAVY}


def test_one_line_tells_everything() -> None:
    """The line for logs: time, streams with failures, limits, 429s, time left."""
    shown, clock = board(state(Label.LIGHT, in_window=7, used_today=9, refused=2))
    shown.update("deals", 0, 0, 2000)
    shown.update("upload", 1_500_000, 0, None, measured_in_bytes=True)
    clock.now += 30
    shown.update("deals", 990, 10, 2000)
    assert shown.line() == (
        "30 s: deals 990/2,000 (10 failed), upload 1.5 MB; LIGHT 7/20 per s; 429s: 2; about 30 s left"
    )


def test_a_freeze_is_told() -> None:
    """A label that stands still after a 429 says for how long."""
    assert used(state(Label.RESOURCE_INTENSIVE, in_window=3, frozen_for=12)) == "3/20 per min, paused for 12 s"


def test_the_picture_can_be_drawn_at_any_time() -> None:
    """An empty board, unknown totals and totals of zero do not break the view."""
    from rich.console import Console

    shown, _ = board(state(Label.LIGHT, in_window=25, used_today=25))
    console = Console(width=100, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    for stream in (None, ("a", 0, None), ("b", 0, 0), ("c", 5, 3)):
        if stream:
            shown.update(stream[0], stream[1], 0, stream[2])
        console.print(picture(shown))
    console.file.close()
    text = console.export_text()
    assert "25/20 per s" in text
    assert "429s: 0" in text
