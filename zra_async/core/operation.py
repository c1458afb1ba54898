"""The operations of the API as data: one frozen row per endpoint."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Any, Generic, Literal, TypeVar

import msgspec

R = TypeVar("R")
T = TypeVar("T")

Method = Literal["GET", "POST", "PATCH", "DELETE"]
Prefix = Literal["zra", "iq"]


class Label(StrEnum):
    """The rate-limit label that an operation is counted under; the last two belong to the file host."""

    LIGHT = "LIGHT"
    MEDIUM = "MEDIUM"
    HEAVY = "HEAVY"
    RESOURCE_INTENSIVE = "RESOURCE-INTENSIVE"
    FILES = "FILES"
    MULTIPART = "MULTIPART"


class Host(StrEnum):
    """The host that serves an operation."""

    API = "api"
    FILE = "file"


class Operation(msgspec.Struct, Generic[R], frozen=True, kw_only=True):
    """One endpoint, whose answer decodes to `result`.

    `path` is relative to the prefix and holds ``{parameters}``. `retry_safe` says that repeating the operation after
    its answer was lost does no harm. `scopes` are the classic scopes, any one of which is enough, and
    `granular_scopes` their newer names. `twin` says that the deprecated ``/iq`` prefix serves it as well. `exclusive`
    operations never overlap each other on one client. `government` says that the government cloud has the operation.
    """

    name: str
    method: Method
    path: str
    label: Label
    result: type[R]
    scopes: tuple[str, ...]
    granular_scopes: tuple[str, ...] = ()
    host: Host = Host.API
    retry_safe: bool
    twin: bool = False
    exclusive: bool = False
    government: bool = True
    prefix: Prefix = "zra"

    @property
    def title(self) -> str:
        """Method and path as the reference writes them, such as ``GET /zra/deals/{deal_id}``."""
        return f"{self.method} /{self.prefix}{self.path}"


class ListOperation(Operation[R], Generic[R, T], frozen=True, kw_only=True):
    """An endpoint that answers in pages of `items`, whose size may be `min_page_size` to `max_page_size`.

    `default_page_size` is the size to ask for unless told otherwise; None stands for the largest.
    """

    items: Callable[[R], Sequence[T]]
    min_page_size: int = 1
    max_page_size: int = 300
    default_page_size: int | None = None

    @property
    def usual_page_size(self) -> int:
        """The size of a page that a list asks for unless told otherwise."""
        return self.default_page_size or self.max_page_size


Op = TypeVar("Op", bound="Operation[Any]")


def deprecated_twin(operation: Op) -> Op:
    """The same row under the deprecated ``/iq`` prefix."""
    return msgspec.structs.replace(operation, prefix="iq", name=f"legacy.{operation.name}")
