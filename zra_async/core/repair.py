"""Repair one parsed answer that does not fit its type: value by value, noting every field that is given up.

A value of another type is converted where that loses nothing: ``"30"`` is the number 30, and 5 the text ``"5"``. A
number with a fraction is never cut to a whole one, a whole number never passes through a float, and a flag is no
number. Null and a blank text mean that nothing is there. What is left cannot be read: a single field is given up and
noted, anything else raises `WrongShape`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, ClassVar, cast

import msgspec
from msgspec import inspect

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

#: stands in a parsed answer for a number that is none
UNREADABLE: Any = object()
_BAD: Any = object()
_ABSENT: Any = object()
_SURROGATES = re.compile("[\ud800-\udfff]+")
#: fields that are of use only as they were sent: half of an id or a link leads to something else, or nowhere
_EXACT = re.compile(r"(?:^|_)(?:id|ids|uuid|token|context|etag|email|link|url)$|Url$|Token$")
#: a number longer than this is no number of a service
_LONGEST_NUMBER = 64
_LATEST_SECOND = 1e11  #: a larger number is a time in milliseconds


# --------------------------------------------------------------------------- numbers, flags and times


def _decimal(text: str) -> Decimal | None:
    """The number that a text writes out in digits."""
    if len(text) > _LONGEST_NUMBER or "_" in text:
        return None
    try:
        value = Decimal(text.strip())
    except InvalidOperation:
        return None
    return value if value.is_finite() and abs(value.adjusted()) < _LONGEST_NUMBER else None


def _integer(_: Repair, value: Any, __: Any) -> Any:
    if isinstance(value, bool):
        return _BAD
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return int(value) if value.is_integer() else _BAD
    if not isinstance(value, str):
        return _BAD
    if not value.strip():
        return _ABSENT
    number = _decimal(value)
    return int(number) if number is not None and number == number.to_integral_value() else _BAD


def _number(_: Repair, value: Any, __: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return _BAD
    if isinstance(value, str):
        if not value.strip():
            return _ABSENT
        found = _decimal(value)
        return _BAD if found is None else float(found)
    try:
        number = float(value)
    except OverflowError:
        return _BAD
    return number if math.isfinite(number) else _BAD


def _boolean(_: Repair, value: Any, __: Any) -> Any:
    if isinstance(value, str):
        word = value.strip().lower()
        return {"true": True, "1": True, "false": False, "0": False}.get(word, _BAD) if word else _ABSENT
    return bool(value) if isinstance(value, (bool, int)) and value in (0, 1) else _BAD


def _time(_: Repair, value: Any, __: Any) -> Any:
    try:
        if isinstance(value, str):
            text = value.strip()
            if not text:
                return _ABSENT
            if not (text.isdigit() and len(text) in (10, 13)):
                moment = datetime.fromisoformat(text)
                return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            value = int(text)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return datetime.fromtimestamp(value / 1000 if value > _LATEST_SECOND else value, UTC)
    except (ValueError, OverflowError, OSError):
        pass
    return _BAD


def _day(repair: Repair, value: Any, info: Any) -> Any:
    moment = _time(repair, value, info)
    return moment.date() if isinstance(moment, datetime) else moment


# --------------------------------------------------------------------------- repair


class WrongShape(Exception):
    """Something larger than a field cannot be read. The text names only places of the documented type."""


class Repair:
    """One repair of one answer; `dropped` holds the paths of the fields that were given up or are damaged.

    ``damaged`` says that the answer may hold texts with lone surrogates, or numbers that are `UNREADABLE`. With
    ``forgive`` a container of the wrong type is given up like a field.
    """

    def __init__(self, kind: Any, *, forgive: bool, damaged: bool) -> None:
        self.dropped: list[str] = []
        self._info = _type_info(kind)
        self._forgive = forgive
        self._damaged = damaged
        self._path: list[str] = []

    def run(self, value: Any) -> Any:
        """Return ``value`` as its type. Raises `WrongShape`."""
        if value is None and not _takes_none(self._info):
            raise WrongShape("it is null")
        repaired = self._value(value, self._info)
        if repaired is _BAD or repaired is _ABSENT:
            raise WrongShape(f"it is {_named(value)}")
        return repaired

    # Containers

    def _value(self, value: Any, info: inspect.Type) -> Any:
        repair = self._REPAIRS.get(type(info))
        return repair(self, value, info) if repair else value

    def _struct(self, value: Any, info: Any) -> Any:
        if not isinstance(value, dict):
            return self._wrong("an object", value)
        given_fields = cast("dict[str, Any]", value)
        essential: frozenset[str] = getattr(info.cls, "ESSENTIAL", frozenset())
        if self._damaged:
            missing = any(f.encode_name in essential and f.encode_name not in given_fields for f in info.fields)
            self._check_names(given_fields, required=missing)
        fields: dict[str, Any] = {}
        for field in info.fields:
            given = given_fields.get(field.encode_name, _ABSENT)
            if given is _ABSENT or (given is None and not _takes_none(field.type)):
                continue
            with self._at(field.encode_name):
                repaired = self._value(given, field.type)
                if repaired is _BAD:
                    self._give_up(required=field.required or field.encode_name in essential)
                elif repaired is not _ABSENT:
                    fields[field.name] = repaired
        try:
            return info.cls(**fields)
        except (TypeError, ValueError):
            return self._lacking(info)

    def _lacking(self, info: Any) -> Any:
        if self._forgive:
            return _BAD
        raise WrongShape(f"{self._here()} lacks a field that {info.cls.__name__} needs")

    def _check_names(self, value: Mapping[str, Any], *, required: bool) -> None:
        """Count the names that hold damaged characters: each may be that of a documented field."""
        for name, inner in value.items():
            if _SURROGATES.search(name):
                with self._at("?"):
                    self._give_up(required=required or isinstance(inner, (dict, list)))

    def _items(self, value: Any, info: Any) -> Any:
        if type(value) is not list:
            return self._wrong("a list", value)
        values: list[Any] = value  # pyright: ignore[reportUnknownVariableType]
        items: list[Any] = []
        for index, item in enumerate(values):
            repaired = self._fitting(item, info.item_type)
            if repaired is _BAD:
                with self._at(f"[{index}]"):
                    repaired = self._item(item, info.item_type)
            if repaired is not _BAD:
                items.append(repaired)
        return tuple(items) if isinstance(info, inspect.VarTupleType) else items

    def _fitting(self, item: Any, info: Any) -> Any:
        """One of many records, of which most are as they should be."""
        if not isinstance(info, inspect.StructType):
            return _BAD
        try:
            if self._damaged:
                msgspec.json.encode(item)  # which refuses what is damaged
            return msgspec.convert(item, info.cls)
        except (msgspec.ValidationError, ValueError, TypeError, OverflowError):
            return _BAD

    def _item(self, item: Any, info: inspect.Type) -> Any:
        if item is None and not _takes_none(info) and not isinstance(info, inspect.StructType):
            self._note()  # a null among texts
            return _BAD
        repaired = self._value(item, info)
        if repaired is _BAD or repaired is _ABSENT:
            self._give_up(required=True)
            return _BAD
        return repaired

    def _mapping(self, value: Any, info: Any) -> Any:
        if type(value) is not dict:
            return self._wrong("an object", value)
        values: dict[str, Any] = value  # pyright: ignore[reportUnknownVariableType]
        found: dict[str, Any] = {}
        for name, inner in values.items():
            with self._at(_mended(name)):
                repaired = self._value(inner, info.value_type)
                if repaired is _BAD:
                    self._give_up(required=False)
                elif repaired is not _ABSENT:
                    found[_mended(name)] = repaired
        return found

    def _union(self, value: Any, info: Any) -> Any:
        if value is None and _takes_none(info):
            return None
        outcome: Any = _BAD
        for kind in info.types:
            if not isinstance(kind, inspect.NoneType):
                outcome = self._value(value, kind)
                if outcome is not _BAD:
                    break
        return outcome

    def _anything(self, value: Any, info: Any) -> Any:
        """A value without a type of its own, fit to be written as JSON again."""
        if isinstance(value, dict):
            pairs = cast("dict[str, Any]", value)
            return {_mended(name): self._anything(inner, info) for name, inner in pairs.items()}
        if isinstance(value, list):
            items: list[Any] = value  # pyright: ignore[reportUnknownVariableType]
            return [self._anything(inner, info) for inner in items]
        return None if value is UNREADABLE else self._text(value, info) if isinstance(value, str) else value

    # Texts

    def _text(self, value: Any, _: Any) -> Any:
        exact = bool(self._path) and _EXACT.search(self._path[-1]) is not None
        if isinstance(value, str):
            if not self._damaged or not _SURROGATES.search(value):
                return value
            if exact:
                return _BAD
            self._note()
            return _mended(value)
        if isinstance(value, bool):
            return _BAD if exact else "true" if value else "false"
        return str(value) if isinstance(value, (int, float)) else _BAD

    def _enum(self, value: Any, info: Any) -> Any:
        try:
            return info.cls(value if isinstance(value, str) and not self._damaged else self._text(value, None))
        except (ValueError, TypeError):
            return _BAD

    # What was given up

    @contextmanager
    def _at(self, step: str) -> Generator[None]:
        self._path.append(step)
        yield
        self._path.pop()

    def _here(self) -> str:
        return "".join(_dotted(self._path)) or "the answer"

    def _note(self) -> None:
        self.dropped.append(self._here())

    def _give_up(self, *, required: bool) -> None:
        if required and not self._forgive:
            raise WrongShape(f"{self._here()} cannot be read")
        self._note()

    def _wrong(self, due: str, value: Any) -> Any:
        if self._forgive:
            return _BAD
        raise WrongShape(f"{self._here()} is {_named(value)} where {due} is due")

    _REPAIRS: ClassVar[Mapping[type[inspect.Type], Callable[[Any, Any, Any], Any]]] = {
        inspect.StructType: _struct,
        inspect.ListType: _items,
        inspect.VarTupleType: _items,
        inspect.DictType: _mapping,
        inspect.UnionType: _union,
        inspect.AnyType: _anything,
        inspect.StrType: _text,
        inspect.EnumType: _enum,
        inspect.IntType: _integer,
        inspect.FloatType: _number,
        inspect.BoolType: _boolean,
        inspect.DateTimeType: _time,
        inspect.DateType: _day,
    }


def _dotted(path: list[str]) -> Iterator[str]:
    for index, step in enumerate(path):
        yield step if index == 0 or step.startswith("[") else f".{step}"


def _mended(text: str) -> str:
    return _SURROGATES.sub("\ufffd", text)


_NAMES = {"dict": "an object", "list": "a list", "str": "a text", "bool": "a flag", "NoneType": "null"}


def _named(value: Any) -> str:
    return _NAMES.get(type(value).__name__, "a number")


def _takes_none(info: inspect.Type) -> bool:
    if isinstance(info, inspect.UnionType):
        return info.includes_none
    return isinstance(info, (inspect.NoneType, inspect.AnyType))


def _type_info(kind: Any, _known: dict[Any, inspect.Type] = {}) -> inspect.Type:  # noqa: B006 (a cache on purpose)
    info = _known.get(kind)
    if info is None:
        info = _known[kind] = inspect.type_info(kind)
    return info
