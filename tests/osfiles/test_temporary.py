"""Without a usable folder for temporary files, everything that needs one says so."""

from __future__ import annotations

import io
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from zra_async.bulk import IngestItem, check_manifest
from zra_async.errors import LedgerError, SourceError
from zra_async.sandbox import Sandbox

FIELDS = {"conversation_type": "meeting", "meeting_start_time": "2026-03-01T10:00:00Z"}
ADVICE = "set TMPDIR to a folder that can be written"


@pytest.fixture(autouse=True)
def no_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the folder for temporary files be one that does not exist."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))


async def pieces() -> AsyncIterator[bytes]:
    """A source that can be read once."""
    yield b"x" * 100


class Stream(io.RawIOBase):
    """A file object that cannot be sought."""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        return 0


@pytest.mark.parametrize("source", [pieces, Stream], ids=["iterator", "stream"])
async def test_an_upload_that_has_to_be_spooled(source: type[Stream]) -> None:
    """A source that can be read once cannot be uploaded, and the error says what to do."""
    async with Sandbox(conversations=1) as sandbox, sandbox.client() as zra:
        with pytest.raises(SourceError, match=ADVICE):
            await zra.files.upload(source(), file_name="call.mp4")


async def test_an_item_that_has_to_be_spooled(tmp_path: Path) -> None:
    """The item fails with that reason, and the others are sent."""
    items = [
        IngestItem(key=key, recording=recording, file_name="call.mp4", conversation=FIELDS)
        for key, recording in [("once", pieces()), ("again", b"video")]
    ]
    async with Sandbox(conversations=1) as sandbox, sandbox.client() as zra:
        report = await zra.ingest(items, ledger=tmp_path / "ledger")
    assert report.counts == {"failed": 1, "added": 1}
    assert ADVICE in report.problems[0].reason


async def test_an_export_without_a_folder() -> None:
    """Its ledger has no place."""
    async with (
        Sandbox(conversations=1) as sandbox,
        sandbox.client() as zra,
        zra.export_records(streams="indicators") as records,
    ):
        with pytest.raises(LedgerError, match=ADVICE):
            await anext(records)


async def test_a_table_that_has_to_be_converted(tmp_path: Path) -> None:
    """A manifest in UTF-16 cannot be read."""
    manifest = tmp_path / "m.csv"
    manifest.write_text("key,user_id,meeting_uuid\na,me,u\n", encoding="utf-16")
    with pytest.raises(SourceError, match=ADVICE):
        await check_manifest(manifest)
