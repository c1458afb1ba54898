"""The people of the account: its users, and the customers they talk to."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zra_async.sandbox.generated.entropy import domain, opaque_id, words
from zra_async.sandbox.generated.names import COMPANIES, DOMAIN, FIRST_NAMES, LAST_NAMES

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class User:
    """A user of the account; only a ``licensed`` one can host conversations."""

    user_id: str
    email: str
    first_name: str
    last_name: str
    display_name: str
    licensed: bool


def user_count(conversations: int) -> int:
    """Size the account's staff: 40 people in a small account, 200 in a large one."""
    return 40 + min(160, conversations // 50)


def make_users(seed: int, count: int) -> Sequence[User]:
    """Make the users of an account; the first three, from whom tokens are issued, always have a licence."""
    return tuple(_user(seed, index) for index in range(count))


def _user(seed: int, index: int) -> User:
    space = domain(seed, "users")
    draw = words(space, index)
    first, last = FIRST_NAMES[draw[0] % len(FIRST_NAMES)], LAST_NAMES[draw[1] % len(LAST_NAMES)]
    email = f"{mail_name(first, last)}.{index}@{DOMAIN}"
    return User(opaque_id(space, index), email, first, last, f"{first} {last}", index < 3 or draw[2] % 8 != 0)


def mail_name(first: str, last: str) -> str:
    """Write a name as the local part of an e-mail address: ASCII letters and dots."""
    plain = unicodedata.normalize("NFKD", f"{first}.{last}").encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z.]", "", plain).strip(".") or "user"


@dataclass(frozen=True, slots=True)
class Customer:
    """A person on the customer's side of a conversation; ``email`` is empty for who joined without logging in."""

    display_name: str
    email: str


def customer(draw: int, company: int, *, signed_in: bool) -> Customer:
    """Make one employee of company number ``company`` from a 32-bit word."""
    first = FIRST_NAMES[draw % len(FIRST_NAMES)]
    last = LAST_NAMES[(draw >> 8) % len(LAST_NAMES)]
    return Customer(f"{first} {last}", f"{mail_name(first, last)}@{company_domain(company)}" if signed_in else "")


def company_domain(company: int) -> str:
    """Write the mail domain of a customer."""
    plain = unicodedata.normalize("NFKD", COMPANIES[company % len(COMPANIES)]).encode("ascii", "ignore").decode()
    return f"{re.sub(r'[^a-z]', '', plain.lower()) or 'customer'}.example"
