"""Wording: numbers for people, and texts that are safe to show on a terminal."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

# C0 but for tab and newline, DEL and C1: a name that the service sends must not move the cursor or recolour a screen.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_USERINFO = re.compile(r"(?<=://)[^/@\s'\"]+@")
_BEARER = re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}")
_SECRET_VARIABLES = ("ZOOM_CLIENT_SECRET",)


def clean(text: str) -> str:
    """``text`` without control characters and without anything secret, as a message may show it."""
    for secret in _secrets():
        text = text.replace(secret, "***")
    text = _BEARER.sub(r"\1 ***", _USERINFO.sub("***@", text))
    return printable(text)


def printable(text: str) -> str:
    """``text`` with its control characters made visible."""
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def path(place: object) -> str:
    """A path as text that can be written down, whatever bytes its name has."""
    return str(place).encode("utf-8", "backslashreplace").decode()


def _secrets() -> Iterable[str]:
    # The library's errors carry no secrets; this is for those of others, such as a path or an address gone wrong.
    return [value for name in _SECRET_VARIABLES if len(value := os.environ.get(name, "").strip(" \t\r\n'\"")) >= 6]


def duration(seconds: float) -> str:
    """A length of time: ``8 s``, ``4 min 05 s``, ``3 h 20 min``."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def size(count: float) -> str:
    """A number of bytes: ``512 B``, ``1.5 kB``, ``240 MB``."""
    units = ("B", "kB", "MB", "GB", "TB")
    unit = 0
    while count >= 1000 and unit < len(units) - 1:
        count /= 1000
        unit += 1
    return f"{count:.0f} {units[unit]}" if unit == 0 or count >= 100 else f"{count:.1f} {units[unit]}"


def rate(count: float, seconds: float, what: str = "") -> str:
    """So many a second: ``12.4/s`` or ``12.4 calls/s``."""
    per = count / seconds if seconds > 0 else 0.0
    number = f"{per:,.0f}" if per >= 100 else f"{per:.1f}"
    return f"{number} {what}/s" if what else f"{number}/s"


def count(number: int, what: str) -> str:
    """So many things: ``1 page``, ``2,000 pages``."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"
