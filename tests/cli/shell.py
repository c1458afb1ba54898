"""Run ``zra`` as its users do: as a process, with pipes or on a pseudo-terminal."""

from __future__ import annotations

import array
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent
ZRA = (sys.executable, "-m", "zra_async.cli")
PATIENCE = 120.0  #: seconds after which a test fails: far more than a busy machine needs
#: what a command must never show: cursor moves, colours and links are stripped before a screen is looked at
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][A-Z0-9]|\x1b\][^\x07]*\x07")


def environment(**extra: str) -> dict[str, str]:
    """The environment of a machine that knows no Zoom account."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("ZOOM_", "ZRA_", "COVERAGE", "COLUMNS", "LINES"))}
    path = os.pathsep.join(filter(None, [str(ROOT), kept.get("PYTHONPATH", "")]))
    return {**kept, "PYTHONPATH": path, "TERM": "xterm-256color", "NO_COLOR": "", **extra}


@dataclass(frozen=True)
class Ended:
    """How a process ended, and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[Any]:
        """Its stdout as JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]


def zra(*arguments: str, stdin: str = "", cwd: Path | None = None, **extra: str) -> Ended:
    """Run ``zra`` to its end, with pipes."""
    ended = subprocess.run(
        [*ZRA, *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        cwd=cwd,
        env=environment(**extra),
        check=False,
    )
    return Ended(ended.returncode, ended.stdout, ended.stderr)


def in_shell(*arguments: str, tail: str = "", head: str = "", cwd: Path | None = None, **extra: str) -> Ended:
    """Run ``zra`` from a shell, which can close streams and make pipelines."""
    script = f'{head} "$@" {tail}'
    ended = subprocess.run(
        ["/bin/bash", "-o", "pipefail", "-c", script, "sh", *ZRA, *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        cwd=cwd,
        env=environment(**extra),
        check=False,
    )
    return Ended(ended.returncode, ended.stdout, ended.stderr)


class Running:
    """A ``zra`` that runs; its stdout and stderr are pipes."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self._err = ""

    def wait_for(self, words: str) -> None:
        """Read stderr until it holds ``words``."""
        assert self.process.stderr is not None
        while words not in self._err:
            line = self.process.stderr.readline()
            assert line, f"ended without {words!r}: {self._err}"
            self._err += line

    def stop(self, signum: signal.Signals) -> Ended:
        """Send a signal and wait for the end."""
        self.process.send_signal(signum)
        out, err = self.process.communicate(timeout=PATIENCE)
        return Ended(self.process.returncode, out, self._err + err)


@contextmanager
def running(*arguments: str, cwd: Path | None = None, **extra: str) -> Iterator[Running]:
    """Start ``zra``, and kill what is left of it at the end."""
    process = subprocess.Popen(
        [*ZRA, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
        env=environment(**extra),
    )
    try:
        yield Running(process)
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


class Terminal:
    """A ``zra`` on a pseudo-terminal of its own, which is its stdin, stdout and stderr."""

    def __init__(self, *arguments: str, cwd: Path | None = None, columns: int = 100, **extra: str) -> None:
        self._pid, self._fd = pty.fork()
        if self._pid == 0:  # the child
            try:
                if cwd is not None:
                    os.chdir(cwd)
                os.execve(ZRA[0], [*ZRA, *arguments], environment(**extra))
            finally:
                os._exit(127)
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        self.raw = ""

    def wait_for(self, words: str) -> None:
        """Read until the screen has shown ``words``."""
        end = time.monotonic() + PATIENCE
        while words not in self.text:
            assert time.monotonic() < end, self.text
            assert self._read(), f"ended without {words!r}: {self.text}"

    def press_ctrl_c(self) -> None:
        """Let the terminal send SIGINT, as the key does."""
        os.write(self._fd, b"\x03")

    def hang_up(self) -> int:
        """Close the terminal, as closing its window does, and return the exit code."""
        os.close(self._fd)
        return os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])

    def end(self) -> int:
        """Read everything and return the exit code."""
        while self._read():
            pass
        os.close(self._fd)
        return os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])

    @property
    def text(self) -> str:
        """Everything that was shown, without escapes."""
        return _ESCAPES.sub("", self.raw).replace("\r", "")

    def _read(self) -> bool:
        ready, _, _ = select.select([self._fd], [], [], PATIENCE)
        assert ready, f"silence after: {self.text}"
        try:
            data = os.read(self._fd, 65536)
        except OSError:  # Linux says EIO when the other end is closed
            return False
        self.raw += data.decode(errors="replace")
        return bool(data)


def wait_until_held(descriptor: int, count: int) -> None:
    """Return when a pipe holds exactly ``count`` bytes."""
    held = array.array("i", [-1])
    while held[0] != count:
        fcntl.ioctl(descriptor, termios.FIONREAD, held)
        time.sleep(0.01)


def show(mapping: Mapping[str, Any]) -> str:
    """A mapping as the JSON that a command takes."""
    return json.dumps(mapping)
