"""``zra`` as a process: pipes and terminals, signals, and the end of each."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.shell import PATIENCE, ZRA, Terminal, environment, running, zra

pytestmark = pytest.mark.slow

SMALL = ("--sandbox", "--sandbox-conversations", "10")
#: an embedded account whose answers take so long that a command can be interrupted
SLOW = ("--sandbox", "--sandbox-conversations", "40", "--sandbox-latency", "0.3")
QUICK = ("--sandbox-latency", "0")


def test_a_terminal_gets_a_table_and_a_pipe_json() -> None:
    """The default format follows stdout; a table fits the screen."""
    screen = Terminal("list", "conversations", *SMALL, columns=72)
    assert screen.end() == 0, screen.text
    lines = screen.text.splitlines()
    assert lines[0].split()[0] == "conversation_id"
    assert len(lines) == 11
    assert max(map(len, lines)) <= 72
    piped = zra("list", "conversations", *SMALL)
    assert (piped.code, piped.err, len(piped.rows)) == (0, "", 10)


def test_a_reader_that_leaves_ends_the_command_quietly() -> None:
    """``zra list … | head -1`` leaves no complaint behind."""
    line = f"{' '.join(ZRA)} list conversations page_size=1 {' '.join(SMALL)} | head -1"
    ended = subprocess.run(
        ["/bin/sh", "-c", line], capture_output=True, text=True, timeout=PATIENCE, env=environment(), check=False
    )
    assert ended.stdout.count("\n") == 1
    assert ended.stderr == ""


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGTERM, 130), (signal.SIGHUP, 129)])
def test_an_export_that_is_stopped_goes_on_with_the_same_command(
    signum: signal.Signals, code: int, tmp_path: Path
) -> None:
    """A signal ends it cleanly, it says how to go on without a traceback, and the same command brings the rest."""
    line = ("export", "--to", str(tmp_path / "out"), "--progress-every", "0.2", *SLOW)
    with running(*line) as process:
        process.wait_for("conversations ")
        ended = process.stop(signum)
    assert (ended.code, ended.out) == (code, "")
    assert f"nothing is lost; to go on: zra {' '.join(line)}" in ended.err
    assert "Traceback" not in ended.err
    rest = zra(*line, *QUICK, "--json")
    assert rest.code == 0
    report = rest.rows[0]
    assert (report["resumed"], report["partial"], report["records"]["conversations"]) == (True, False, 40)


def test_ctrl_c_on_a_terminal_leaves_the_last_picture(tmp_path: Path) -> None:
    """The key stops the live view where it is, with streams, limits and 429s, and the code is 130."""
    screen = Terminal("export", "--to", "out", *SLOW, cwd=tmp_path)
    screen.wait_for("LIGHT")
    screen.press_ctrl_c()
    assert screen.end() == 130
    for words in ("exporting to out", "conversations", "rate limits, used/permitted", "/80 per s", "429s: 0"):
        assert words in screen.text
    assert screen.text.rstrip().endswith(f"to go on: zra export --to out {' '.join(SLOW)}")
    assert "Traceback" not in screen.text


def test_a_terminal_that_is_closed_stops_an_export_cleanly(tmp_path: Path) -> None:
    """The export ends with 129 and not of the signal, although nothing can be shown any more; its ledger goes on."""
    screen = Terminal("export", "--to", "out", *SLOW, cwd=tmp_path)
    screen.wait_for("LIGHT")
    assert screen.hang_up() == 129
    rest = zra("export", "--to", "out", *SLOW, *QUICK, "--json", cwd=tmp_path)
    assert (rest.code, rest.rows[0]["resumed"], rest.rows[0]["records"]["conversations"]) == (0, True, 40)


def test_under_nohup_a_closed_terminal_stops_nothing(tmp_path: Path) -> None:
    """A SIGHUP that was ignored when the command started stays ignored."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with running("export", "--to", "out", "--progress-every", "0.1", *SLOW, cwd=tmp_path) as process:
            process.wait_for("conversations ")
            assert process.stop(signal.SIGHUP).code == 0
    finally:
        signal.signal(signal.SIGHUP, before)


def test_an_upload_goes_on_after_a_kill(account: dict[str, str], tmp_path: Path) -> None:
    """Killed between two parts, the same command sends only what is missing, and leaves no journal."""
    with (tmp_path / "long.mp4").open("wb") as file:
        file.truncate(60 * 1024**2)
    line = ("upload", "long.mp4", "--part-size", str(5 * 1024**2), "--concurrency", "1", "--progress-every", "0.1")
    with running(*line, cwd=tmp_path, **account) as process:
        while not (journal := tmp_path / "long.mp4.zra").exists() or b'"number"' not in journal.read_bytes():
            assert process.process.poll() is None
        process.process.kill()
        process.process.wait()
    fields = ("conversation_type=meeting", "meeting_start_time=2025-11-20T12:00:00Z", "--wait")
    ended = zra(*line, *fields, cwd=tmp_path, **account)
    assert ended.code == 0, ended.err
    stored = ended.rows[0]
    assert (stored["size"], stored["parts"], stored["processed"]) == (60 * 1024**2, 12, True)
    assert stored["reused_parts"] >= 1
    assert "parts were stored by an earlier run" in ended.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["long.mp4"]


def test_the_demo_does_the_whole_job(tmp_path: Path) -> None:
    """Three uploads, one in parts, three conversations, an export, no 429, in well under a minute."""
    screen = Terminal("demo", "--sandbox-conversations", "20", cwd=tmp_path)
    assert screen.end() == 0, screen.text
    assert "uploaded  3 recordings with transcripts, 190 MB, one in 4 parts" in screen.text
    assert "exported  23 conversations" in screen.text
    assert "429s: 0 (none)" in screen.text
    assert "ls zra-demo" in screen.text
    manifest = json.loads((tmp_path / "zra-demo" / "manifest.json").read_text())
    assert manifest


def test_the_sandbox_lends_its_environment_to_a_program() -> None:
    """A program sees the account in its environment, and its exit code is that of ``zra``."""
    code = "import os, sys; print(os.environ['ZRA_API_URL']); sys.exit(7)"
    ended = zra("sandbox", "--conversations", "1", "--", sys.executable, "-c", code)
    assert ended.code == 7
    assert ended.out.startswith("http://127.0.0.1:")


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_the_sandbox_ends_well(signum: signal.Signals) -> None:
    """A service that was asked to stop has not failed."""
    with running("sandbox", "--conversations", "1") as process:
        process.wait_for("Ctrl-C ends it")
        ended = process.stop(signum)
    assert ended.code == 0
    assert all(line.startswith(("export ZOOM_", "export ZRA_")) for line in ended.out.splitlines())
    assert ended.err.count("\n") == 1


def test_the_console_script_is_the_same() -> None:
    """Where the package is installed, ``zra`` is on the path of its environment."""
    script = shutil.which("zra", path=str(Path(sys.executable).parent))
    if script is None:
        pytest.skip("the package is not installed in this environment")
    ended = subprocess.run([script, "--help"], capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert ended.returncode == 0
    assert "Exit codes:" in ended.stdout
