"""``zra upload``: a recording with its transcript and metadata, and the conversation that it is to become."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from zra_async.api.registry import OPERATIONS
from zra_async.bulk.polling import Polling
from zra_async.cli.added import Added
from zra_async.cli.arguments.paths import PathArgument
from zra_async.cli.arguments.values import arguments
from zra_async.cli.connection import memory
from zra_async.cli.exits import Exit
from zra_async.cli.failures import GivenUp, UsageProblem
from zra_async.cli.frame import Frame, subcommand
from zra_async.cli.output.live import progress_options, watched
from zra_async.cli.output.streams import say
from zra_async.cli.output.wording import size
from zra_async.client import ZRAClient
from zra_async.errors import AmbiguousWrite, UnexpectedAnswer, ZRAError
from zra_async.files.attachments import TIMELINE
from zra_async.files.progress import OnProgress, Progress
from zra_async.files.upload import SourceSystem, UploadedRecording

_ADD = OPERATIONS["conversations.add"]
_FILE = PathArgument("read")
_PATIENCE = Polling(first=0.5, longest=15.0, limit=3600.0)


@subcommand(
    "upload",
    continues="with the account",
    done="the journal is kept: the same command shows this again, and sends nothing twice",
)
@click.argument("recording", type=_FILE)
@click.argument("pairs", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--transcript", type=_FILE, help="Its transcript, …transcript.json or .vtt.")
@click.option("--metadata", type=_FILE, help="Its metadata, …metadata.json.")
@click.option("--file-name", metavar="NAME", help="Its name for the service; by default that of RECORDING.")
@click.option("--source", type=click.Choice(["gong", "chorus"]), help="Whose transcript and metadata they are.")
@click.option("--part-size", type=click.IntRange(1), metavar="BYTES", help="Send it in parts of this size.")
@click.option("--concurrency", type=click.IntRange(1), metavar="N", help="Parts on their way at once; 4 by default.")
@click.option("--journal", type=PathArgument("kept"), help="By default RECORDING.zra, removed when all is done.")
@click.option("--wait", is_flag=True, help="Wait until the conversation has been analysed.")
@progress_options
async def command(
    frame: Frame,
    recording: Path,
    pairs: tuple[str, ...],
    journal: Path | None,
    wait: bool,
    every: float,
    quiet: bool,
    **how: Any,
) -> Exit:
    """Upload a recording of up to 10 GB, with its transcript and metadata if you have them.

    With KEY=VALUE it becomes a conversation at once: conversation_type=meeting meeting_start_time=2025-01-31T09:00:00Z
    are needed, conversation_topic, host_id and the other fields of conversations.add are welcome.

    An upload that was interrupted goes on with the same command within seven days, even after a crash.
    """
    wanted = _conversation(pairs, wait)
    if wanted is not None and wanted.get("timeline") and how["transcript"] is not None:
        say(f"warning: {TIMELINE}")
    if how["source"] and not (how["transcript"] or how["metadata"]):
        raise UsageProblem("--source says whose transcript or metadata it is: give --transcript or --metadata")
    default = recording.with_name(f"{recording.name}.zra")
    with memory(frame.connection, journal, default) as place:
        async with (
            frame.open() as zra,
            watched(f"uploading {recording.name}", zra.limits.snapshot, every, quiet) as board,
        ):
            note = Added(place, zra.account)
            known = "" if wanted is None else note.known(wanted)

            def moved(progress: Progress) -> None:
                board.update(recording.name, progress.sent, 0, progress.total, measured_in_bytes=True)

            stored = await _upload(zra, recording, place, moved, **how)
            result = _stored(stored)
            if wanted is not None:
                result["conversation_id"] = known or await _add(zra, wanted | {"file_id": stored.main.file_id}, note)
            if wait:
                board.update("analysis", 0, 0, 1)
                await _analysed(zra, result["conversation_id"])
                board.update("analysis", 1, 0, 1)
                result["processed"] = True
        frame.output.one(result)
        if journal is None and not frame.output.sink.lost:
            _remove(place, note)
    return Exit.OK


async def _add(zra: ZRAClient, wanted: dict[str, Any], note: Added) -> str:
    """Add the conversation, and note it, since it must not be added twice."""
    note.sending(wanted)
    try:
        added = await zra.conversations.add(**wanted)
    except (AmbiguousWrite, UnexpectedAnswer, asyncio.CancelledError) as problem:
        raise note.doubt() from problem
    except ZRAError:
        note.remove()
        raise
    note.added(wanted, added.conversation_id)
    return added.conversation_id


async def _upload(
    zra: ZRAClient,
    recording: Path,
    journal: Path,
    on_progress: OnProgress,
    *,
    file_name: str | None,
    transcript: Path | None,
    metadata: Path | None,
    source: SourceSystem | None,
    part_size: int | None,
    concurrency: int | None,
) -> UploadedRecording:
    stored = await zra.files.upload_recording(
        recording,
        transcript,
        metadata,
        file_name=file_name,
        source_system=source,
        part_size=part_size,
        concurrency=concurrency,
        on_progress=on_progress,
        journal=journal,
    )
    for text in stored.warnings:
        say(f"warning: {text}")
    if stored.main.reused:
        say(f"{stored.main.reused} of {stored.main.parts} parts were stored by an earlier run")
    if stored.main.restarted:
        say(f"the earlier upload could not be continued: {stored.main.restarted}")
    return stored


def _conversation(pairs: Sequence[str], wait: bool) -> dict[str, Any] | None:
    """The fields of the conversation, checked before anything is sent."""
    if not pairs:
        if wait:
            raise UsageProblem("--wait waits for a conversation: give its fields")
        return None
    given = arguments(_ADD, pairs, {"file_id": "known after the upload"})
    if "download_url" in given:
        raise UsageProblem("download_url is for recordings that are not uploaded: zra call conversations.add")
    return given


def _stored(stored: UploadedRecording) -> dict[str, Any]:
    main = stored.main
    result: dict[str, Any] = {"file_id": main.file_id, "file_name": main.file_name, "size": main.size}
    result |= {"parts": main.parts, "reused_parts": main.reused}
    for kind in ("transcript", "metadata"):
        attachment = getattr(stored, kind)
        if attachment is not None:
            result[f"{kind}_file_id"] = attachment.file_id
    say(f"stored {main.file_name}: {size(main.size)} in {main.parts} part{'' if main.parts == 1 else 's'}")
    return result


async def _analysed(zra: ZRAClient, conversation_id: str) -> None:
    """Wait for the analysis; where that fails, keep the caller from adding the conversation a second time."""
    try:
        await until_processed(zra, conversation_id)
    except (ZRAError, asyncio.CancelledError) as problem:
        why = f": {problem}" if isinstance(problem, ZRAError) else ""
        raise GivenUp(
            f"{conversation_id} is added, and was not waited for any longer{why}",
            advice=f"zra get conversation {shlex.quote(conversation_id)} shows when it is analysed",
        ) from problem


def _remove(journal: Path, note: Added) -> None:
    note.remove()
    for path in (journal, *(journal.with_name(f"{journal.name}.{kind}") for kind in ("transcript", "metadata"))):
        path.unlink(missing_ok=True)


async def until_processed(zra: ZRAClient, conversation_id: str, polling: Polling = _PATIENCE) -> None:
    """Return when a conversation has been analysed, and raise `GivenUp` when that takes too long."""
    for delay in polling.delays():
        if (await zra.conversations.get(conversation_id)).iq_processed_time is not None:
            return
        await asyncio.sleep(delay)
    raise GivenUp(f"{conversation_id} is still being analysed", advice="zra get conversation shows when it is ready")
