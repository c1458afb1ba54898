"""The memory of an upload that became a conversation, so that the same command does not make a second one."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from zra_async.cli.failures import GivenUp
from zra_async.errors import JournalError
from zra_async.osfiles.paths import regular_file
from zra_async.osfiles.replace import replace_file


class _Note(msgspec.Struct, kw_only=True):
    fields: str  #: a digest of the conversation's fields
    conversation_id: str = ""  #: "" while the answer is not known
    account: str = ""


class Added:
    """The note beside a journal: a conversation is being added, or was added under this id."""

    def __init__(self, journal: Path, account: str) -> None:
        place = Path(os.path.realpath(journal))  # one note, whatever link the journal is given by
        self.path: Path = place.with_name(f"{place.name}.conversation")
        self._account = account

    def known(self, wanted: Mapping[str, Any]) -> str:
        """Return the id of the conversation that an earlier run added, "" without one.

        Raises `GivenUp` where adding could make a second conversation, and `JournalError`.
        """
        try:
            note = msgspec.json.decode(regular_file(self.path).read_bytes(), type=_Note)
        except FileNotFoundError:
            return ""
        except OSError as problem:
            raise JournalError(f"{self.path} cannot be read: {problem.strerror}") from problem
        except msgspec.DecodeError:
            raise JournalError(f"{self.path} is not the note of an added conversation: remove it") from None
        if note.account and note.account != self._account:
            raise GivenUp(
                f"{self.path} says that this recording was added to the conversations of {note.account}, and these are "
                f"the credentials of {self._account or 'an account that is not known'}",
                advice=f"use the credentials of that account, or remove {self.path} to add it to this account too",
            )
        if not note.conversation_id:
            raise self.doubt()
        if note.fields != _digest(wanted):
            raise GivenUp(
                f"this recording became the conversation {note.conversation_id}, with other fields",
                advice=f"to make another conversation of it, remove {self.path}",
            )
        return note.conversation_id

    def sending(self, wanted: Mapping[str, Any]) -> None:
        """Note that the conversation is about to be added. Raises `JournalError`."""
        self._write(_Note(fields=_digest(wanted), account=self._account))

    def added(self, wanted: Mapping[str, Any], conversation_id: str) -> None:
        """Note the id of the conversation. Raises `JournalError`."""
        self._write(_Note(fields=_digest(wanted), conversation_id=conversation_id, account=self._account))

    def remove(self) -> None:
        """Forget: the conversation was not added, or its id is where it belongs."""
        self.path.unlink(missing_ok=True)

    def doubt(self) -> GivenUp:
        """Return the error of a conversation that may have been added."""
        return GivenUp(
            "the conversation was sent and its answer is not known: it may or may not have been added",
            advice=f"look with zra list conversations; if it is not there, remove {self.path} and repeat the command",
        )

    def _write(self, note: _Note) -> None:
        try:
            replace_file(self.path, [msgspec.json.encode(note)], private=True)
        except OSError as problem:
            raise JournalError(f"{self.path} cannot be written: {problem.strerror}") from problem


def _digest(wanted: Mapping[str, Any]) -> str:
    fields = {name: value for name, value in wanted.items() if name != "file_id"}
    return hashlib.sha256(msgspec.json.encode(fields, order="sorted")).hexdigest()
