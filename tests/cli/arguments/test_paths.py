"""Paths that cannot be used: empty, too long, no regular file, and a current folder that is gone."""

from __future__ import annotations

import os
import resource
import subprocess
from pathlib import Path

import pytest

from tests.cli.conftest import Invoke
from tests.cli.shell import PATIENCE, ZRA, environment, in_shell, zra

SMALL = ("--sandbox", "--sandbox-conversations", "2")
ACCOUNTS = '{"crm_account_id": "A"}\n{"crm_account_id": "B"}\n'
LONG = "x" * 300


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder with inputs, pipes and a device's stand-in."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.mp4").write_bytes(b"video")
    (tmp_path / "a.jsonl").write_text(ACCOUNTS)
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "fifo")
    return tmp_path


OUTPUTS = (
    ("export", "--to"),
    ("upload", "a.mp4", "--journal"),
    ("download", "an-id", "--to"),
    ("ingest", "a.jsonl", "--ledger"),
    ("crm", "import", "--accounts", "a.jsonl", "--ledger"),
    ("demo", "--to"),
)


@pytest.mark.parametrize("line", OUTPUTS, ids=" ".join)
def test_an_output_that_cannot_be_one_is_refused_before_anything_is_done(
    line: tuple[str, ...], invoke: Invoke, folder: Path
) -> None:
    """An empty path, a name that is too long, a FIFO and an open descriptor are told, and stay as they are."""
    before = sorted(folder.iterdir())
    for wrong, words in (
        ("", "the path is empty"),
        (LONG, "File name too long"),
        ("fifo", "it is a named pipe (FIFO)"),
        ("/dev/fd/1", "it is"),
        ("a.mp4/x", "Not a directory"),
    ):
        ended = invoke(*line, wrong, "--sandbox")
        assert (ended.code, ended.out) == (2, ""), wrong
        assert words in ended.err, wrong
    assert sorted(folder.iterdir()) == before
    assert (folder / "fifo").is_fifo()


@pytest.mark.parametrize(
    "line", [("upload",), ("ingest",), ("crm", "import", "--leads"), ("upload", "a.mp4", "--transcript")], ids=" ".join
)
def test_an_input_that_cannot_be_one_is_refused(line: tuple[str, ...], invoke: Invoke) -> None:
    """An empty path, one that is too long, and one that is not there are a wrong command line."""
    for wrong, words in (("", "the path is empty"), (LONG, "File name too long"), ("nowhere", "does not exist")):
        ended = invoke(*line, wrong, "--sandbox")
        assert (ended.code, ended.out) == (2, "")
        assert words in ended.err


def test_failures_are_written_to_a_pipe_and_never_replace_it(folder: Path) -> None:
    """A FIFO, a process substitution and ``/dev/stdout`` get the failed records and stay what they are."""
    line = ("crm", "import", "--accounts", "a.jsonl", "--quiet", *SMALL, "--failed-to")
    fifo = in_shell(*line, "fifo", head="cat fifo > read &", tail="; code=$?; wait; exit $code", cwd=folder)
    assert fifo.code == 3, fifo.err
    assert (folder / "fifo").is_fifo()
    assert (folder / "read").read_text().count('"kind":"accounts"') == 2
    stdout = in_shell(*line, "/dev/stdout", tail="> out", cwd=folder)
    assert (stdout.code, (folder / "out").read_text().count('"kind":"accounts"')) == (3, 2)
    assert "imported" in (folder / "out").read_text()
    substituted = in_shell(*line, tail=">(cat > sub) ; code=$?; wait $!; exit $code", cwd=folder)
    assert (substituted.code, (folder / "sub").read_text().count('"kind":"accounts"')) == (3, 2)


def test_failures_for_a_pipe_without_a_reader_are_refused(folder: Path) -> None:
    """A FIFO that nobody reads is told at once, and is still there."""
    ended = zra("crm", "import", "--accounts", "a.jsonl", "--failed-to", "fifo", *SMALL, cwd=folder)
    assert ended.code == 2
    assert "nobody reads this named pipe" in ended.err
    assert (folder / "fifo").is_fifo()


def test_failures_go_where_a_link_leads(invoke: Invoke, folder: Path) -> None:
    """A link to a file stays a link, and the file gets the failures."""
    (folder / "target").write_text("old")
    (folder / "link").symlink_to("target")
    ended = invoke("crm", "import", "--accounts", "a.jsonl", "--failed-to", "link", "--quiet", *SMALL)
    assert ended.code == 3
    assert (folder / "link").is_symlink()
    assert (folder / "target").read_text().count('"kind":"accounts"') == 2


def test_a_current_folder_that_is_gone_is_told(tmp_path: Path) -> None:
    """What needs the folder says so before it begins; what does not need it works."""
    for line, code in (
        (("export", "--to", "out", *SMALL, "-q"), 1),
        (("demo", "-q"), 1),
        (("list", "deals", *SMALL, "--limit", "1"), 0),
    ):
        ended = in_shell(*line, head="mkdir gone; cd gone; rmdir ../gone;", cwd=tmp_path)
        assert ended.code == code, ended.err
        assert ("the current folder does not exist any more" in ended.err) == bool(code)
        assert "uploaded" not in ended.err


def test_no_usable_temporary_folder_is_told(folder: Path) -> None:
    """A command that needs one says which variable to set."""
    limits = (0, 0)
    ended = subprocess.run(
        [*ZRA, "upload", "a.mp4", "--quiet", *SMALL],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        env=environment(PYTHONDONTWRITEBYTECODE="1"),
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limits),
    )
    assert ended.returncode == 1
    assert "No usable temporary directory" in ended.stderr
    assert "set TMPDIR to a folder that can be written" in ended.stderr


def test_a_name_that_is_no_text_works(folder: Path) -> None:
    """A recording whose name is not UTF-8 is uploaded under a name that is given, and its name is shown as escapes."""
    odd = os.fsdecode(b"caf\xe9.mp4")
    (folder / odd).write_bytes(b"video")
    refused = zra("upload", odd, *SMALL, "-q", cwd=folder)
    assert (refused.code, "give a --file-name" in refused.err) == (2, True)
    ended = zra("upload", odd, "--file-name", "cafe.mp4", *SMALL, "-q", cwd=folder)
    assert (ended.code, ended.rows[0]["file_name"]) == (0, "cafe.mp4")


@pytest.mark.parametrize("columns", ["garbage", "-4", "0", "1"])
def test_an_odd_width_harms_nothing(columns: str, invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    """Help and tables are shown whatever COLUMNS holds, without a home and without a TERM."""
    monkeypatch.setenv("COLUMNS", columns)
    for name in ("HOME", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for line in (("--help",), ("get", "--help"), ("list", "streams", "--format", "table")):
        assert invoke(*line).code == 0
