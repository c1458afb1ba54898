"""Check the records of a custom CRM and its registration against the documented shape."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any, Literal, cast

import msgspec

from zra_async.sandbox.api_error import ApiError

Kind = Literal["accounts", "contacts", "deals", "leads"]
StageType = Literal["OPEN", "CLOSED_WON", "CLOSED_LOST"]

_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_email(value: Any) -> bool:
    return isinstance(value, str) and _EMAIL.fullmatch(value) is not None


def _is_boolean(value: Any) -> bool:
    return isinstance(value, bool)


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_date_time(value: Any) -> bool:
    if not isinstance(value, str) or _DATE_TIME.fullmatch(value) is None:
        return False
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


def _is_date(value: Any) -> bool:
    if not isinstance(value, str) or _DATE.fullmatch(value) is None:
        return False
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return True


def _is_emails(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_email, cast("Sequence[Any]", value)))


def _is_contacts(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_contact, cast("Sequence[Any]", value)))


def _is_contact(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    contact = cast("Mapping[str, Any]", value)
    given = {name: held for name, held in contact.items() if held is not None}
    texts = ("crm_contact_id", "contact_name", "home_phone", "mobile_phone", "other_phone", "phone")
    return (
        given.get("crm_contact_id", "") != ""
        and all(_is_text(given[name]) for name in texts if name in given)
        and ("contact_email" not in given or _is_email(given["contact_email"]))
    )


Check = tuple[Callable[[Any], bool], str]
TEXT: Check = (_is_text, "a string")
EMAIL: Check = (_is_email, "an email address")
NUMBER: Check = (_is_number, "a number")
INTEGER: Check = (_is_integer, "an integer")
BOOLEAN: Check = (_is_boolean, "a boolean")
DATE_TIME: Check = (_is_date_time, "a date-time such as 2025-11-20T12:00:00Z")
DATE: Check = (_is_date, "a date such as 2025-11-20")
EMAILS: Check = (_is_emails, "a list of email addresses")
CONTACTS: Check = (_is_contacts, "a list of references to CRM contacts, each with its 'crm_contact_id'")

_EVERY: Mapping[str, Check] = {
    "owner_email": EMAIL,
    "create_time": DATE_TIME,
    "modify_time": DATE_TIME,
    "deletion": BOOLEAN,
}
_PHONES: Mapping[str, Check] = {"phone": TEXT, "home_phone": TEXT, "mobile_phone": TEXT, "other_phone": TEXT}


@dataclass(frozen=True, slots=True)
class Schema:
    """The fields of one kind of record, in the order in which they are checked."""

    noun: str
    required: tuple[str, ...]
    fields: Mapping[str, Check]

    @property
    def id_field(self) -> str:
        """The name of the record's CRM id."""
        return f"crm_{self.noun}_id"


SCHEMAS: Mapping[Kind, Schema] = {
    "accounts": Schema(
        "account",
        ("crm_account_id", "account_name", "modify_time"),
        {
            "crm_account_id": TEXT,
            "account_name": TEXT,
            "domain": TEXT,
            "type": TEXT,
            "industry": TEXT,
            "annual_revenue": NUMBER,
            "phone": TEXT,
            "employees": INTEGER,
            **_EVERY,
        },
    ),
    "contacts": Schema(
        "contact",
        ("crm_contact_id", "contact_name", "modify_time"),
        {
            "crm_contact_id": TEXT,
            "crm_account_id": TEXT,
            "contact_name": TEXT,
            "contact_email": EMAIL,
            "department": TEXT,
            "job_title": TEXT,
            **_PHONES,
            **_EVERY,
        },
    ),
    "deals": Schema(
        "deal",
        ("crm_deal_id", "crm_account_id", "owner_email", "deal_name", "stage", "modify_time"),
        {
            "crm_deal_id": TEXT,
            "crm_account_id": TEXT,
            "team_member_emails": EMAILS,
            "contacts": CONTACTS,
            "deal_name": TEXT,
            "stage": TEXT,
            "amount": NUMBER,
            "next_step": TEXT,
            "close_date": DATE,
            "probability": NUMBER,
            "forecast_category": TEXT,
            "is_private": BOOLEAN,
            "description": TEXT,
            "stage_modify_time": DATE_TIME,
            **_EVERY,
        },
    ),
    "leads": Schema(
        "lead",
        ("crm_lead_id", "lead_name", "modify_time"),
        {
            "crm_lead_id": TEXT,
            "lead_name": TEXT,
            "lead_email": EMAIL,
            "company": TEXT,
            "job_title": TEXT,
            **_PHONES,
            **_EVERY,
        },
    ),
}


def record_problem(schema: Schema, record: Mapping[str, Any]) -> str | None:
    """Say what is wrong with a record by itself: the first missing field or wrong value.

    A record that is to be deleted needs its id alone. A null stands for a field that is not there, and unknown
    fields are let through.
    """
    deletion = record.get("deletion") is True
    for name in (schema.id_field,) if deletion else schema.required:
        if record.get(name) in (None, ""):
            return f"missing required field '{name}'"
    for name, (is_right, expected) in schema.fields.items():
        value = record.get(name)
        if value is not None and not is_right(value):
            return f"field '{name}' must be {expected}"
    return None


class Stage(msgspec.Struct, frozen=True):
    """One deal stage of the registered CRM."""

    stage_name: Annotated[str, msgspec.Meta(min_length=1)]
    stage_type: StageType = "OPEN"


class Registration(msgspec.Struct, frozen=True, kw_only=True):
    """The connected CRM, as registered."""

    crm_type: Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z][A-Za-z0-9_]{0,15}\Z")]
    deal_stages: list[Stage]
    crm_name: str | None = None
    currency_type: str | None = None
    url_pattern_account: str | None = None
    url_pattern_contact: str | None = None
    url_pattern_deal: str | None = None
    url_pattern_lead: str | None = None

    def stage_names(self) -> frozenset[str]:
        """Give the names that the `stage` of a deal may have."""
        return frozenset(stage.stage_name for stage in self.deal_stages)

    def answer(self, created: str) -> dict[str, Any]:
        """Write it as the service answers it, with the defaults filled in."""
        fields: dict[str, Any] = {name: value for name, value in msgspec.to_builtins(self).items() if value is not None}
        fields.setdefault("crm_name", self.crm_type)
        fields.setdefault("currency_type", "USD")
        return {**fields, "create_time": created, "modify_time": created}


def read_registration(body: Any) -> Registration:
    """Check the body of a registration: 400/300 with the reason in ``errors``."""
    try:
        registration = msgspec.convert(body, Registration)
    except msgspec.ValidationError as error:
        raise _bad_registration("crm_type" if "crm_type" in str(error) else "body", str(error)) from None
    stages = registration.deal_stages
    if len(registration.stage_names()) < len(stages):
        raise _bad_registration("deal_stages", "Each deal stage name must be unique.")
    for needed in ("OPEN", "CLOSED_WON", "CLOSED_LOST"):
        if all(stage.stage_type != needed for stage in stages):
            raise _bad_registration("deal_stages", f"At least one stage of type {needed} is required.")
    return registration


def _bad_registration(field: str, message: str) -> ApiError:
    return ApiError(400, 300, "Bad CRM registration information.", errors=[{"field": field, "message": message}])
