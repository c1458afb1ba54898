"""The line that called a deprecated method, for the warning. A coroutine that runs in a task no longer knows it."""

from __future__ import annotations

import copy
import functools
import inspect
import warnings
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

_PACKAGE = str(Path(__file__).parent.parent)


class Origin(NamedTuple):
    """A line of the program, and the module's registry of warnings that were given."""

    filename: str
    line: int
    module: str
    registry: dict[Any, Any]

    def warn(self, text: str) -> None:
        """Warn at this line that something is deprecated."""
        warnings.warn_explicit(text, DeprecationWarning, self.filename, self.line, self.module, self.registry)


def caller_of(frame: FrameType | None) -> Origin:
    """Return the line that called the package: the first frame from ``frame`` on that is outside of it.

    A call that a task of asyncio runs has no such line; `warnings` names those ``<sys>``.
    """
    while frame is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back
    if frame is None or frame.f_globals.get("__name__", "").startswith("asyncio."):
        return Origin("<sys>", 0, "sys", {})
    known = frame.f_globals
    registry = known.setdefault("__warningregistry__", {})
    return Origin(frame.f_code.co_filename, frame.f_lineno, known.get("__name__", "<string>"), registry)


def noting(kind: type[Any]) -> type[Any]:
    """Return a subclass of a resource whose public methods remember the line that calls them."""
    if kind not in _made:
        _made[kind] = _noting(kind)
    return _made[kind]


_made: dict[type[Any], type[Any]] = {}


def _noting(kind: type[Any]) -> type[Any]:

    def attribute(self: Any, name: str) -> Any:
        value = object.__getattribute__(self, name)
        if name.startswith("_") or not inspect.ismethod(value) or self._origin is not None:
            return value
        function: Any = value.__func__

        @functools.wraps(value)  # whose signature is without self
        def called(*arguments: Any, **options: Any) -> Any:
            noted = copy.copy(self)
            noted._origin = caller_of(inspect.currentframe())
            return function(noted, *arguments, **options)

        return called

    return type(kind.__name__, (kind,), {"__getattribute__": attribute, "__module__": kind.__module__})
