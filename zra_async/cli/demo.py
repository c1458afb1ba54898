"""The steps of ``zra demo``: recordings from nothing, uploads, conversations, and an export."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio

from zra_async.cli.commands.upload import until_processed
from zra_async.cli.output.board import Board
from zra_async.client import ZRAClient
from zra_async.files.upload import UploadedRecording
from zra_async.results.exports import ExportReport

#: what the recordings are about, and how many bytes they have; the first is large enough to go in parts
RECORDINGS = (("quarterly-review", 160_000_000), ("discovery-call", 24_000_000), ("contract-questions", 6_000_000))


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """The results of the demo; times are in seconds."""

    recordings: int
    size: int
    parts: int
    upload_seconds: float
    analysis_seconds: float
    export: ExportReport


async def show(zra: ZRAClient, folder: Path, board: Board) -> Shown:
    """Upload three recordings, turn them into conversations, and export the whole account into ``folder``."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="zra-demo-") as temporary:
        stored = await _upload(zra, _recordings(Path(temporary)), board)
    uploaded = time.monotonic()
    await _analyse(zra, stored, board)
    analysed = time.monotonic()
    report = await zra.export(folder, on_event=board.observe)
    return Shown(
        recordings=len(stored),
        size=sum(recording.main.size for recording in stored),
        parts=max(recording.main.parts for recording in stored),
        upload_seconds=uploaded - began,
        analysis_seconds=analysed - uploaded,
        export=report,
    )


def _recordings(folder: Path) -> list[tuple[Path, Path]]:
    """Write the recordings, mostly holes so that they take no room, each with its transcript."""
    made: list[tuple[Path, Path]] = []
    for name, length in RECORDINGS:
        recording, transcript = folder / f"{name}.mp4", folder / f"{name}.transcript.json"
        with recording.open("wb") as file:
            file.write(b"\x00\x00\x00\x18ftypmp42" + os.urandom(1 << 16))
            file.truncate(length)
        sentence = {"start": 0, "end": 2000, "text": f"Welcome to the {name.replace('-', ' ')}."}
        said = [{"speakerId": "1", "topic": "", "sentences": [sentence]}]
        transcript.write_text(json.dumps({"payload": {"callId": name, "transcript": said}}), "utf-8")
        made.append((recording, transcript))
    return made


async def _upload(zra: ZRAClient, files: Sequence[tuple[Path, Path]], board: Board) -> list[UploadedRecording]:
    """Upload all recordings at once, each with its transcript after it."""
    sent: dict[str, int] = {}
    total = sum(length for _, length in RECORDINGS)
    stored: list[UploadedRecording] = []

    async def one(recording: Path, transcript: Path) -> None:
        def moved(count: int) -> None:
            sent[recording.name] = count
            board.update("upload", sum(sent.values()), 0, total, measured_in_bytes=True)

        stored.append(await zra.files.upload_recording(recording, transcript, on_progress=lambda p: moved(p.sent)))

    async with anyio.create_task_group() as group:
        for recording, transcript in files:
            group.start_soon(one, recording, transcript)
    return stored


async def _analyse(zra: ZRAClient, stored: Sequence[UploadedRecording], board: Board) -> None:
    """Make a conversation of each recording, and wait until all are analysed."""
    begin = datetime.now(UTC) - timedelta(days=1)
    ids: list[str] = []
    for number, recording in enumerate(stored):
        name = recording.main.file_name.removesuffix(".mp4").replace("-", " ")
        added = await zra.conversations.add(
            conversation_type="meeting",
            meeting_start_time=begin + timedelta(hours=number),
            file_id=recording.main.file_id,
            conversation_topic=f"Demo: {name}",
        )
        ids.append(added.conversation_id)
    board.update("analysis", 0, 0, len(ids))
    for done, conversation_id in enumerate(ids, start=1):
        await until_processed(zra, conversation_id)
        board.update("analysis", done, 0, len(ids))
