"""Files that somebody has changed: journals, ledgers, manifests, tokens and records are read, or properly refused."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.core.clients import client_of, get
from tests.core.server import Server, answer, token
from tests.security.hostile import at_most
from tests.security.profile import quick
from zra_async import FileTokenStore, UserOAuth, errors
from zra_async.bulk.crm import ledger as crm_ledger
from zra_async.bulk.database import Database
from zra_async.bulk.export.folder.ledger import SqliteLedger
from zra_async.bulk.export.folder.present import read_stream
from zra_async.bulk.export.folder.segments import Segments
from zra_async.bulk.export.folder.tables import KIND, SCHEMA
from zra_async.bulk.ingest import ledger as ingest_ledger
from zra_async.bulk.ingest.manifest import COLUMNS, check_manifest
from zra_async.bulk.tables.record_files import read_rows, reader_of
from zra_async.files.journal import JournalFile
from zra_async.results.uploads import Fingerprint, StoredPart, UploadState

DEEP = 100_000
JSON_ATOMS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
JSON_VALUES = st.recursive(
    JSON_ATOMS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for all examples of a property, each of which writes its file anew."""
    return tmp_path_factory.mktemp("readers")


# --------------------------------------------------------------------------- journals of uploads

GOOD: dict[str, Any] = msgspec.to_builtins(
    UploadState(
        file_name="call.mp4",
        path="/videos/call.mp4",
        fingerprint=Fingerprint(size=12_000_000, mtime_ns=5, sample="ab"),
        part_size=6_000_000,
        upload_context="context",
        created=datetime(2026, 3, 1, tzinfo=UTC),
        parts=(StoredPart(number=1, etag="e"),),
    ),
    builtin_types=(),
)
JOURNALS = [
    b"",
    b"  \n",
    b"null",
    b"{}",
    b"[" * DEEP,
    b'{"version":1,"more":' + b"[" * DEEP + b"]" * DEEP + b"}",
    b'{"version":1,"file_name":"a.mp4","part_size":' + b"9" * 5000 + b"}",
    b"\xff\xfe",
    b'{"version":"1"}',
    b'{"version":' + b"9" * 30 + b"}",
]
CHANGES: list[dict[str, Any]] = [
    {"created": "2026-03-01T00:00:00"},
    {"created": "0001-01-01T00:00:00+23:59"},
    {"created": "9999-12-31T23:59:59-23:59"},
    {"created": 5},
    {"part_size": 0},
    {"part_size": -1},
    {"part_size": 1},
    {"part_size": 10**30},
    {"fingerprint": {"size": 10**30, "mtime_ns": 0, "sample": ""}},
    {"fingerprint": {"size": -1, "mtime_ns": 0, "sample": ""}},
    {"fingerprint": {"size": 1, "mtime_ns": 10**40, "sample": ""}},
    {"parts": [{"number": 1, "etag": "e"}, {"number": 1, "etag": "e"}]},
    {"parts": [{"number": 3, "etag": "e"}]},
    {"parts": [{"number": -1, "etag": "e"}]},
    {"parts": [{"number": 10**40, "etag": "e"}]},
    {"file_name": "\ud800"},
    {"file_name": "../../evil.sh"},
    {"file_name": ""},
    {"file_name": "a\x00.mp4"},
    {"path": "a\x00b"},
    {"path": "/dev/zero"},
    {"path": "/"},
    {"main_file_id": " "},
    {"version": 2},
    {"upload_context": "x\r\n--boundary"},
]


def resumed(journal: Path) -> Any:
    """What becomes of an upload that goes on with a journal; its server refuses everything."""

    async def scene() -> Any:
        server = Server(otherwise=answer(404, {"code": 1005, "message": "unknown"}))
        async with server, client_of(server) as zra:
            return await zra.files.resume(journal)

    return asyncio.run(scene())


@pytest.mark.parametrize("content", JOURNALS, ids=range(len(JOURNALS)))
def test_a_journal_that_is_none_is_refused(content: bytes, tmp_path: Path) -> None:
    """Whatever it holds: `JournalError`."""
    journal = tmp_path / "journal"
    journal.write_bytes(content)
    with at_most(mib=20), pytest.raises(errors.JournalError):
        resumed(journal)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: str(change)[:40])
def test_a_journal_that_was_tampered_with_sends_nothing_else(change: dict[str, Any], tmp_path: Path) -> None:
    """One wrong field is an error of the tree, or the file that it names is not the one that was begun with."""
    journal = tmp_path / "journal"
    (tmp_path / "call.mp4").write_bytes(b"another file")
    state = {**GOOD, "path": str(tmp_path / "call.mp4"), **change}
    with contextlib.suppress(UnicodeEncodeError):
        journal.write_bytes(msgspec.json.encode(state))
    with pytest.raises(errors.ZRAError):
        resumed(journal)


