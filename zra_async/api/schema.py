"""Base types of the structures that are sent and answered."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar

import msgspec

from zra_async.api.arguments import check_time
from zra_async.results.plain import plain

#: a time in an answer; it is always aware, because one without an offset is read as UTC
Instant = Annotated[datetime, msgspec.Meta(tz=True)]
#: an amount, a score or a measure, as it was sent: a whole number stays an int of any size, a fraction is a float
Number = int | float


class Model(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An answer, or a part of one. Field names are the wire's own; unknown fields are ignored, missing ones default.

    `to_dict` returns plain values for a web framework; ``msgspec.json.encode`` encodes one, or a list.
    """

    #: fields without which the answer is useless: if one cannot be read, the call raises `UnexpectedAnswer`
    ESSENTIAL: ClassVar[frozenset[str]] = frozenset({"next_page_token"})

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain JSON values: dicts, lists, texts and numbers, with times as ISO 8601 texts."""
        return plain(self)


class OpenEnum(StrEnum):
    """A set of known texts that may grow. An unknown text becomes a member of its own, for which `known` is False."""

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
        """True for a value that the reference lists."""
        return self._name_ in type(self).__members__


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A structure that is sent. A field left `UNSET` is not sent; None is sent as null. Times must be aware."""

    def to_dict(self) -> dict[str, Any]:
        """Return the fields that are sent as plain JSON values, with times as ISO 8601 texts."""
        return plain(self)

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if isinstance(value, datetime):
                msgspec.structs.force_setattr(self, name, check_time(name, value))
