"""Operations for tests of the core, which knows no resource."""

from __future__ import annotations

from typing import Any

import msgspec

from zra_async.core.operation import Label, Operation


class Thing(msgspec.Struct, frozen=True, kw_only=True):
    """An answer."""

    name: str | None = None
    count: int | None = None


def row(label: Label = Label.LIGHT, **changes: Any) -> Operation[Thing]:
    """A GET, unless told otherwise."""
    fields: dict[str, Any] = {
        "name": "things.get",
        "method": "GET",
        "path": "/things/{thing_id}",
        "label": label,
        "result": Thing,
        "scopes": ("things:read",),
        "retry_safe": True,
    }
    return Operation(**{**fields, **changes})
