"""The rate-limit headers of an answer."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import msgspec

from zra_async import errors
from zra_async.core.clock import moment_of, parse_date
from zra_async.core.operation import Host, Label, Operation

_CATEGORIES = {
    label.value.casefold(): label for label in (Label.LIGHT, Label.MEDIUM, Label.HEAVY, Label.RESOURCE_INTENSIVE)
}
#: a larger number is no limit at all
_DIGITS = 18
_DAY = timedelta(days=1)


class Word(msgspec.Struct, frozen=True):
    """The service's statement on one label: its limit by second, minute or day, and the rest of a day."""

    label: Label
    kind: Literal["rate", "daily"]
    limit: int | None
    remaining: int | None


def read(operation: Operation[Any], headers: Mapping[str, str], error: errors.CallError | None) -> Word | None:
    """Return what an answer says of a limit; None where it says nothing that makes sense.

    A header that is missing is made up for by the message of a 429. A category that is not the operation's own speaks
    of the limit of that category; one that is not known, or belongs to another host, speaks of none of ours.
    """
    kind = _kind(headers.get("X-RateLimit-Type", ""), error)
    label = _label(operation, headers.get("X-RateLimit-Category", ""))
    limit = _whole(headers.get("X-RateLimit-Limit"))
    remaining = _whole(headers.get("X-RateLimit-Remaining"))
    if kind is None or label is None or limit == 0:
        return None  # a limit of nothing is a mistake: it would end all calls for good
    if limit is None and (kind == "rate" or remaining is None):
        return None
    return Word(label, kind, limit, remaining)


def _kind(header: str, error: errors.CallError | None) -> Literal["rate", "daily"] | None:
    text = header.strip().casefold()
    if not text and isinstance(error, errors.RateLimited):
        text = error.kind
    if "dai" in text or "day" in text:
        return "daily"
    return "rate" if text == "qps" or "second" in text or "minute" in text else None


def _label(operation: Operation[Any], category: str) -> Label | None:
    name = "-".join(category.replace("_", " ").replace("-", " ").casefold().split())
    if not name:
        return operation.label
    named = _CATEGORIES.get(name)
    return named if operation.host is Host.API or named is operation.label else None


def _whole(text: str | None) -> int | None:
    digits = (text or "").strip()
    if not (digits.isascii() and digits.isdigit()):
        return None
    return int(digits) if len(digits) <= _DIGITS else 10**_DIGITS


def ahead(headers: Mapping[str, str], now: datetime) -> timedelta:
    """Return how far this machine's clock is ahead of the service's, as its Date header tells; 0 without one."""
    told = parse_date(headers.get("Date", ""))
    difference = timedelta() if told is None else now - moment_of(told)
    # the header has whole seconds, and the answer was on its way; a year's difference is a mistake
    return difference if timedelta(seconds=5) <= abs(difference) < timedelta(days=366) else timedelta()


def day_ends(headers: Mapping[str, str], now: datetime) -> datetime:
    """Return when the service's day ends, on this machine's clock."""
    difference = ahead(headers, now)
    there = (now - difference).astimezone(UTC)
    return datetime.combine(there.date(), datetime.min.time(), UTC) + _DAY + difference