@quick(80)
@given(st.binary(max_size=200) | st.dictionaries(st.sampled_from(sorted(GOOD)), JSON_VALUES, max_size=3))
@example({"created": "2026-03-01T00:00:00"})
def test_any_journal_is_read_or_refused(place: Path, content: bytes | dict[str, Any]) -> None:
    """For any bytes, and for any fields of a good one replaced by anything."""

    if isinstance(content, dict):
        try:
            content = msgspec.json.encode({**GOOD, **content})
        except (UnicodeEncodeError, OverflowError):
            return
    (place / "journal").write_bytes(content)
    file = JournalFile(place / "journal")
    try:
        state = file.load()
    except errors.JournalError:
        return
    finally:
        file.close()
    if state is not None:
        assert len(state.plan) == state.parts_total <= 100
        assert len(state.missing) == state.parts_total - len(state.parts)
        assert state.expired(datetime.now(UTC)) in {True, False}


def test_a_journal_of_gigabytes_is_not_read(tmp_path: Path) -> None:
    """A hundred parts take some kilobytes; what is far larger is no journal."""
    journal = tmp_path / "journal"
    with journal.open("wb") as file:
        file.truncate(4 * 1024**3)
    with at_most(mib=8), pytest.raises(errors.JournalError):
        resumed(journal)


# --------------------------------------------------------------------------- stored tokens


@pytest.mark.parametrize("content", [b"\xff\xfe", b"\x00", b"a\r\nX-Evil: 1", "ü".encode(), b"x" * 100_000_000, b""])
async def test_a_stored_token_that_is_none_is_refused(content: bytes, tmp_path: Path) -> None:
    """It is neither sent nor shown."""
    (tmp_path / "token").write_bytes(content)
    auth = UserOAuth("cid", "cs-7c1e90ab34", store=FileTokenStore(tmp_path / "token"))
    async with Server(otherwise=token("tok-77aa0c1d")) as server, client_of(server, auth) as zra:
        with pytest.raises(errors.TokenError) as caught:
            await get(zra)
        assert not server.seen
    assert len(str(caught.value)) < 1000


# --------------------------------------------------------------------------- ledgers


def export_ledger(path: Path) -> Any:
    async def scene() -> None:
        async with await Database.open(path, kind=KIND, schema=SCHEMA, purpose="the test") as database:
            book = SqliteLedger(database)
            await book.begin("{}", datetime.now(UTC), {})
            await database.run(Segments(path.parent, book.run).recover)
            await book.take(["conversation"], 0, 10)
            await book.people("", 10)
            await book.setting("covered")
            await book.summary()
            await book.summarise({})

    return scene()


def import_ledger(path: Path) -> Any:
    async def scene() -> None:
        async with await crm_ledger.open_ledger(path) as book:
            await book.end()

    return scene()


def ingest_ledger_(path: Path) -> Any:
    async def scene() -> None:
        async with await ingest_ledger.open_ledger(path) as book:
            await book.claim("key", b"print", "main")
            await book.next_due()

    return scene()


LEDGERS: dict[str, Callable[[Path], Any]] = {
    "export": export_ledger,
    "import": import_ledger,
    "ingest": ingest_ledger_,
}


@pytest.fixture(scope="module", params=LEDGERS)
def book(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes, Any]:
    """A ledger of each kind: a place for it, its content, and a way to use it."""
    use = LEDGERS[request.param]
    path = tmp_path_factory.mktemp("ledger") / "ledger.sqlite"
    asyncio.run(use(path))
    return path, path.read_bytes(), use


def used(path: Path, content: bytes, use: Callable[[Path], Any]) -> None:
    """Use a ledger with this content; an error must be one of the tree."""
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    path.write_bytes(content)
    with contextlib.suppress(errors.LedgerError):
        asyncio.run(use(path))


@quick(25)
@given(st.data())
def test_a_damaged_ledger_is_used_or_refused(book: tuple[Path, bytes, Any], data: st.DataObject) -> None:
    """Any bytes of it changed, or its end cut off: `LedgerError`, if anything."""
    path, content, use = book
    damaged = bytearray(content)
    for _ in range(data.draw(st.integers(0, 4))):
        at = data.draw(st.integers(0, len(content) - 1) | st.integers(0, 100))
        damaged[at : at + 4] = data.draw(st.binary(min_size=1, max_size=8))
    used(path, bytes(damaged[: data.draw(st.integers(0, len(content)) | st.just(len(content)))]), use)


