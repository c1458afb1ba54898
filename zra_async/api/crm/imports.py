"""Records of the custom CRM: get them by their ids, and import up to 2 000 in one call."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from zra_async.api.arguments import build_records, check_ids
from zra_async.api.crm.models import (
    CrmAccount,
    CrmAccountList,
    CrmContact,
    CrmContactList,
    CrmDeal,
    CrmDealList,
    CrmLead,
    CrmLeadList,
    QueuedTask,
)
from zra_async.api.crm.records import AccountRecord, ContactRecord, DealRecord, LeadRecord
from zra_async.api.resource import Resource, in_pieces
from zra_async.core.operation import Label, Operation

R = TypeVar("R")

MAX_IDS = 100
MAX_RECORDS = 2000

_READ = ("iq_crm:read:admin",)
_WRITE = ("iq_crm:write:admin",)

GET_ACCOUNTS = Operation(
    name="crm.accounts.get",
    method="GET",
    path="/crm/accounts",
    label=Label.MEDIUM,
    result=CrmAccountList,
    retry_safe=True,
    scopes=_READ,
    granular_scopes=("zra:read:crm_account:admin",),
)
IMPORT_ACCOUNTS = Operation(
    name="crm.accounts.import_records",
    method="POST",
    path="/crm/accounts",
    label=Label.RESOURCE_INTENSIVE,
    result=QueuedTask,
    retry_safe=True,  # records are written by their CRM id: the same import twice leaves the same account
    scopes=("iq_crm:write",),
    granular_scopes=("zra:write:crm_accounts:admin",),
)
GET_CONTACTS = Operation(
    name="crm.contacts.get",
    method="GET",
    path="/crm/contacts",
    label=Label.MEDIUM,
    result=CrmContactList,
    retry_safe=True,
    scopes=_READ,
    granular_scopes=("zra:read:crm_contact:admin",),
)
IMPORT_CONTACTS = Operation(
    name="crm.contacts.import_records",
    method="POST",
    path="/crm/contacts",
    label=Label.RESOURCE_INTENSIVE,
    result=QueuedTask,
    retry_safe=True,
    scopes=_WRITE,
    granular_scopes=("zra:write:crm_contact:admin",),
)
GET_DEALS = Operation(
    name="crm.deals.get",
    method="GET",
    path="/crm/deals",
    label=Label.MEDIUM,
    result=CrmDealList,
    retry_safe=True,
    scopes=_READ,
    granular_scopes=("zra:read:crm_deal:admin",),
)
IMPORT_DEALS = Operation(
    name="crm.deals.import_records",
    method="POST",
    path="/crm/deals",
    label=Label.RESOURCE_INTENSIVE,
    result=QueuedTask,
    retry_safe=True,
    scopes=_WRITE,
    granular_scopes=("zra:write:crm_deal:admin",),
)
GET_LEADS = Operation(
    name="crm.leads.get",
    method="GET",
    path="/crm/leads",
    label=Label.MEDIUM,
    result=CrmLeadList,
    retry_safe=True,
    scopes=_READ,
    granular_scopes=("zra:read:crm_lead:admin",),
)
IMPORT_LEADS = Operation(
    name="crm.leads.import_records",
    method="POST",
    path="/crm/leads",
    label=Label.RESOURCE_INTENSIVE,
    result=QueuedTask,
    retry_safe=True,
    scopes=_WRITE,
    granular_scopes=("zra:write:crm_lead:admin",),
)


class _Records(Resource):
    """The base of accounts, contacts, deals and leads, which are fetched by their ids, `MAX_IDS` at a time."""

    async def _find(self, operation: Operation[R], parameter: str, values: Sequence[str]) -> list[R]:
        wanted = check_ids("ids", values)
        return await in_pieces(
            operation, wanted, MAX_IDS, lambda piece: self._call(operation, query={parameter: piece})
        )


class CrmAccounts(_Records):
    """``zra.crm.accounts``: customer accounts, which contacts and deals refer to."""

    async def get(self, ids: Sequence[str]) -> tuple[CrmAccount, ...]:
        """Fetch imported accounts by their CRM ids.

        More than 100 ids take several calls, one after the other. Raises `BadRequest` for ids that are refused,
        `Conflict` when no CRM is connected, and `PartlyDone` when one of several calls fails.
        Label MEDIUM, ``GET /zra/crm/accounts``.
        """
        answers = await self._find(GET_ACCOUNTS, "crm_account_ids", ids)
        return tuple(record for answer in answers for record in answer.data)

    async def import_records(self, records: Iterable[AccountRecord | Mapping[str, object]]) -> QueuedTask:
        """Queue the import of 1–2 000 accounts; ``task(task_id)`` tells how it went.

        Import accounts before the contacts and deals that refer to them. `InvalidArgument` names the index of a bad
        record. Raises `Conflict` when no CRM is connected and `PayloadTooLarge`. Label RESOURCE-INTENSIVE,
        ``POST /zra/crm/accounts``.
        """
        data = build_records("records", AccountRecord, records, MAX_RECORDS)
        return await self._call(IMPORT_ACCOUNTS, body={"data": data})


class CrmContacts(_Records):
    """``zra.crm.contacts``: people at the customer accounts."""

    async def get(self, ids: Sequence[str]) -> tuple[CrmContact, ...]:
        """Fetch imported contacts by their CRM ids.

        More than 100 ids take several calls, one after the other. Raises `BadRequest` for ids that are refused,
        `Conflict` when no CRM is connected, and `PartlyDone` when one of several calls fails.
        Label MEDIUM, ``GET /zra/crm/contacts``.
        """
        answers = await self._find(GET_CONTACTS, "crm_contact_ids", ids)
        return tuple(record for answer in answers for record in answer.data)

    async def import_records(self, records: Iterable[ContactRecord | Mapping[str, object]]) -> QueuedTask:
        """Queue the import of 1–2 000 contacts; ``task(task_id)`` tells how it went.

        The accounts that they refer to must be there. `InvalidArgument` names the index of a bad record. Raises
        `Conflict` when no CRM is connected and `PayloadTooLarge`. Label RESOURCE-INTENSIVE,
        ``POST /zra/crm/contacts``.
        """
        data = build_records("records", ContactRecord, records, MAX_RECORDS)
        return await self._call(IMPORT_CONTACTS, body={"data": data})


class CrmDeals(_Records):
    """``zra.crm.deals``: the deals of the CRM. For what the service makes of them see ``zra.deals``."""

    async def get(self, ids: Sequence[str]) -> tuple[CrmDeal, ...]:
        """Fetch imported deals by their CRM ids.

        More than 100 ids take several calls, one after the other. Raises `BadRequest` for ids that are refused,
        `Conflict` when no CRM is connected, and `PartlyDone` when one of several calls fails.
        Label MEDIUM, ``GET /zra/crm/deals``.
        """
        answers = await self._find(GET_DEALS, "crm_deal_ids", ids)
        return tuple(record for answer in answers for record in answer.data)

    async def import_records(self, records: Iterable[DealRecord | Mapping[str, object]]) -> QueuedTask:
        """Queue the import of 1–2 000 deals; ``task(task_id)`` tells how it went.

        The account and the contacts that they refer to must be there, the stage must be registered, and the owner
        must be a licensed user. `InvalidArgument` names the index of a bad record. Raises `Conflict` when no CRM is
        connected and `PayloadTooLarge`. Label RESOURCE-INTENSIVE, ``POST /zra/crm/deals``.
        """
        data = build_records("records", DealRecord, records, MAX_RECORDS)
        return await self._call(IMPORT_DEALS, body={"data": data})


class CrmLeads(_Records):
    """``zra.crm.leads``: the leads of the CRM, which refer to nothing else."""

    async def get(self, ids: Sequence[str]) -> tuple[CrmLead, ...]:
        """Fetch imported leads by their CRM ids.

        More than 100 ids take several calls, one after the other. Raises `BadRequest` for ids that are refused,
        `Conflict` when no CRM is connected, and `PartlyDone` when one of several calls fails.
        Label MEDIUM, ``GET /zra/crm/leads``.
        """
        answers = await self._find(GET_LEADS, "crm_lead_ids", ids)
        return tuple(record for answer in answers for record in answer.data)

    async def import_records(self, records: Iterable[LeadRecord | Mapping[str, object]]) -> QueuedTask:
        """Queue the import of 1–2 000 leads; ``task(task_id)`` tells how it went.

        `InvalidArgument` names the index of a bad record. Raises `Conflict` when no CRM is connected and
        `PayloadTooLarge`. Label RESOURCE-INTENSIVE, ``POST /zra/crm/leads``.
        """
        data = build_records("records", LeadRecord, records, MAX_RECORDS)
        return await self._call(IMPORT_LEADS, body={"data": data})


OPERATIONS = (
    GET_ACCOUNTS,
    IMPORT_ACCOUNTS,
    GET_CONTACTS,
    IMPORT_CONTACTS,
    GET_DEALS,
    IMPORT_DEALS,
    GET_LEADS,
    IMPORT_LEADS,
)
