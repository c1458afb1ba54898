"""``zra`` where stdout or stderr cannot be written: closed, full, without a reader, or not in UTF-8."""

from __future__ import annotations

import fcntl
import json
import os
import resource
import signal
import subprocess
from pathlib import Path

import pytest

from tests.cli.shell import PATIENCE, ZRA, Terminal, environment, in_shell, wait_until_held, zra

SMALL = ("--sandbox", "--sandbox-conversations", "3")
FIELDS = ("conversation_type=meeting", "meeting_start_time=2025-11-20T12:00:00Z")
#: ways in which stdout cannot be written; the last one has no reader from the start
FULL, CLOSED, LEFT = ">/dev/full", ">&-", "> >(exec true)"
READERS = (
    ("--help",),
    ("--version",),
    ("list", "--help"),
    ("list", "operations"),
    ("list", "streams", "--format", "table"),
    ("list", "conversations", *SMALL),
    ("get", "crm-registration", *SMALL),
    ("call", "conversations.list", *SMALL, "--raw"),
    ("check", *SMALL),
    ("sandbox", "--conversations", "1"),
)


@pytest.mark.parametrize("line", READERS, ids=" ".join)
def test_a_stdout_that_cannot_be_written_is_one_line_and_code_1(line: tuple[str, ...]) -> None:
    """A command that only reads says in one line that stdout is full."""
    ended = in_shell(*line, tail=FULL)
    assert (ended.code, ended.out) == (1, "")
    said = [text for text in ended.err.splitlines() if not text.startswith(("HTTP 200", "error: crm.registration"))]
    if line[0] != "get":
        assert said == ["error: stdout cannot be written: No space left on device"]
    assert "Traceback" not in ended.err


@pytest.mark.parametrize("line", [("--help",), ("list", "streams")], ids=" ".join)
def test_a_closed_stdout_cannot_be_written_either(line: tuple[str, ...]) -> None:
    """What was asked for and has nowhere to go is an error."""
    ended = in_shell(*line, tail=CLOSED)
    assert (ended.code, ended.err) == (1, "error: stdout cannot be written: it is closed\n")


def test_completion_scripts_need_a_stdout_too() -> None:
    """The script for a shell is data like any other."""
    assert "_ZRA_COMPLETE" in in_shell(_ZRA_COMPLETE="bash_source").out
    ended = in_shell(tail=FULL, _ZRA_COMPLETE="bash_source")
    assert (ended.code, ended.err) == (1, "error: stdout cannot be written: No space left on device\n")


@pytest.mark.parametrize(
    "line", [("list", "operations"), ("list", "conversations", "page_size=1", *SMALL)], ids=" ".join
)
def test_a_reader_that_leaves_is_no_failure_of_a_command_that_reads(line: tuple[str, ...]) -> None:
    """The command ends quietly with 141, as every filter does when its reader has left."""
    with subprocess.Popen([*ZRA, *line], stdout=-1, stderr=-1, text=True, env=environment()) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        said = process.stderr.read()
    assert (process.returncode, said) == (141, "")


@pytest.mark.parametrize("lost", [FULL, CLOSED, LEFT])
def test_what_was_changed_is_told_on_stderr(lost: str, account: dict[str, str]) -> None:
    """The answer of a call that changed something goes to stderr, with code 1 and no advice to repeat it."""
    ended = in_shell("call", "teams.create", f"team_name=Lost {hash(lost)}", tail=lost, **account)
    assert ended.code == 1
    assert '"added_team_id":"' in ended.err
    assert "POST /zra/team is done: the same command would do it again" in ended.err
    assert "give the same command again" not in ended.err


