"""What every resource of the API shares: the way to a call, and the checks of arguments."""

from __future__ import annotations

import re
import warnings
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Protocol, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from zra_async.core.operation import ListOperation, Operation, deprecated_twin
from zra_async.core.pages import Pages
from zra_async.errors import InvalidArgument, PartlyDone, ZRAError

R = TypeVar("R")
T = TypeVar("T")
V = TypeVar("V")
#: a time in an answer; one without an offset is read as UTC, so that it is always aware
Instant = Annotated[datetime, msgspec.Meta(tz=True)]


class Caller(Protocol):
    """What a resource needs of a client."""

    async def call(
        self,
        operation: Operation[R],
        *,
        path: Mapping[str, str] | None = None,
        query: Mapping[str, object] | None = None,
        body: object = None,
    ) -> R:
        """Make one call and decode its answer."""
        ...

    def list(
        self,
        operation: ListOperation[Any, T],
        *,
        path: Mapping[str, str] | None = None,
        query: Mapping[str, object] | None = None,
        page_size: int | None = None,
        cursor: str = "",
    ) -> Pages[T]:
        """Begin a list."""
        ...


class Model(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An answer, or a part of one. Field names are the wire's own; unknown fields are ignored, missing ones default."""


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that is sent. A field left `UNSET` is not sent; None is sent as null. Times must be aware."""

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if isinstance(value, datetime):
                msgspec.structs.force_setattr(self, name, whole_seconds(name, value))


class OpenEnum(StrEnum):
    """A set of known texts that may grow: an unknown one becomes a member of its own, for which `known` is False."""

    @classmethod
    def _missing_(cls, value: object) -> OpenEnum | None:
        if not isinstance(value, str):
            return None
        member = str.__new__(cls, value)
        member._name_ = f"UNKNOWN_{value}"
        member._value_ = value
        return member

    @property
    def known(self) -> bool:
        """Whether the reference lists this value."""
        return self._name_ in type(self).__members__


class Resource:
    """A group of operations. `legacy` calls the deprecated twin of each, where there is one."""

    def __init__(self, caller: Caller, *, legacy: bool = False) -> None:
        self._caller = caller
        self._legacy = legacy

    def _call(
        self,
        operation: Operation[R],
        path: Mapping[str, str] | None = None,
        *,
        query: Mapping[str, object] | None = None,
        body: object = None,
    ) -> Awaitable[R]:
        return self._caller.call(self._row(operation), path=path, query=query, body=body)

    def _list(
        self,
        operation: ListOperation[Any, T],
        path: Mapping[str, str] | None = None,
        *,
        query: Mapping[str, object] | None = None,
        page_size: int | None = None,
        cursor: str = "",
    ) -> Pages[T]:
        row = self._row(operation)
        if page_size is not None:
            between("page_size", page_size, operation.min_page_size, operation.max_page_size)
        return self._caller.list(row, path=path, query=query, page_size=page_size, cursor=cursor)

    def _row(self, operation: Any) -> Any:
        if not self._legacy:
            return operation
        if not operation.twin:
            raise InvalidArgument(f"{operation.name} has no deprecated twin: call it without .legacy")
        twin = deprecated_twin(operation)
        warnings.warn(
            f"{twin.title} is deprecated; {operation.title} replaces it: leave out .legacy",
            DeprecationWarning,
            stacklevel=4,
        )
        return twin


# --------------------------------------------------------------------------- checks before anything is sent


def sent(**fields: object) -> dict[str, object]:
    """The fields of a body that are to be sent."""
    return {name: value for name, value in fields.items() if value is not UNSET}


def filled(name: str, value: str) -> str:
    """A text that must not be blank."""
    if not isinstance(value, str) or not value.strip():  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidArgument(f"{name} must not be empty")
    return value


def between(name: str, value: int, least: int, most: int) -> int:
    """A whole number within its documented bounds."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidArgument(f"{name} must be a whole number from {least} to {most}, not {value!r}")
    return value


def one_of(name: str, value: object, allowed: Collection[object]) -> None:
    """One of the documented values; None and UNSET pass."""
    if value is not None and value is not UNSET and value not in allowed:
        raise InvalidArgument(f"{name} must be one of {', '.join(map(str, allowed))}, not {value!r}")


def matching(name: str, value: str, pattern: str, description: str) -> str:
    """A text that follows the documented pattern."""
    if not isinstance(value, str) or not re.fullmatch(pattern, value):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidArgument(f"{name} must be {description}, not {value!r}")
    return value


def at_most(name: str, values: Sequence[V] | UnsetType, most: int) -> Sequence[V] | UnsetType:
    """A list within its documented length."""
    if isinstance(values, str):
        raise InvalidArgument(f"{name} must be a list of texts, not one text")
    if not isinstance(values, UnsetType) and len(values) > most:
        raise InvalidArgument(f"{name} takes at most {most} values, not {len(values)}")
    return values


def exactly_one(**values: object) -> None:
    """Exactly one of several arguments that exclude each other."""
    given = [name for name, value in values.items() if value is not None and value is not UNSET]
    if len(given) != 1:
        raise InvalidArgument(f"give exactly one of {' and '.join(values)}" + (", not both" if given else ""))


def aware(name: str, value: datetime) -> datetime:
    """A time that knows its offset."""
    if not isinstance(value, datetime):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidArgument(f"{name} must be a datetime, not {type(value).__name__}")
    if value.tzinfo is None or value.utcoffset() is None:
        raise InvalidArgument(f"{name} must be an aware datetime: add a tzinfo, for example datetime.UTC")
    try:
        value.astimezone(UTC)
    except OverflowError:
        raise InvalidArgument(f"{name} is out of range: {value.isoformat()} has no UTC form") from None
    return value


def whole_seconds(name: str, value: datetime) -> datetime:
    """A time as the service takes it: UTC and whole seconds."""
    return aware(name, value).astimezone(UTC).replace(microsecond=0)


def period(from_: datetime | None, to: datetime | None) -> dict[str, object]:
    """The query of a period; both ends are optional, and ``from_`` must not lie after ``to``."""
    if from_ is not None:
        aware("from_", from_)
    if to is not None:
        aware("to", to)
    if from_ is not None and to is not None and from_ > to:
        raise InvalidArgument(f"from_ ({from_.isoformat()}) lies after to ({to.isoformat()})")
    return {"from": from_, "to": to}


def ids(name: str, values: Sequence[str]) -> list[str]:
    """Several ids that travel as one comma-separated value: none blank, none with a comma, none twice."""
    if isinstance(values, str):
        raise InvalidArgument(f"{name} must be a list of texts, not one text")
    unique = list(dict.fromkeys(values))
    for value in unique:
        if "," in filled(name, value):
            raise InvalidArgument(f"{name} holds {value!r}: a comma would split it in two")
    if not unique:
        raise InvalidArgument(f"{name} must not be empty")
    return unique


async def in_pieces(
    operation: Operation[Any], values: Sequence[V], size: int, one: Callable[[Sequence[V]], Awaitable[R]]
) -> list[R]:
    """Call ``one`` for every ``size`` values, in order, and return its answers.

    When a piece fails, raises `PartlyDone` with the values that were done; a single piece raises its own error.
    """
    answers: list[R] = []
    for start in range(0, len(values), size):
        try:
            answers.append(await one(values[start : start + size]))
        except ZRAError as error:
            if len(values) <= size:
                raise
            raise PartlyDone(
                operation.name,
                done=values[:start],
                failed=values[start : start + size],
                pending=values[start + size :],
                cause=error,
            ) from error
    return answers
