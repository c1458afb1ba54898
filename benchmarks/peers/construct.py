"""A lenient constructor in the manner of generated SDKs: models are filled in without validation, field by field.

It reads the annotation of every field anew for each value, tries pydantic on unions (and so on everything optional),
and keeps a value as it came where nothing fits. That is what makes such clients forgiving, and slow.
"""

# ruff: noqa: E721 (a subscripted generic compares, and is not, its origin)

from __future__ import annotations

import functools
import inspect
import types
from datetime import datetime
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, TypeAdapter
from pydantic.fields import FieldInfo
from typing_extensions import TypeAliasType


@functools.cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def construct(value: Any, kind: Any, metadata: list[Any] | None = None) -> Any:
    """Shape ``value`` after the annotation ``kind``, leaving alone what does not fit."""
    whole = kind
    if isinstance(kind, TypeAliasType):
        kind = kind.__value__
    if not metadata and get_origin(kind) == Annotated:
        kind = get_args(kind)[0]
    origin = get_origin(kind) or kind
    arguments = get_args(kind)
    if _is_union(origin):
        return _one_of(value, whole, arguments)
    if origin == dict:
        return {k: construct(item, arguments[1]) for k, item in value.items()} if isinstance(value, dict) else value
    if not _is_literal(kind) and inspect.isclass(origin) and issubclass(origin, BaseModel):
        return _model(value, origin) if isinstance(value, dict) else value
    if origin == list:
        return [construct(item, arguments[0]) for item in value] if isinstance(value, list) else value
    if origin == float:
        return float(value) if isinstance(value, int) else value
    return _moment(value) if kind == datetime else value


def _is_union(origin: Any) -> bool:
    return origin is Union or origin is types.UnionType


def _is_literal(kind: Any) -> bool:
    return bool(get_origin(kind) == Literal)


def _one_of(value: Any, union: Any, members: tuple[Any, ...]) -> Any:
    try:
        return _validated(value, union)
    except ValueError:
        pass
    for member in members:
        try:
            return construct(value, member)
        except Exception:
            continue
    return value


def _validated(value: Any, kind: Any) -> Any:
    if inspect.isclass(kind) and issubclass(kind, BaseModel):
        return kind.model_validate(value)
    return _adapter(kind).validate_python(value)


def _model(value: dict[str, Any], kind: type[BaseModel]) -> BaseModel:
    model = kind.__new__(kind)
    fields: dict[str, Any] = {}
    known: set[str] = set()
    by_name = kind.model_config.get("populate_by_name")
    for name, field in kind.model_fields.items():
        key = field.alias
        if key is None or (key not in value and by_name):
            key = name
        if key in value:
            fields[name] = _field(value[key], field)
            known.add(name)
        else:
            fields[name] = field.get_default()
    extra = {key: given for key, given in value.items() if key not in kind.model_fields}
    object.__setattr__(model, "__dict__", fields)
    object.__setattr__(model, "__pydantic_private__", None)
    object.__setattr__(model, "__pydantic_extra__", extra)
    object.__setattr__(model, "__pydantic_fields_set__", known)
    return model


def _field(value: Any, field: FieldInfo) -> Any:
    return field.get_default() if value is None else construct(value, field.annotation, field.metadata)


def _moment(value: Any) -> Any:
    try:
        return _adapter(datetime).validate_python(value)
    except ValueError:
        return value
