"""Make temporary files and folders, or say that there is no place for them."""

from __future__ import annotations

import errno
import tempfile
from typing import BinaryIO, cast

from zra_async.osfiles.paths import Unsuitable


class TemporaryFolder(tempfile.TemporaryDirectory[str]):
    """A folder that `cleanup` removes. Raises `Unsuitable` where none can be made."""

    def __init__(self, prefix: str) -> None:
        try:
            super().__init__(prefix=prefix)
        except OSError as problem:
            raise _nowhere(problem) from problem

    def close(self) -> None:
        """Remove the folder, for a thread whose caller was cancelled while it was made."""
        self.cleanup()


def temporary_file() -> BinaryIO:
    """Open a temporary file without a name and without a buffer. Raises `Unsuitable` where none can be made."""
    try:
        return cast(BinaryIO, tempfile.TemporaryFile("w+b", 0))
    except OSError as problem:
        raise _nowhere(problem) from problem


def _nowhere(problem: OSError) -> Unsuitable:
    words = problem.strerror or str(problem)
    return Unsuitable(
        problem.errno or errno.ENOENT,
        f"no temporary file can be made ({words}): set TMPDIR to a folder that can be written",
    )
