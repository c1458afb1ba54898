"""Ledgers that were emptied, removed, replaced or restored: refused, with everything left as it was."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.bulk.export.account import account, quick_disk  # noqa: F401
from zra_async import errors
from zra_async.bulk import ingest_status, read_stream, to_parquet
from zra_async.bulk.crm import ledger as crm_ledger
from zra_async.bulk.database import Database
from zra_async.bulk.ingest import ledger as ingest_ledger
from zra_async.sandbox import Fault

STREAMS = "conversations,comments"
Damage = Callable[[Path], object]


def contents(folder: Path) -> dict[str, bytes]:
    """All files of a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b""
        for path in sorted(folder.rglob("*"))
    }


async def exported(folder: Path, runs: int = 1) -> None:
    """Export an account, and once more whenever a conversation was added."""
    async with account(6) as (_, zra):
        for _ in range(runs):
            await zra.export(folder, streams=STREAMS, incremental=False)


async def killed(folder: Path) -> None:
    """Export an account until a process dies half way: the files go on behind what the ledger knows."""
    async with account(6) as (sandbox, zra):
        sandbox.faults.add(Fault(operation="GET /conversations/{conversationId}/comments", status=401))
        with pytest.raises(errors.AuthenticationFailed):
            await zra.export(folder, streams=f"{STREAMS},indicators")
    with (folder / "indicators-00001.jsonl").open("ab") as segment:
        segment.write(b'{"id":"1","_run":1}\n{"half')
    (folder / "comments-00001.jsonl").write_bytes(b'{"id":"1","_run":1}\n')


async def refused(folder: Path, match: str, streams: str = STREAMS) -> None:
    """Run again, with nothing that answers: refused before anything is asked, and twice the same."""
    before = contents(folder)
    for _ in range(2):
        async with account(6) as (sandbox, zra):
            with pytest.raises(errors.LedgerError, match=match):
                await zra.export(folder, streams=streams)
            assert not sandbox.stats.operations
        after = contents(folder)
        assert {name: data for name, data in after.items() if not name.endswith(("-wal", "-shm"))} == {
            name: data for name, data in before.items() if not name.endswith(("-wal", "-shm"))
        }


def _fresh(ledger: Path) -> None:
    ledger.unlink()
    _other(ledger)


def _other(ledger: Path) -> None:
    folder = ledger.parent / "other"
    folder.mkdir()
    asyncio.run(_new(folder / "ledger.sqlite"))
    (folder / "ledger.sqlite").replace(ledger)
    shutil.rmtree(folder)


async def _new(ledger: Path) -> None:
    from zra_async.bulk.export.folder.tables import KIND, SCHEMA

    await (await Database.open(ledger, kind=KIND, schema=SCHEMA, purpose="a test")).aclose()


def _no_seal(then: Damage) -> Damage:
    def damage(ledger: Path) -> None:
        then(ledger)
        (ledger.parent / "ledger.sqlite.seal").unlink()

    return damage


EMPTIED: dict[str, Damage] = {
    "truncated to nothing": lambda ledger: os.truncate(ledger, 0),
    "truncated to a page": lambda ledger: os.truncate(ledger, 4096),
    "truncated to a few bytes": lambda ledger: os.truncate(ledger, 10),
    "removed": Path.unlink,
    "overwritten": lambda ledger: ledger.write_bytes(b"\0" * 4096),
    "of something else": lambda ledger: ledger.write_bytes(b"text"),
    "replaced by a new one": _fresh,
}


@pytest.mark.parametrize("sealed", [True, False])
@pytest.mark.parametrize("runs", [0, 1, 2])
@pytest.mark.parametrize("damage", EMPTIED.values(), ids=EMPTIED.keys())
async def test_a_damaged_ledger_deletes_nothing(tmp_path: Path, damage: Damage, runs: int, sealed: bool) -> None:
    """Whatever happens to the ledger of an export, after whole runs or a killed one, no file of it is changed."""
    folder = tmp_path / "export"
    await exported(folder, runs) if runs else await killed(folder)
    await asyncio.to_thread(damage if sealed else _no_seal(damage), folder / "ledger.sqlite")
    await refused(folder, r"ledger|export", f"{STREAMS},indicators")


async def test_the_error_names_both_sides(tmp_path: Path) -> None:
    """A folder whose ledger is empty is told with a file that it holds, and with what to do."""
    await exported(tmp_path)
    os.truncate(tmp_path / "ledger.sqlite", 0)
    await refused(tmp_path, r"holds comments-00001.jsonl but no ledger, or an empty one.*Nothing was changed: put back")
    shutil.rmtree(tmp_path / "recordings", ignore_errors=True)
    for name in [path.name for path in tmp_path.glob("*.jsonl")]:
        (tmp_path / name).unlink()
    await refused(tmp_path, r"holds manifest.json but no ledger")


