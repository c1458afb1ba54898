"""Checks of arguments that several resources share: identifiers, texts, addresses and records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import urlsplit

from msgspec import UnsetType

from zra_async.api.resource import Record, at_most, filled
from zra_async.api.typed import typed
from zra_async.errors import InvalidArgument

K = TypeVar("K", bound=Record)


def path(**identifiers: str) -> dict[str, str]:
    """The identifiers of a path, none of them blank."""
    return {name: filled(name, value) for name, value in identifiers.items()}


def filters(**values: Any) -> dict[str, object]:
    """The query of a list: None stands for "no such filter", and a blank text is refused, since it would match all."""
    for name, value in values.items():
        if isinstance(value, str):
            filled(name, value)
    return values


def texts(**values: str | UnsetType) -> None:
    """Texts that may be left out of a body, but not be blank."""
    for name, value in values.items():
        if not isinstance(value, UnsetType):
            filled(name, value)


def file_name(value: str) -> str:
    """The name of a file, without a NUL: programs that stop reading there would see another name."""
    if "\x00" in filled("file_name", value):
        raise InvalidArgument("file_name must not hold a NUL")
    return value


def texts_in(name: str, values: Sequence[str] | UnsetType, most: int) -> None:
    """A list of texts within its documented length, none of them blank."""
    at_most(name, values, most)
    for value in () if isinstance(values, UnsetType) else values:
        filled(f"{name}[]", value)


def records(
    name: str, values: Sequence[K | Mapping[str, object]] | UnsetType, kind: type[K], most: int
) -> list[K] | UnsetType:
    """A list of records of one kind, or of mappings that fit it, within its documented length; it may be empty."""
    if isinstance(values, UnsetType):
        return values
    return typed(name, kind, values, most=most) if values else []


def web_address(name: str, value: str | UnsetType) -> None:
    """An http or https address; the message does not repeat it, since such links often carry a signature."""
    if isinstance(value, UnsetType):
        return
    filled(name, value)
    try:
        parts = urlsplit(value)
        well_formed = parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        well_formed = False
    if not well_formed:
        raise InvalidArgument(f"{name} must be an http or https address with a host")
