"""``zra sandbox -- PROGRAM``: the program gets the signals, and its exit code is that of ``zra``."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Invoke
from tests.cli.shell import Ended, Terminal, running, zra

SMALL = ("sandbox", "--conversations", "1", "--")
PASSED_ON = ("HUP", "INT", "QUIT", "USR1", "USR2", "ALRM", "TERM")
#: a program that says when it is ready, counts a signal, and ends when it is told to on SIGTERM
COUNTING = """
import os, signal, sys
held = [getattr(signal, name) for name in sys.argv[1:]]
signal.pthread_sigmask(signal.SIG_BLOCK, held)
print(os.getpid(), "ready", file=sys.stderr, flush=True)
seen = []
while signal.SIGTERM not in seen:
    seen.append(int(signal.sigwait(held)))
    print("got", *seen, file=sys.stderr, flush=True)
sys.exit(len(seen))
"""


def shell(script: str) -> tuple[str, ...]:
    """A program of a few lines."""
    return (*SMALL, "/bin/sh", "-c", script)


def test_the_code_is_the_programs_own_or_that_of_its_signal() -> None:
    """Whatever the program ends with, ``zra`` ends with: 128 and the signal where one has ended it."""
    assert zra(*shell("exit 3")).code == 3
    assert zra(*shell("kill -KILL $$")).code == 128 + signal.SIGKILL


def test_signals_to_zra_reach_the_program_once_each() -> None:
    """The program handles every signal that can be passed on, also a second one, and its code is that of ``zra``."""
    names = [f"SIG{name}" for name in PASSED_ON]
    seen = ""
    with running(*SMALL, sys.executable, "-c", COUNTING, *names) as process:
        process.wait_for("ready")
        for name in [*names[:-1], "SIGUSR1"]:
            process.process.send_signal(signal.Signals[name])
            seen += f" {int(signal.Signals[name])}"
            process.wait_for(f"got{seen}\n")
        assert process.stop(signal.SIGTERM).code == len(names) + 1


@pytest.mark.parametrize("name", ["HUP", "INT", "TERM"])
def test_a_signal_that_the_program_does_not_handle_ends_it(name: str) -> None:
    """The program ends of the signal, and ``zra`` with 128 and the signal."""
    with running(*shell("echo ready >&2; exec sleep 60")) as process:
        process.wait_for("ready")
        signum = signal.Signals[f"SIG{name}"]
        ended = process.stop(signum)
    assert ended.code == 128 + signum
    assert "Traceback" not in ended.err


def test_a_program_that_ignores_signals_decides_itself_when_to_end() -> None:
    """Signals that the program ignores do not end ``zra`` either, however many; the one that it obeys does."""
    with running(
        *shell('trap "" TERM INT; trap "exit 5" USR1; echo ready >&2; while :; do sleep 0.05; done')
    ) as process:
        process.wait_for("ready")
        for signum in (signal.SIGTERM, signal.SIGTERM, signal.SIGINT):
            process.process.send_signal(signum)
        assert process.stop(signal.SIGUSR1).code == 5


def test_ctrl_c_reaches_the_program_once(tmp_path: Path) -> None:
    """The terminal itself sends Ctrl-C to the program, and ``zra`` does not repeat it."""
    screen = Terminal(*SMALL, sys.executable, "-c", COUNTING, "SIGINT", "SIGTERM", cwd=tmp_path)
    screen.wait_for("ready")
    pid = int(screen.text.split()[-2])  # before the key, which makes the terminal drop what it still holds
    screen.press_ctrl_c()
    screen.wait_for("got 2\n")
    os.kill(pid, signal.SIGTERM)
    assert screen.end() == 2
    assert "Traceback" not in screen.text


def test_a_terminal_that_is_closed_hangs_the_program_up(tmp_path: Path) -> None:
    """A program whose terminal is closed gets SIGHUP, although the terminal tells only ``zra``."""
    told = tmp_path / "told"
    script = f'trap "echo hung up > {told}; exit 0" HUP; echo ready; while :; do sleep 0.05; done'
    screen = Terminal(*shell(script), cwd=tmp_path)
    screen.wait_for("ready")
    assert screen.hang_up() == 0
    assert told.read_text() == "hung up\n"


def test_the_program_starts_with_ordinary_signals() -> None:
    """No signal is blocked or ignored in the program but those that are in a program without ``zra``."""
    status = "grep -E 'SigBlk|SigIgn' /proc/self/status"
    plain = subprocess.run(["/bin/sh", "-c", status], capture_output=True, text=True, check=True).stdout
    usable = sum(1 << signum - 1 for signum in signal.valid_signals())  # the C library has two of its own

    def masks(text: str) -> list[int]:
        return [int(line.split()[1], 16) & usable for line in text.splitlines()]

    assert masks(zra(*shell(status)).out) == masks(plain)


def test_a_signal_that_was_ignored_stays_ignored() -> None:
    """Under ``nohup`` neither ``zra`` nor the program hears of SIGHUP."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with running(*shell("echo ready >&2; sleep 0.1; kill -HUP $PPID; exit 4")) as process:
            process.wait_for("ready")
            assert process.stop(signal.SIGHUP).code == 4
    finally:
        signal.signal(signal.SIGHUP, before)


def test_programs_that_cannot_be_started(invoke: Invoke, tmp_path: Path) -> None:
    """None is 127, and one that cannot be executed is 126, as in a shell; no account is started for either."""
    (tmp_path / "plain").write_text("no program")
    for program, code, words in (
        ("no-such-program", 127, "there is no program no-such-program"),
        ("./nowhere", 127, "there is no program ./nowhere"),
        ("", 127, "there is no program"),
        (f"{tmp_path}/plain", 126, "cannot be executed: Permission denied"),
        (str(tmp_path), 126, "cannot be executed: it is a folder"),
    ):
        ended = invoke(*SMALL, program)
        assert (ended.code, ended.out) == (code, ""), ended.err
        assert words in ended.err


@pytest.mark.parametrize(
    ("content", "words"), [("#!/no/such\n", "its interpreter is not there"), ("\0", "format error")]
)
def test_a_program_that_turns_out_to_be_none(content: str, words: str, tmp_path: Path) -> None:
    """A file that looks like a program and cannot be executed is 126."""
    (tmp_path / "broken").write_text(content)
    (tmp_path / "broken").chmod(0o755)
    ended = zra(*SMALL, "./broken", cwd=tmp_path)
    assert (ended.code, ended.out) == (126, "")
    assert words in ended.err


def test_the_program_has_the_streams_of_zra() -> None:
    """stdin, stdout and stderr are passed through."""
    assert zra(*shell("cat; echo told >&2"), stdin="given") == Ended(0, "given", "told\n")


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGTERM, 130), (signal.SIGHUP, 129)])
def test_a_demo_that_is_stopped_ends_cleanly(signum: signal.Signals, code: int, tmp_path: Path) -> None:
    """The demo runs no program, so the code is that of an interrupted command, and nothing is left running."""
    line = ("demo", "--sandbox-conversations", "20", "--sandbox-latency", "0.2", "--progress-every", "0.1")
    with running(*line, cwd=tmp_path, TMPDIR=str(tmp_path)) as process:
        process.wait_for("429s: 0")
        ended = process.stop(signum)
    assert (ended.code, ended.out) == (code, "")
    assert "Traceback" not in ended.err
    assert not list(tmp_path.glob("zra-demo-*")), "its recordings"
