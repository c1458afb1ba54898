"""Decode answers: as fast as msgspec where an answer is as documented, and field by field where it is not.

The first try is msgspec's own typed decoder, in strict mode. Only an answer that it refuses is parsed again by the
standard library, and only a record that msgspec refuses as well is repaired value by value (`core/repair.py`).
What cannot be read is never left out in silence: a single field takes its default and is named in `Decoded.dropped`,
and anything larger than a field is an error.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any, Generic, TypeVar

import msgspec

from zra_async.core.repair import UNREADABLE, Repair, WrongShape

T = TypeVar("T")
#: escapes in JSON, in order: the second group is one that JSON does not have
_ESCAPES = re.compile(r'(\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))|(\\u?)')
#: what may be damaged: half of a character that takes two, which is also the form that Python gives to a byte that is
#: no UTF-8, and numbers that are none or out of range
_ODD = re.compile(
    r"[\ud800-\udfff]|\\u(?:[dD][89a-fA-F]|(?![0-9a-fA-F]{4}))|\\[^\"\\/bfnrtu]|NaN|Infinity|[eE]\+?\d{3}|\d{400}"
)
_CHARSET = re.compile(r"charset\s*=\s*[\"']?([\w.:-]+)", re.IGNORECASE)
#: bytes of an answer in which only the names of the outermost record are checked: the rest would cost a fifth of a page
_LARGE = 32 * 1024
#: a whole number beyond this many digits does not fit into a float
_FLOAT_DIGITS = 15
#: a number longer than this is no number of a service
_LONGEST_NUMBER = 400


class Decoded(msgspec.Struct, Generic[T], frozen=True):
    """A decoded answer, and the paths of the fields that could not be read, such as ``deals[3].deal_amount``."""

    value: T
    dropped: tuple[str, ...] = ()


class Decoder(Generic[T]):
    """Decodes JSON into `kind`.

    With ``forgive_containers`` a list or an object of the wrong type takes its default as well, instead of being an
    error. Use it only where nothing is lost by that.
    """

    def __init__(self, kind: type[T], *, forgive_containers: bool = False) -> None:
        self._strict = msgspec.json.Decoder(kind)
        self._kind = kind
        self._forgive = forgive_containers

    def decode(self, data: bytes) -> T:
        """Decode ``data``. Raises ValueError where `read` does."""
        return self.read(data).value

    def read(self, data: bytes, content_type: str = "") -> Decoded[T]:
        """Decode ``data``, and name the fields that could not be read.

        The charset in ``content_type`` counts only where ``data`` is not UTF-8. Raises ValueError for what is not JSON,
        and for a container of the wrong type.
        """
        try:
            value = self._strict.decode(data)
            # msgspec does not look into the names that it skips, and a damaged one may be that of a documented field
            if data.isascii() or (len(data) > _LARGE and _is_full(value)) or _is_utf8(data):
                return Decoded(value)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            pass
        try:
            text = _text_of(data, content_type)
            repair = Repair(self._kind, forgive=self._forgive, damaged=_ODD.search(text) is not None)
            return Decoded(repair.run(_parse(text, data)), tuple(repair.dropped))
        except RecursionError:
            raise ValueError("it is nested too deeply") from None
        except WrongShape as problem:
            raise ValueError(f"it has another shape: {problem}") from None


def _is_full(value: object) -> bool:
    """Tell whether no field of the outermost record is missing or empty, so that no name of one can be damaged."""
    fields: tuple[str, ...] = getattr(value, "__struct_fields__", ())
    return bool(fields) and all(getattr(value, name) for name in fields)


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _text_of(data: bytes, content_type: str) -> str:
    """The text of an answer, in which a byte that cannot be decoded stands as a lone surrogate."""
    encoding = json.detect_encoding(data)
    named = _CHARSET.search(content_type)
    if encoding == "utf-8" and named and not _is_utf8(data):
        try:
            return data.decode(named[1])
        except (LookupError, ValueError):
            pass  # the header is wrong as well
    return data.decode(encoding, "surrogateescape" if encoding.startswith("utf-8") else "replace")


def _parse(text: str, data: bytes) -> Any:
    try:
        return _loads(text)
    except ValueError:
        pass
    try:
        # a backslash stands in strings only: one that begins no escape damages its own string and nothing else
        return _loads(_ESCAPES.sub(lambda found: found[1] or "\\udfff", text))
    except ValueError:
        raise ValueError(_describe_broken(data)) from None


def _loads(text: str) -> Any:
    # `strict=False` permits control characters in strings, which are texts like others.
    return json.loads(text, strict=False, parse_int=_whole, parse_float=_fraction, parse_constant=_constant)


def _whole(text: str) -> object:
    return int(text) if len(text) <= _LONGEST_NUMBER else UNREADABLE


def _fraction(text: str) -> object:
    """A number with a point or an exponent; a whole one that no float can hold stays whole."""
    if len(text) > _LONGEST_NUMBER:
        return UNREADABLE
    value = float(text)
    if value.is_integer() and abs(value) >= 10**_FLOAT_DIGITS:
        exact = Decimal(text)
        return int(exact) if exact.adjusted() < 2 * _FLOAT_DIGITS else value
    return value if value - value == 0 else UNREADABLE


def _constant(_: str) -> object:
    return UNREADABLE  # NaN and the infinities are no JSON, and no amount of anything


def _describe_broken(data: bytes) -> str:
    start = data.lstrip()[:1]
    if not start:
        return "it is empty"
    # what looks like JSON may be a page that was cut off, with links in it that must not be shown
    return "it is cut off or broken" if start in b'{["' else f"it begins with {data[:60]!r}"
