"""``zra demo``: the main job on an account that the command serves itself, in seconds."""

from __future__ import annotations

import dataclasses
import shlex
import time
from pathlib import Path
from typing import Any

import click
import msgspec

from zra_async.cli.arguments.paths import PathArgument
from zra_async.cli.commands.export import records_of
from zra_async.cli.connection import settings_of
from zra_async.cli.demo import Shown, show
from zra_async.cli.exits import Exit
from zra_async.cli.failures import UsageProblem
from zra_async.cli.frame import Frame, subcommand
from zra_async.cli.output.live import progress_options, watched
from zra_async.cli.output.streams import say
from zra_async.cli.output.tables import Layout
from zra_async.cli.output.wording import count, duration, path, rate, size
from zra_async.sandbox import Sandbox
from zra_async.sandbox.service.windows import LIMITS

_FOLDER = "zra-demo"
#: service and client share one event loop here, so a hiccup of the machine shifts the calls of both: leave some room
_SHARE = 0.9


@subcommand("demo", reports=True, done="the demo is done, and its export is in the folder")
@click.option("--to", type=PathArgument("folder"), help=f"A new folder; by default ./{_FOLDER}.")
@progress_options
async def command(frame: Frame, to: Path | None, every: float, quiet: bool) -> Exit:
    """See it work, without a Zoom account: the account is served on this machine, under the limits of Business+.

    Uploads three recordings, one of them in parts, each with a transcript, turns them into conversations, waits until
    they are analysed, exports the whole account into a folder, and says at what rate, and with how many 429s.
    """
    folder = new_folder(to)
    folder.absolute()  # fails now, and not after the uploads, if the current folder is gone
    began = time.monotonic()
    connection = dataclasses.replace(frame.connection, sandbox=True, share=frame.connection.share or _SHARE)
    async with settings_of(connection) as settings:
        sandbox = settings.sandbox
        assert sandbox is not None
        say(f"an account with {sandbox.options.conversations:,} conversations, served on this machine")
        async with (
            settings.client(frame.observer) as zra,
            watched("uploading, analysing, exporting", zra.limits.snapshot, every, quiet) as board,
        ):
            shown = await show(zra, folder, board)
        seconds = time.monotonic() - began
        frame.output.report(_data(shown, sandbox, folder, seconds), lambda: _text(shown, sandbox, folder, seconds))
    return Exit.PARTIAL if shown.export.partial else Exit.OK


def new_folder(wanted: Path | None) -> Path:
    """The folder to export to: one that is empty, or the first free name of the default."""
    if wanted is not None:
        if wanted.is_dir() and any(wanted.iterdir()):
            raise UsageProblem(f"{wanted} is not empty: give a new folder")
        return wanted
    number = 1
    while (folder := Path(_FOLDER if number == 1 else f"{_FOLDER}-{number}")).exists():
        number += 1
    return folder


def _refused(sandbox: Sandbox) -> int:
    return sum(label.rejected for label in sandbox.stats.labels.values())


def _data(shown: Shown, sandbox: Sandbox, folder: Path, seconds: float) -> dict[str, Any]:
    data: dict[str, Any] = msgspec.to_builtins(shown, enc_hook=path)
    labels = {name: dataclasses.asdict(stats) for name, stats in sandbox.stats.labels.items() if stats.calls}
    return data | {"folder": path(folder), "seconds": seconds, "refused": _refused(sandbox), "limits": labels}


def _text(shown: Shown, sandbox: Sandbox, folder: Path, seconds: float) -> str:
    rows = _rows(shown)
    layout = Layout.of(rows, ())
    refused = _refused(sandbox)
    busiest = ", ".join(
        f"{name} {stats.peak} of {_permitted(sandbox, name)}"
        for name, stats in sandbox.stats.labels.items()
        if stats.calls and name in ("LIGHT", "MEDIUM")
    )
    next_steps = (
        (f"ls {shlex.quote(str(folder))}", "the export: JSON lines and manifest.json"),
        ("zra list conversations --sandbox", "look around in such an account"),
        ("zra check", "with the credentials of your own account in the environment"),
        ("zra export --to my-account", "the same for your account; again: what is new"),
    )
    steps = "".join(f"  {line:<34}{text}\n" for line, text in next_steps)
    return (
        layout.head()
        + "".join(map(layout.line, rows))
        + f"\nbusiest second: {busiest} permitted calls; 429s: {refused}{' (none)' if not refused else ''}\n"
        + f"all in {duration(seconds)}; next:\n{steps}"
    )


def _permitted(sandbox: Sandbox, label: str) -> int:
    return LIMITS[sandbox.options.plan][label].rate


def _rows(shown: Shown) -> list[dict[str, str]]:
    export = shown.export
    calls = sum(export.calls.values())
    streams = ", ".join(f"{number:,} {name}" for name, number in records_of(export).items())
    return [
        {
            "did": "uploaded",
            "what": f"{shown.recordings} recordings with transcripts, {size(shown.size)}, one in {shown.parts} parts",
            "in": f"{shown.upload_seconds:.1f} s",
            "rate": rate(shown.size / 1e6, shown.upload_seconds, "MB"),
        },
        {
            "did": "analysed",
            "what": f"{count(shown.recordings, 'conversation')} made of them",
            "in": f"{shown.analysis_seconds:.1f} s",
            "rate": "",
        },
        {
            "did": "exported",
            "what": streams,
            "in": f"{export.seconds:.1f} s",
            "rate": rate(calls, export.seconds, "calls"),
        },
    ]
