"""How hard the fuzzing of this folder tries: little enough for every run, and the same every time in CI."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings


def quick(examples: int) -> settings:
    """Settings for a property that is looked at ``examples`` times."""
    return settings(
        max_examples=examples,
        deadline=None,  # the machine may be busy; what must be bounded in time is measured by its own test
        derandomize="CI" in os.environ,
        suppress_health_check=[HealthCheck.too_slow],
    )
