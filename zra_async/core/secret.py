"""A text that must not be shown."""

from __future__ import annotations


class Secret(str):
    """A text whose ``repr`` hides it, so that logs of objects and tracebacks with local values do not show it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "Secret('***')"
