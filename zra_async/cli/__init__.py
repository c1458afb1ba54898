"""The command line: ``zra``, with the extra ``cli``.

`main` is the entry point. Nothing here is imported by the library itself.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Sequence

_NEEDED = ("click", "rich")


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``zra`` with ``argv``, by default the arguments of the process, and return its exit code."""
    _open_streams()
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        print(
            f'zra needs {" and ".join(missing)}: install the command line with  pip install "zra-async[cli]"',
            file=sys.stderr,
        )
        return 2
    from zra_async.cli.app import run  # needs the extra

    return run(argv)


def _open_streams() -> None:
    """Put the null device where a stream was closed, as a service manager may do.

    It takes the lowest number that is free, which is that of the stream: a ledger must not become the stderr.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            null = os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, os.fdopen(null, mode, encoding="utf-8"))
