"""Schemas of the reference against types of the library, and samples that fill a schema."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator
from datetime import date, datetime
from typing import Any, Literal

import msgspec
from msgspec import UnsetType, inspect

from tests.contract.corrections import MEASURES, PLACEHOLDERS
from tests.contract.reference import Place, Schema, spelled

INSTANT = "2025-01-02T03:04:05Z"
DAY = "2025-01-02"

_SCALARS: dict[str, tuple[type, ...]] = {
    "string": (inspect.StrType, inspect.EnumType, inspect.LiteralType, inspect.DateTimeType, inspect.DateType),
    "integer": (inspect.IntType,),
    "number": (),
    "boolean": (inspect.BoolType,),
}
_FORMATS: dict[str, type] = {"date-time": inspect.DateTimeType, "date": inspect.DateType}


def struct_problems(schema: Schema, struct: type, *, exact: bool, retyped: dict[str, str] | None = None) -> list[str]:
    """What keeps ``struct`` from holding what ``schema`` describes: a field that is missing or of another type.

    With ``exact`` enums have exactly the documented values, and no field is undocumented. ``retyped`` gives another
    type for some fields.
    """
    return list(_problems(schema, inspect.type_info(struct), (), exact, retyped or {}))


def _problems(schema: Schema, info: Any, place: Place, exact: bool, retyped: dict[str, str]) -> Iterator[str]:
    info = present(info)
    kind = retyped.get(place[-1], schema["type"]) if place else schema["type"]
    where = spelled(place) or "the whole"
    if kind == "array":
        item = getattr(info, "item_type", None)
        if item is None:
            yield f"{where}: an array is held by {named(info)}"
        else:
            yield from _problems(schema["items"], item, (*place, "[]"), exact, retyped)
    elif kind == "object":
        if not isinstance(info, inspect.StructType):
            yield f"{where}: an object is held by {named(info)}"
        else:
            yield from _field_problems(schema, info, place, exact, retyped)
    elif is_number(info):
        if kind != "number" and not (kind == "integer" and place[-1] in MEASURES):
            yield f"{where}: {kind} is held by a number with a fraction"
    elif not isinstance(info, _SCALARS[kind]):
        yield f"{where}: {kind} is held by {named(info)}"
    elif schema.get("format") in _FORMATS and not isinstance(info, _FORMATS[schema["format"]]):
        yield f"{where}: {schema['format']} is held by {named(info)}"
    elif "enum" in schema:
        yield from _enum_problems(schema, info, where, exact)


def _field_problems(schema: Schema, info: Any, place: Place, exact: bool, retyped: dict[str, str]) -> Iterator[str]:
    fields = {field.encode_name: field.type for field in info.fields}
    for name, inner in schema["properties"].items():
        if name in fields:
            yield from _problems(inner, fields[name], (*place, name), exact, retyped)
        else:
            yield f"{spelled((*place, name))}: there is no such field in {named(info)}"
    if exact:
        for name in fields.keys() - schema["properties"].keys():
            yield f"{spelled((*place, name))}: {named(info)} has a field that is not documented"


def _enum_problems(schema: Schema, info: Any, where: str, exact: bool) -> Iterator[str]:
    documented = set(schema["enum"]) - set(PLACEHOLDERS)
    if isinstance(info, inspect.EnumType):
        known = {member.value for member in info.cls}
    elif isinstance(info, inspect.LiteralType):
        known = set(info.values)
    else:
        yield f"{where}: an enum is held by {named(info)}"
        return
    if documented - known:
        yield f"{where}: {named(info)} lacks {sorted(documented - known)}"
    if exact and known - documented:
        yield f"{where}: {named(info)} knows {sorted(known - documented)}, which are not documented"


def present(info: Any) -> Any:
    """The type of a value that is there: without None and without UNSET."""
    if isinstance(info, inspect.UnionType):
        rest = tuple(t for t in info.types if not isinstance(t, inspect.NoneType))
        return rest[0] if len(rest) == 1 else inspect.UnionType(rest)
    return info


def is_number(info: Any) -> bool:
    """Whether values of this type are whole numbers or fractions, each as it was sent."""
    return isinstance(info, inspect.UnionType) and {type(t) for t in info.types} == {inspect.IntType, inspect.FloatType}


def named(info: Any) -> str:
    """A type by its name."""
    return getattr(getattr(info, "cls", None), "__name__", type(info).__name__)


# --------------------------------------------------------------------------- type hints of arguments


def atoms(hint: Any) -> list[Any]:
    """The types that a hint allows, without None and UNSET."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return [atom for part in typing.get_args(hint) for atom in atoms(part)]
    return [] if hint in (type(None), UnsetType) else [hint]