@quick(10)
@given(st.binary(max_size=200))
@example(b"SQLite format 3\x00" + b"\x00" * 100)
def test_a_ledger_that_is_none_is_refused(book: tuple[Path, bytes, Any], content: bytes) -> None:
    """Whatever lies there."""
    path, _, use = book
    used(path, content, use)


def test_rows_of_other_types_are_refused(book: tuple[Path, bytes, Any]) -> None:
    """SQLite takes any value in any column, so that a reader must not rely on them."""
    path, content, use = book
    for wrong in ("'text'", "x'ff00'", "NULL", "-1", "9e99", "99999999999999999"):
        path.write_bytes(content)
        with sqlite3.connect(path) as connection:
            connection.execute("PRAGMA ignore_check_constraints = ON")
            for table, column in _columns(connection):
                with contextlib.suppress(sqlite3.Error):
                    connection.execute(f'UPDATE "{table}" SET "{column}" = {wrong}')
        connection.close()
        with contextlib.suppress(errors.LedgerError):
            asyncio.run(use(path))


def test_a_ledger_without_its_rows_is_refused(book: tuple[Path, bytes, Any]) -> None:
    """What is always there may be gone."""
    path, content, use = book
    path.write_bytes(content)
    with sqlite3.connect(path) as connection:
        for table in {table for table, _ in _columns(connection)}:
            connection.execute(f'DELETE FROM "{table}"')
    connection.close()
    with contextlib.suppress(errors.LedgerError):
        asyncio.run(use(path))


def _columns(connection: sqlite3.Connection) -> Iterator[tuple[str, str]]:
    tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'")
    for (table,) in tables.fetchall():
        for row in connection.execute(f"PRAGMA table_info('{table}')").fetchall():
            yield table, row[1]


@pytest.mark.parametrize(
    "file", ["../victim", "/tmp/victim", "..\\victim", "", ".", "conversations-1.jsonl/../../victim"]
)
def test_an_export_ledger_cannot_name_a_file_outside_its_folder(file: str, tmp_path: Path) -> None:
    """A folder that somebody sent is gone on with: nothing outside it is cut, written or read."""
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    folder = tmp_path / "export"
    folder.mkdir()
    path = folder / "ledger.sqlite"
    asyncio.run(export_ledger(path))
    named = file.replace("/tmp/victim", str(victim))
    with sqlite3.connect(path) as connection:
        connection.execute("INSERT INTO segment VALUES ('conversations', 1, 1, ?, 0, 0, NULL)", (named,))
    connection.close()
    with pytest.raises(errors.LedgerError):
        asyncio.run(export_ledger(path))
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE segment SET bytes = 8, records = 1")
    connection.close()
    with pytest.raises(errors.LedgerError):
        list(read_stream(folder, "conversations"))
    assert victim.read_bytes() == b"precious"


@pytest.mark.parametrize("content", [b"", b"{}\n", b"not json\n", b"[]\n", b'{"_run":"x"}\n', b"[" * DEEP + b"\n"])
def test_a_folder_that_was_changed_is_read_or_refused(content: bytes, tmp_path: Path) -> None:
    """Segments that hold something else, or are gone: `LedgerError`."""
    path = tmp_path / "ledger.sqlite"
    asyncio.run(export_ledger(path))
    file = tmp_path / "conversations-00001.jsonl"
    with sqlite3.connect(path) as connection:
        connection.execute("INSERT INTO segment VALUES ('conversations', 1, 1, ?, 99, 1, 'x')", (file.name,))
    connection.close()
    with pytest.raises(errors.LedgerError):
        list(read_stream(tmp_path, "conversations"))
    file.write_bytes(content)
    with contextlib.suppress(errors.LedgerError):
        list(read_stream(tmp_path, "conversations"))
    path.write_bytes(b"no database")
    with pytest.raises(errors.LedgerError):
        list(read_stream(tmp_path, "conversations"))


# --------------------------------------------------------------------------- manifests and files of records

