"""The custom CRM: its registration, and the state of its imports."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from typing import get_args

from msgspec import UNSET, UnsetType

from zra_async.api.arguments import (
    Check,
    Checks,
    build_body,
    build_path,
    build_records,
    check_flag,
    check_pattern,
    check_text,
    check_text_up_to,
)
from zra_async.api.crm import imports as crm_imports
from zra_async.api.crm.imports import CrmAccounts, CrmContacts, CrmDeals, CrmLeads
from zra_async.api.crm.models import Registration, Task
from zra_async.api.crm.records import DealStage, StageTypeName
from zra_async.api.resource import Resource
from zra_async.core.operation import Label, Operation
from zra_async.errors import InvalidArgument

MAX_STAGES = 50
MAX_NAME = 100

_READ = ("iq_crm:read:admin",)
_WRITE = ("iq_crm:write:admin",)

REGISTER = Operation(
    name="crm.register",
    method="POST",
    path="/crm/settings",
    label=Label.HEAVY,
    result=Registration,
    retry_safe=False,
    scopes=_WRITE,
    granular_scopes=("zra:write:crm_registration:admin",),
)
REGISTRATION = Operation(
    name="crm.registration",
    method="GET",
    path="/crm/settings",
    label=Label.LIGHT,
    result=Registration,
    retry_safe=True,
    scopes=_READ,
    granular_scopes=("zra:read:crm_registration:admin",),
)
UNREGISTER = Operation(
    name="crm.unregister",
    method="DELETE",
    path="/crm/settings",
    label=Label.HEAVY,
    result=type(None),
    retry_safe=True,
    scopes=_WRITE,
    granular_scopes=("zra:delete:crm_registration:admin",),
)
TASK = Operation(
    name="crm.task",
    method="GET",
    path="/crm/tasks/{task_id}",
    label=Label.LIGHT,
    result=Task,
    retry_safe=True,
    scopes=_READ,
    granular_scopes=("zra:read:crm_task:admin",),
)


class CrmOperations(Resource):
    """``zra.crm``: a CRM that is connected through the API instead of a built-in integration."""

    @functools.cached_property
    def accounts(self) -> CrmAccounts:
        """Customer accounts."""
        return CrmAccounts(self._caller, legacy=self._legacy)

    @functools.cached_property
    def contacts(self) -> CrmContacts:
        """People at the customer accounts."""
        return CrmContacts(self._caller, legacy=self._legacy)

    @functools.cached_property
    def deals(self) -> CrmDeals:
        """Deals as the CRM has them."""
        return CrmDeals(self._caller, legacy=self._legacy)

    @functools.cached_property
    def leads(self) -> CrmLeads:
        """Leads."""
        return CrmLeads(self._caller, legacy=self._legacy)

    async def register(
        self,
        crm_type: str,
        *,
        deal_stages: Iterable[DealStage | Mapping[str, object]],
        crm_name: str | UnsetType = UNSET,
        currency_type: str | UnsetType = UNSET,
        url_pattern_account: str | UnsetType = UNSET,
        url_pattern_contact: str | UnsetType = UNSET,
        url_pattern_deal: str | UnsetType = UNSET,
        url_pattern_lead: str | UnsetType = UNSET,
    ) -> Registration:
        """Connect a CRM, named by ``crm_type``: 1–16 letters, digits and ``_``, a letter first.

        The 3–50 stages need names of their own, and at least one of each type: OPEN (the default), CLOSED_WON and
        CLOSED_LOST. ``crm_name`` has at most 100 characters and is by default the type, ``currency_type`` USD. A URL
        pattern is http(s) and holds ``{id}`` where the CRM id goes. Raises `BadRequest`, and `Conflict` when a CRM is
        connected already. Label HEAVY, ``POST /zra/crm/settings``.
        """
        body = build_body(
            _REGISTRATION,
            crm_type=crm_type,
            deal_stages=deal_stages,
            crm_name=crm_name,
            currency_type=currency_type,
            url_pattern_account=url_pattern_account,
            url_pattern_contact=url_pattern_contact,
            url_pattern_deal=url_pattern_deal,
            url_pattern_lead=url_pattern_lead,
        )
        return await self._call(REGISTER, body=body)

    async def registration(self) -> Registration:
        """Fetch the registration of the CRM that is connected now.

        Raises `NotFound` when none is connected through the API. Label LIGHT, ``GET /zra/crm/settings``.
        """
        return await self._call(REGISTRATION)

    async def unregister(self, remove_all: bool = False) -> None:
        """Disconnect the CRM; with ``remove_all`` every imported record is removed as well.

        Raises `NotFound` when none is connected. Label HEAVY, ``DELETE /zra/crm/settings``.
        """
        await self._call(UNREGISTER, query={"remove_all": check_flag("remove_all", remove_all)})

    async def task(self, task_id: str) -> Task:
        """Fetch the state of an import: its status, its counts and, once it has ended, the records that failed.

        Raises `NotFound` when the task is unknown or too old. Label LIGHT, ``GET /zra/crm/tasks/{taskId}``.
        """
        return await self._call(TASK, build_path(task_id=task_id))


def _check_url_pattern(name: str, value: object) -> str:
    text = _check_address(name, value)
    if "{id}" not in str(text):
        raise InvalidArgument(f"{name} must hold {{id}}, where the CRM id goes: {value!r} does not")
    return str(text)


def _check_stages(name: str, value: object) -> list[DealStage]:
    stages = build_records(name, DealStage, value, MAX_STAGES)
    names = [stage.stage_name for stage in stages]
    for stage in names:
        if names.count(stage) > 1:
            raise InvalidArgument(f"deal_stages holds {stage!r} more than once")
    kinds = {"OPEN" if stage.stage_type is UNSET else stage.stage_type for stage in stages}
    missing = [kind for kind in get_args(StageTypeName) if kind not in kinds]
    if missing:
        raise InvalidArgument(f"deal_stages needs at least one stage of type {' and one of type '.join(missing)}")
    return stages


_check_address: Check = check_pattern(r"[Hh][Tt][Tt][Pp][Ss]?://\S+", "an http or https address without blanks")
_REGISTRATION: Checks = {
    "crm_type": check_pattern("[A-Za-z][A-Za-z0-9_]{0,15}", "1–16 letters, digits or _, a letter first"),
    "deal_stages": _check_stages,
    "crm_name": check_text_up_to(MAX_NAME),
    "currency_type": check_text,
    "url_pattern_account": _check_url_pattern,
    "url_pattern_contact": _check_url_pattern,
    "url_pattern_deal": _check_url_pattern,
    "url_pattern_lead": _check_url_pattern,
}

OPERATIONS = (*crm_imports.OPERATIONS, REGISTER, REGISTRATION, UNREGISTER, TASK)
