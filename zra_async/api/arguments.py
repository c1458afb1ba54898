"""Checks of arguments before anything is sent. Each raises `InvalidArgument` with the name of the argument.

A check takes the name and the value of an argument, and returns the value as it is sent. The checks of an operation
stand beside it as data, a `Checks` table by the name of the argument; `build_query` and `build_body` apply it.
"""

from __future__ import annotations

import contextlib
import itertools
import operator
import re
import sys
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar, cast, get_args
from urllib.parse import urlsplit

import msgspec
from msgspec import UNSET

from zra_async.errors import InvalidArgument

S = TypeVar("S", bound=msgspec.Struct)

Check = Callable[[str, Any], object]
Checks = Mapping[str, Check]

# Only the parts that every mail address has; the service knows which addresses exist.
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
_NO_LISTS: tuple[type, ...] = (str, bytes, bytearray, memoryview, Mapping)
#: amounts with more digits before or behind the point are a mistake, and would make an endless query
_MAX_DIGITS = 30


# --------------------------------------------------------------------------- tables of checks


def build_path(**identifiers: str) -> dict[str, str]:
    """Check the identifiers of a path."""
    return {name: check_text(name, value) for name, value in identifiers.items()}


def build_query(checks: Checks, **values: object) -> dict[str, object]:
    """Check the filters of a list or the parameters of a query; None and UNSET stand for "not given"."""
    return {
        name: checks[name](name, value) for name, value in values.items() if value is not None and value is not UNSET
    }


def build_body(checks: Checks, **values: object) -> dict[str, object]:
    """Check the fields of a body, and leave out those that are UNSET."""
    for name, value in values.items():
        if value is None:
            raise InvalidArgument(f"{name} must not be None: leave it out")
    return {name: checks[name](name, value) for name, value in values.items() if value is not UNSET}


# --------------------------------------------------------------------------- single values


def check_text(name: str, value: object) -> str:
    """Check a text, which must not be blank."""
    if not isinstance(value, str):
        raise InvalidArgument(f"{name} must be a text (str), not {_kind(value)}")
    if not value.strip():
        raise InvalidArgument(f"{name} must not be empty")
    return value


def check_text_up_to(most: int) -> Check:
    """Make a check of a text with at most ``most`` characters."""

    def check(name: str, value: object) -> str:
        text = check_text(name, value)
        if len(text) > most:
            raise InvalidArgument(f"{name} takes at most {most} characters, not {len(text)}")
        return text

    return check


def check_pattern(pattern: str, description: str) -> Check:
    """Make a check of a text that follows the documented pattern."""

    def check(name: str, value: object) -> str:
        text = check_text(name, value)
        if not re.fullmatch(pattern, text):
            raise InvalidArgument(f"{name} must be {description}, not {text!r}")
        return text

    return check


def check_file_name(name: str, value: object) -> str:
    """Check the name of a file. A NUL is refused: programs that stop reading there would see another name."""
    text = check_text(name, value)
    if "\x00" in text:
        raise InvalidArgument(f"{name} must not hold a NUL")
    return text


def check_cursor(value: object) -> str:
    """Check where a list resumes: a page token, or "" for its beginning."""
    if not isinstance(value, str):
        ended = ": the list that it comes from was read to its end" if value is None else ""
        raise InvalidArgument(f"cursor must be a text (str), not {_kind(value)}{ended}")
    return value


def check_flag(name: str, value: object) -> bool:
    """Check a flag: True or False, and no text or number that stands for one."""
    if not isinstance(value, bool):
        raise InvalidArgument(f"{name} must be True or False, not {_shown(value)}")
    return value


def check_whole(name: str, value: object, least: int, most: int) -> int:
    """Check a whole number within its documented bounds; whole numbers of other libraries become an int."""
    try:
        number = None if isinstance(value, bool) else operator.index(cast("Any", value))
    except TypeError:
        number = None
    if number is None or not least <= number <= most:
        raise InvalidArgument(f"{name} must be a whole number from {least} to {most}, not {_shown(value)}")
    return number


def check_between(least: int, most: int) -> Check:
    """Make a check of a whole number."""
    return lambda name, value: check_whole(name, value, least, most)


def check_choice(name: str, value: object, allowed: Collection[str]) -> str:
    """Check that a text, or a member of an enum of texts, is one of the documented values."""
    if not isinstance(value, str) or str(value) not in allowed:
        raise InvalidArgument(f"{name} must be one of {', '.join(allowed)}, not {_shown(value)}")
    return str(value)


def check_literal(kind: Any) -> Check:
    """Make a check of a text that a ``Literal`` type lists."""
    allowed = get_args(kind)
    return lambda name, value: check_choice(name, value, allowed)


def check_email(name: str, value: object) -> str:
    """Check that a text has the shape of a mail address; the message does not repeat it, since it is somebody's."""
    text = check_text(name, value)
    if not _EMAIL.fullmatch(text):
        raise InvalidArgument(f"{name} must hold a mail address, such as name@example.com")
    return text


def check_web_address(name: str, value: object) -> str:
    """Check an http or https address; the message does not repeat it, since such links often carry a signature."""
    text = check_text(name, value)
    try:
        parts = urlsplit(text)
        well_formed = parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        well_formed = False
    if not well_formed:
        raise InvalidArgument(f"{name} must be an http or https address with a host")
    return text


