"""Sink and contenders as processes, and the interleaved rounds between them."""

from __future__ import annotations

import hashlib
import http.client
import importlib.util
import json
import os
import shutil
import ssl
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from benchmarks.report import progress
from benchmarks.transfer.job import Job, encoded

Direction = Literal["upload", "download"]
Measured = dict[str, float]


@dataclass(frozen=True, slots=True)
class Cores:
    """Which core the client runs on, and which the sink; None where the machine has one only."""

    client: int | None
    sink: int | None


def cores() -> Cores:
    """Two cores that this process may use."""
    if not hasattr(os, "sched_getaffinity"):
        return Cores(None, None)
    free = sorted(os.sched_getaffinity(0))
    return Cores(free[0], free[1]) if len(free) > 1 else Cores(None, None)


def certificate(folder: Path) -> tuple[str, str]:
    """Make a certificate of this machine for a day; the paths of it and of its key."""
    cert, key = folder / "cert.pem", folder / "key.pem"
    command = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1"
    )
    subprocess.run([*command.split(), "-out", str(cert), "-keyout", str(key)], check=True, capture_output=True)
    return str(cert), str(key)


@contextmanager
def sink(path: Path, part_size: int, tls: tuple[str, str] | None, core: int | None) -> Iterator[str]:
    """A sink for as long as the block lasts; its address."""
    command = [sys.executable, "-m", "benchmarks.transfer.sink", "--part-size", str(part_size), "--file", str(path)]
    command += ["--core", str(core)] if core is not None else []
    command += ["--certificate", tls[0], "--key", tls[1]] if tls else []
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        port = process.stdout.readline().strip()
        try:
            yield f"{'https' if tls else 'http'}://127.0.0.1:{port}"
        finally:
            process.stdin.close()
            process.wait()


class Player:
    """A contender in a process of its own, which does a round when it is told to."""

    def __init__(self, direction: Direction, name: str, job: Job) -> None:
        self.name = name
        self.job = job
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.transfer.job", direction, name, encoded(job)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._answer()

    def round(self, command: str = "go") -> Measured:
        """Let it do one round."""
        assert self._process.stdin is not None
        print(command, file=self._process.stdin, flush=True)
        return self._answer()

    def close(self) -> None:
        """Let it go."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def _answer(self) -> Measured:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name} failed")
        answer: Measured = json.loads(line)
        return answer


def compete(
    direction: Direction, names: Sequence[str], job: Job, rounds: int, *, check: Any
) -> dict[str, list[Measured]]:
    """Let every contender do its rounds in turn, so that a busy moment of the machine hits all of them alike.

    The first round of each is not counted: in it ``check`` looks at what arrived.
    """
    measured: dict[str, list[Measured]] = {name: [] for name in names}
    with ExitStack() as stack:
        players = []
        for name in names:
            player = Player(direction, name, job)
            stack.callback(player.close)
            check(player)
            players.append(player)
        for number in range(rounds):
            progress(f"  round {number + 1} of {rounds}")
            for player in players:
                measured[player.name].append(player.round())
    return measured


def ask(job: Job, path: str) -> list[str]:
    """Ask the sink for digests, or to begin to make them."""
    host, port = job.address
    context = ssl.create_default_context(cafile=job.certificate) if job.certificate else None
    connection = (
        http.client.HTTPSConnection(host, port, context=context) if context else http.client.HTTPConnection(host, port)
    )
    connection.request("GET", path)
    digests: list[str] = json.loads(connection.getresponse().read())
    connection.close()
    return digests


def digests(path: Path, part_size: int) -> list[str]:
    """The SHA-256 of every part of a file."""
    found = []
    with path.open("rb") as file:
        while part := file.read(part_size):
            found.append(hashlib.sha256(part).hexdigest())
    return sorted(found)


def make_file(path: Path, size: int) -> Path:
    """A file of bytes that nothing can compress."""
    with path.open("wb") as file:
        while size > 0:
            size -= file.write(os.urandom(min(size, 1 << 24)))
        file.flush()
        os.fsync(file.fileno())
    return path


def available(names: Sequence[str]) -> list[str]:
    """Those of the contenders that are installed here; what follows a comma in a name is how they are used."""
    own = {"zra", "sendfile", "raw socket"}
    tools = {name: name.partition(",")[0] for name in names}
    here = [n for n in names if n in own or shutil.which(tools[n]) or importlib.util.find_spec(tools[n])]
    for name in set(names) - set(here):
        progress(f"  {name} is not installed and is left out")
    return here
