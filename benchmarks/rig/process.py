"""Servers in processes of their own, on the other core, for as long as a ``with`` block lasts."""

from __future__ import annotations

import contextlib
import json
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import IO, Any
from urllib.parse import urlsplit
from urllib.request import urlopen

from benchmarks.rig.cores import pin
from zra_async import Hosts, ServerToServer

_PATIENCE = 10.0


@contextlib.contextmanager
def served(module: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run ``python -m module`` on the last core; it must print a first line when it is ready."""
    command = [sys.executable, "-m", module, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            pin(-1, process.pid)
            yield process
        finally:
            process.terminate()
            try:
                process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()


def first_line(process: subprocess.Popen[str]) -> str:
    """The line that a process prints when it is ready."""
    line = _stdout(process).readline().strip()
    if not line:
        raise RuntimeError(f"{shlex.join(map(str, process.args))} ended before it was ready")  # type: ignore[arg-type]
    return line


@dataclass(frozen=True, slots=True)
class Account:
    """A sandbox in another process: where it is, and what it counts."""

    auth: ServerToServer
    hosts: Hosts
    pid: int

    def stats(self) -> dict[str, Any]:
        """The counters of the sandbox."""
        root = self.hosts.api.removesuffix("/v2")
        with urlopen(f"{root}/_sandbox/stats", timeout=_PATIENCE) as answer:
            counters: dict[str, Any] = json.load(answer)
        return counters

    def upload_url(self) -> str:
        """Where the public file host sends its callers."""
        public = urlsplit(self.hosts.file)
        connection = HTTPConnection(public.netloc, timeout=_PATIENCE)
        with contextlib.closing(connection):
            connection.request("POST", f"{public.path}/zra/files")
            target = connection.getresponse().getheader("Location", "")
        return target.removesuffix("/zra/files")


@contextlib.contextmanager
def sandbox(*arguments: str) -> Iterator[Account]:
    """Serve a sandbox account on the last core."""
    with served("zra_async.sandbox", "--control", *arguments) as process:
        env: dict[str, str] = {}
        while "ZRA_FILE_URL" not in env:
            name, _, value = first_line(process).removeprefix("export ").partition("=")
            env[name] = shlex.split(value)[0]
        auth = ServerToServer(env["ZOOM_ACCOUNT_ID"], env["ZOOM_CLIENT_ID"], env["ZOOM_CLIENT_SECRET"])
        hosts = Hosts(api=env["ZRA_API_URL"], file=env["ZRA_FILE_URL"], token=env["ZRA_TOKEN_URL"])
        yield Account(auth, hosts, process.pid)


def _stdout(process: subprocess.Popen[str]) -> IO[str]:
    assert process.stdout is not None
    return process.stdout
