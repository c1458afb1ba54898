"""Transcripts and metadata are looked at before they are sent: what the service would ignore is told."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.files.conftest import Desk, Video
from zra_async import ZRAClient
from zra_async.files.attachments import LARGEST, check_attachment

GONG = {"payload": {"callId": "1", "transcript": [{"speakerId": "7", "topic": "x", "sentences": [
    {"start": 460, "end": 3_000, "text": "Hello"}]}]}}  # fmt: skip
META = {"payload": {"metaData": {"id": "1", "title": ""}, "parties": [{}, {"name": "Ann"}], "videoUrl": ""}}
CHORUS = {"data": {"attributes": {"name": "x", "recording": {"duration": 3.5, "utterances": [{"snippet": "Hi"}]}}}}
SHAPES = [("transcript.json", "gong", GONG), ("transcript.json", None, GONG), ("x.metadata.json", "gong", META),
          ("x_transcript.json", "chorus", CHORUS)]  # fmt: skip


def told(content: Any, name: str = "transcript.json", system: Any = "gong") -> str:
    """The warnings about a document, as one text."""
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    return "\n".join(check_attachment(data, name, system))


@pytest.mark.parametrize(("name", "system", "content"), SHAPES)
def test_the_documented_shapes_are_fine(name: str, system: Any, content: Any) -> None:
    """What the guides show gives no warning, also with more fields than they show."""
    assert told(content, name, system) == ""
    assert told(content | {"more": 1}, name, system) == ""


@pytest.mark.parametrize(
    ("content", "name", "system", "words"),
    [
        (b"hello", "transcript.json", "gong", "is not JSON"),
        (b"", "transcript.json", "gong", "is not JSON"),
        (b'{"payload": ', "metadata.json", "gong", "is not JSON"),
        (b"[" * 100_000, "transcript.json", "gong", "is not JSON"),
        (json.dumps(GONG).encode("utf-16"), "transcript.json", "gong", "is not JSON"),
        (b"\xef\xbb\xbf" + json.dumps(GONG).encode(), "transcript.json", "gong", "byte order mark"),
        ([], "transcript.json", "gong", "expected `object`, got `array`"),
        (GONG["payload"], "transcript.json", "gong", "wrapper"),
        ({"callTranscripts": [GONG["payload"]]}, "transcript.json", "gong", "wrapper"),
        (META["payload"], "metadata.json", "gong", "wrapper"),
        ({"payload": {"transcript": "Hello"}}, "transcript.json", "gong", "$.payload.transcript"),
        ({"payload": {"transcript": [{"sentences": [{"text": "no start"}]}]}}, "transcript.json", "gong", "start"),
        ({"payload": {"transcript": []}}, "transcript.json", "gong", "no sentence"),
        (META, "transcript.json", "gong", "transcript"),
        (GONG, "metadata.json", "gong", "metaData"),
        (CHORUS, "transcript.json", "gong", "looks like one of Chorus"),
        (CHORUS, "transcript.json", None, "give its source"),
        (GONG, "transcript.json", "chorus", "looks like one of Gong"),
        ({"data": {"attributes": {}}}, "transcript.json", "chorus", "recording"),
        ({"data": {"attributes": {"recording": {"utterances": []}}}}, "transcript.json", "chorus", "no sentence"),
        (CHORUS, "metadata.json", "chorus", "one more attachment"),
        (b"1\n00:00", "a.vtt", None, "WEBVTT"),
    ],
)
def test_what_differs_is_told(content: Any, name: str, system: Any, words: str) -> None:
    """A file that is no JSON, of another shape, of another system, or empty: in words that say what is expected."""
    assert words in told(content, name, system)


def test_captions_are_fine() -> None:
    """WebVTT begins with its name, perhaps behind a mark."""
    assert told(b"WEBVTT\n\n", "a.vtt", None) == told(b"\xef\xbb\xbfWEBVTT", "a.VTT", None) == ""


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.sampled_from(["payload", "transcript", "sentences", "data", "attributes", "metaData", "text"]), inner
    ),
)  # fmt: skip


@given(JSON | st.binary(max_size=50), st.sampled_from(["transcript.json", "metadata.json"]), st.sampled_from(
    [None, "gong", "chorus"]))  # fmt: skip
def test_any_document_is_looked_at(content: Any, name: str, system: Any) -> None:
    """No document raises."""
    told(content, name, system)


async def _pieces() -> AsyncIterator[bytes]:
    yield b"hel"
    yield b"lo"


@pytest.mark.parametrize("way", ["path", "bytes", "file", "pipe"])
async def test_an_upload_says_what_is_wrong_with_an_attachment(
    desk: Desk, zra: ZRAClient, video: Video, tmp_path: Path, way: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever it is read from, it is uploaded all the same; the result and the log tell."""
    (tmp_path / "transcript.json").write_bytes(b"hello")
    source: Any = {
        "path": tmp_path / "transcript.json", "bytes": b"hello", "file": io.BytesIO(b"hello"), "pipe": _pieces()
    }[way]  # fmt: skip
    main = await zra.files.upload(video(100))
    with caplog.at_level(logging.WARNING, "zra_async"):
        stored = await zra.files.upload(source, file_name="transcript.json", main_file_id=main.file_id)
    [warning] = stored.warnings
    assert "is not JSON" in warning
    assert warning in caplog.text
    assert desk.stored(stored.file_id).size == 5
    assert main.warnings == ()


async def test_a_recording_tells_of_both_attachments(zra: ZRAClient, video: Video) -> None:
    """The result of the whole has the warnings of each."""
    stored = await zra.files.upload_recording(video(100), b"{}", b"[]")
    assert [text.partition(" ")[0] for text in stored.warnings] == ["'transcript.json'", "'metadata.json'"]
    good = await zra.files.upload_recording(video(100), json.dumps(GONG).encode(), json.dumps(META).encode())
    assert good.warnings == ()


async def test_a_large_attachment_is_not_read(zra: ZRAClient, video: Video) -> None:
    """Reading the JSON of many megabytes would hold the event loop: that it was not looked at is told."""
    main = await zra.files.upload(video(100))
    stored = await zra.files.upload(b" " * (LARGEST + 1), file_name="transcript.json", main_file_id=main.file_id)
    assert "was not looked at" in stored.warnings[0]
