"""The documented limits of each plan, per rate-limit label."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from zra_async import errors
from zra_async.core.operation import Label

Plan = Literal["free", "pro", "business"]


class Rate(msgspec.Struct, frozen=True):
    """At most `count` calls in any `period` seconds, and `per_day` calls from midnight to midnight UTC."""

    count: int
    period: float = 1.0
    per_day: int | None = None

    def __post_init__(self) -> None:
        if self.count < 1 or self.period <= 0 or (self.per_day is not None and self.per_day < 1):
            raise errors.ConfigurationError("a rate needs count ≥ 1, period > 0 and per_day ≥ 1")

    def shared(self, share: float) -> Rate:
        """The part of this rate that falls to one of several clients of an account."""
        part = self.count * share
        count = int(part + 1e-9) or 1
        period = self.period if part >= 1 else self.period / part
        per_day = None if self.per_day is None else max(1, int(self.per_day * share + 1e-9))
        return Rate(count, period, per_day)


_FILE_HOST = {Label.FILES: Rate(20), Label.MULTIPART: Rate(20, per_day=2_000)}
#: the documented limits of each plan
PLANS: Mapping[Plan, Mapping[Label, Rate]] = {
    "free": {
        Label.LIGHT: Rate(4, per_day=6_000),
        Label.MEDIUM: Rate(2, per_day=2_000),
        Label.HEAVY: Rate(1, per_day=1_000),
        Label.RESOURCE_INTENSIVE: Rate(10, 60.0, per_day=30_000),
        **_FILE_HOST,
    },
    "pro": {
        Label.LIGHT: Rate(30),
        Label.MEDIUM: Rate(20),
        Label.HEAVY: Rate(10, per_day=30_000),
        Label.RESOURCE_INTENSIVE: Rate(10, 60.0, per_day=30_000),
        **_FILE_HOST,
    },
    "business": {
        Label.LIGHT: Rate(80),
        Label.MEDIUM: Rate(60),
        Label.HEAVY: Rate(40, per_day=60_000),
        Label.RESOURCE_INTENSIVE: Rate(20, 60.0, per_day=60_000),
        **_FILE_HOST,
    },
}
#: plans on which HEAVY and RESOURCE-INTENSIVE draw on one daily counter
SHARED_DAILY: tuple[Plan, ...] = ("pro", "business")
