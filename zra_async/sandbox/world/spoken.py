"""The speech of an uploaded transcript: the documented JSON, Gong's own JSON, and WebVTT."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, cast

import msgspec

from zra_async.sandbox.generated.conversation import Spoken

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

LARGEST = 32 * 1024**2  #: bytes of a transcript that is read
_TIMES = re.compile(r"(?:(\d+):)?(\d\d):(\d\d)\.(\d{3}) --> (?:(\d+):)?(\d\d):(\d\d)\.(\d{3})")
_NAMED = re.compile(r"<v(?:\.[^ >]*)? ([^>]+)>(.*?)(?:</v>)?$|([^:<]{1,80}): (.*)$", re.DOTALL)


def read_spoken(path: Path) -> tuple[Spoken, ...]:
    """Read who said what; empty where the file is larger than `LARGEST`, or of no such format."""
    if path.stat().st_size > LARGEST:
        return ()
    content = path.read_bytes()
    if content.removeprefix(b"\xef\xbb\xbf").startswith(b"WEBVTT"):
        return _numbered(_cues(content.decode("utf-8", "replace")))
    try:
        return _numbered(_sentences(msgspec.json.decode(content)))
    except (msgspec.DecodeError, AttributeError, KeyError, TypeError, ValueError):
        return ()


def _numbered(said: Iterable[tuple[str, float, float, str]]) -> tuple[Spoken, ...]:
    """Number the speakers in the order in which they speak up."""
    numbers: dict[str, int] = {}
    ordered = sorted(said, key=lambda entry: entry[1])
    return tuple(
        Spoken(numbers.setdefault(speaker, len(numbers)), start, max(start, end), text)
        for speaker, start, end, text in ordered
    )


def _sentences(document: Any) -> Iterable[tuple[str, float, float, str]]:
    """Give the sentences of a JSON transcript, whose times are milliseconds."""
    if isinstance(document, dict):
        fields = cast("Mapping[str, Any]", document)
        fields = fields.get("payload", fields)
        document = fields.get("callTranscripts", [fields])[0]["transcript"]
    for turn in document:
        for sentence in turn["sentences"]:
            start = float(sentence["start"])
            end = float(sentence.get("end", start))
            yield str(turn.get("speakerId", "")), start / 1000, end / 1000, str(sentence["text"])


def _cues(text: str) -> Iterable[tuple[str, float, float, str]]:
    for block in re.split(r"\r?\n\r?\n", text):
        match = _TIMES.search(block)
        if match is None:
            continue
        numbers = [int(number or 0) for number in match.groups()]
        said = block[match.end() :].partition("\n")[2].strip()
        named = _NAMED.match(said)
        speaker, words = (named[1] or named[3], named[2] or named[4] or "") if named else ("", said)
        yield speaker, _seconds(numbers[:4]), _seconds(numbers[4:]), words


def _seconds(numbers: list[int]) -> float:
    hours, minutes, seconds, milliseconds = numbers
    return hours * 3600 + minutes * 60 + seconds + milliseconds / 1000
