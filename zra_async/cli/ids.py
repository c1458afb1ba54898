"""Ids on the command line."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence

from zra_async.cli.failures import UsageProblem


def given_ids(words: Sequence[str]) -> list[str]:
    """The ids of a command line, each once; ``-`` stands for those on stdin, one a line. Raises `UsageProblem`."""
    ids: list[str] = []
    for word in words:
        ids += filter(None, map(str.strip, sys.stdin)) if word == "-" else [word]
    if not ids:
        raise UsageProblem("give at least one id" + (": there is none on stdin" if "-" in words else ""))
    return list(dict.fromkeys(ids))


def folder_name(name: str) -> str:
    """An id as the name of a folder: slashes and the like become ``_``."""
    return re.sub(r"[^A-Za-z0-9=+_-]", "_", name)[:200] or "_"
