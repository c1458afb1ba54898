"""A process that uploads and can be killed: ``python -m tests.files.uploader``.

It imports everything once, and for each line on its standard input forks a process that uploads what the line says,
and kills that process after the time that the line says. To fork is as good as to start anew, and takes milliseconds.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from typing import Any

from zra_async import Label, Rate, ZRAClient
from zra_async.files import uploads


async def upload(job: dict[str, Any]) -> None:
    """Upload one file with a journal."""
    limits = {label: Rate(100_000) for label in Label}
    async with ZRAClient.from_env(limits=limits) as zra:
        await zra.files.upload(job["path"], part_size=job["part_size"], journal=job["journal"])


def main() -> None:
    """Fork an uploader for each line; print how long it took, and the signal that ended it."""
    assert uploads  # imported once, for all of them
    print("ready", flush=True)
    for line in sys.stdin:
        job, began = json.loads(line), time.monotonic()
        pid = os.fork()
        if pid == 0:
            try:
                asyncio.run(upload(job))
            finally:
                os._exit(0)
        if job["kill_after"] is not None:
            time.sleep(job["kill_after"])
            os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        print(time.monotonic() - began, os.WTERMSIG(status), flush=True)


if __name__ == "__main__":
    main()
