"""Paths on the command line, checked before anything is sent."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any, Literal

import click

from zra_async.osfiles.paths import kind_of, regular_file

#: what a path is for: a file that is read, a folder to write to, a file that the command keeps and opens again,
#: a file or folder for a download, or a file that is only written and may be a pipe
Purpose = Literal["read", "folder", "kept", "target", "written"]


class PathArgument(click.Path):
    """The path of a file or folder, for one `Purpose`.

    An empty path is refused, because as a `Path` it would be the current folder; so is what cannot serve the purpose,
    such as a named pipe for a ledger.
    """

    def __init__(self, purpose: Purpose) -> None:
        exists = purpose == "read"
        super().__init__(exists=exists, dir_okay=not exists, path_type=Path)
        self._purpose = purpose

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Check a path as far as that is possible without opening it."""
        if not os.fsencode(value):
            self.fail("the path is empty", param, ctx)
        try:
            problem = self._problem(value)
        except OSError as error:
            problem = error.strerror or str(error)
        if problem:
            self.fail(f"{click.format_filename(value)!r}: {problem}", param, ctx)
        return super().convert(value, param, ctx)

    def _problem(self, value: str) -> str:
        if self._purpose == "kept":
            regular_file(value)
        try:
            found = os.stat(value)  # noqa: PTH116 (Path("") would be the current folder)
        except FileNotFoundError:
            return ""
        folder = stat.S_ISDIR(found.st_mode)
        match self._purpose:
            case "folder" if not folder:
                return f"it is {kind_of(found)}, not a folder"
            case "target" if not (folder or stat.S_ISREG(found.st_mode)):
                return f"it is {kind_of(found)}: give a file or a folder"
            case "written" if folder:
                return "it is a folder: name a file"
            case _:
                return ""
