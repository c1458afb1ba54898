"""The items of an ingest, and the checks of an item before its first byte is sent."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import AsyncIterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import PurePath
from typing import Any, NoReturn, cast

import msgspec
from msgspec import UNSET, UnsetType

from zra_async.api.arguments import check_text
from zra_async.api.conversations.models import ConversationType, Participant, PrimaryLanguage, TimelineItem
from zra_async.api.conversations.operations import ADD, ConversationOperations
from zra_async.api.schema import Record
from zra_async.bulk.tables.record_files import as_text, readable
from zra_async.core.operation import ListOperation, Operation
from zra_async.errors import InvalidArgument
from zra_async.files.attachments import TIMELINE, check_attachment, check_file
from zra_async.files.names import ATTACHMENTS, CAPTIONS, path_argument
from zra_async.files.open_source import Uploadable, name_of
from zra_async.files.upload import SourceSystem, UploadArguments
from zra_async.osfiles.threads import to_thread
from zra_async.results.uploads import LARGEST_FILE

_LONGEST_KEY = 500


class ConversationFields(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The fields of a conversation that is added, as in ``zra.conversations.add``."""

    conversation_type: ConversationType
    meeting_start_time: datetime
    meeting_end_time: datetime | UnsetType = UNSET
    conversation_topic: str | UnsetType = UNSET
    host_id: str | UnsetType = UNSET
    deal_id: str | UnsetType = UNSET
    participants: tuple[Participant, ...] | UnsetType = UNSET
    timeline: tuple[TimelineItem, ...] | UnsetType = UNSET
    primary_language: PrimaryLanguage | UnsetType = UNSET
    timezone: str | UnsetType = UNSET


@dataclass(frozen=True, slots=True)
class IngestItem:
    """A recording that becomes a conversation.

    `key` is your own name for it, different for every item, by which it is never sent twice. `recording` is the path
    of a video, an http(s) address from which the service fetches it, an async iterator of bytes, bytes or a binary
    file; a `file_name` is needed where it has no name of its own. `transcript` and `metadata` go with a recording that
    is uploaded, and `source` says where they are from. Those that are not called …transcript.json or …metadata.json,
    as the service wants it, are sent under such a name.
    """

    key: str
    recording: Uploadable
    transcript: Uploadable | None = None
    metadata: Uploadable | None = None
    source: SourceSystem | None = None
    conversation: ConversationFields | Mapping[str, object] = field(kw_only=True)
    file_name: str | None = field(default=None, kw_only=True)


@dataclass(frozen=True, slots=True)
class CloudRecording:
    """A cloud recording of a user that becomes a conversation: by its meeting UUID, or its share or play link."""

    key: str
    user_id: str
    meeting_uuid: str | None = field(default=None, kw_only=True)
    recording_link: str | None = field(default=None, kw_only=True)


@dataclass(frozen=True, slots=True)
class FileStep:
    """One file that is uploaded: `size` is None where it is not known, `stamp` tells it from what it was before."""

    step: str
    source: Uploadable
    name: str
    source_system: SourceSystem | None
    size: int | None
    stamp: str


@dataclass(frozen=True, slots=True)
class Checked:
    """An item that can be sent: its files in their order, the fields of its conversation, and what is odd about it."""

    key: str
    files: tuple[FileStep, ...] = ()
    fields: Mapping[str, Any] = field(default_factory=dict[str, Any])
    cloud: CloudRecording | None = None
    warnings: tuple[str, ...] = ()

    @property
    def fingerprint(self) -> bytes:
        """Tells the files of this item from others."""
        text = "\n".join(f"{file.step} {file.name} {file.source_system} {file.stamp}" for file in self.files)
        return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()

    @property
    def size(self) -> int:
        """The bytes of all files whose size is known."""
        return sum(file.size or 0 for file in self.files)


async def checked(item: object) -> Checked:
    """Look at an item and its files. Raises `InvalidArgument`, which says why it cannot be sent."""
    if not isinstance(item, (IngestItem, CloudRecording)):
        raise InvalidArgument(f"an IngestItem or a CloudRecording is wanted, not {type(item).__name__}")
    key = check_text("key", item.key)
    if len(key) > _LONGEST_KEY:
        raise InvalidArgument(f"a key has at most {_LONGEST_KEY} characters, not {len(key)}")
    if as_text(key) != key:
        raise InvalidArgument(f"the key '{as_text(key)}' holds a lone surrogate, which is not text")
    if isinstance(item, CloudRecording):
        await _dry().add_recording(item.user_id, **recording_of(item))
        return Checked(key, cloud=item)
    fields = _fields(item.conversation)
    if is_address(item.recording):
        if item.transcript is not None or item.metadata is not None or item.source or item.file_name:
            raise InvalidArgument("transcript, metadata, source and file_name go with a recording that is uploaded")
        fields["download_url"] = item.recording
        await _dry().add(**fields)
        return Checked(key, fields=fields)
    await _dry().add(**fields, file_id="-")
    if item.source is not None and item.transcript is None and item.metadata is None:
        raise InvalidArgument("source says where a transcript or metadata is from, and there is none")
    discarded = item.transcript is not None and fields.get("timeline")
    return Checked(key, await to_thread(_files, item), fields, warnings=(TIMELINE,) if discarded else ())


