"""The registration of an account's limits in the database."""

from __future__ import annotations

from collections.abc import Mapping

from zra_async import errors
from zra_async.core.limits import Plan
from zra_async.core.operation import Label
from zra_async.postgres.label import SharedLabel
from zra_async.postgres.link import DatabaseLink


async def register(
    link: DatabaseLink, account: str, plan: Plan, identity: str, labels: Mapping[Label, SharedLabel], margin: float
) -> None:
    """Register the limits of an account. Raises `ConfigurationError` if others use its name with other limits.

    Limits that differ from what is registered replace it when no process has used the account for a minute.
    """
    limits = ", ".join(
        f"{label.value} {shared.rate.count}/{shared.rate.period:g}s" + f" {shared.rate.per_day or ''}".rstrip()
        for label, shared in sorted(labels.items())
    )
    row = await link.call("zra_enter", account, f"{plan}: {limits}", identity)
    if row.other is not None:
        raise errors.ConfigurationError(
            f"the account {account!r} is in use with other limits or as another account ({row.other}): give each "
            "account a name of its own, and all of its processes the same plan, limits and identity"
        )
    for label, shared in labels.items():
        rate = shared.rate
        await link.call(
            "zra_register", account, label.value, rate.count, rate.period, margin, shared.budget, rate.per_day
        )
