"""CRM records by the thousand for tests and benchmarks: every hundredth is bad, each in a way of its own."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

STAGES = [
    {"stage_name": "Open", "stage_type": "OPEN"},
    {"stage_name": "Won", "stage_type": "CLOSED_WON"},
    {"stage_name": "Lost", "stage_type": "CLOSED_LOST"},
]
MODIFIED = datetime(2025, 6, 1, tzinfo=UTC)
TIME = "2025-06-01T00:00:00Z"


def account(number: int) -> dict[str, Any]:
    return {
        "crm_account_id": f"A{number}",
        "account_name": f"Account {number}",
        "modify_time": TIME,
        "employees": number,
    }


def contact(number: int, accounts: int) -> dict[str, Any]:
    return {
        "crm_contact_id": f"C{number}",
        "contact_name": f"Contact {number}",
        "contact_email": f"c{number}@example.com",
        "crm_account_id": f"A{good(number, accounts)}",
        "modify_time": TIME,
    }


def deal(number: int, accounts: int, owner: str) -> dict[str, Any]:
    return {
        "crm_deal_id": f"D{number}",
        "deal_name": f"Deal {number}",
        "crm_account_id": f"A{good(number, accounts)}",
        "owner_email": owner,
        "stage": ("Open", "Won", "Lost")[number % 3],
        "amount": 100.5 * number,
        "modify_time": TIME,
        "contacts": [{"crm_contact_id": f"C{good(number, accounts)}"}],
    }


def lead(number: int) -> dict[str, Any]:
    return {"crm_lead_id": f"L{number}", "lead_name": f"Lead {number}", "modify_time": TIME, "company": "Öxi & Co"}


def good(number: int, among: int) -> int:
    """A number of a record that is not bad."""
    number %= among
    return number + 1 if is_bad(number) else number


def is_bad(number: int) -> bool:
    """One of a hundred."""
    return number % 100 == 42


def spoiled(record: dict[str, Any], number: int) -> dict[str, Any]:
    """The record, bad if its turn has come: half of these are found here, half by the service only."""
    if not is_bad(number):
        return record
    if number % 200 == 42 and "crm_account_id" in record and "account_name" not in record:
        return record | {"crm_account_id": f"nowhere-{number}"}  # the service alone can know
    return {name: value for name, value in record.items() if name != "modify_time"}


def records(kind: str, count: int, *, owner: str = "") -> Iterator[dict[str, Any]]:
    """The records of one kind."""
    make = {
        "accounts": account,
        "contacts": lambda number: contact(number, count),
        "deals": lambda number: deal(number, count, owner),
        "leads": lead,
    }[kind]
    return (spoiled(make(number), number) for number in range(count))