@pytest.mark.parametrize("lost", [FULL, LEFT])
def test_an_upload_whose_answer_is_lost_is_not_done_twice(lost: str, account: dict[str, str], tmp_path: Path) -> None:
    """The journal is kept, and the same command prints the same conversation instead of adding a second one."""
    (tmp_path / "a.mp4").write_bytes(os.urandom(1000))
    line = ("upload", "a.mp4", *FIELDS, f"conversation_topic=Lost {lost}")
    ended = in_shell(*line, tail=lost, cwd=tmp_path, **account)
    assert ended.code == 1
    told = json.loads(next(text for text in ended.err.splitlines() if text.startswith("{")))
    assert "the journal is kept" in ended.err
    again = zra(*line, cwd=tmp_path, **account)
    assert (again.code, again.rows[0]["conversation_id"]) == (0, told["conversation_id"]), again.err
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]
    listed = zra("list", "conversations", "--fields", "conversation_topic", **account).rows
    assert [row["conversation_topic"] for row in listed].count(f"Lost {lost}") == 1


def test_jobs_with_a_ledger_keep_it_when_their_report_is_lost(account: dict[str, str], tmp_path: Path) -> None:
    """After an import or an ingest whose report is lost, the ledger is there and the same command sends nothing."""
    kinds = {"Open": "OPEN", "Won": "CLOSED_WON", "Lost": "CLOSED_LOST"}
    stages = json.dumps([{"stage_name": name, "stage_type": kind} for name, kind in kinds.items()])
    zra("call", "crm.register", "crm_type=t1", f"deal_stages:={stages}", **account)
    record = '{"crm_account_id": "A", "account_name": "B", "modify_time": "2025-06-01T00:00:00Z"}\n'
    (tmp_path / "a.jsonl").write_text(record)
    (tmp_path / "b.mp4").write_bytes(os.urandom(1000))
    item = {"key": "b", "recording": "b.mp4", **dict(field.split("=") for field in FIELDS)}
    (tmp_path / "m.jsonl").write_text(json.dumps(item) + "\n")
    for line, ledger in (
        (("crm", "import", "--accounts", "a.jsonl"), "zra-crm-import.ledger"),
        (("ingest", "m.jsonl"), "m.jsonl.ledger"),
    ):
        ended = in_shell(*line, tail=LEFT, cwd=tmp_path, **account)
        assert ended.code == 1, ended.err
        assert "the ledger is kept: the same command sends nothing twice" in ended.err
        assert (tmp_path / ledger).exists()
        again = zra(*line, "--json", cwd=tmp_path, **account)
        assert again.code == 0, again.err
    assert again.rows[0]["sent"] == 0


@pytest.mark.parametrize("line", [("export", "--to", "out"), ("demo", "--sandbox-conversations", "3", "--to", "out")])
def test_an_export_whose_report_is_lost_is_told_on_stderr(line: tuple[str, ...], tmp_path: Path) -> None:
    """The folder is complete, the report goes to stderr, and the code is 1."""
    ended = in_shell(*line, *SMALL, "--quiet", tail=FULL, cwd=tmp_path)
    assert ended.code == 1
    assert "conversations" in ended.err
    assert "Traceback" not in ended.err
    assert (tmp_path / "out" / "manifest.json").exists()


def test_a_file_system_that_fills_midway_is_told(tmp_path: Path) -> None:
    """A stdout that takes a part of the data and then no more is an error, with what fitted in place."""
    limit = 4096
    with (tmp_path / "out").open("wb") as out:
        ended = subprocess.run(
            [*ZRA, "list", "operations", "--json"],
            stdout=out,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(PYTHONDONTWRITEBYTECODE="1"),
            check=False,
            timeout=PATIENCE,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
        )
    assert (ended.returncode, ended.stderr) == (1, "error: stdout cannot be written: File too large\n")
    assert (tmp_path / "out").stat().st_size == limit


