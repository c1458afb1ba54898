"""The exit codes of every command."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """How a command ended."""

    OK = 0
    ERROR = 1
    USAGE = 2
    PARTIAL = 3
    SETUP = 4
    INTERRUPTED = 130


MEANINGS = {
    Exit.OK: "done",
    Exit.ERROR: "failed: the service, the network or a file stood in the way",
    Exit.USAGE: "the command line is wrong, nothing was sent",
    Exit.PARTIAL: "partial: some of it is done, and it was told what is not",
    Exit.SETUP: "configuration, credentials or scopes: zra check says what to do",
    Exit.INTERRUPTED: "interrupted by Ctrl-C or SIGTERM, cleanly",
}
