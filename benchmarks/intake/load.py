"""What is ingested: items of a main file, and of a transcript and metadata where they are small."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

_START = datetime(2025, 1, 6, 9, tzinfo=UTC)
_SENTENCE = {"start": 0, "end": 900_000, "text": "and so on " * 400}
_TRANSCRIPT = {"payload": {"callId": "1", "transcript": [{"speakerId": "1", "topic": "", "sentences": [_SENTENCE]}]}}
_METADATA = {"payload": {"metaData": {"id": "1", "title": "from the old system"}, "parties": []}}


@dataclass(frozen=True, slots=True)
class Item:
    """One recording with its attachments, and the fields of its conversation."""

    key: str
    main: Path
    transcript: Path | None
    metadata: Path | None
    fields: dict[str, Any]

    @property
    def files(self) -> list[Path]:
        """The files in their order."""
        return [path for path in (self.main, self.transcript, self.metadata) if path is not None]


def make_files(folder: Path, size: int) -> None:
    """Write one file of each sort; all items send the same ones."""
    (folder / "call.mp4").write_bytes(bytes(range(256)) * (size // 256))
    (folder / "transcript.json").write_text(json.dumps(_TRANSCRIPT))
    (folder / "metadata.json").write_text(json.dumps(_METADATA))


def items(folder: Path, count: int, *, attached: bool) -> Iterator[Item]:
    """So many items, made as they are asked for."""
    transcript, metadata = (folder / "transcript.json", folder / "metadata.json") if attached else (None, None)
    for number in range(count):
        start = _START + timedelta(minutes=number)
        fields = {
            "conversation_type": "meeting",
            "meeting_start_time": start.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "conversation_topic": f"Call {number}",
        }
        yield Item(f"call-{number}", folder / "call.mp4", transcript, metadata, fields)
