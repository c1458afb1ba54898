"""The structures that are sent to the custom CRM: records to import, and the deal stages of a registration."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import date, datetime
from typing import ClassVar, Literal, Self

from msgspec import UNSET, UnsetType

from zra_async.api.arguments import check_email, check_text
from zra_async.api.schema import Number, Record
from zra_async.errors import InvalidArgument

StageTypeName = Literal["OPEN", "CLOSED_WON", "CLOSED_LOST"]


class DealStage(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One stage of deals. Without a `stage_type` the service assumes ``OPEN``."""

    stage_name: str
    stage_type: StageTypeName | UnsetType = UNSET

    def __post_init__(self) -> None:
        check_text("stage_name", self.stage_name)


class CrmRecord(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The fields of every record of an import.

    A record with ``deletion=True`` needs its CRM id alone: ``delete(id)`` makes one. Every other record needs the
    fields in `REQUIRED`. Times must be aware; they are sent in UTC and whole seconds.
    """

    ID: ClassVar[str] = ""  #: the name of the CRM id
    REQUIRED: ClassVar[tuple[str, ...]] = ()  #: the fields, besides the id, of a record that is not to be deleted

    modify_time: datetime | UnsetType = UNSET
    create_time: datetime | UnsetType = UNSET
    owner_email: str | UnsetType = UNSET
    deletion: bool | UnsetType = UNSET

    def __post_init__(self) -> None:
        super().__post_init__()
        check_text(self.ID, getattr(self, self.ID))
        if self.deletion is not True:
            for name in self.REQUIRED:
                _required(name, getattr(self, name))
        _check_values((name, getattr(self, name)) for name in self.__struct_fields__)


class AccountRecord(CrmRecord, frozen=True, kw_only=True):
    """A customer account of the CRM."""

    ID: ClassVar[str] = "crm_account_id"
    REQUIRED: ClassVar[tuple[str, ...]] = ("account_name", "modify_time")

    crm_account_id: str
    account_name: str | UnsetType = UNSET
    domain: str | UnsetType = UNSET
    type: str | UnsetType = UNSET
    industry: str | UnsetType = UNSET
    annual_revenue: Number | UnsetType = UNSET
    phone: str | UnsetType = UNSET
    employees: int | UnsetType = UNSET

    @classmethod
    def delete(cls, crm_account_id: str) -> Self:
        """Make the record that deletes this account."""
        return cls(crm_account_id=crm_account_id, deletion=True)


class ContactRecord(CrmRecord, frozen=True, kw_only=True):
    """A person at a customer account."""

    ID: ClassVar[str] = "crm_contact_id"
    REQUIRED: ClassVar[tuple[str, ...]] = ("contact_name", "modify_time")

    crm_contact_id: str
    contact_name: str | UnsetType = UNSET
    contact_email: str | UnsetType = UNSET
    crm_account_id: str | UnsetType = UNSET
    department: str | UnsetType = UNSET
    job_title: str | UnsetType = UNSET
    phone: str | UnsetType = UNSET
    home_phone: str | UnsetType = UNSET
    mobile_phone: str | UnsetType = UNSET
    other_phone: str | UnsetType = UNSET

    @classmethod
    def delete(cls, crm_contact_id: str) -> Self:
        """Make the record that deletes this contact."""
        return cls(crm_contact_id=crm_contact_id, deletion=True)


class DealContact(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A deal's reference to a contact, by its CRM id."""

    crm_contact_id: str
    contact_name: str | UnsetType = UNSET
    contact_email: str | UnsetType = UNSET
    phone: str | UnsetType = UNSET
    home_phone: str | UnsetType = UNSET
    mobile_phone: str | UnsetType = UNSET
    other_phone: str | UnsetType = UNSET

    def __post_init__(self) -> None:
        check_text("crm_contact_id", self.crm_contact_id)
        _check_values((("contact_email", self.contact_email),))


class DealRecord(CrmRecord, frozen=True, kw_only=True):
    """A deal of the CRM; its `stage` is the name of a registered one, its owner a licensed user."""

    ID: ClassVar[str] = "crm_deal_id"
    REQUIRED: ClassVar[tuple[str, ...]] = ("crm_account_id", "owner_email", "deal_name", "stage", "modify_time")

    crm_deal_id: str
    crm_account_id: str | UnsetType = UNSET
    deal_name: str | UnsetType = UNSET
    stage: str | UnsetType = UNSET
    stage_modify_time: datetime | UnsetType = UNSET
    amount: Number | UnsetType = UNSET
    close_date: date | UnsetType = UNSET
    probability: Number | UnsetType = UNSET  #: in percent
    forecast_category: str | UnsetType = UNSET
    next_step: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    is_private: bool | UnsetType = UNSET
    contacts: tuple[DealContact, ...] | UnsetType = UNSET
    team_member_emails: tuple[str, ...] | UnsetType = UNSET

    @classmethod
    def delete(cls, crm_deal_id: str) -> Self:
        """Make the record that deletes this deal."""
        return cls(crm_deal_id=crm_deal_id, deletion=True)


class LeadRecord(CrmRecord, frozen=True, kw_only=True):
    """A lead of the CRM; leads refer to nothing else."""

    ID: ClassVar[str] = "crm_lead_id"
    REQUIRED: ClassVar[tuple[str, ...]] = ("lead_name", "modify_time")

    crm_lead_id: str
    lead_name: str | UnsetType = UNSET
    lead_email: str | UnsetType = UNSET
    company: str | UnsetType = UNSET
    job_title: str | UnsetType = UNSET
    phone: str | UnsetType = UNSET
    home_phone: str | UnsetType = UNSET
    mobile_phone: str | UnsetType = UNSET
    other_phone: str | UnsetType = UNSET

    @classmethod
    def delete(cls, crm_lead_id: str) -> Self:
        """Make the record that deletes this lead."""
        return cls(crm_lead_id=crm_lead_id, deletion=True)


def _required(name: str, value: object) -> None:
    if value is UNSET:
        raise InvalidArgument(f"{name} is required")
    if isinstance(value, str):
        check_text(name, value)


def _check_values(fields: Iterable[tuple[str, object]]) -> None:
    for name, value in fields:
        if isinstance(value, float) and not math.isfinite(value):
            raise InvalidArgument(f"{name} must be a finite number: JSON cannot express {value}")
        if isinstance(value, str) and name.endswith("_email"):
            check_email(name, value)
        if isinstance(value, (tuple, list)) and name.endswith("_emails"):
            for email in value:  # pyright: ignore[reportUnknownVariableType]
                check_email(name, email)  # pyright: ignore[reportUnknownArgumentType]
