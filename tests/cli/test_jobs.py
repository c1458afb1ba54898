"""Downloads, CRM imports and the rest of the longer work, in this process."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from tests.cli.conftest import Invoke
from zra_async import ZRAClient, errors
from zra_async.bulk import ExportReport, Failure, ImportReport, KindReport, UnitCounts
from zra_async.bulk.crm.namespace import Crm
from zra_async.bulk.reports import attach
from zra_async.cli.commands.demo import new_folder
from zra_async.cli.failures import UsageProblem


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands write where they are called."""
    monkeypatch.chdir(tmp_path)


def test_recordings_are_downloaded(served: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several recordings go to folders of their own, what is there already stays, and what is missing makes it 3."""
    names = [row["conversation_id"] for row in served("list", "conversations", "--fields", "conversation_id").rows]
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO("\n".join(names).encode())))
    first = served("download", "-", "--to", "rec", "-q")
    without = first.err.count("no recording")
    assert (first.code, len(first.rows) + without) == (3 if without else 0, len(names))
    for row in first.rows:
        assert (tmp_path / row["path"]).stat().st_size == row["size"]
    again = served("download", *names, "--to", "rec", "-q")
    assert [row.get("there_already") for row in again.rows] == [True] * len(first.rows)
    single = served("download", first.rows[0]["conversation_id"], "--to", "one.mp4", "-q")
    assert single.rows[0]["path"].endswith("one.mp4")
    taken = served("download", first.rows[0]["conversation_id"], "--to", "one.mp4", "-q")
    assert (taken.code, taken.out) == (1, "")
    assert "--overwrite" in taken.err
    some = served("download", first.rows[0]["conversation_id"], "nowhere", "--to", "x", "-q")
    assert (some.code, len(some.rows)) == (3, 1)
    assert "nowhere: " in some.err


def test_crm_records_come_home_to_their_lines(invoke: Invoke, tmp_path: Path) -> None:
    """A bad record is told with file and line, the good ones are imported, and the code is 3."""
    good = {"crm_account_id": "a", "account_name": "A", "modify_time": "2025-11-20T12:00:00Z"}
    lines = [good, {"crm_account_id": "b"}, {**good, "crm_account_id": "c"}]
    Path("accounts.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    line = ("crm", "import", "--accounts", "accounts.jsonl", "--failed-to", "bad.jsonl")
    ended = invoke(*line, "--sandbox", "--sandbox-conversations", "1", "-q", "--json")
    assert ended.code == 3
    assert ended.err.startswith("accounts.jsonl:2: b: ")
    assert (ended.rows[0]["imported"], ended.rows[0]["failed"]) == (2, 1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["accounts.jsonl", "bad.jsonl"]


def test_an_import_that_ends_with_an_error_shows_its_report(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was imported until then is reported, and the exit code is that of the error."""

    async def refused(*_: object, **__: object) -> ImportReport:
        error = errors.AuthenticationFailed("crm.import_accounts", status=401)
        attach(error, ImportReport(kinds={"accounts": KindReport(read=3, imported=2)}, failures=(), stopped="refused"))
        raise error

    Path("accounts.jsonl").write_text("")
    monkeypatch.setattr(Crm, "import_all", refused)
    ended = invoke("crm", "import", "--accounts", "accounts.jsonl", "--sandbox", "--json")
    assert (ended.code, ended.rows[0]["imported"]) == (4, 2)
    assert "stopped before the end: refused" in ended.err


def test_an_export_that_ends_with_an_error_shows_its_report(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What was exported until then is reported, and the exit code is that of the error."""

    async def refused(*_: object, **__: object) -> ExportReport:
        error = errors.AuthenticationFailed("conversations.list", status=401)
        failure = Failure(kind="deal", id="d", reason="the export ended before")
        report = ExportReport(
            folder=tmp_path,
            run=1,
            resumed=False,
            units={"deal": UnitCounts(failed=1)},
            records={"deals": 7},
            failures=(failure,),
            calls={},
            refused=0,
            seconds=1.0,
            watermark=None,
        )
        attach(error, report)
        raise error

    monkeypatch.setattr(ZRAClient, "export", refused)
    ended = invoke("export", "--to", "account", "--sandbox", "--json")
    assert (ended.code, ended.rows[0]["records"]) == (4, {"deals": 7})
    assert "deal d: the export ended before" in ended.err


def test_an_import_of_nothing_is_refused(invoke: Invoke) -> None:
    """Without a file there is nothing to import."""
    assert invoke("crm", "import").code == 2


def test_an_upload_that_cannot_be_is_refused_before_it_begins(served: Invoke, tmp_path: Path) -> None:
    """A wrong field of the conversation, or ``--wait`` without one, costs no upload and leaves no journal."""
    Path("a.mp4").write_bytes(b"\0" * 100)
    for wrong in (["conversation_type=meeting"], ["conversation_topc=x"], ["--wait"], ["download_url=http://x/"]):
        ended = served("upload", "a.mp4", *wrong)
        assert (ended.code, ended.out) == (2, "")
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_an_export_says_what_is_wrong_before_it_begins(invoke: Invoke, tmp_path: Path) -> None:
    """A folder is needed, streams must exist, two ways to choose them are one too many, and times are times."""
    for wrong, told in (
        ([], "--to FOLDER"),
        (["--to", "x", "--streams", "nothing"], "'nothing'"),
        (["--to", "x", "--streams", "deals", "--all"], "exclude each other"),
        (["--to", "x", "--since", "garbage"], "--since must be a time"),
        (["--to", "x", "--since", "2026-02-01", "--until", "2026-01-01"], "lies after --until 2026-01-01"),
    ):
        ended = invoke("export", *wrong, "--sandbox")
        assert (ended.code, ended.out) == (2, "")
        assert told in ended.err
    assert list(tmp_path.iterdir()) == []


def test_a_second_export_brings_only_what_is_new(served: Invoke) -> None:
    """The report counts what was not read again; it is text for people unless JSON is asked for."""
    line = ("export", "--to", "out", "--streams", "conversations,deals", "-q")
    first = served(*line, "--json")
    assert (first.code, first.rows[0]["records"]["conversations"]) == (0, 12)
    again = served(*line)
    assert again.code == 0
    assert again.out.splitlines()[-1].endswith("429s: 0")


def test_parquet_needs_its_extra(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where DuckDB is missing, that is said before anything is exported."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "duckdb" else object())
    ended = invoke("export", "--to", "out", "--parquet", "--sandbox")
    assert ended.code == 4
    assert "zra-async[parquet]" in ended.err
    assert not Path("out").exists()


def test_a_program_that_is_not_there_starts_no_account(invoke: Invoke) -> None:
    """``zra sandbox -- PROGRAM`` looks for the program first."""
    ended = invoke("sandbox", "--", "no-such-program")
    assert (ended.code, ended.err.splitlines()[0]) == (127, "error: there is no program no-such-program")


def test_a_demo_never_writes_where_something_is() -> None:
    """The default folder is the first free one, and a folder that is given must be empty."""
    assert new_folder(None) == Path("zra-demo")
    Path("zra-demo/x").mkdir(parents=True)
    assert new_folder(None) == Path("zra-demo-2")
    assert new_folder(Path("zra-demo/x")) == Path("zra-demo/x")
    with pytest.raises(UsageProblem, match="not empty"):
        new_folder(Path("zra-demo"))