@pytest.mark.parametrize("with_seal", ["kept", "restored", "removed"])
async def test_a_ledger_that_was_restored_from_a_copy(tmp_path: Path, with_seal: str) -> None:
    """An older ledger knows less than the folder holds: the files of later runs are not taken for leftovers."""
    folder, copy = tmp_path / "export", tmp_path / "copy"
    async with account(6) as (_, zra):
        await zra.export(folder, streams=STREAMS)
        copy.mkdir()
        for name in ("ledger.sqlite", "ledger.sqlite.seal"):
            shutil.copy(folder / name, copy)
    async with account(9) as (_, zra):
        await zra.export(folder, streams=STREAMS, incremental=False)
    assert (folder / "conversations-00002.jsonl").exists()
    shutil.copy(copy / "ledger.sqlite", folder)
    if with_seal == "restored":
        shutil.copy(copy / "ledger.sqlite.seal", folder)
    elif with_seal == "removed":
        (folder / "ledger.sqlite.seal").unlink()
    await refused(folder, "older than it was" if with_seal == "kept" else "older than manifest.json")
    (folder / "manifest.json").unlink()
    await refused(folder, "older than it was" if with_seal == "kept" else "knows nothing of|knows of")


async def test_the_ledger_of_another_folder(tmp_path: Path) -> None:
    """A ledger that was copied from another export is refused, with its seal or without."""
    for name in ("one", "two"):
        await exported(tmp_path / name)
    shutil.copy(tmp_path / "two" / "ledger.sqlite", tmp_path / "one")
    await refused(tmp_path / "one", "was replaced: it is not the one that ledger.sqlite.seal belongs to")
    shutil.copy(tmp_path / "two" / "ledger.sqlite.seal", tmp_path / "one")
    await refused(tmp_path / "one", "was written with another ledger")


@pytest.mark.parametrize("name", ["conversations-00001.jsonl", "conversations-00002.jsonl", "deals-00001.jsonl"])
@pytest.mark.parametrize("content", [b"mine\n", b"", b'{"a":1,"_run":9}\n', b'{"a":1,"_run":1}\n'])
async def test_a_file_that_the_ledger_does_not_know(tmp_path: Path, name: str, content: bytes) -> None:
    """After a run that was finished no leftover can be there: a file that looks like one is refused and kept."""
    await exported(tmp_path)
    place = tmp_path / name
    place.write_bytes((place.read_bytes() if place.exists() else b"") + content)
    if name == "conversations-00001.jsonl" and not content:
        return
    await refused(tmp_path, "knows nothing of|the ledger knows of")


@pytest.mark.parametrize("kind", ["pipe", "link", "folder"])
@pytest.mark.parametrize("name", ["conversations-00001.jsonl", "deals-00001.jsonl", "manifest.json", "failed.jsonl"])
async def test_what_is_no_file_in_a_folder(tmp_path: Path, name: str, kind: str) -> None:
    """Pipes, links and folders under the names of an export are neither waited for nor replaced."""
    await exported(tmp_path)
    place = tmp_path / name
    if place.exists():
        place.replace(tmp_path / "away")
    match kind:
        case "pipe":
            os.mkfifo(place)
        case "link":
            place.symlink_to("away" if (tmp_path / "away").exists() else "nowhere")
        case _:
            place.mkdir()
    kept = place.lstat()
    with pytest.raises(errors.LedgerError):
        async with account(6) as (_, zra):
            await zra.export(tmp_path, streams=STREAMS)
    assert os.path.samestat(kept, place.lstat())


async def test_a_killed_run_is_gone_on_with(tmp_path: Path) -> None:
    """What a killed run left behind its last commit is provably that, and is cut; nothing is refused."""
    await killed(tmp_path)
    async with account(6) as (_, zra):
        report = await zra.export(tmp_path, streams=f"{STREAMS},indicators")
    assert report.resumed
    assert not any(b'{"half' in path.read_bytes() for path in tmp_path.glob("*.jsonl"))
    json.loads((tmp_path / "manifest.json").read_bytes())


async def test_a_damaged_manifest_is_written_anew(tmp_path: Path) -> None:
    """The ledger accounts for all that the manifest says: without it, or with half of it, an export goes on."""
    await exported(tmp_path)
    for content in (None, b"", b'{"format":"zra-exp', b"[]"):
        (tmp_path / "manifest.json").unlink() if content is None else (tmp_path / "manifest.json").write_bytes(content)
        async with account(6) as (_, zra):
            await zra.export(tmp_path, streams=STREAMS)
        assert json.loads((tmp_path / "manifest.json").read_bytes())["format"] == "zra-export"


async def test_readers_refuse_a_damaged_ledger(tmp_path: Path) -> None:
    """Parquet files and records are not made from a ledger that knows less than the folder holds."""
    await exported(tmp_path)
    shutil.copy(tmp_path / "ledger.sqlite", tmp_path / "copy")
    await exported(tmp_path)
    shutil.copy(tmp_path / "copy", tmp_path / "ledger.sqlite")
    with pytest.raises(errors.LedgerError, match="older than it was"):
        list(read_stream(tmp_path, "conversations"))
    with pytest.raises(errors.LedgerError, match="older than it was"):
        await to_parquet(tmp_path)
    os.truncate(tmp_path / "ledger.sqlite", 0)
    with pytest.raises(errors.LedgerError, match="missing or empty"):
        list(read_stream(tmp_path, "conversations"))
    with pytest.raises(errors.LedgerError, match=r"holds no export|but no ledger"):
        await to_parquet(tmp_path)
    assert (tmp_path / "ledger.sqlite").stat().st_size == 0


