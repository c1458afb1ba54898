"""``zra.crm``: whole imports, besides the operations of the custom CRM."""

from __future__ import annotations

import os
from pathlib import Path
from typing import cast

from zra_async.api.crm import operations as api
from zra_async.api.crm.imports import MAX_RECORDS
from zra_async.bulk.caller import BulkCaller
from zra_async.bulk.crm.chunks import CHUNK_BYTES
from zra_async.bulk.crm.input import Records
from zra_async.bulk.crm.job import ImportPlan, import_records
from zra_async.bulk.crm.kinds import ACCOUNTS, CONTACTS, DEALS, LEADS
from zra_async.bulk.crm.report import Failures, ImportReport, OnFailed
from zra_async.bulk.events import OnEvent, both
from zra_async.bulk.owner import Owner
from zra_async.bulk.polling import Polling
from zra_async.bulk.tables.record_files import PathLike
from zra_async.core.events import Observer
from zra_async.core.limits import Lane
from zra_async.errors import InvalidArgument
from zra_async.osfiles.paths import as_path, shown


class Crm(api.CrmOperations):
    """``zra.crm``: a CRM that is connected through the API; `import_all` brings any number of records in.

    The other methods make one call each.
    """

    def __init__(self, client: BulkCaller, observe: Observer) -> None:
        super().__init__(client)
        self._client = client
        self._observe = observe

    async def import_all(
        self,
        *,
        accounts: Records | None = None,
        contacts: Records | None = None,
        deals: Records | None = None,
        leads: Records | None = None,
        ledger: PathLike | None = None,
        failed_to: PathLike | None = None,
        on_failed: OnFailed | None = None,
        on_event: OnEvent | None = None,
        chunk_records: int = MAX_RECORDS,
        chunk_bytes: int = CHUNK_BYTES,
        polling: Polling | None = None,
        adopt: bool = False,
    ) -> ImportReport:
        """Import any number of records, each kind after those that it refers to: accounts, contacts, deals; and leads.

        Each is an iterable or async iterable of structures (`AccountRecord` …) or mappings, or the path of a file of
        them: ``.jsonl``, one object a line, or ``.csv`` with the names of the fields as its header. A null and an empty
        cell are not sent. In a CSV file times look like 2025-11-20T12:00:00Z, ``team_member_emails`` and the CRM ids
        in ``contacts`` are separated by ``;``, and ``deletion`` is true or false. Inputs are read as they are needed:
        memory does not grow with them. A record with ``deletion`` needs its CRM id alone.

        Of two records with the same CRM id the one with the later ``modify_time`` counts; do not write and delete one
        and the same record in a single import, since its chunks may be carried out in any order.

        A kind begins when every task of the one before has ended. Calls take at most ``chunk_records`` records and
        about ``chunk_bytes`` bytes; what the service finds too large goes in halves. A chunk whose answer is lost is
        sent again, which changes nothing: records are written by their CRM ids. ``polling`` says how often tasks are
        asked after.

        The stages of deals must be registered. Files and collections are looked through before anything is sent; the
        deals of an iterator chunk by chunk before each is sent, when accounts and contacts are there already.

        A record that is wrong, or that the service refuses, does not stop the others: the report holds the first
        1 000, ``on_failed`` is called with each `FailedRecord`, and ``failed_to`` is a JSONL file of all of them, which
        appears at the end; a pipe or a device there gets each record at once. ``ledger`` is a SQLite file: the same
        call goes on where an earlier one was interrupted, and reports its failures too. Once an import has ended, the
        next call with the same ledger begins anew. The ledger of another account is refused; with ``adopt``, one that
        does not say whose it is becomes the ledger of this account.

        An error of an iterator ends the import after the chunks that are with the service, and is raised as it is;
        ``zra_async.bulk.report_of(error)`` is the report of what was done until then. Whatever a callback raises is
        logged once, and the callback is not called again; it must be a plain function.

        ``on_event`` receives `JobProgress`. When the calls of the day are used up, the import stops in good order and
        the report says when to go on. Raises `InvalidArgument`, `NotFound` when no CRM is connected,
        `StagesNotRegistered`, `LedgerError`, `InUse`, and the errors of each call. Labels RESOURCE-INTENSIVE for each
        chunk and LIGHT for each look at a task, ``POST /zra/crm/accounts`` and its like.
        """
        given = {ACCOUNTS: accounts, CONTACTS: contacts, DEALS: deals, LEADS: leads}
        if all(records is None for records in given.values()):
            raise InvalidArgument("give at least one of accounts, contacts, deals and leads")
        _check_target(failed_to, ledger, *given.values())
        plan = ImportPlan(
            chunk_records=chunk_records,
            chunk_bytes=chunk_bytes,
            polling=polling or Polling(),
            ledger=ledger,
            owner=Owner(self._client.account, adopt),
            observe=both(self._observe, on_event),
        )
        view = self._client.with_options(lane=Lane.BULK, deadline=None)
        return await import_records(view, given, plan, Failures(failed_to, on_failed))


def _check_target(failed_to: PathLike | None, *read: object) -> None:
    """Refuse to write the failures over a file that the import reads."""
    if failed_to is None:
        return
    try:
        target = as_path(failed_to)
    except OSError as problem:
        raise InvalidArgument(f"failed_to={shown(failed_to)} cannot be written: {problem.strerror}") from problem
    for place in read:
        if isinstance(place, (str, os.PathLike)) and _is_same(os.fsdecode(cast("PathLike", place)), target):
            raise InvalidArgument(
                f"failed_to={shown(failed_to)} is an input or the ledger of this import: name another file"
            )


def _is_same(place: str, target: Path) -> bool:
    """Tell whether two paths lead to one file, which one of them may be about to make."""
    try:
        return os.path.realpath(place) == os.path.realpath(target) or target.samefile(place)
    except (OSError, ValueError):
        return False
