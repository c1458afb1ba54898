"""The content of the file host: complete files, their parts, uploads under way, and the rules for names."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from zra_async.sandbox.api_error import ApiError

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

VIDEO_SUFFIXES = (".mov", ".mp4", ".avi", ".wmv", ".h264")

Kind = Literal["main", "transcript", "metadata"]


def kind_of(name: str, *, multipart: bool) -> Kind:
    """Tell what a file is by its name: 400/300 where the service would not take it."""
    name = name.lower()
    if name.endswith(VIDEO_SUFFIXES):
        return "main"
    if name.endswith("transcript.json") or (multipart and name.endswith(".vtt")):
        return "transcript"
    if name.endswith("metadata.json"):
        return "metadata"
    raise ApiError(400, 300, "Invalid File type.")


@dataclass(frozen=True, slots=True)
class StoredPart:
    """One part as it came in last; `times_received` counts the uploads of its number."""

    number: int
    size: int
    md5: str
    sha256: str
    etag: str
    times_received: int = 1
    path: Path | None = None


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A complete file. `sha256` is None where several parts were hashed and dropped; `path` unless it is kept."""

    file_id: str
    name: str
    kind: Kind
    size: int
    sha256: str | None
    parts: tuple[StoredPart, ...]
    main_file_id: str | None
    source: int
    created: datetime
    attachments: tuple[str, ...] = ()
    path: Path | None = None


@dataclass(slots=True)
class Upload:
    """A multipart upload under way, or completed once `file_id` is set."""

    context: str
    name: str
    kind: Kind
    main_file_id: str | None
    expires: float
    parts: dict[int, StoredPart] = field(default_factory=dict[int, StoredPart])
    file_id: str | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
