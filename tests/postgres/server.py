"""A Postgres of the test run: one for all workers, in a temporary folder, stopped when the last of them has ended.

Each worker holds a shared lock on a file for as long as it uses the server. A supervisor waits for the exclusive lock,
which it gets when nobody is left, also after a kill, and stops the server.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

_SUPERVISOR = """
import fcntl, os, shutil, signal, subprocess, sys
folder, binaries, user = sys.argv[1:4]
if os.fork():
    os._exit(0)
child = subprocess.Popen(
    [binaries + "/postgres", "-D", folder + "/data", "-k", folder, "-c", "listen_addresses=", "-c", "fsync=off",
     "-c", "max_connections=200", "-c", "shared_buffers=16MB", "-c", "full_page_writes=off"],
    stdin=subprocess.DEVNULL, stdout=open(folder + "/log", "wb"), stderr=subprocess.STDOUT,
    **({"user": user, "group": user, "extra_groups": []} if user else {}))
fcntl.flock(os.open(folder + "/users", os.O_RDWR), fcntl.LOCK_EX)
os.unlink(folder + "/ready") if os.path.exists(folder + "/ready") else None
child.send_signal(signal.SIGQUIT)
child.wait()
shutil.rmtree(folder, ignore_errors=True)
"""


def binaries() -> Path | None:
    """Return the folder of the server's programs, the newest one, None where there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    if found:
        return found[-1].parent
    for name in ("initdb",):
        if (path := shutil.which(name)) is not None:
            return Path(path).resolve().parent
    return None


def server_user() -> str:
    """Return whom the server has to run as, "" for the present user: Postgres refuses to run as root."""
    if os.geteuid() != 0:
        return ""
    import pwd

    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


class PostgresServer:
    """A server that this process uses, alone or with the other workers of a test run."""

    def __init__(self, folder: Path, users: int) -> None:
        self.folder = folder
        self._users = users

    def dsn(self, database: str = "postgres") -> str:
        """Return the connection string of one of its databases."""
        return f"host={self.folder} user=tester dbname={database}"

    def stop(self) -> None:
        """Use it no more."""
        os.close(self._users)


def start(run: str, programs: Path) -> PostgresServer:
    """Start the server of a test run, or join it."""
    folder = Path(tempfile.gettempdir()) / f"zra-pg-{run}"
    folder.mkdir(mode=0o755, exist_ok=True)
    users = os.open(folder / "users", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(users, fcntl.LOCK_SH)
    starting = os.open(folder / "starting", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(starting, fcntl.LOCK_EX)
    try:
        if not (folder / "ready").exists():
            _launch(folder, programs)
    finally:
        os.close(starting)
    return PostgresServer(folder, users)


def _launch(folder: Path, programs: Path) -> None:
    user = server_user()
    if user:
        shutil.chown(folder, user)
    options = {"user": user, "group": None, "extra_groups": []} if user else {}
    initdb = [programs / "initdb", "-D", folder / "data", "-U", "tester", "-A", "trust", "-N", "--no-instructions"]
    subprocess.run(
        [*initdb, "-E", "UTF8", "--locale=C"],
        check=True,
        capture_output=True,
        cwd=folder,
        user=options.get("user"),
        extra_groups=options.get("extra_groups"),
    )
    supervisor = [sys.executable, "-S", "-c", _SUPERVISOR, str(folder), str(programs), user]
    quiet = subprocess.DEVNULL  # a pipe that it kept open would keep whoever reads the test run waiting
    subprocess.run(supervisor, check=True, cwd="/", start_new_session=True, stdin=quiet, stdout=quiet, stderr=quiet)
    until = time.monotonic() + 60
    while subprocess.run([programs / "pg_isready", "-q", "-h", folder]).returncode:
        assert time.monotonic() < until, (folder / "log").read_text("utf-8", "replace")
        time.sleep(0.05)
    (folder / "ready").touch()
