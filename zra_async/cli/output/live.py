"""The live view of long work on stderr: a picture on a terminal, a plain line every few seconds elsewhere."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import click

from zra_async.cli.output.board import Board, Snapshot, used
from zra_async.cli.output.streams import say
from zra_async.cli.output.wording import duration

if TYPE_CHECKING:
    from rich.console import RenderableType

_FRAME = 0.2  #: seconds between two pictures
_BAR = 24


@asynccontextmanager
async def watched(title: str, snapshot: Snapshot, every: float, quiet: bool) -> AsyncGenerator[Board]:
    """A board that is shown for as long as the block lasts.

    ``every`` is how many seconds lie between two lines where stderr is no terminal; ``quiet`` shows nothing.
    """
    board = Board(title, snapshot)
    if quiet:
        yield board
        return
    with contextlib.ExitStack() as stack:
        moving = _on_a_screen()
        draw = _guarded(_picture(board, stack) if moving else lambda: say(board.line()))
        pulse = asyncio.create_task(_redraw(draw, _FRAME if moving else every))
        try:
            yield board
        finally:
            pulse.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await pulse
            draw()


def _on_a_screen() -> bool:
    """Return True if stderr is a terminal that can move its cursor."""
    return sys.stderr.isatty() and os.environ.get("TERM", "").lower() not in {"", "dumb", "unknown"}


def _guarded(draw: Callable[[], None]) -> Callable[[], None]:
    """Draw no more after the first failure: progress that cannot be shown must not change the work."""
    broken = False

    def drawn() -> None:
        nonlocal broken
        if broken:
            return
        try:
            draw()
        except Exception:
            broken = True
            logging.getLogger(__name__).debug("the progress cannot be shown", exc_info=True)

    return drawn


async def _redraw(draw: Callable[[], None], pause: float) -> None:
    while True:
        await asyncio.sleep(pause)
        draw()


def _picture(board: Board, stack: contextlib.ExitStack) -> Callable[[], None]:
    from rich.console import Console  # only where there is a terminal to draw on
    from rich.live import Live

    # Drawn by a task of the event loop, not by rich's own thread: the limits belong to the loop's thread.
    live = Live(console=Console(stderr=True, highlight=False), auto_refresh=False, redirect_stdout=False)
    stack.enter_context(live)
    return lambda: live.update(picture(board), refresh=True)


def picture(board: Board) -> RenderableType:
    """The board as rich draws it."""
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    streams = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    streams.add_column("", no_wrap=True)
    for name in ("done", "failed", "total"):
        streams.add_column(name, justify="right", header_style="dim", no_wrap=True)
    streams.add_column("", width=_BAR)
    for name, stream in board.streams.items():
        share = stream.share
        streams.add_row(
            Text(name),
            stream.number(stream.done),
            Text(f"{stream.failed:,}", style="red" if stream.failed else "dim"),
            "?" if stream.total is None else stream.number(stream.total),
            ProgressBar(total=1.0, completed=share, width=_BAR) if share is not None else "",
        )
    limits = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_header=False)
    for label, state in board.limits.items():
        bar = ProgressBar(total=float(state.limit), completed=float(min(state.in_window, state.limit)), width=_BAR)
        limits.add_row(Text(label.value), Text(used(state)), bar)
    return Group(
        Text(board.title, style="bold"), streams, Text("rate limits, used/permitted", style="dim"), limits, _foot(board)
    )


def _foot(board: Board) -> RenderableType:
    from rich.text import Text

    refused = board.refused
    parts = [
        (f"429s: {refused}", "red" if refused else "green"),
        (f"{duration(board.elapsed)} so far", ""),
        *([] if board.left is None else [(f"about {duration(board.left)} left", "")]),
    ]
    return Text("   ").join(Text(text, style=style) for text, style in parts)


def progress_options(callback: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of its live view."""
    callback = click.option("--quiet", "-q", is_flag=True, help="Show no progress.")(callback)
    return click.option(
        "--progress-every",
        "every",
        type=click.FloatRange(0.1),
        default=5.0,
        show_default=True,
        metavar="SECONDS",
        help="Between two lines of progress, where stderr is no terminal.",
    )(callback)
