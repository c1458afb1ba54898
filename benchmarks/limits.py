"""How well the client keeps the rate limits: never over them, never far below, in order, and at what price.

The sandbox counts as a server does, in exact sliding windows, in a process of its own on the other core. Every label of
every plan is saturated by 500 tasks, in both lanes, without delay and with 0–30 ms of random delay each way. The labels
that are counted by the minute run in virtual time against the same windows.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import msgspec

from benchmarks.report import Options, Report, Row, Target, at_least, at_most, progress
from benchmarks.rig import limiter_cost, virtual
from benchmarks.rig.cores import pin
from benchmarks.rig.process import Account, sandbox
from benchmarks.rig.watched import Record, WatchedLimiter
from zra_async import Label, LocalRateLimiter, Plan, ZRAClient
from zra_async.core.limits import MARGIN, PLANS, Lane
from zra_async.sandbox.service.windows import LIMITS, Windows

TASKS = 500
JITTER = 0.03
CROWD = 10_000
PER_SECOND = (Label.LIGHT, Label.MEDIUM, Label.HEAVY, Label.FILES, Label.MULTIPART)
BOUNDS = {False: 0.95, True: 0.90}  #: of the permitted rate, without and with jitter


@dataclass(frozen=True, slots=True)
class Outcome:
    """One label of one plan after a saturating load."""

    plan: str
    label: Label
    lane: str
    jitter: bool
    share: float  #: of the permitted rate
    calls: int
    refused: int  #: answers 429, as client and server count them
    peak: int  #: most calls in any window, as the server counts them
    overtaken: int

    @property
    def row(self) -> Row:
        """The outcome as a line of a table."""
        return {
            "plan": self.plan,
            "label": self.label.value,
            "lane": self.lane,
            "calls": self.calls,
            "429": self.refused,
            "peak": self.peak,
            "limit": PLANS[cast(Plan, self.plan)][self.label].count,
            "% of limit": round(self.share * 100, 1),
            "overtaken": self.overtaken,
        }


def main(options: Options) -> Report:
    """Load every label, then look at the lanes and the price of waiting."""
    pin(0)
    seconds = 3.0 if options.quick else 31.0
    outcomes: list[Outcome] = []
    for jitter, lane in itertools.product((False, True), Lane):
        progress(f"limits: every plan, {lane.value} lane, {'with' if jitter else 'without'} jitter, {seconds:.0f} s")
        outcomes += asyncio.run(_saturate_all(lane, jitter, seconds))
    progress("limits: the labels that are counted by the minute, in virtual time")
    for plan, jitter, lane in itertools.product(PLANS, (False, True), Lane):
        outcomes.append(virtual.run(_saturate_by_minute(plan, lane, jitter)))
    progress(f"limits: an interactive call among {CROWD} bulk ones")
    slots = asyncio.run(_interrupt(6 if options.quick else 60))
    progress("limits: bulk beside saturating interactive calls")
    starved = asyncio.run(_compete(seconds / 2))
    progress("limits: the price of waiting")
    cost = limiter_cost.measure(rounds=1 if options.quick else 5, many=CROWD)
    tables: dict[str, Sequence[Row]] = {
        "without jitter": [o.row for o in outcomes if not o.jitter],
        f"with 0–{JITTER * 1000:.0f} ms each way": [o.row for o in outcomes if o.jitter],
        "lanes": [
            {"what": "slots until an interactive call was served, most", "value": max(slots)},
            {"what": "the same, mean", "value": round(sum(slots) / len(slots), 2)},
            {"what": "interactive grants in a row while bulk waited, most", "value": starved},
        ],
        "CPU per grant": cost.rows,
    }
    return Report("limits", tables, [*_targets(outcomes, slots, starved), *cost.targets], _NOTES)


# --------------------------------------------------------------------------- saturating load


async def _saturate_all(lane: Lane, jitter: bool, seconds: float) -> list[Outcome]:
    with contextlib.ExitStack() as stack:
        accounts = {plan: stack.enter_context(_account(plan, jitter)) for plan in PLANS}
        runs = [
            _saturate(plan, account, lane, jitter, seconds, delay=0.07 * number)
            for number, (plan, account) in enumerate(accounts.items())
        ]
        return [outcome for outcomes in await asyncio.gather(*runs) for outcome in outcomes]


@contextlib.contextmanager
def _account(plan: Plan, jitter: bool) -> Iterator[Account]:
    with sandbox("--plan", plan, "--conversations", "50", "--jitter", str(JITTER if jitter else 0)) as account:
        # the public file host only redirects, which costs a call of the client and none of the server's
        yield replace(account, hosts=msgspec.structs.replace(account.hosts, file=account.upload_url()))


@contextlib.asynccontextmanager
async def _client(plan: Plan, account: Account, lane: Lane) -> AsyncIterator[tuple[ZRAClient, WatchedLimiter]]:
    limits = WatchedLimiter(LocalRateLimiter(plan))
    async with ZRAClient(account.auth, plan=plan, hosts=account.hosts, limits=limits, lane=lane) as zra:
        yield zra, limits


async def _saturate(
    plan: Plan, account: Account, lane: Lane, jitter: bool, seconds: float, *, delay: float
) -> list[Outcome]:
    async with _client(plan, account, lane) as (zra, limits):
        calls = await _calls(zra)
        for _ in range(3):  # the account makes its data as it is asked for it
            await asyncio.gather(*(calls[label]() for label in PER_SECOND))
        await asyncio.sleep(1.1 + delay)  # and the windows of these calls are over
        limits.records = {label: Record() for label in Label}
        work: list[asyncio.Task[Any]] = []
        for label in PER_SECOND:
            # one after the other: all of them at once would make the one core of the sandbox count them late
            await asyncio.sleep(1.04 / len(PER_SECOND))
            work += [asyncio.create_task(_for_ever(calls[label])) for _ in range(TASKS)]
        await asyncio.sleep(seconds)
        rates = {label: limits.records[label].rate() for label in PER_SECOND}
        await _end(work)
        counters = (await asyncio.to_thread(account.stats))["labels"]
        return [
            _outcome(plan, label, lane, jitter, rate, limits.records[label], counters[label.value])
            for label, rate in rates.items()
        ]


def _outcome(
    plan: Plan, label: Label, lane: Lane, jitter: bool, reached: float, record: Record, counters: Mapping[str, int]
) -> Outcome:
    rate = PLANS[plan][label]
    return Outcome(
        plan,
        label,
        lane.value,
        jitter,
        share=reached * rate.period / rate.count,
        calls=record.answers,
        refused=max(record.refused, counters["rejected"]),
        peak=counters["peak"],
        overtaken=record.overtaken(),
    )


Call = Callable[[], Awaitable[Any]]


async def _calls(zra: ZRAClient) -> Mapping[Label, Call]:
    """A call of each label that the sandbox answers quickly."""
    first = (await zra.conversations.list(page_size=1)).items[0].conversation_id
    return {
        Label.LIGHT: lambda: zra.conversations.get(first),
        Label.MEDIUM: lambda: _first_page(zra.conversations.list(page_size=1)),
        Label.HEAVY: lambda: _first_page(zra.teams.unassigned_users(page_size=15)),
        Label.FILES: lambda: zra.files.upload_single(b"a short recording", file_name="call.mp4"),
        Label.MULTIPART: lambda: zra.files.create_multipart_upload("call.mp4"),
    }


async def _first_page(pages: Awaitable[Any]) -> Any:
    return await pages


async def _for_ever(call: Call) -> None:
    while True:
        await call()


async def _end(work: Sequence[asyncio.Task[Any]]) -> None:
    for task in work:
        task.cancel()
    outcomes = await asyncio.gather(*work, return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            raise outcome


# --------------------------------------------------------------------------- by the minute, in virtual time


async def _saturate_by_minute(plan: Plan, lane: Lane, jitter: bool) -> Outcome:
    label = Label.RESOURCE_INTENSIVE
    loop = asyncio.get_running_loop()
    limits = WatchedLimiter(LocalRateLimiter(plan))
    windows = Windows(LIMITS[plan])
    chance = random.Random(7)
    operation = limiter_cost.row(label)

    async def one() -> None:
        permit = await limits.acquire(operation, lane, None)
        permit.sent()
        if jitter:
            await asyncio.sleep(JITTER * chance.random())
        refusal = windows.admit(label.value, int(loop.time() * 1e9))
        limits.records[label].refused += refusal is not None
        if jitter:
            await asyncio.sleep(JITTER * chance.random())
        limits.observe(operation, {}, None)
        permit.release()

    work = [asyncio.create_task(_for_ever(one)) for _ in range(TASKS)]
    await asyncio.sleep(30 * 60.0)
    reached = limits.records[label].rate()
    await _end(work)
    counters = {"rejected": windows.stats[label.value].rejected, "peak": windows.stats[label.value].peak}
    return _outcome(plan, label, lane, jitter, reached, limits.records[label], counters)


# --------------------------------------------------------------------------- lanes


async def _interrupt(times: int) -> list[int]:
    """Which slot an interactive call got when it came, at random moments, upon a crowd of bulk calls."""
    with _account("business", jitter=False) as account:
        async with _client("business", account, Lane.BULK) as (zra, limits):
            call = (await _calls(zra))[Label.LIGHT]
            urgent = (await _calls(zra.with_options(lane=Lane.INTERACTIVE)))[Label.LIGHT]
            record = limits.records[Label.LIGHT]
            work = [asyncio.create_task(_for_ever(call)) for _ in range(CROWD)]
            await asyncio.sleep(2.0)
            chance = random.Random(7)
            slots: list[int] = []
            for _ in range(times):
                await asyncio.sleep(0.1 + 0.1 * chance.random())
                await asyncio.sleep(0)  # those who were let go a moment ago take note of it: they had asked before
                before = len(record.grants)
                await urgent()
                mine = next(i for i, (lane, _) in enumerate(record.grants[before:]) if lane is Lane.INTERACTIVE)
                slots.append(mine + 1)
            await _end(work)
            return slots


async def _compete(seconds: float) -> int:
    """The longest run of interactive grants while bulk calls waited beside saturating interactive ones."""
    with _account("business", jitter=False) as account:
        async with _client("business", account, Lane.INTERACTIVE) as (zra, limits):
            call = (await _calls(zra))[Label.LIGHT]
            bulk = (await _calls(zra.with_options(lane=Lane.BULK)))[Label.LIGHT]
            work = [asyncio.create_task(_for_ever(c)) for c in (*[call] * TASKS, *[bulk] * 50)]
            await asyncio.sleep(2.0)
            record = limits.records[Label.LIGHT]
            record.grants.clear()
            await asyncio.sleep(seconds)
            longest = record.starved()
            await _end(work)
            return longest


def _targets(outcomes: Sequence[Outcome], slots: Sequence[int], starved: int) -> list[Target]:
    targets: list[Target] = []
    for jitter, bound in BOUNDS.items():
        suffix = " with jitter" if jitter else ""
        those = [o for o in outcomes if o.jitter is jitter]
        targets += [
            at_most(f"answers 429, all plans and labels{suffix}", sum(o.refused for o in those), 0),
            at_least(f"share of the permitted rate, least of all labels{suffix}", min(o.share for o in those), bound),
            at_most(f"waiters overtaken in their lane{suffix}", sum(o.overtaken for o in those), 0),
        ]
    return [
        *targets,
        at_most(f"slot of an interactive call among {CROWD} bulk waiters", max(slots), 3),
        at_most("interactive grants in a row while bulk waits", starved, 9),
    ]


_NOTES = (
    f"{TASKS} tasks per label, all labels of all plans at once. The share is of limit × seconds of load; a window that "
    f"is {MARGIN * 1000:.0f} ms longer than the service's leaves {100 / (1 + MARGIN):.1f} %, give or take the calls of "
    "one window.",
)
