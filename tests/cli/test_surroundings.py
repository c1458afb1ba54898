"""``zra`` where its streams, its arguments or its moment are not as they should be."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
from pathlib import Path

import pytest

from tests.cli.shell import PATIENCE, ZRA, environment, in_shell, running, wait_until_held, zra

SMALL = ("--sandbox", "--sandbox-conversations", "3")
FIELDS = ("conversation_type=meeting", "meeting_start_time=2025-11-20T12:00:00Z")


def test_streams_that_are_closed(tmp_path: Path) -> None:
    """Without a stderr a command does its work all the same, and a closed stdin holds no ids."""
    export = in_shell("export", *SMALL, "--to", "out", "--json", tail="2>&-", cwd=tmp_path)
    assert (export.code, len(export.rows)) == (0, 1)
    assert in_shell("export", *SMALL, "--to", "two", tail="<&- >&- 2>&-", cwd=tmp_path).code == 1
    assert (tmp_path / "two" / "manifest.json").exists()
    ids = in_shell("get", "conversation", "-", *SMALL, tail="<&-", cwd=tmp_path)
    assert ids.code == 2
    assert "there is none on stdin" in ids.err


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_the_wait_for_ids_can_be_interrupted(signum: signal.Signals) -> None:
    """While a command waits for somebody to write ids to its stdin, Ctrl-C and SIGTERM end it."""
    line = [*ZRA, "get", "conversation", "-", *SMALL]
    with subprocess.Popen(line, stdin=-1, stdout=-1, stderr=-1, text=True, env=environment()) as process:
        try:
            assert process.stdin is not None
            process.stdin.write("an-id\n")
            process.stdin.flush()
            wait_until_held(process.stdin.fileno(), 0)  # it has read the line, and waits for another
            process.send_signal(signum)
            code = process.wait(timeout=PATIENCE)
            assert process.stderr is not None
            said = process.stderr.read()
        finally:
            process.kill()
    assert (code, said) == (130, "interrupted\n")


def test_json_of_a_file_that_is_too_deep(tmp_path: Path) -> None:
    """An argument whose JSON nests without end is a wrong command line."""
    (tmp_path / "deep.json").write_text("[" * 100_000)
    ended = zra("call", "crm.register", "deal_stages:=@deep.json", *SMALL, cwd=tmp_path)
    assert (ended.code, ended.out) == (2, "")
    assert "deal_stages is not JSON" in ended.err


def test_a_folder_whose_name_is_no_text(tmp_path: Path) -> None:
    """A report can be written although the name of its folder is not UTF-8."""
    folder = os.fsdecode(b"caf\xe9")
    for form in ((), ("--json",)):
        ended = zra("export", *SMALL, "--to", folder, "--quiet", *form, cwd=tmp_path)
        assert (ended.code, ended.err) == (0, "")
    assert ended.rows[0]["folder"].endswith("caf\\udce9")


def test_an_upload_is_not_repeated_for_the_sake_of_its_analysis(account: dict[str, str], tmp_path: Path) -> None:
    """Interrupted while it waits, an upload names its conversation: the same command would make a second one."""
    (tmp_path / "a.mp4").write_bytes(b"video")
    with running("upload", "a.mp4", *FIELDS, "--wait", "--progress-every", "0.1", cwd=tmp_path, **account) as process:
        process.wait_for("analysis 0")
        ended = process.stop(signal.SIGINT)
    assert ended.code == 130
    assert "to go on: zra upload" not in ended.err
    _, _, rest = ended.err.partition("zra get conversation ")
    found = zra("get", "conversation", rest.split()[0].strip("'"), **account)
    assert found.code == 0, ended.err


def test_what_the_service_said_cannot_draw_on_the_screen(tmp_path: Path) -> None:
    """Control characters in a reason are shown and not sent to the terminal."""
    manifest = tmp_path / "m.jsonl"
    manifest.write_text('{"key": "a", "user_id": "U", "meeting_uuid": "M"}\n')
    assert zra("ingest", "m.jsonl", "--sandbox", "--ledger", "l", cwd=tmp_path).code in (0, 3)
    connection = sqlite3.connect(tmp_path / "l")
    with connection:
        connection.execute("UPDATE items SET state = 'failed', reason = ?", ("\x1b[2J gone",))
    connection.close()
    ended = zra("ingest", "m.jsonl", "--status", "--ledger", "l", cwd=tmp_path)
    assert ended.code == 0
    assert "\\x1b[2J gone" in ended.out


def test_failures_never_replace_an_input(tmp_path: Path) -> None:
    """A file that is read is not written: neither the records nor the ledger are lost to ``--failed-to``."""
    content = '{"crm_account_id": "A", "account_name": "B", "modify_time": "2025-06-01T00:00:00Z"}\n'
    (tmp_path / "a.jsonl").write_text(content)
    (tmp_path / "link.jsonl").symlink_to("a.jsonl")
    (tmp_path / "folder").mkdir()
    for target in ("a.jsonl", "./a.jsonl", "link.jsonl", "l", "folder"):
        line = ("crm", "import", "--accounts", "a.jsonl", "--failed-to", target, "--ledger", "l", "--sandbox")
        ended = zra(*line, cwd=tmp_path)
        assert ended.code == 2, ended.err
        assert "--failed-to" in ended.err
        assert (tmp_path / "a.jsonl").read_text() == content
