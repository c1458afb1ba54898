"""Transcripts and metadata are looked at before they are uploaded, since the service refuses none and uses few.

A file that is not JSON, or not of the documented shape, is uploaded all the same: the service may take more than its
guides say. A warning tells what is wrong with it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import msgspec

from zra_async.errors import InvalidArgument
from zra_async.files.names import CAPTIONS
from zra_async.files.upload import SourceSystem

#: bytes; a larger file is not looked at, since reading its JSON would hold the event loop
LARGEST = 8 * 1024 * 1024
TIMELINE = (
    "the conversation has a timeline, which makes the service discard the transcript and transcribe the recording "
    "itself: leave the timeline out, or the transcript"
)
_GUIDE = "the service may ignore it"
_BOM = b"\xef\xbb\xbf"


class _Sentence(msgspec.Struct):
    start: float
    text: str


class _Monologue(msgspec.Struct):
    sentences: list[_Sentence]


class _Transcript(msgspec.Struct):
    transcript: list[_Monologue]


class _GongTranscript(msgspec.Struct):
    payload: _Transcript


class _Metadata(msgspec.Struct, rename="camel"):
    meta_data: dict[str, Any]
    parties: list[dict[str, Any]] | None = None


class _GongMetadata(msgspec.Struct):
    payload: _Metadata


class _Recording(msgspec.Struct):
    utterances: list[dict[str, Any]]


class _Attributes(msgspec.Struct):
    recording: _Recording


class _Data(msgspec.Struct):
    attributes: _Attributes


class _Chorus(msgspec.Struct):
    data: _Data


_SHAPES: dict[tuple[SourceSystem, str], tuple[type[msgspec.Struct], str]] = {
    ("gong", "transcript"): (
        _GongTranscript,
        '{"payload": {"transcript": [{"sentences": [{"start", "end", "text"}]}]}}',
    ),
    ("gong", "metadata"): (_GongMetadata, '{"payload": {"metaData": {…}, "parties": [{…}]}}'),
    ("chorus", "transcript"): (_Chorus, '{"data": {"attributes": {"recording": {"utterances": [{…}]}}}}'),
}
#: keys that tell what another system, or the same one without the wrapper that the service wants, has written
_SIGNS: tuple[tuple[str, SourceSystem], ...] = (
    ("data", "chorus"),
    ("callTranscripts", "gong"),
    ("calls", "gong"),
    ("metaData", "gong"),
    ("transcript", "gong"),
    ("payload", "gong"),
)


class Readable(Protocol):
    """An open source."""

    size: int

    def read(self, offset: int, buffer: memoryview) -> int:
        """Fill ``buffer`` from ``offset`` on, and return how many bytes there were."""
        ...


def check_source(source: Readable, name: str, source_system: SourceSystem | None) -> tuple[str, ...]:
    """Look at an open attachment, in a thread."""
    if source.size > LARGEST:
        return (_too_large(name),)
    buffer = bytearray(source.size)
    return check_attachment(bytes(buffer[: source.read(0, memoryview(buffer))]), name, source_system)


def check_file(path: Path, name: str, source_system: SourceSystem | None) -> tuple[str, ...]:
    """Look at an attachment on disk, in a thread. Raises `InvalidArgument` if it cannot be read."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except (OSError, ValueError) as problem:
        raise InvalidArgument(f"{path} cannot be read: {getattr(problem, 'strerror', None) or problem}") from None
    return (_too_large(name),) if len(content) > LARGEST else check_attachment(content, name, source_system)


def check_attachment(content: bytes, name: str, source_system: SourceSystem | None) -> tuple[str, ...]:
    """Say what is wrong with a transcript or metadata file called ``name``; nothing if it is as the guides say.

    Without a ``source_system`` the service takes it for one of Gong.
    """
    lower = name.casefold()
    if lower.endswith(CAPTIONS):
        captions = content.removeprefix(_BOM).startswith(b"WEBVTT")
        return () if captions else (f"{name!r} does not begin with WEBVTT, as captions do: {_GUIDE}",)
    kind = "metadata" if lower.endswith("metadata.json") else "transcript"
    if content.startswith(_BOM):
        marked = f"{name!r} begins with a byte order mark, which JSON does not have: save it without"
        return (marked, *check_attachment(content.removeprefix(_BOM), name, source_system))
    try:
        found: object = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
        return (f"{name!r} is not JSON ({problem}): {_GUIDE}",)
    wrong = _shape_problem(found, kind, source_system or "gong")
    return (f"{name!r} {wrong}: {_GUIDE}",) if wrong else ()


def _shape_problem(found: object, kind: str, system: SourceSystem) -> str:
    told = _told_by(found)
    if told is not None and told != system:
        return f"looks like one of {told.capitalize()} and is uploaded as one of {system.capitalize()}; give its source"
    shape = _SHAPES.get((system, kind))
    if shape is None:
        return "is one more attachment than the guides know: a recording of Chorus has a transcript.json alone"
    try:
        content = msgspec.convert(found, shape[0], strict=True)
    except (msgspec.ValidationError, RecursionError) as problem:
        words, _, place = str(problem).partition(" - at ")
        where = f" at {place}" if place else ""
        wrapper = "" if told is None or "payload" in _keys(found) else ' (the wrapper {"payload": …} is missing)'
        return f"is not of the documented shape {shape[1]}: {words[0].lower()}{words[1:]}{where}{wrapper}"
    return "" if _holds_something(content) else "holds no sentence"


def _too_large(name: str) -> str:
    return f"{name!r} has more than {LARGEST // 1024**2} MiB and was not looked at"


def _keys(found: object) -> frozenset[str]:
    return frozenset(found) if isinstance(found, dict) else frozenset()  # pyright: ignore[reportUnknownArgumentType]


def _told_by(found: object) -> SourceSystem | None:
    keys = _keys(found)
    return next((system for key, system in _SIGNS if key in keys), None)


def _holds_something(content: object) -> bool:
    if isinstance(content, _GongTranscript):
        return any(part.sentences for part in content.payload.transcript)
    if isinstance(content, _Chorus):
        return bool(content.data.attributes.recording.utterances)
    return True
