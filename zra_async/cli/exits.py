"""The exit codes of every command."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """The exit code of a command."""

    OK = 0
    ERROR = 1
    USAGE = 2
    PARTIAL = 3
    SETUP = 4
    HUNG_UP = 129
    INTERRUPTED = 130
    READER_LEFT = 141


MEANINGS = {
    Exit.OK: "done",
    Exit.ERROR: "failed: the service, the network, a file or stdout stood in the way",
    Exit.USAGE: "the command line is wrong, nothing was sent",
    Exit.PARTIAL: "partial: some of it is done, and it was told what is not",
    Exit.SETUP: "configuration, credentials or scopes: zra check says what to do",
    Exit.HUNG_UP: "interrupted because the terminal was closed (SIGHUP), cleanly",
    Exit.INTERRUPTED: "interrupted by Ctrl-C or SIGTERM, cleanly",
    Exit.READER_LEFT: "the reader of stdout has left, as in zra list deals with head; nothing was changed",
}
