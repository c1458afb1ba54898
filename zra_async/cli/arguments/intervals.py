"""Lengths of time on the command line, such as 12h or 7d."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import click

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_INTERVAL = re.compile(r"(\d{1,6})([smhdw])")


class Interval(click.ParamType[Any]):
    """A length of time as a number and a unit (s, m, h, d or w), or one of the words ``names``."""

    name = "interval"

    def __init__(self, *names: str) -> None:
        self._names = names

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the word, or the length as a timedelta."""
        if value in self._names or isinstance(value, timedelta):
            return value
        found = _INTERVAL.fullmatch(str(value).strip())
        if found is None:
            words = f"{', '.join(self._names)}, or " if self._names else ""
            self.fail(f"{value!r} must be {words}a length of time such as 12h or 7d", param, ctx)
        return timedelta(**{_UNITS[found[2]]: int(found[1])})
