"""Texts and bytes that must not be shown."""

from __future__ import annotations

from typing import TypeVar

import msgspec

T = TypeVar("T")


class Secret(str):
    """A text whose ``repr`` hides it, so that logs of objects and tracebacks with local values do not show it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "Secret('***')"


class SecretBytes(bytes):
    """Bytes whose ``repr`` hides them, such as an answer that holds a token."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "SecretBytes('***')"


def hidden(value: T) -> T | Secret:
    """The same value, as a `Secret` where it is a text; what is no text at all is refused by those who check it."""
    return Secret(value) if isinstance(value, str) else value


def partial_repr(struct: msgspec.Struct, *names: str) -> str:
    """A ``repr`` of some fields, for a structure whose others must not be shown."""
    return f"{type(struct).__name__}({', '.join(f'{name}={getattr(struct, name)!r}' for name in names)})"
