"""The answers of the custom CRM: imported records, the registration, and the state of an import."""

from __future__ import annotations

from datetime import date
from typing import ClassVar

from zra_async.api.schema import Instant, Model, Number, OpenEnum


class StageType(OpenEnum):
    """The meaning of a stage: its deals are open, won or lost."""

    OPEN = "OPEN"
    CLOSED_WON = "CLOSED_WON"
    CLOSED_LOST = "CLOSED_LOST"


class TaskStatus(OpenEnum):
    """The state of an import."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUCCESS = "SUCCESS"
    FAILED = "FAILED"


class TaskType(OpenEnum):
    """The kind of record that an import brings in."""

    IMPORT_DEALS = "IMPORT_DEALS"
    IMPORT_ACCOUNTS = "IMPORT_ACCOUNTS"
    IMPORT_CONTACTS = "IMPORT_CONTACTS"
    IMPORT_LEADS = "IMPORT_LEADS"


class RegisteredStage(Model, frozen=True, kw_only=True):
    """One deal stage of the registered CRM."""

    stage_name: str | None = None
    stage_type: StageType | None = None


class Registration(Model, frozen=True, kw_only=True):
    """The CRM that is connected through the API."""

    crm_type: str | None = None
    crm_name: str | None = None
    currency_type: str | None = None
    deal_stages: tuple[RegisteredStage, ...] = ()
    url_pattern_account: str | None = None
    url_pattern_contact: str | None = None
    url_pattern_deal: str | None = None
    url_pattern_lead: str | None = None
    create_time: Instant | None = None
    modify_time: Instant | None = None


class QueuedTask(Model, frozen=True, kw_only=True):
    """An import that was accepted and runs in the background: ask for its `task_id` with ``zra.crm.task``."""

    ESSENTIAL: ClassVar[frozenset[str]] = frozenset({"task_id"})

    task_id: str = ""


class TaskError(Model, frozen=True, kw_only=True):
    """One record that could not be imported; `record_index` is its place in the list that was sent."""

    record_index: int | None = None
    record_id: str = ""
    detail: str | None = None


class Task(Model, frozen=True, kw_only=True):
    """The state of an import; `errors` are known when it has ended."""

    ESSENTIAL: ClassVar[frozenset[str]] = frozenset({"task_status"})

    task_id: str = ""
    task_type: TaskType | None = None
    task_status: TaskStatus | None = None
    total_count: int | None = None
    success_count: int | None = None
    failed_count: int | None = None
    errors: tuple[TaskError, ...] = ()
    create_time: Instant | None = None
    start_time: Instant | None = None
    modify_time: Instant | None = None
    end_time: Instant | None = None

    @property
    def ended(self) -> bool:
        """True if the import has ended, successfully or not."""
        return self.task_status in (TaskStatus.SUCCESS, TaskStatus.FAILED)


class CrmAccount(Model, frozen=True, kw_only=True):
    """An imported account."""

    crm_account_id: str = ""
    zra_account_id: str = ""
    account_name: str | None = None
    domain: str | None = None
    type: str | None = None
    industry: str | None = None
    annual_revenue: Number | None = None
    employees: int | None = None
    phone: str | None = None
    owner_email: str | None = None
    create_time: Instant | None = None
    modify_time: Instant | None = None


class CrmContact(Model, frozen=True, kw_only=True):
    """An imported contact."""

    crm_contact_id: str = ""
    zra_contact_id: str = ""
    crm_account_id: str = ""
    contact_name: str | None = None
    contact_email: str | None = None
    department: str | None = None
    job_title: str | None = None
    phone: str | None = None
    home_phone: str | None = None
    mobile_phone: str | None = None
    other_phone: str | None = None
    owner_email: str | None = None
    create_time: Instant | None = None
    modify_time: Instant | None = None


class CrmDealContact(Model, frozen=True, kw_only=True):
    """An imported deal's reference to a contact."""

    crm_contact_id: str = ""
    contact_name: str | None = None
    contact_email: str | None = None
    phone: str | None = None
    home_phone: str | None = None
    mobile_phone: str | None = None
    other_phone: str | None = None


class CrmDeal(Model, frozen=True, kw_only=True):
    """An imported deal; `probability` is in percent."""

    crm_deal_id: str = ""
    zra_deal_id: str = ""
    crm_account_id: str = ""
    deal_name: str | None = None
    stage: str | None = None
    stage_modify_time: Instant | None = None
    amount: Number | None = None
    close_date: date | None = None
    probability: Number | None = None
    forecast_category: str | None = None
    next_step: str | None = None
    description: str | None = None
    is_private: bool | None = None
    contacts: tuple[CrmDealContact, ...] = ()
    owner_email: str | None = None
    team_member_emails: tuple[str, ...] = ()
    create_time: Instant | None = None
    modify_time: Instant | None = None


class CrmLead(Model, frozen=True, kw_only=True):
    """An imported lead."""

    crm_lead_id: str = ""
    zra_lead_id: str = ""
    lead_name: str | None = None
    lead_email: str | None = None
    company: str | None = None
    job_title: str | None = None
    phone: str | None = None
    home_phone: str | None = None
    mobile_phone: str | None = None
    other_phone: str | None = None
    owner_email: str | None = None
    create_time: Instant | None = None
    modify_time: Instant | None = None


class CrmAccountList(Model, frozen=True, kw_only=True):
    """The accounts that were found."""

    data: tuple[CrmAccount, ...] = ()


class CrmContactList(Model, frozen=True, kw_only=True):
    """The contacts that were found."""

    data: tuple[CrmContact, ...] = ()


class CrmDealList(Model, frozen=True, kw_only=True):
    """The deals that were found."""

    data: tuple[CrmDeal, ...] = ()


class CrmLeadList(Model, frozen=True, kw_only=True):
    """The leads that were found."""

    data: tuple[CrmLead, ...] = ()