ROW = '{"key":"a","recording":"call.mp4","conversation_type":"meeting","meeting_start_time":"2026-03-01T00:00:00Z"'
BAD_ROWS = [
    "[" * DEEP,
    ROW + ',"timeline":' + "[" * 900 + "]" * 900 + "}",
    ROW + ',"participants":[{"display_name":' + "9" * 5000 + "}]}",
    ROW.replace("call.mp4", "a\\u0000.mp4") + "}",
    ROW.replace("call.mp4", "../" * 1000 + "etc/passwd") + "}",
    ROW.replace("call.mp4", "/dev/zero") + "}",
    ROW.replace("call.mp4", "x" * 5000 + ".mp4") + "}",
    ROW.replace("call.mp4", "\\ud800.mp4") + "}",
    ROW.replace("call.mp4", "https://[::1") + "}",
    ROW.replace("2026-03-01T00:00:00Z", "0001-01-01T00:00:00+23:59") + "}",
    ROW.replace("2026-03-01T00:00:00Z", "2026-03-01T00:00:00") + "}",
    '{"key":null}',
    '{"key":{}}',
    "null",
    "\\",
]
BAD_CSV = [
    "key,recording,participants,timeline,conversation_type,meeting_start_time\n"
    + f'a,call.mp4,"{"[" * 100_000}",,meeting,2026-03-01T00:00:00Z\n',
    "key,recording,participants,timeline,conversation_type,meeting_start_time\n"
    + f'a,call.mp4,,"{"[" * 100_000}",meeting,2026-03-01T00:00:00Z\n',
    "key,recording,timeline,conversation_type,meeting_start_time\n"
    + f"a,call.mp4,{'9' * 5000},meeting,2026-03-01T00:00:00Z\n",
    "key,recording\na," + "x" * 200_000 + "\n",
    "key,recording\n\x00,\x00\n",
    'key,recording\n"a,b\n' * 50,
    "key,key\n",
    "key,\u202eunknown\n",
    ",\n,\n",
    "\x00",
]


def looked_through(path: Path) -> Any:
    """What a check of a manifest finds; its error must be one of the tree."""
    with contextlib.suppress(errors.InvalidArgument):
        return asyncio.run(check_manifest(path))


@pytest.mark.parametrize("row", BAD_ROWS, ids=range(len(BAD_ROWS)))
def test_a_bad_row_of_a_manifest_is_a_problem_of_that_row(row: str, tmp_path: Path) -> None:
    """It is told with its line, and the row behind it is looked at as well."""
    (tmp_path / "call.mp4").write_bytes(b"video")
    (tmp_path / "manifest.jsonl").write_text(row + "\n" + ROW.replace('"a"', '"b"') + "}\n", "utf-8")
    with at_most(mib=60):
        manifest = looked_through(tmp_path / "manifest.jsonl")
    assert manifest.items == 2
    assert [line for line, _ in manifest.problems] == [1]


@pytest.mark.parametrize("content", BAD_CSV, ids=range(len(BAD_CSV)))
def test_a_bad_csv_manifest_is_refused_row_by_row(content: str, tmp_path: Path) -> None:
    """Nothing in a cell ends the check."""
    (tmp_path / "call.mp4").write_bytes(b"video")
    (tmp_path / "manifest.csv").write_text(content, "utf-8")
    with at_most(mib=60):
        manifest = looked_through(tmp_path / "manifest.csv")
    assert manifest is None or manifest.problems or not manifest.items


@quick(25)
@given(st.lists(st.dictionaries(st.sampled_from(COLUMNS), JSON_VALUES, max_size=8), min_size=1, max_size=3))
def test_any_rows_of_a_manifest_are_looked_through(place: Path, rows: list[dict[str, Any]]) -> None:
    """For any values in any columns: as many rows as there are."""
    try:
        lines = [msgspec.json.encode(row) for row in rows]
    except (UnicodeEncodeError, OverflowError):
        return
    (place / "manifest.jsonl").write_bytes(b"\n".join(lines))
    manifest = looked_through(place / "manifest.jsonl")
    assert manifest.items == len(rows)


@quick(25)
@given(
    st.sampled_from(["jsonl", "csv"]), st.binary(max_size=300) | st.text(alphabet='{}[]",:\n\r\x00 a1\\', max_size=200)
)
def test_any_file_of_records_is_read_to_its_end(place: Path, suffix: str, content: bytes | str) -> None:
    """For any bytes: rows, problems of rows, or a refused header."""
    path = place / f"records.{suffix}"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())

    async def scene() -> int:
        return sum([len(rows) async for rows in read_rows(reader_of(path, ["a"]))])

    with contextlib.suppress(errors.InvalidArgument):
        assert asyncio.run(scene()) >= 0


def test_a_line_without_an_end_is_not_kept_in_memory(tmp_path: Path) -> None:
    """A file of one endless line costs as much as the longest line that is taken."""
    path = tmp_path / "records.jsonl"
    with path.open("wb") as file:
        file.write(b"{")
        file.truncate(100 * 1024 * 1024)

    async def scene() -> list[str]:
        return [row.problem async for rows in read_rows(reader_of(path, ["a"])) for row in rows]

    with at_most(mib=40):
        assert "longer than" in asyncio.run(scene())[0]
