"""Results as plain JSON values, for web frameworks that know nothing of msgspec."""

from __future__ import annotations

import os
from typing import Any

import msgspec


def plain(value: object) -> dict[str, Any]:
    """Return a Struct or a dataclass as dicts, lists, texts and numbers, with times as ISO 8601 texts."""
    # not `to_builtins`, which leaves tuples, so that the result would differ from what comes over the wire
    found: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(value, enc_hook=_known))
    return found


def _known(value: Any) -> object:
    """Encode what msgspec does not know: a path, a subclass of str, and a mapping that is no dict."""
    if isinstance(value, (str, os.PathLike)):
        return str(value)  # pyright: ignore[reportUnknownArgumentType]
    if hasattr(value, "keys"):
        return dict(value)
    raise TypeError(f"objects of type {type(value).__name__} are no JSON")