def check_aware(name: str, value: object) -> datetime:
    """Check that a time has an offset."""
    if not isinstance(value, datetime):
        raise InvalidArgument(f"{name} must be a datetime, not {_kind(value)}")
    if value.tzinfo is None or value.utcoffset() is None:
        raise InvalidArgument(f"{name} must be an aware datetime: add a tzinfo, for example datetime.UTC")
    try:
        value.astimezone(UTC)
    except OverflowError:
        raise InvalidArgument(f"{name} is out of range: {value.isoformat()} has no UTC form") from None
    return value


def check_time(name: str, value: object) -> datetime:
    """Check a time, and return it as the service takes it: UTC and whole seconds."""
    return check_aware(name, value).astimezone(UTC).replace(microsecond=0)


def check_amount(name: str, value: object) -> Decimal:
    """Check an amount, given as a number or as a text such as ``100.0``."""
    amount = Decimal("NaN")
    if isinstance(value, (int, float, Decimal, str)) and not isinstance(value, bool):
        with contextlib.suppress(InvalidOperation, ValueError):
            amount = Decimal(str(value))
    exponent = amount.as_tuple().exponent
    if not amount.is_finite() or not isinstance(exponent, int) or exponent < -_MAX_DIGITS:
        raise InvalidArgument(f"{name} must be a number such as 100.0, not {_shown(value)}")
    if amount.adjusted() > _MAX_DIGITS:
        raise InvalidArgument(f"{name} must be a number such as 100.0, not one with more than {_MAX_DIGITS} digits")
    return amount


# --------------------------------------------------------------------------- several values


def check_many(name: str, values: object, most: int = sys.maxsize) -> list[Any]:
    """Check a list of any values within its documented length, given as any iterable but a text, bytes or a mapping."""
    given: Any = values
    # a file is an iterable of its lines, and one that was read is an empty one
    if isinstance(values, _NO_LISTS) or hasattr(given, "read") or not isinstance(values, Iterable):
        raise InvalidArgument(f"{name} must be a list, not {_kind(values)}")
    items: list[Any] = list(itertools.islice(given, min(most, sys.maxsize - 1) + 1))
    if len(items) > most:
        more = len(given) if hasattr(given, "__len__") else f"more than {most}"
        raise InvalidArgument(f"{name} takes at most {most} items, not {more}")
    return items


def check_texts(name: str, values: object, most: int = sys.maxsize) -> list[str]:
    """Check a list of texts within its documented length, none of them blank; it may be empty."""
    return [check_text(f"{name}[{index}]", value) for index, value in enumerate(check_many(name, values, most))]


def check_texts_up_to(most: int) -> Check:
    """Make a check of a list of at most ``most`` texts."""
    return lambda name, values: check_texts(name, values, most)


def check_ids(name: str, values: object) -> list[str]:
    """Check a list of ids: at least one, none blank, none with a comma, and return each of them once."""
    unique = list(dict.fromkeys(check_texts(name, values)))
    for value in unique:
        if "," in value:
            raise InvalidArgument(f"{name} holds {value!r}: a comma would split it in two")
    if not unique:
        raise InvalidArgument(f"{name} must not be empty")
    return unique


def build_records(name: str, kind: type[S], values: object, most: int = sys.maxsize) -> list[S]:
    """Build 1 to ``most`` records from Structs or mappings, strictly; the error names the index of a bad one."""
    items = check_many(name, values, most)
    if not items:
        raise InvalidArgument(f"{name} must not be empty")
    return [_record(f"{name}[{index}]", kind, item) for index, item in enumerate(items)]


def check_records(kind: type[msgspec.Struct], most: int) -> Check:
    """Make a check of a list of at most ``most`` records, which may be empty."""

    def check(name: str, values: object) -> list[msgspec.Struct]:
        items = check_many(name, values, most)
        return [_record(f"{name}[{index}]", kind, item) for index, item in enumerate(items)]

    return check


def _record(name: str, kind: type[S], item: object) -> S:
    if not isinstance(item, (kind, Mapping)):
        raise InvalidArgument(f"{name} must be a {kind.__name__} or a mapping, not {_kind(item)}")
    try:
        # A Struct checks no types when it is made, so it is taken apart and put together again.
        return msgspec.convert(msgspec.to_builtins(item) if isinstance(item, kind) else item, kind)
    except (ValueError, TypeError, OverflowError, RecursionError) as problem:
        raise InvalidArgument(f"{name}: {_readable(str(problem))}") from None


def _readable(problem: str) -> str:
    # msgspec ends with the path inside the item: a plain name reads better in front.
    text, _, path = problem.partition(" - at `$.")
    return f"{path.rstrip('`')}: {text}" if path else problem


# --------------------------------------------------------------------------- several arguments


def check_exactly_one(**values: object) -> None:
    """Check that exactly one of several arguments that exclude each other is given."""
    given = [name for name, value in values.items() if value is not None and value is not UNSET]
    if len(given) != 1:
        raise InvalidArgument(f"give exactly one of {' and '.join(values)}" + (", not both" if given else ""))


def build_period(from_: object, to: object) -> dict[str, object]:
    """Build the query of a period: both ends are optional, and ``from_`` must not lie after ``to``."""
    begin = None if from_ is None else check_aware("from_", from_)
    end = None if to is None else check_aware("to", to)
    if begin is not None and end is not None and begin > end:
        raise InvalidArgument(f"from_ ({begin.isoformat()}) lies after to ({end.isoformat()})")
    return {"from": begin, "to": end}


def _kind(value: object) -> str:
    return "None" if value is None else type(value).__name__


def _shown(value: object) -> str:
    """Return a refused value for a message: shortened, and only the type for objects of other libraries."""
    return repr(value)[:100] if isinstance(value, (str, int, float, Decimal, datetime)) else _kind(value)
