"""The command line: ``zra``, with the extra ``cli``.

`main` is the entry point. Nothing here is imported by the library itself.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence

_NEEDED = ("click", "rich")


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``zra`` with ``argv``, by default the arguments of the process, and return its exit code."""
    from zra_async.cli.output.streams import (  # small, and nothing for a library that is only imported
        say,
        standard_streams,
    )

    with standard_streams():
        missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
        if missing:
            say(f'zra needs {" and ".join(missing)}: install the command line with  pip install "zra-async[cli]"')
            return 2
        try:
            from zra_async.cli.app import run  # needs the extra

            return run(argv)
        except KeyboardInterrupt:  # while something is imported
            return 130