# --------------------------------------------------------------------------- ingests and imports

OPEN: dict[str, Any] = {"ingest": ingest_ledger.open_ledger, "import": crm_ledger.open_ledger}


async def used(path: Path, kind: str) -> None:
    """Note something in a ledger, as a run does."""
    async with await OPEN[kind](path) as ledger:
        if kind == "ingest":
            await ledger.claim("item-1", b"f", "main")
        else:
            await ledger._database.run(lambda c: c.execute("INSERT INTO chunks VALUES ('deals', 0, x'00', 't', 0, 0)"))


@pytest.mark.parametrize("kind", OPEN)
@pytest.mark.parametrize("damage", ["emptied", "removed", "replaced", "restored", "cut"])
async def test_a_ledger_that_forgot_what_was_done(tmp_path: Path, kind: str, damage: str) -> None:
    """An ingest would add everything a second time: the ledger is refused, with what to do, and stays as it is."""
    path, copy = tmp_path / "ledger", tmp_path / "copy"
    await used(path, kind)
    shutil.copy(path, copy)
    await used(path, kind) if kind == "ingest" else await _again(path)
    match damage:
        case "emptied":
            os.truncate(path, 0)
        case "removed":
            path.unlink()
        case "replaced":
            path.unlink()
            await used(tmp_path / "new", kind)
            (tmp_path / "new").replace(path)
        case "restored":
            shutil.copy(copy, path)
        case _:
            os.truncate(path, 4096)
    before = path.read_bytes() if path.exists() else None
    for _ in range(2):
        with pytest.raises(errors.LedgerError, match=r"Nothing was changed|cannot be opened"):
            await OPEN[kind](path)
        assert (path.read_bytes() if path.exists() else None) == before
    shutil.copy(copy, path)
    (tmp_path / "ledger.seal").unlink()
    await used(path, kind) if kind == "ingest" else await _again(path)  # the user knows better


async def _again(path: Path) -> None:
    async with await crm_ledger.open_ledger(path) as ledger:
        await ledger._database.run(lambda c: c.execute("UPDATE chunks SET task_id = task_id || 'x'"))  # type: ignore[attr-defined]


#: write to a ledger of an ingest, and die before it is closed
DIE = """
import asyncio, os, sys
from zra_async.bulk.ingest.ledger import open_ledger
async def main():
    ledger = await open_ledger(sys.argv[1])
    for number in range(3):
        await ledger.claim(f"item-{number}", b"f", "main")
    os._exit(9)
asyncio.run(main())
"""


@pytest.mark.parametrize("lost", ["", "-wal", "-shm"])
async def test_side_files_of_a_killed_process(tmp_path: Path, lost: str) -> None:
    """Without its -wal file the ledger lacks what was done, and is refused; without the -shm file nothing is amiss."""
    from tests.osfiles.children import python

    path = tmp_path / "ledger"
    await asyncio.to_thread(python, DIE, path, check=False)
    if lost:
        (tmp_path / f"ledger{lost}").unlink()
    if lost == "-wal":
        with pytest.raises(errors.LedgerError, match=r"older than it was.*ledger-wal was removed"):
            await OPEN["ingest"](path)
    else:
        async with await OPEN["ingest"](path) as ledger:
            assert (await ledger.recall("item-2")).key == "item-2"


async def test_a_ledger_that_somebody_has_read_after_a_kill(tmp_path: Path) -> None:
    """A reader may move the content of the -wal file into the ledger and remove it: nothing is lost by that."""
    from tests.osfiles.children import python

    path = tmp_path / "ledger"
    await asyncio.to_thread(python, DIE, path, check=False)
    assert (await ingest_status(path)).total == 3
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM items").fetchone() == (3,)
    assert not (tmp_path / "ledger-wal").exists()
    async with await OPEN["ingest"](path) as ledger:
        assert (await ledger.recall("item-2")).key == "item-2"


async def test_an_import_that_has_ended_may_be_forgotten(tmp_path: Path) -> None:
    """Its ledger can be removed without its seal: nothing in it must not be lost."""
    path = tmp_path / "ledger"
    async with await crm_ledger.open_ledger(path) as ledger:
        await ledger.end()
    assert [file.name for file in tmp_path.iterdir()] == ["ledger"]
    path.unlink()
    await used(path, "import")


async def test_a_ledger_is_never_seen_half_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that dies while it makes a ledger leaves none, and the next one makes it."""
    real = os.replace

    def dies(source: object, target: object) -> None:
        if str(target).endswith("ledger"):
            raise OSError(5, "Input/output error")
        real(source, target)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", dies)
        with pytest.raises(errors.LedgerError):
            await OPEN["ingest"](tmp_path / "ledger")
    assert not list(tmp_path.iterdir())
    await used(tmp_path / "ledger", "ingest")