def literals(hint: Any) -> set[object]:
    """The values that a hint spells out."""
    return {value for atom in atoms(hint) if typing.get_origin(atom) is Literal for value in typing.get_args(atom)}


def struct_in(hint: Any) -> type | None:
    """The Struct that a list of records is made of."""
    for atom in atoms(hint):
        for part in typing.get_args(atom):
            for inner in atoms(part):
                if isinstance(inner, type) and issubclass(inner, msgspec.Struct):
                    return inner
    return None


def takes(hint: Any, schema: Schema) -> bool:
    """Whether an argument of this hint takes values of this schema."""
    kind = "array" if "max_items" in schema else schema["type"]
    if kind == "array":
        return any(typing.get_origin(atom) not in (None, Literal) for atom in atoms(hint))
    if "enum" in schema:
        return literals(hint) >= set(schema["enum"])
    wanted: dict[str, tuple[type, ...]] = {
        "string": (str, datetime, date),
        "integer": (int,),
        "number": (float,),
        "boolean": (bool,),
    }
    allowed = {atom for atom in atoms(hint) if isinstance(atom, type)} | {type(value) for value in literals(hint)}
    # A whole number is a number: a source is one of two.
    return bool(allowed & set(wanted[kind])) or (kind == "number" and int in allowed)


# --------------------------------------------------------------------------- samples


def sample(schema: Schema, info: Any, retyped: dict[str, str], place: Place = ()) -> Any:
    """An answer in which every documented field has a value of its own."""
    info = present(info)
    name = place[-1] if place else ""
    kind = schema["type"]
    if kind == "object":
        fields = {field.encode_name: field.type for field in getattr(info, "fields", ())}
        return {n: sample(s, fields.get(n), retyped, (*place, n)) for n, s in schema["properties"].items()}
    if kind == "array":
        item = getattr(info, "item_type", None)
        return [sample(schema["items"], item, retyped, (*place, number)) for number in ("1", "2")]
    number = sum(map(ord, "/".join(place))) % 1000 + 2
    if kind == "string":
        return _text(schema, info, f"{name} {number}" if retyped.get(name) != "integer" else str(number))
    return {"integer": number, "number": number + 0.5, "boolean": True}[kind]


def _text(schema: Schema, info: Any, text: str) -> str:
    if isinstance(info, inspect.DateTimeType):
        return INSTANT
    if isinstance(info, inspect.DateType):
        return DAY
    return schema["enum"][0] if "enum" in schema else text


# --------------------------------------------------------------------------- changes of JSON values


def without(value: Any, place: Place) -> Any:
    """A JSON value without the property at ``place``, in the first item of each array on the way."""
    head, *rest = place
    if head == "[]":
        return [without(value[0], tuple(rest)), *value[1:]]
    if not rest:
        return {name: inner for name, inner in value.items() if name != head}
    return {name: without(inner, tuple(rest)) if name == head else inner for name, inner in value.items()}


def replaced(value: Any, place: Place, new: Any) -> Any:
    """A JSON value with another value at ``place``, in the first item of each array on the way."""
    if not place:
        return new
    head, *rest = place
    if head == "[]":
        return [replaced(value[0], tuple(rest), new), *value[1:]]
    return {name: replaced(inner, tuple(rest), new) if name == head else inner for name, inner in value.items()}


def has(value: Any, place: Place) -> bool:
    """Whether a JSON value has something at ``place``, in the first item of each array on the way."""
    for step in place:
        if step == "[]":
            value = value[0]
        elif step in value:
            value = value[step]
        else:
            return False
    return True
