"""Children with rights, limits and mounts of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest


@cache
def _can_mount() -> bool:
    if shutil.which("unshare") is None or shutil.which("mount") is None:
        return False
    done = subprocess.run(["unshare", "-m", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True)
    return done.returncode == 0


needs_mounts = pytest.mark.skipif(not _can_mount(), reason="needs the right to mount in a namespace of its own")
needs_root = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs the right to become another user"
)
NOBODY = 65534
#: what is imported later may lie where that user cannot read
_BECOME_NOBODY = f"""
import asyncio, concurrent.futures.thread, encodings.idna, os, sqlite3, tempfile
import zra_async.bulk.database, zra_async.core.auth.stores
os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})
"""


def python(code: str, *arguments: object, mounts: str = "", as_nobody: bool = False, check: bool = True) -> str:
    """Run ``code`` in another Python, and return what it printed.

    ``mounts`` is a script of sh that runs before it, with the arguments as $1, $2, …, in a mount namespace of its own.
    """
    if as_nobody:
        code = _BECOME_NOBODY + code
    words = [str(argument) for argument in arguments]
    command = [sys.executable, "-c", code, *words]
    if mounts:
        script = f'set -e\n{mounts}\nexec "$0" -c "$CODE" "$@"'
        command = ["unshare", "-m", "sh", "-c", script, sys.executable, *words]
    environment = {**os.environ, "CODE": code, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert not check or done.returncode == 0, done.stderr
    return done.stdout


@contextmanager
def public_folder() -> Iterator[Path]:
    """Make a folder that every user can reach, which the one of pytest is not."""
    with tempfile.TemporaryDirectory(prefix="zra-test-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder
