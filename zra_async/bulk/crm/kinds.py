"""The four kinds of CRM records, and how one is made of what a caller or a file holds."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal, cast, get_args, get_type_hints

import msgspec

from zra_async.api.crm import imports as api
from zra_async.api.crm.models import QueuedTask
from zra_async.api.crm.records import AccountRecord, ContactRecord, CrmRecord, DealRecord, LeadRecord
from zra_async.bulk.tables.cells import boolean, day, entries, moment, number, whole_number
from zra_async.bulk.tables.people import mail_or_id, people
from zra_async.bulk.tables.record_files import TableRow, readable
from zra_async.core.operation import Operation
from zra_async.errors import InvalidArgument

KindName = Literal["accounts", "contacts", "deals", "leads"]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of records: its name, its structure, and the operation that brings it in."""

    name: KindName
    record: type[CrmRecord]
    operation: Operation[QueuedTask]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that a CSV file of these records may have: the fields of the structure."""
        return self.record.__struct_fields__


ACCOUNTS = Kind("accounts", AccountRecord, api.IMPORT_ACCOUNTS)
CONTACTS = Kind("contacts", ContactRecord, api.IMPORT_CONTACTS)
DEALS = Kind("deals", DealRecord, api.IMPORT_DEALS)
LEADS = Kind("leads", LeadRecord, api.IMPORT_LEADS)
#: contacts refer to accounts, deals to both
CHAIN = (ACCOUNTS, CONTACTS, DEALS)


def checked(kind: Kind, row: TableRow) -> CrmRecord:
    """The record that a row holds. Raises `InvalidArgument`, which says what is wrong with it.

    A null in a mapping, and an empty cell, stand for a field that is not sent.
    """
    if row.problem:
        raise InvalidArgument(row.problem)
    value = row.value
    if isinstance(value, kind.record):
        fields: dict[str, Any] = msgspec.to_builtins(value)  # a structure checks no types when it is made
    elif isinstance(value, Mapping):
        given = cast("Mapping[str, Any]", value)
        fields = _from_cells(kind, given) if row.cells else {k: v for k, v in given.items() if v is not None}
    else:
        raise InvalidArgument(f"a {kind.record.__name__} or a mapping is wanted, not {type(value).__name__}")
    try:
        return msgspec.convert(fields, kind.record, strict=not row.cells)
    except (ValueError, TypeError) as problem:
        raise InvalidArgument(readable(str(problem))) from None


def crm_id(kind: Kind, value: object) -> str:
    """The CRM id in a record that may be wrong, "" where there is none."""
    name = kind.record.ID
    found = cast("Mapping[str, object]", value).get(name) if isinstance(value, Mapping) else getattr(value, name, "")
    return found if isinstance(found, str) else ""


# --------------------------------------------------------------------------- cells of a CSV file


Reader = Callable[[str, str], Any]


def _from_cells(kind: Kind, cells: Mapping[str, str]) -> dict[str, Any]:
    readers = _readers_of(kind.record)
    texts = {name: text for name, cell in cells.items() if (text := cell.strip())}
    return {name: readers[name](name, text) if name in readers else text for name, text in texts.items()}


@functools.cache
def _readers_of(record: type[CrmRecord]) -> dict[str, Reader]:
    """Return the readers of the columns that are not plain text."""
    kinds = {name: get_args(hint) for name, hint in get_type_hints(record).items()}
    readers = {name: reader for name, of in kinds.items() for kind, reader in _READERS.items() if kind in of}
    emails: dict[str, Reader] = {name: _email for name in kinds if name.endswith("_email")}
    return readers | emails | {"contacts": _contacts, "team_member_emails": _emails}


def _contacts(name: str, text: str) -> Any:
    if text.startswith("["):
        try:
            return msgspec.json.decode(text)
        except (msgspec.DecodeError, RecursionError) as problem:
            raise InvalidArgument(f"{name}: {problem}") from None
    return [{"crm_contact_id": crm_contact_id} for crm_contact_id in entries(text)]


def _email(name: str, text: str) -> str:
    """One address in any notation; a text that holds none is left to the check of the record."""
    return mail_or_id(name, text) if "@" in text else text


def _emails(name: str, text: str) -> list[str]:
    try:
        found = people(text)
    except InvalidArgument as problem:
        raise InvalidArgument(f"{name}: {problem}") from None
    for person in found:
        if not person.address:
            raise InvalidArgument(f"{name}: {person.name[:60]!r} has no mail address")
    return [person.address for person in found]


_READERS: dict[type, Reader] = {bool: boolean, int: whole_number, float: number, datetime: moment, date: day}
