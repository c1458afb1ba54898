"""The twelve operations of the custom CRM."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from zra_async.sandbox.api_error import ApiError
from zra_async.sandbox.operations.route import Answer, Call, route
from zra_async.sandbox.world.crm_schema import SCHEMAS, Kind, read_registration

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_IMPORT = 2000
MAX_IDS = 100


@route("GET", "/crm/settings")
async def get_registration(call: Call) -> Answer:
    """Show the connected CRM."""
    return Answer(call.account.crm.registration())


@route("POST", "/crm/settings")
async def register(call: Call) -> Answer:
    """Connect a CRM."""
    return Answer(call.account.crm.register(read_registration(call.body)), status=201)


@route("DELETE", "/crm/settings")
async def unregister(call: Call) -> Answer:
    """Disconnect the CRM, with ``remove_all`` along with its records."""
    call.account.crm.unregister(remove_all=call.query.get("remove_all", "").lower() == "true")
    return Answer(status=204)


@route("GET", "/crm/tasks/{taskId}")
async def get_task(call: Call) -> Answer:
    """Show how an import stands."""
    return Answer(call.account.crm.task(call.path["taskId"]))


@route("POST", "/crm/accounts")
async def import_accounts(call: Call) -> Answer:
    """Queue an import of accounts."""
    return _import(call, "accounts")


@route("POST", "/crm/contacts")
async def import_contacts(call: Call) -> Answer:
    """Queue an import of contacts."""
    return _import(call, "contacts")


@route("POST", "/crm/deals")
async def import_deals(call: Call) -> Answer:
    """Queue an import of deals."""
    return _import(call, "deals")


@route("POST", "/crm/leads")
async def import_leads(call: Call) -> Answer:
    """Queue an import of leads."""
    return _import(call, "leads")


@route("GET", "/crm/accounts")
async def get_accounts(call: Call) -> Answer:
    """Show imported accounts."""
    return _get(call, "accounts")


@route("GET", "/crm/contacts")
async def get_contacts(call: Call) -> Answer:
    """Show imported contacts."""
    return _get(call, "contacts")


@route("GET", "/crm/deals")
async def get_deals(call: Call) -> Answer:
    """Show imported deals."""
    return _get(call, "deals")


@route("GET", "/crm/leads")
async def get_leads(call: Call) -> Answer:
    """Show imported leads."""
    return _get(call, "leads")


def _import(call: Call, kind: Kind) -> Answer:
    records = _records(call.body)
    if len(records) > MAX_IMPORT:
        raise ApiError(413, 413, "Too many import items.")
    return Answer({"task_id": call.account.crm.submit(kind, records)}, status=202)


def _records(body: Any) -> Sequence[Any]:
    data: Any = cast("dict[str, Any]", body).get("data") if isinstance(body, dict) else None
    if not isinstance(data, list):
        raise ApiError(400, 300, "Missing field: data")
    return cast("Sequence[Any]", data)


def _get(call: Call, kind: Kind) -> Answer:
    name = f"{SCHEMAS[kind].id_field}s"
    crm_ids = [crm_id for crm_id in call.query.get(name, "").split(",") if crm_id]
    if not crm_ids:
        raise ApiError(400, 300, f"Missing field: {name}")
    if len(crm_ids) > MAX_IDS:
        raise ApiError(400, 300, "Too many IDs to query.")
    return Answer({"data": call.account.crm.find(kind, crm_ids)})
