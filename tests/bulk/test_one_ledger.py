"""One ledger under several names: its links lead to one lock, and what links cannot tell is refused."""

from __future__ import annotations

import asyncio
import os
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.bulk.export.account import account, quick_disk  # noqa: F401
from tests.osfiles.children import needs_mounts, python
from zra_async import errors
from zra_async.bulk.crm import ledger as crm_ledger
from zra_async.bulk.database import Database
from zra_async.bulk.export.folder.tables import KIND, SCHEMA
from zra_async.bulk.ingest import ledger as ingest_ledger

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="links and mounts of Unix")
OPEN: dict[str, Any] = {"ingest": ingest_ledger.open_ledger, "import": crm_ledger.open_ledger}
NAMES = ["link", "second", "folder-link/ledger", "folder/../folder/ledger", "/proc/self/root{folder}/folder/ledger"]


def named(folder: Path) -> None:
    """Give a ledger that is not there yet several names."""
    (folder / "folder").mkdir()
    (folder / "link").symlink_to("folder/ledger")
    (folder / "second").symlink_to(folder / "link")
    (folder / "folder-link").symlink_to("folder")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", OPEN)
async def test_links_lead_to_one_lock(tmp_path: Path, kind: str, name: str) -> None:
    """Whoever opens a ledger by another name is told that it is in use, and finds what was noted afterwards."""
    named(tmp_path)
    other = name.format(folder=tmp_path) if name.startswith("/") else str(tmp_path / name)
    for first, second in ((tmp_path / "folder" / "ledger", other), (other, tmp_path / "folder" / "ledger")):
        async with await OPEN[kind](first):
            with pytest.raises(errors.InUse):
                await OPEN[kind](second)
    assert (tmp_path / "link").is_symlink()
    assert {path.name for path in (tmp_path / "folder").iterdir()} == {"ledger", "ledger.seal"}
    assert {path.name for path in tmp_path.iterdir()} == {"folder", "link", "second", "folder-link"}


async def test_a_relative_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative path and an absolute one are one ledger, also after the working folder has changed."""
    monkeypatch.chdir(tmp_path)
    async with await OPEN["ingest"]("ledger") as ledger:
        monkeypatch.chdir("/")
        with pytest.raises(errors.InUse):
            await OPEN["ingest"](tmp_path / "ledger")
        await ledger.claim("item", b"", "main")
    assert (tmp_path / "ledger").exists()


async def test_an_export_under_two_names(tmp_path: Path) -> None:
    """An export whose folder is a link is the export in the folder that it leads to."""
    (tmp_path / "export").mkdir()
    (tmp_path / "link").symlink_to("export")
    async with account(3) as (_, zra):
        await zra.export(tmp_path / "link", streams="conversations")
        database = await Database.open(
            tmp_path / "export" / "ledger.sqlite", kind=KIND, schema=SCHEMA, purpose="a test"
        )
        async with database:
            with pytest.raises(errors.InUse):
                await zra.export(tmp_path / "link", streams="conversations")
        assert (await zra.export(tmp_path / "export", streams="conversations")).run == 2


@pytest.mark.parametrize("kind", OPEN)
async def test_hard_links_are_refused(tmp_path: Path, kind: str) -> None:
    """A second name that no link tells of would have side files of its own: both names are refused."""
    first, second = tmp_path / "first", tmp_path / "second"
    async with await OPEN[kind](first):
        second.hardlink_to(first)
        with pytest.raises(errors.LedgerError, match=r"2 names \(hard links\).*remove the other names"):
            await OPEN[kind](second)
    with pytest.raises(errors.LedgerError, match="hard links"):
        await OPEN[kind](first)
    second.unlink()
    async with await OPEN[kind](first):
        pass


@needs_mounts
def test_a_ledger_that_is_mounted_is_refused(tmp_path: Path) -> None:
    """A single file that is mounted elsewhere has another folder for its lock and its side files."""
    (tmp_path / "a name").mkdir()
    place = tmp_path / "a name" / "ledger"
    place.touch()
    asyncio.run(_made(tmp_path / "ledger"))
    code = (
        "import asyncio, sys\nfrom zra_async import errors\nfrom zra_async.bulk.ingest.ledger import open_ledger\n"
        "try:\n    asyncio.run(open_ledger(sys.argv[2]))\nexcept errors.LedgerError as problem:\n    print(problem)\n"
    )
    printed = python(code, tmp_path / "ledger", place, mounts='mount --bind "$1" "$2"')
    assert "mounted as a single file" in printed
    assert "mount its folder" in printed


async def _made(path: Path) -> None:
    async with await ingest_ledger.open_ledger(path):
        pass


@pytest.mark.parametrize("kind", ["pipe", "socket", "folder", "descriptor", "loop"])
async def test_what_cannot_be_a_ledger(tmp_path: Path, kind: str) -> None:
    """It is refused without a wait, stays, and nothing is made beside it."""
    path = tmp_path / "ledger"
    opened = os.open(tmp_path / "open", os.O_CREAT | os.O_RDWR)
    match kind:
        case "pipe":
            os.mkfifo(path)
        case "socket":
            os.mknod(path, 0o600 | stat.S_IFSOCK)
        case "folder":
            path.mkdir()
        case "loop":
            path.symlink_to("ledger")
        case _:
            path = Path(f"/proc/self/fd/{opened}")
    before = sorted(tmp_path.iterdir())
    try:
        for use in OPEN.values():
            with pytest.raises(errors.LedgerError, match="cannot be used"):
                await use(path)
    finally:
        os.close(opened)
    assert sorted(tmp_path.iterdir()) == before


async def test_a_lock_file_of_somebody_else_is_kept(tmp_path: Path) -> None:
    """A file that holds something is not removed with a lock, and a pipe in its place is refused."""
    (tmp_path / "ledger.lock").write_text("mine")
    async with await OPEN["ingest"](tmp_path / "ledger"):
        pass
    assert (tmp_path / "ledger.lock").read_text() == "mine"
    os.mkfifo(tmp_path / "other.lock")
    with pytest.raises(errors.LedgerError, match=r"other\.lock is a named pipe"):
        await OPEN["ingest"](tmp_path / "other")
    assert stat.S_ISFIFO((tmp_path / "other.lock").stat().st_mode)


async def test_a_folder_that_is_moved_while_a_job_runs(tmp_path: Path) -> None:
    """The job stops, and does not touch the ledger that another job has made under the old name meanwhile."""
    place = tmp_path / "folder"
    place.mkdir()
    async with await OPEN["ingest"](place / "ledger") as ledger:
        await ledger.claim("item-1", b"", "main")
        place.rename(tmp_path / "moved")
        with pytest.raises(errors.InUse):
            await OPEN["ingest"](tmp_path / "moved" / "ledger")
        place.mkdir()
        async with await OPEN["ingest"](place / "ledger") as other:
            await other.claim("item-2", b"", "main")
            with pytest.raises(errors.LedgerError, match="moved, removed or replaced while it was in use"):
                await ledger.claim("item-3", b"", "main")
            assert (await other.recall("item-2")).key == "item-2"
    async with await OPEN["ingest"](tmp_path / "moved" / "ledger") as ledger:
        assert (await ledger.recall("item-1")).key == "item-1"
    assert {path.name for path in place.iterdir()} == {"ledger", "ledger.seal"}
