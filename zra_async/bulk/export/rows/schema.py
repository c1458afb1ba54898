"""The columns of each stream and their types, read off the Structs: the same for an empty stream as for a full one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec import inspect

from zra_async.bulk.export.folder.layout import UNITS
from zra_async.bulk.export.folder.segments import UnitRow
from zra_async.bulk.export.streams import STREAMS

#: the run that has written a line
RUN_COLUMN = "_run"


def columns(stream: str) -> dict[str, str]:
    """The columns of a stream with their types as DuckDB writes them. Times without a type of their own are texts."""
    row: type[msgspec.Struct] = UnitRow if stream == UNITS else STREAMS[stream].row
    info = inspect.type_info(row)
    assert isinstance(info, inspect.StructType)
    return _fields(info)


def _fields(info: inspect.StructType) -> dict[str, str]:
    return {field.encode_name: _type(field.type) for field in info.fields}


def _type(info: inspect.Type) -> str:
    return _TYPES[type(info)](info)


def _union(info: Any) -> str:
    kinds = {_type(member) for member in info.types if not isinstance(member, inspect.NoneType)}
    if kinds == {"BIGINT", "DOUBLE"}:
        return "DOUBLE"  # a number with or without a fraction
    (kind,) = kinds
    return kind


def _struct(info: Any) -> str:
    return f"STRUCT({', '.join(f'{_quoted(name)} {kind}' for name, kind in _fields(info).items())})"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


_TYPES: Mapping[type[inspect.Type], Callable[[Any], str]] = {
    inspect.StrType: lambda _: "VARCHAR",
    inspect.EnumType: lambda _: "VARCHAR",
    inspect.IntType: lambda _: "BIGINT",
    inspect.FloatType: lambda _: "DOUBLE",
    inspect.BoolType: lambda _: "BOOLEAN",
    inspect.DateTimeType: lambda _: "TIMESTAMPTZ",
    inspect.UnionType: _union,
    inspect.VarTupleType: lambda info: f"{_type(info.item_type)}[]",
    inspect.StructType: _struct,
}
