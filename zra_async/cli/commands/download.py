"""``zra download``: the recordings of conversations."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import click

from zra_async import errors
from zra_async.cli.arguments.ids import folder_name, given_ids
from zra_async.cli.arguments.paths import PathArgument
from zra_async.cli.exits import Exit
from zra_async.cli.frame import Frame, subcommand
from zra_async.cli.output.board import Board
from zra_async.cli.output.live import progress_options, watched
from zra_async.cli.output.streams import say
from zra_async.cli.output.wording import path
from zra_async.client import ZRAClient

AT_ONCE = 8
#: what may be wrong with one recording while the others are to be had
_SINGLE = (
    errors.NoRecording,
    errors.NotFound,
    errors.PermissionDenied,
    errors.LinkRefused,
    errors.DownloadInterrupted,
    errors.InUse,
)


@subcommand("download", continues="always", done="the recordings are stored")
@click.argument("ids", nargs=-1, required=True, metavar="CONVERSATION_ID...")
@click.option("--to", type=PathArgument("target"), default=Path(), help="A folder, or a path for a single one.")
@click.option("--overwrite", is_flag=True, help="Replace files that are there already.")
@progress_options
async def command(frame: Frame, ids: tuple[str, ...], to: Path, overwrite: bool, every: float, quiet: bool) -> Exit:
    """Download the recordings of conversations; "-" reads ids from stdin.

    On stdin there is one id a line, or JSON as zra list prints it, or CSV with a column conversation_id.

    A single recording goes to --to, or into it where it is a folder, under its own name. Several go each into a
    folder of its own in --to, named by the id; those that are there already are left as they are.

    A download that was interrupted goes on with the same command.
    """
    wanted = given_ids(ids, "conversation_id")
    async with frame.open() as zra:
        async with watched("downloading", zra.limits.snapshot, every, quiet) as board:
            run = DownloadRun(zra, board, overwrite, total=len(wanted))
            if len(wanted) == 1:
                await run.one(wanted[0], to)
            else:
                await run.several(wanted, to)
        for line in run.done:
            frame.output.one(line)
    for name, reason in run.failed.items():
        say(f"{name}: {reason}")
    if run.failed:
        return Exit.PARTIAL if run.done else Exit.ERROR
    return Exit.OK


@dataclass(slots=True)
class DownloadRun:
    """The downloads of one command, and how far they are."""

    zra: ZRAClient
    board: Board
    overwrite: bool
    total: int
    done: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    failed: dict[str, errors.ZRAError] = field(default_factory=dict[str, errors.ZRAError])
    received: dict[str, int] = field(default_factory=dict[str, int])

    async def several(self, ids: list[str], folder: Path) -> None:
        """Download into a folder for each conversation; what fails for one is kept in `failed`."""
        free = anyio.CapacityLimiter(AT_ONCE)

        async def one(name: str) -> None:
            place = folder / folder_name(name)
            try:
                place.mkdir(parents=True, exist_ok=True)
                await self.one(name, place)
            except errors.TargetExists:
                self.done.append({"conversation_id": name, "path": path(place), "there_already": True})
            except _SINGLE as error:
                self.failed[name] = error
                self._remove_if_empty(place)
            finally:
                free.release_on_behalf_of(name)
            self._tell()

        async with anyio.create_task_group() as group:
            for name in ids:
                await free.acquire_on_behalf_of(name)
                group.start_soon(one, name)

    async def one(self, name: str, to: Path) -> None:
        """Download one recording."""

        def moved(sent: int) -> None:
            self.received[name] = sent
            self._tell()

        stored = await self.zra.conversations.download_recording(
            name, to=to, overwrite=self.overwrite, on_progress=lambda progress: moved(progress.sent)
        )
        line = {"conversation_id": name, "path": path(stored.path), "size": stored.size, "reused": stored.reused}
        self.done.append(line)
        self._tell()

    def _tell(self) -> None:
        self.board.update("recordings", len(self.done), len(self.failed), self.total)
        self.board.update("bytes", sum(self.received.values()), 0, None, measured_in_bytes=True)

    @staticmethod
    def _remove_if_empty(place: Path) -> None:
        try:
            place.rmdir()
        except OSError:
            return