def test_a_pipe_that_does_not_block_gets_everything() -> None:
    """A stdout that somebody has set to non-blocking is waited for when it is full."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    process = subprocess.Popen([*ZRA, "list", "operations", "--json"], stdout=writing, env=environment())
    os.close(writing)
    with os.fdopen(reading) as pipe:
        rows = [json.loads(line) for line in pipe]
    assert (process.wait(timeout=PATIENCE), len(rows)) == (0, 75)


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGHUP, 129)])
def test_a_reader_that_reads_no_further_does_not_hold_a_signal_up(signum: signal.Signals, code: int) -> None:
    """A command that waits for the reader of a full pipe can be stopped."""
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    process = subprocess.Popen(
        [*ZRA, "list", "operations", "--json"], stdout=writing, stderr=subprocess.PIPE, text=True, env=environment()
    )
    os.close(writing)
    try:
        wait_until_held(reading, 4096)
        process.send_signal(signum)
        _, said = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
        os.close(reading)
    assert (process.returncode, said) == (code, "interrupted\n")


# --------------------------------------------------------------------------- stderr

LOST_STDERR = ("2>/dev/full", "2>&-", "2> >(head -c1 >/dev/null)")


@pytest.mark.parametrize("lost", LOST_STDERR)
def test_a_stderr_that_cannot_be_written_changes_nothing(lost: str, tmp_path: Path) -> None:
    """Work, report and exit code are the same, although neither progress nor the log can be shown."""
    line = (
        "export",
        *SMALL,
        "--sandbox-latency",
        "0.05",
        "--to",
        "out",
        "--json",
        "--progress-every",
        "0.1",
        "--debug",
    )
    ended = in_shell(*line, tail=lost, cwd=tmp_path)
    assert (ended.code, len(ended.rows), ended.rows[0]["partial"]) == (0, 1, False)


def test_messages_that_cannot_be_shown_leave_the_exit_code(tmp_path: Path) -> None:
    """A usage error stays 2, a missing set-up 4, and what was done 0."""
    lost = LOST_STDERR[0]
    assert in_shell(tail=lost).code == 2
    assert in_shell("list", "deals", "--sandbx", tail=lost).code == 2
    assert in_shell("list", "deals", tail=lost).code == 4
    (tmp_path / "a.mp4").write_bytes(b"video")
    uploaded = in_shell("upload", "a.mp4", *FIELDS, "--wait", *SMALL, tail=lost, cwd=tmp_path)
    assert (uploaded.code, uploaded.rows[0]["processed"]) == (0, True)
    fields = in_shell("list", "deals", *SMALL, "--fields", "deal_nam", tail=lost)
    assert (fields.code, fields.rows[0]) == (0, {"deal_nam": None})


def test_neither_stream_can_be_written(tmp_path: Path) -> None:
    """The exit code alone tells that the report is lost."""
    ended = in_shell("export", *SMALL, "--to", "out", tail=">/dev/full 2>/dev/full", cwd=tmp_path)
    assert (ended.code, ended.out, ended.err) == (1, "", "")
    assert (tmp_path / "out" / "manifest.json").exists()


@pytest.mark.parametrize("term", ["", "dumb"])
def test_a_terminal_that_cannot_move_its_cursor_gets_lines(term: str, tmp_path: Path) -> None:
    """Where TERM is unset or names no capable terminal, progress comes in lines without escapes."""
    screen = Terminal("export", "--to", "out", *SMALL, "--progress-every", "0.1", cwd=tmp_path, TERM=term)
    assert screen.end() == 0
    assert "\x1b" not in screen.raw
    assert "429s: 0" in screen.text


def test_a_stdout_that_is_not_utf_8_gets_escapes(tmp_path: Path) -> None:
    """Texts for people are shown with escapes where the encoding lacks a character; JSON is always UTF-8."""
    extra = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}
    for line in (
        ("get", "--help"),
        ("check", *SMALL),
        ("list", "conversations", *SMALL, "--format", "table"),
    ):
        ended = in_shell(*line, cwd=tmp_path, **extra)
        assert (ended.code, ended.err) == (0, "")
    folder = "Größe – ✓"
    ended = in_shell("export", "--to", folder, *SMALL, "--json", cwd=tmp_path, **extra)
    assert ended.code == 0
    assert ended.rows[0]["partial"] is False
