"""Uploaded transcripts come back as what was said."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.sandbox.desk import Desk
from zra_async.sandbox import Sandbox
from zra_async.sandbox.generated.conversation import Spoken
from zra_async.sandbox.world.spoken import read_spoken

TURNS = [
    {"speakerId": "7", "sentences": [{"start": 1000, "end": 2500, "text": "Good morning."}]},
    {"speakerId": "9", "sentences": [{"start": 3000, "end": 4000, "text": "¡Hola!"}]},
    {"speakerId": "7", "sentences": [{"start": 4000, "end": 5000, "text": "Shall we begin?"}]},
]
SAID = (Spoken(0, 1.0, 2.5, "Good morning."), Spoken(1, 3.0, 4.0, "¡Hola!"), Spoken(0, 4.0, 5.0, "Shall we begin?"))
VTT = """WEBVTT

1
00:00:01.000 --> 00:00:02.500
Anna Bell: Good morning.

00:03.000 --> 00:04.000
<v Tom>¡Hola!</v>

00:00:04.000 --> 00:00:05.000
Anna Bell: Shall we begin?
"""


@pytest.mark.parametrize(
    "content",
    [
        json.dumps(TURNS),
        json.dumps({"payload": {"transcript": TURNS}}),
        json.dumps({"transcript": TURNS}),
        json.dumps({"callTranscripts": [{"callId": "1", "transcript": TURNS}]}),
        VTT,
        VTT.replace("\n", "\r\n"),
    ],
)
def test_both_formats_say_the_same(tmp_path: Path, content: str) -> None:
    """The documented JSON, Gong's own and WebVTT give speakers by number, seconds and texts."""
    path = tmp_path / "transcript"
    path.write_bytes(content.encode())
    assert read_spoken(path) == SAID


@pytest.mark.parametrize("content", ["", "no transcript", "[1]", '{"transcript": 5}', '[{"sentences": [{}]}]', "{}"])
def test_what_is_no_transcript_says_nothing(tmp_path: Path, content: str) -> None:
    """A file of another form gives no speech, and no error."""
    path = tmp_path / "transcript"
    path.write_text(content)
    assert read_spoken(path) == ()


async def test_interactions_give_the_uploaded_transcript(tmp_path: Path) -> None:
    """A conversation whose file has a transcript says that, in the API and in the truth."""
    desk = Desk()
    path = tmp_path / "call.transcript.json"
    path.write_text(json.dumps(TURNS))
    desk.files.transcript = path
    body = {"conversation_type": "phone", "meeting_start_time": "2026-01-05T09:00:00Z", "file_id": "file-1"}
    answer = await desk.answer("POST", "/conversations", body=body)
    desk.clock.advance(60)
    name = answer.body["conversation_id"]
    speakers = (await desk.get("/conversations/{conversationId}/interactions", conversationId=name))["participants"]
    assert speakers == desk.truth.interactions(name)
    items = sorted((item for each in speakers for item in each["transcripts"]), key=lambda item: int(item["item_id"]))
    assert [item["text"] for item in items] == [said.text for said in SAID]
    assert items[1]["start_time"] == "2026-01-05T09:00:03Z"
    assert len(speakers) == 2
    desk.truth.content_analysis(name)


async def test_an_upload_brings_its_transcript(tmp_path: Path) -> None:
    """A transcript that is uploaded with its recording comes back in the interactions of the conversation."""
    recording, transcript = tmp_path / "call.mp4", tmp_path / "call.transcript.json"
    recording.write_bytes(b"video")
    transcript.write_text(json.dumps({"payload": {"transcript": TURNS}}))
    async with Sandbox(conversations=1, store_parts=True, limits=False) as sandbox, sandbox.client() as zra:
        main = await zra.files.upload(recording)
        await zra.files.upload(transcript, main_file_id=main.file_id)
        added = await zra.conversations.add(
            conversation_type="phone", meeting_start_time=datetime(2026, 1, 5, 9, tzinfo=UTC), file_id=main.file_id
        )
        sandbox.clock.advance(60)
        spoken = await zra.conversations.merged_interactions(added.conversation_id)
        assert [said.text for _, said in spoken.transcript] == [said.text for said in SAID]