async def attachment_warnings(item: Checked) -> tuple[str, ...]:
    """Return the problems of an item's attachments that are on disk or in memory."""
    return await to_thread(_look_into, item.files)


def _look_into(files: tuple[FileStep, ...]) -> tuple[str, ...]:
    found: list[str] = []
    for file in files:
        source = file.source
        if file.step == "main":
            continue
        if isinstance(source, (bytes, bytearray, memoryview)):
            found += check_attachment(bytes(source), file.name, file.source_system)
        elif isinstance(source, (str, os.PathLike)):
            found += check_file(path_argument(source), file.name, file.source_system)
    return tuple(found)


def is_address(recording: object) -> bool:
    """Return True if a recording is a URL that the service fetches by itself."""
    return isinstance(recording, str) and recording.lower().startswith(("http://", "https://"))


def recording_of(item: CloudRecording) -> dict[str, str]:
    """Return the arguments that identify a cloud recording; if both are given, the service uses the link."""
    given = {"meeting_uuid": item.meeting_uuid, "recording_link": item.recording_link}
    return {name: value for name, value in given.items() if value is not None}


def _fields(given: ConversationFields | Mapping[str, object]) -> dict[str, Any]:
    if not isinstance(given, (ConversationFields, Mapping)):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidArgument(f"conversation must be ConversationFields or a mapping, not {type(given).__name__}")
    plain = msgspec.to_builtins(given) if isinstance(given, ConversationFields) else dict(given)
    try:
        fields = msgspec.convert(plain, ConversationFields)
    except (ValueError, TypeError) as problem:
        raise InvalidArgument(f"conversation: {readable(str(problem))}") from None
    return {name: value for name in fields.__struct_fields__ if (value := getattr(fields, name)) is not UNSET}


# --------------------------------------------------------------------------- files


def _files(item: IngestItem) -> tuple[FileStep, ...]:
    main = _file("main", item.recording, name_of(item.recording) if item.file_name is None else item.file_name, None)
    extra = [
        _file(step, source, _attachment_name(step, source), item.source)
        for step, source in (("transcript", item.transcript), ("metadata", item.metadata))
        if source is not None
    ]
    return (main, *extra)


def _file(step: str, source: Uploadable, name: str, source_system: SourceSystem | None) -> FileStep:
    if not name:
        raise InvalidArgument("give a file_name: the recording has no name of its own")
    try:
        UploadArguments(name=name, main_file_id="" if step == "main" else "-", source_system=source_system)
        size, stamp = _look(source)
    except InvalidArgument as problem:
        raise InvalidArgument(f"{'recording' if step == 'main' else step}: {problem}") from None
    return FileStep(step, source, name, source_system, size, stamp)


def _attachment_name(step: str, source: Uploadable) -> str:
    name = name_of(source)
    lower = name.casefold()
    if not name or lower.endswith((f"{step}.json", CAPTIONS)):
        return name or f"{step}.json"
    if lower.endswith(ATTACHMENTS) or not lower.endswith(".json"):
        raise InvalidArgument(f"{step}: {name!r} is none: it must be a .json file")
    return f"{PurePath(name).stem}.{step}.json"


def _look(source: Uploadable) -> tuple[int | None, str]:
    if isinstance(source, (bytes, bytearray, memoryview)):
        return _fitting(len(source), ""), hashlib.blake2b(source, digest_size=16).hexdigest()
    if isinstance(source, (str, os.PathLike)):
        path = path_argument(source)
        try:
            found = path.stat()
        except OSError as problem:
            raise InvalidArgument(f"{path} cannot be read: {problem.strerror}") from None
        if not stat.S_ISREG(found.st_mode):
            raise InvalidArgument(f"{path} is not a regular file")
        if not os.access(path, os.R_OK):
            raise InvalidArgument(f"{path} cannot be read: Permission denied")
        return _fitting(found.st_size, f"{path} "), f"{found.st_size} {found.st_mtime_ns}"
    if not isinstance(source, AsyncIterable) and not hasattr(source, "read"):
        raise InvalidArgument(f"a path, bytes, a binary file or an async iterator is wanted, not {source!r:.80}")
    return None, ""


def _fitting(size: int, what: str) -> int:
    if not 0 < size <= LARGEST_FILE:
        raise InvalidArgument(f"{what}has {size} bytes, where 1 to {LARGEST_FILE} can be sent")
    return size


# --------------------------------------------------------------------------- the fields of a conversation


class _DryCaller:
    """Stands where a client would, so that the very methods that will send a call can check it first."""

    async def call(self, operation: Operation[Any], *, body: object = None, **_: object) -> Any:
        """Refuse a body that could not be sent; give an empty answer."""
        try:
            msgspec.json.encode(body)
        except UnicodeEncodeError:
            raise InvalidArgument("a text holds a lone surrogate, which is not text") from None
        return operation.result()

    def list(self, operation: ListOperation[Any, Any], **_: object) -> NoReturn:
        """Refuse: no list is ever checked."""
        raise TypeError(f"{operation.name} has nothing to check; only {ADD.name} and its like do")


def _dry() -> ConversationOperations:
    return ConversationOperations(cast(Any, _DryCaller()))
