"""The notifications that processes send each other through the database."""

from __future__ import annotations

import msgspec

from zra_async.core.operation import Label


class _Note(msgspec.Struct, frozen=True):
    a: str
    l: str  # noqa: E741 (short, since a notification is)
    u: float


def frozen_label(payload: str, account: str) -> tuple[Label, float] | None:
    """Return the label of ``account`` that a notification speaks of, and until when it is frozen, 0 for no longer.

    None for a notification of another account, and for one that is not ours.
    """
    try:
        note = msgspec.json.decode(payload, type=_Note)
        return (Label(note.l), note.u) if note.a == account else None
    except (msgspec.MsgspecError, ValueError):
        return None
