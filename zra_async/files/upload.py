"""The arguments and the result of an upload."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from zra_async.api.arguments import check_choice, check_whole
from zra_async.api.files.models import StoredFile
from zra_async.api.files.operations import MAX_SINGLE_BYTES, Source
from zra_async.core.callbacks import check_plain
from zra_async.errors import InvalidArgument
from zra_async.files.names import CAPTIONS, check_upload_name
from zra_async.files.progress import OnProgress
from zra_async.results.plain import plain
from zra_async.results.uploads import MOST_PARTS

SourceSystem = Literal["gong", "chorus"]
SOURCES: dict[SourceSystem, Source] = {"gong": 1, "chorus": 2}


class UploadedFile(StoredFile, frozen=True, kw_only=True):
    """A file that the service has.

    `parts` is in how many parts it went, `reused` how many of them an earlier, interrupted run had stored, and
    `restarted` why that run's upload could not be continued and was begun anew ("" if it was not). `warnings` says what
    is wrong with a transcript or metadata file that the service may ignore therefore.
    """

    file_name: str
    size: int
    parts: int = 1
    reused: int = 0
    restarted: str = ""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadedRecording:
    """A recording and what was attached to it."""

    main: UploadedFile
    transcript: UploadedFile | None = None
    metadata: UploadedFile | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain JSON values, with times as ISO 8601 texts."""
        return plain(self)

    @property
    def warnings(self) -> tuple[str, ...]:
        """The problems of the attachments, for which the service may ignore them."""
        attached = (self.transcript, self.metadata)
        return tuple(text for one in attached if one is not None for text in one.warnings)


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadArguments:
    """The arguments of an upload, apart from its bytes; checked before anything is sent."""

    name: str
    main_file_id: str = ""
    source_system: SourceSystem | None = None
    part_size: int | None = None
    concurrency: int | None = None
    on_progress: OnProgress | None = None

    def __post_init__(self) -> None:
        check_upload_name(self.name, attachment=bool(self.main_file_id))
        if self.source_system is not None:
            check_choice("source_system", self.source_system, tuple(SOURCES))
        if self.on_progress is not None:
            check_plain("on_progress", self.on_progress)
        if self.concurrency is not None:
            check_whole("concurrency", self.concurrency, 1, MOST_PARTS)
        if self.source_system is None:
            return
        if not self.main_file_id:
            raise InvalidArgument("source_system says where a transcript or metadata is from: give main_file_id")
        if self.part_size is not None or self.name.casefold().endswith(CAPTIONS):
            raise InvalidArgument("source_system can be told only for a file that goes in one request")

    def in_parts(self, size: int, limit: int) -> bool:
        """Return True if a file of ``size`` bytes is uploaded in parts."""
        if self.source_system is not None:
            if size >= MAX_SINGLE_BYTES:
                raise InvalidArgument("source_system can be told only for a file below 2 GB")
            return False
        return self.part_size is not None or size > limit or self.name.casefold().endswith(CAPTIONS)
