"""Decoding that is as fast as msgspec for an answer as documented, and still gives a result for one that is not.

The first try is msgspec's own typed decoder. Only an answer that it refuses is read again, record by record, and only a
record that is refused as well value by value: a field that cannot be understood takes its default, so that one odd
value never costs a page.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import inspect

T = TypeVar("T")
_BAD: Any = object()
#: half of a character that takes two in JSON, escaped or as bytes, with or without its other half
_SURROGATES = re.compile(rb"\\u[dD][89a-fA-F]|\xed[\xa0-\xbf]")


class LenientDecoder(Generic[T]):
    """Decodes JSON into `kind`; raises ValueError only for what is not JSON or not of its outermost shape."""

    def __init__(self, kind: type[T]) -> None:
        self._strict = msgspec.json.Decoder(kind, strict=False)
        self._kind = kind

    def decode(self, data: bytes) -> T:
        """Decode ``data``; every field that is missing or cannot be understood has its default."""
        try:
            return self._strict.decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            pass
        try:
            value = _mend(_parse(data), _type_info(self._kind))
        except RecursionError:
            raise ValueError("it is nested too deeply") from None
        if value is _BAD:
            raise ValueError("it has another shape")
        return value  # type: ignore[no-any-return]


def _parse(data: bytes) -> Any:
    try:
        # The standard parser takes lone surrogates, NaN and a byte order mark, where msgspec stops.
        value = json.loads(data)
        if b"\0" in data[:4] or _SURROGATES.search(data):
            # half a character could not be written again: it becomes a question mark; UTF-16 is not looked into
            value = json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
        return value
    except ValueError:
        raise ValueError(_what_is_wrong(data)) from None


def _what_is_wrong(data: bytes) -> str:
    start = data.lstrip()[:1]
    if not start:
        return "it is empty"
    # what looks like JSON may be a page that was cut off, with links in it that must not be shown
    return "it is cut off or broken" if start in b'{["' else f"it begins with {data[:60]!r}"


def _type_info(kind: Any, _known: dict[Any, inspect.Type] = {}) -> inspect.Type:  # noqa: B006 (a cache on purpose)
    info = _known.get(kind)
    if info is None:
        info = _known[kind] = inspect.type_info(kind)
    return info


def _mend(value: Any, info: inspect.Type) -> Any:
    mender = _MENDERS.get(type(info))
    return value if mender is None else mender(value, info)


def _struct(value: Any, info: Any) -> Any:
    if not isinstance(value, dict):
        return _BAD
    fields: dict[str, Any] = {}
    for f in info.fields:
        if f.encode_name in value:
            mended = _mend(value[f.encode_name], f.type)
            if mended is not _BAD:
                fields[f.name] = mended
    try:
        return info.cls(**fields)
    except TypeError:
        return _BAD


def _items(value: Any, info: Any) -> Any:
    if type(value) is not list:
        return _BAD
    values: list[Any] = value  # pyright: ignore[reportUnknownVariableType]
    read = _record if isinstance(info.item_type, inspect.StructType) else _mend
    items = [m for v in values if (m := read(v, info.item_type)) is not _BAD]
    return tuple(items) if isinstance(info, inspect.VarTupleType) else items


def _record(value: Any, info: Any) -> Any:
    """One of many records, of which most are as they should be."""
    try:
        return msgspec.convert(value, info.cls, strict=False)
    except (msgspec.ValidationError, ValueError, OverflowError):
        return _mend(value, info)


def _mapping(value: Any, info: Any) -> Any:
    if type(value) is not dict:
        return _BAD
    values: dict[str, Any] = value  # pyright: ignore[reportUnknownVariableType]
    return {k: m for k, v in values.items() if (m := _mend(v, info.value_type)) is not _BAD}


def _union(value: Any, info: Any) -> Any:
    nullable = any(isinstance(t, inspect.NoneType) for t in info.types)
    if value is None and nullable:
        return None
    for t in info.types:
        if not isinstance(t, inspect.NoneType):
            mended = _mend(value, t)
            if mended is not _BAD:
                return mended
    return _BAD


def _text(value: Any, _: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, (int, float)) else _BAD


def _integer(value: Any, _: Any) -> Any:
    if isinstance(value, int):
        return int(value)
    number = _number(value, None)
    return int(number) if number is not _BAD and math.isfinite(number) else _BAD


def _number(value: Any, _: Any) -> Any:
    try:
        return float(value) if isinstance(value, (int, float, str)) else _BAD
    except (ValueError, OverflowError):
        return _BAD


def _boolean(value: Any, _: Any) -> Any:
    if isinstance(value, str):
        return {"true": True, "1": True, "false": False, "0": False}.get(value.strip().lower(), _BAD)
    return bool(value) if isinstance(value, (bool, int)) else _BAD


def _time(value: Any, _: Any) -> Any:
    try:
        if isinstance(value, str):
            moment = datetime.fromisoformat(value.strip())
            return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return datetime.fromtimestamp(value / 1000 if value > 1e11 else value, UTC)
    except (ValueError, OverflowError, OSError):
        pass
    return _BAD


def _day(value: Any, _: Any) -> Any:
    moment = _time(value, None)
    return moment.date() if isinstance(moment, datetime) else moment


def _enum(value: Any, info: Any) -> Any:
    try:
        return info.cls(value if isinstance(value, str) else _text(value, None))
    except (ValueError, TypeError):
        return _BAD


_MENDERS: dict[type, Callable[[Any, Any], Any]] = {
    inspect.StructType: _struct,
    inspect.ListType: _items,
    inspect.VarTupleType: _items,
    inspect.DictType: _mapping,
    inspect.UnionType: _union,
    inspect.StrType: _text,
    inspect.IntType: _integer,
    inspect.FloatType: _number,
    inspect.BoolType: _boolean,
    inspect.DateTimeType: _time,
    inspect.DateType: _day,
    inspect.EnumType: _enum,
}
