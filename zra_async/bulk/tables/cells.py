"""Typed values in the cells of a table, as spreadsheets and other programs write them."""

from __future__ import annotations

import re
from datetime import date, datetime
from decimal import Decimal

from zra_async.errors import InvalidArgument

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d.*", re.ASCII)
_DAY = re.compile(r"(\d{4}-\d\d-\d\d)([T ]00:00(:00(\.0+)?)?(Z|\+00:00)?)?", re.ASCII)
_BEFORE_OFFSET = re.compile(r" +(?=(?:Z|[+-]\d\d:?\d\d)$)")
_ZERO = re.compile(r" *(?:UTC|GMT)$")
_BOOLEANS = {
    **dict.fromkeys(("true", "t", "yes", "y", "1", "1.0"), True),
    **dict.fromkeys(("false", "f", "no", "n", "0", "0.0"), False),
}
_LARGEST = 2**63 - 1
_SHOWN = 40  #: characters of a cell that cannot be read


def boolean(name: str, text: str) -> bool:
    """Read ``true``, ``yes`` or ``1``, and their opposites, in any case. Raises `InvalidArgument`."""
    found = _BOOLEANS.get(text.casefold())
    if found is None:
        raise InvalidArgument(f"{name} must be true or false, not {text[:_SHOWN]!r}")
    return found


def number(name: str, text: str) -> float:
    """Read a number with a decimal point. Raises `InvalidArgument`."""
    return float(_decimal(name, text))


def whole_number(name: str, text: str) -> int:
    """Read a whole number, which other programs may have written as ``250.0``. Raises `InvalidArgument`."""
    found = _decimal(name, text)
    if found != found.to_integral_value() or abs(found) > _LARGEST:
        raise InvalidArgument(f"{name} must be a whole number, not {text[:_SHOWN]!r}")
    return int(found)


def moment(name: str, text: str) -> datetime:
    """Read an aware time such as ``2025-01-31T09:00:00Z`` or ``2025-01-31 10:00 +01:00``. Raises `InvalidArgument`."""
    plain = _ZERO.sub("+00:00", _BEFORE_OFFSET.sub("", text.upper()))
    found = None
    if _MOMENT.fullmatch(plain):
        try:
            found = datetime.fromisoformat(plain)
        except ValueError:
            found = None
    if found is None:
        raise InvalidArgument(f"{name} must look like 2025-01-31T09:00:00Z, not {text[:_SHOWN]!r}")
    if found.tzinfo is None:
        raise InvalidArgument(
            f"{name} must be aware: write the offset from UTC, such as {text[:_SHOWN]}Z or {text[:_SHOWN]}+01:00"
        )
    return found


def day(name: str, text: str) -> date:
    """Read a day such as ``2025-11-20``, also with midnight behind it. Raises `InvalidArgument`."""
    found = _DAY.fullmatch(text.upper())
    try:
        if found is not None:
            return date.fromisoformat(found[1])
    except ValueError:
        pass  # such as the 30th of February
    raise InvalidArgument(f"{name} must look like 2025-11-20, not {text[:_SHOWN]!r}")


def entries(text: str) -> list[str]:
    """Split a cell that holds several ids: at ``;`` and line breaks, or at commas where there are none of these."""
    pieces = re.split(r"[;\r\n]", text) if re.search(r"[;\r\n]", text) else text.split(",")
    return [entry for piece in pieces if (entry := piece.strip())]


def _decimal(name: str, text: str) -> Decimal:
    if not _NUMBER.fullmatch(text):
        raise InvalidArgument(
            f"{name} must be a number such as 1234.5, without separators of thousands, not {text[:_SHOWN]!r}"
        )
    return Decimal(text)
