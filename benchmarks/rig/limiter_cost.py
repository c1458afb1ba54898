"""What a grant costs, by how many wait for one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.report import Row, Target, at_most, spread
from benchmarks.rig import virtual
from zra_async import Label, LocalRateLimiter
from zra_async.core.limits import Lane
from zra_async.core.operation import Operation

FEW = 10
GRANTS = 4_000


@dataclass(frozen=True, slots=True)
class Cost:
    """The measurement as a table and its targets."""

    rows: Sequence[Row]
    targets: Sequence[Target]


def row(label: Label) -> Operation[Any]:
    """An operation of ``label``, to ask a limiter with."""
    return Operation(name="any", method="GET", path="/any", label=label, result=type(None), scopes=(), retry_safe=True)


def measure(*, rounds: int, many: int) -> Cost:
    """Compare ``many`` waiters with ten, in both lanes, round after round."""
    rows: list[Row] = []
    targets: list[Target] = []
    for lane in Lane:
        pairs = [(virtual.run(_per_grant(lane, FEW)), virtual.run(_per_grant(lane, many))) for _ in range(rounds)]
        ratio = spread(crowded / calm for calm, crowded in pairs)
        rows += [
            {"lane": lane.value, "waiters": FEW, "µs": spread(calm for calm, _ in pairs)},
            {"lane": lane.value, "waiters": many, "µs": spread(crowded for _, crowded in pairs), "times": ratio},
        ]
        targets.append(at_most(f"CPU per grant, {many} waiters by {FEW}, {lane.value} lane", ratio.median, 2))
    return Cost(rows, targets)


async def _per_grant(lane: Lane, waiters: int) -> float:
    """Microseconds of CPU for a grant while ``waiters`` tasks ask again as soon as they were served."""
    limits = LocalRateLimiter("business")
    operation = row(Label.LIGHT)
    granted = 0
    done = asyncio.Event()

    async def ask() -> None:
        nonlocal granted
        while True:
            permit = await limits.acquire(operation, lane, None)
            permit.sent()
            permit.release()
            granted += 1
            if granted == GRANTS:
                done.set()

    work = [asyncio.create_task(ask()) for _ in range(waiters)]
    await asyncio.sleep(2.0)  # everybody stands in the queue
    granted = 0
    before = time.process_time()
    await done.wait()
    spent = time.process_time() - before
    for task in work:
        task.cancel()
    await asyncio.gather(*work, return_exceptions=True)
    return spent / GRANTS * 1e6
