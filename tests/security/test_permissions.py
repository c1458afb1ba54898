"""What is written to disk is for its owner where it holds more than the user's own data."""

from __future__ import annotations

import os
import sqlite3
import stat
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from zra_async import FileTokenStore, errors
from zra_async.bulk.crm import ledger as crm_ledger
from zra_async.bulk.database import Database
from zra_async.bulk.ingest import ledger as ingest_ledger
from zra_async.core.secret import Secret
from zra_async.files import UploadState
from zra_async.files.journal import JournalFile
from zra_async.results.uploads import Fingerprint
from zra_async.sandbox import Sandbox

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="modes of files mean nothing there")


@pytest.fixture(autouse=True)
def _open_umask() -> Iterator[None]:
    """The most generous umask: whatever is private is so by our own doing."""
    before = os.umask(0)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    """The permissions of a file."""
    return stat.S_IMODE(path.stat().st_mode)


async def test_a_stored_token_is_private(tmp_path: Path) -> None:
    """The file, its lock, and a file that was readable for others before."""
    place = tmp_path / "token"
    place.write_text("old")
    place.chmod(0o644)
    store = FileTokenStore(place)
    async with store.lock():
        await store.save(Secret("rt-90b2d47fe1"))
        assert mode(tmp_path / "token.lock") == 0o600
    assert mode(place) == 0o600
    assert await store.load() == "rt-90b2d47fe1"
    assert {path.name for path in tmp_path.iterdir()} == {"token", "token.lock"}


def test_a_journal_is_private(tmp_path: Path) -> None:
    """It holds what others could add to an upload with; the same goes for its lock."""
    place = tmp_path / "journal"
    place.write_bytes(b"")
    place.chmod(0o666)
    journal = JournalFile(place)
    print_ = Fingerprint(size=1, mtime_ns=1, sample="")
    journal.save(UploadState(file_name="a.mp4", fingerprint=print_, part_size=1, created=datetime.now(UTC)))
    assert mode(place) == 0o600
    assert mode(tmp_path / "journal.lock") == 0o600
    journal.close()


async def test_ledgers_are_private(tmp_path: Path) -> None:
    """Those of imports and ingests, with everything that SQLite puts beside them."""
    async with await crm_ledger.open_ledger(tmp_path / "import.sqlite") as ledger:
        await ledger.end()
        _all_private(tmp_path)
    async with await ingest_ledger.open_ledger(tmp_path / "ingest.sqlite") as book:
        await book.next_due()
        _all_private(tmp_path)
    _all_private(tmp_path)


def _all_private(folder: Path) -> None:
    for path in folder.iterdir():
        assert mode(path) == 0o600, path.name


async def test_the_ledger_of_an_export_is_private(tmp_path: Path) -> None:
    """So is all that it holds: transcripts are nobody else's business."""
    async with Sandbox(conversations=2, seed=3) as sandbox, sandbox.client() as zra:
        await zra.export(tmp_path / "export", streams="conversations")
    assert mode(tmp_path / "export" / "ledger.sqlite") == 0o600
    assert mode(tmp_path / "export" / "manifest.json") == 0o600
    assert mode(tmp_path / "export" / "conversations-00001.jsonl") == 0o600
    assert mode(tmp_path / "export") == 0o700


async def test_locks_are_not_followed_elsewhere(tmp_path: Path) -> None:
    """A symbolic link that somebody has put in the place of a lock makes no file where it points to."""
    for name in ("journal", "ledger"):
        (tmp_path / f"{name}.lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(errors.JournalError):
        JournalFile(tmp_path / "journal")
    with pytest.raises(errors.LedgerError):
        await Database.open(tmp_path / "ledger", kind=1, schema=["CREATE TABLE a (b)"], purpose="the test")
    (tmp_path / "token.lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(errors.TokenError):
        async with FileTokenStore(tmp_path / "token").lock():
            pass
    assert not (tmp_path / "elsewhere").exists()


async def test_a_planted_link_in_an_export_is_not_written_through(tmp_path: Path) -> None:
    """A folder that somebody sent, gone on with: what its links point to stays as it is."""
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    folder = tmp_path / "export"
    folder.mkdir()
    async with Sandbox(conversations=2, seed=3) as sandbox, sandbox.client() as zra:
        await zra.export(folder, streams="conversations")
        for name in ("manifest.json.tmp", "failed.jsonl.tmp"):
            (folder / name).symlink_to(victim)
        await zra.export(folder, streams="conversations")
        for name in ("manifest.json", "failed.jsonl"):
            (folder / name).unlink()
            (folder / name).symlink_to(victim)
            with pytest.raises(errors.LedgerError, match=f"{name} is a link, which is not followed"):
                await zra.export(folder, streams="conversations")
            (folder / name).unlink()
    assert victim.read_bytes() == b"precious"
    assert (folder / "manifest.json.tmp").is_symlink()


async def test_a_ledger_of_somebody_else_stays_as_it_is(tmp_path: Path) -> None:
    """A database that is no ledger of this kind is refused, and not a byte of it changes."""
    place = tmp_path / "mine.sqlite"
    connection = sqlite3.connect(place)
    connection.execute("PRAGMA application_id = 7")
    connection.execute("PRAGMA user_version = 1")
    connection.execute("CREATE TABLE job (ended)")
    connection.close()
    before = place.read_bytes()
    for use in (crm_ledger.open_ledger, ingest_ledger.open_ledger):
        with pytest.raises(errors.LedgerError, match="something else"):
            await use(place)
    assert place.read_bytes() == before
