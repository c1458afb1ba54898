"""A job under the Business+ limits: what it called, and how near it came to the least time that they impose."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from benchmarks.report import Row, Target, at_most
from zra_async.core.limits import PLANS

_OVER_MINIMUM = 1.05


def under_limits(
    labels: Mapping[str, Mapping[str, Any]], job: str, seconds: float, rate: Row
) -> tuple[list[Row], list[Target]]:
    """The table and the targets of a job that took so long, from what the account counted by label."""
    used = {name: label for name, label in labels.items() if label["calls"]}
    least = {name: _least_seconds(name, label["accepted"]) for name, label in used.items()}
    rows: list[Row] = [
        {
            "label": f"{name}, the least possible",
            "calls": label["accepted"],
            "seconds": least[name],
            "peak in a window": label["peak"],
            "429": label["rejected"],
        }
        for name, label in used.items()
    ]
    rows.append({"label": job, "seconds": seconds, **rate})
    minimum = max(least.values())
    ratio = seconds / minimum if minimum else math.inf
    return rows, [
        at_most("seconds under the limits, times the least possible", ratio, _OVER_MINIMUM),
        at_most("429 answers under the limits", sum(label["rejected"] for label in used.values()), 0),
    ]


def _least_seconds(label: str, calls: int) -> float:
    """How long so many calls take at least: the first windowful goes at once, every further one a period later."""
    rate = {name.value: rate for name, rate in PLANS["business"].items()}[label]
    return (math.ceil(calls / rate.count) - 1) * rate.period
