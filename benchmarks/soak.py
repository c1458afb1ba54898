"""Everything at once on one account, for days of its time, while everything goes wrong.

One process and one client export, ingest, upload, import CRM records and serve a web app, on an account with the
limits of a small plan. Faults of every kind strike all of the time, and the account's clock leaps 20 minutes every few
seconds, so that page tokens, access tokens and links expire. Then the weather clears, and the account and the export
are held against what the jobs were promised. ``python -m benchmarks soak`` takes five minutes, and 15 hours
of the account's time; ``--quick``, which is also run as a test, takes less than half a minute, and an hour.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.endurance import jobs
from benchmarks.endurance.audit import Findings, audit
from benchmarks.endurance.books import Books
from benchmarks.endurance.intake import ingest_batches
from benchmarks.endurance.jobs import Until
from benchmarks.endurance.visitors import Visitor
from benchmarks.endurance.vitals import MIB, Vitals, at_rest, complaints, growth, watch
from benchmarks.endurance.weather import LEAP, Weather
from benchmarks.report import Options, Report, Row, Spread, Target, at_least, at_most, progress
from benchmarks.rig.process import Account, sandbox
from zra_async import LocalRateLimiter, RetryPolicy, ZRAClient
from zra_async.bulk.crm.kinds import KindName
from zra_async.core.events import AttemptDone, Event, Retrying, TokenRefused
from zra_async.core.transport import Network, Pool

_MEMORY, _HANDLES = 24, 8  # what may be fluctuation: MiB, and connections that come and go
_BLOCKS = 40_000  # in some 2,000 calls: the books of the soak itself are 5,000 to 10,000 of them
#: The account is a process like others here, and may look at a request so many seconds after it was sent. What a
#: smaller margin does on a quiet machine is for the benchmark of the limits to tell.
_MARGIN = 0.3
_SETTLED = 60.0  # seconds of the account's clock after which nothing is in processing any more
_STAGES = [
    {"stage_name": "Open", "stage_type": "OPEN"},
    {"stage_name": "Won", "stage_type": "CLOSED_WON"},
    {"stage_name": "Lost", "stage_type": "CLOSED_LOST"},
]


@dataclass(frozen=True, slots=True)
class Scale:
    """How long the storm lasts, in seconds, how often time leaps in it, what there is and who comes.

    So many `exports` must come to their end while it lasts.
    """

    seconds: float
    leaps: int
    conversations: int
    visitors: int
    kinds: Sequence[KindName]
    exports: int


QUICK = Scale(seconds=8, leaps=3, conversations=30, visitors=3, kinds=("accounts", "contacts"), exports=0)
#: an access token expires every 18 seconds: more often, and the longest wait for a limit would outlive two of them
FULL = Scale(
    seconds=270,
    leaps=45,
    conversations=200,
    visitors=4,
    kinds=("accounts", "contacts", "deals", "leads"),
    exports=1,
)


class Trouble:
    """Counts what the client had to put up with."""

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()

    def __call__(self, event: Event, /) -> None:
        """Take note of an event."""
        match event:
            case AttemptDone(status=status) if status is None or status >= 400:
                self.seen[f"attempts that ended with {status or 'no answer'}"] += 1
            case Retrying(cause=cause):
                self.seen[f"repeats because of {cause}"] += 1
            case TokenRefused():
                self.seen["refused tokens"] += 1
            case _:
                pass


@dataclass(slots=True)
class Soak:
    """What one soak has found."""

    scale: Scale
    books: Books
    trouble: Counter[str]
    findings: Findings
    vitals: list[Vitals]
    before: Vitals
    after: Vitals
    complaints: list[str]
    stats: Any
    leaps: int


def main(options: Options) -> Report:
    """Soak, and hold what was found to nothing lost, nothing doubled and nothing left behind."""
    scale = QUICK if options.quick else FULL
    with (
        tempfile.TemporaryDirectory(prefix="zra-soak-") as folder,
        sandbox("--plan", "pro", "--conversations", str(scale.conversations)) as account,
        complaints() as heard,
    ):
        soaked = asyncio.run(soak(account, Path(folder), scale, heard))
    return report(soaked)


async def soak(account: Account, folder: Path, scale: Scale, heard: list[str]) -> Soak:
    """Let it storm for the time of ``scale``, then count."""
    weather, books, trouble, vitals = Weather(account), Books(), Trouble(), list[Vitals]()
    await weather.stats()  # with it the threads and the caches that the soak itself needs
    before = await at_rest()
    async with _client(account, trouble) as zra:
        ids, owner = await _prepare(zra)
        await weather.storm()
        watching = asyncio.create_task(watch(vitals, 0.5))
        leaping = asyncio.create_task(weather.leap_every(scale.seconds / (scale.leaps + 1), scale.leaps))
        try:
            await _everything(zra, folder, scale, ids, owner, books)
        finally:
            await _end(watching, leaping)
        progress("soak: the weather clears")
        await weather.clear()
        await weather.leap(_SETTLED)
        findings = await audit(zra, folder / "export", books)
        books.done["export, at last"] += 1
    after = await at_rest()
    stats = await weather.stats()
    return Soak(scale, books, trouble.seen, findings, vitals, before, after, heard, stats, weather.leaps)


def _client(account: Account, trouble: Trouble) -> ZRAClient:
    return ZRAClient(
        account.auth,
        hosts=account.hosts,
        limits=LocalRateLimiter("pro", margin=_MARGIN),
        timeout=2.0,
        retry=RetryPolicy(base=0.2),
        network=Network(file=Pool(connections=32, read_timeout=2.0)),
        observer=trouble,
    )


async def _prepare(zra: ZRAClient) -> tuple[list[str], str]:
    await zra.crm.register("soak", deal_stages=_STAGES)
    listed = [
        c.conversation_id async for c in zra.conversations.list() if c.conversation_id and not c.processing_analysis
    ]
    detail = await zra.conversations.get(listed[0])
    return listed[:8], detail.host_email or ""


async def _everything(zra: ZRAClient, folder: Path, scale: Scale, ids: list[str], owner: str, books: Books) -> None:
    until = Until(scale.seconds)
    web = zra.with_options(deadline=10.0)
    async with asyncio.TaskGroup() as group:
        group.create_task(jobs.export(zra, folder / "export", books, until))
        group.create_task(jobs.crm_import(zra, folder, owner, scale.kinds, books, until))
        group.create_task(jobs.upload(zra, folder, books, until))
        group.create_task(ingest_batches(zra, folder, books, until))
        for number in range(scale.visitors):
            group.create_task(Visitor(web, f"visitor {number}", ids, books).browse(until))


async def _end(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def report(soaked: Soak) -> Report:
    """What was found, as tables and targets."""
    books, labels = soaked.books, soaked.stats["labels"]
    results: dict[str, list[Row]] = {
        "work": [{"job": job, "done": n} for job, n in sorted(books.done.items())],
        "web app": [{"what": "successful calls", "seconds": _percentiles(books.seconds)}],
        "trouble": [{"what": what, "times": n} for what, n in sorted(soaked.trouble.items())],
        "errors that reached the caller": [{"job": what, "times": n} for what, n in sorted(books.gave_up.items())],
        "limits": [{"label": label, **seen} for label, seen in labels.items()],
        "process": [_vitals_row("before", soaked.before)]
        + [_vitals_row(f"{n + 1} of 4", v) for n, v in enumerate(soaked.vitals[:: max(1, len(soaked.vitals) // 4)][:4])]
        + [_vitals_row("after", soaked.after)],
    }
    days = soaked.leaps * LEAP / 86_400
    wrong = [*soaked.findings.lost, *soaked.findings.doubled, *books.wrong, *soaked.complaints]
    notes = [f"{days:.2f} days of the account's time; {soaked.findings.checked} records were checked."]
    return Report("soak", results, _targets(soaked), notes + [f"- {text[:300]}" for text in wrong[:20]])


def _targets(soaked: Soak) -> list[Target]:
    before, after, seen = soaked.before, soaked.after, soaked.vitals
    jobs_done = [soaked.books.done[job] for job in ("ingest", "upload", "import", "web app")]
    refused = sum(label["rejected"] for label in soaked.stats["labels"].values())
    return [
        at_most("records lost", len(soaked.findings.lost), 0),
        at_most("records doubled", len(soaked.findings.doubled), 0),
        at_most("false answers", len(soaked.books.wrong), 0),
        at_most("429s of our own making", refused, 0),
        at_most("warnings and errors left behind", len(soaked.complaints), 0),
        at_most("growth of memory, MiB", growth(seen, lambda v: v.memory) / MIB, _MEMORY),
        # what is under way comes and goes by tens of thousands; what never goes away shows in the least of them
        at_most("growth of allocated blocks", growth(seen, lambda v: v.blocks, min), _BLOCKS),
        at_most("growth of file handles", growth(seen, lambda v: v.handles), _HANDLES),
        at_most("growth of connections", growth(seen, lambda v: v.connections), _HANDLES),
        at_most("growth of tasks", growth(seen, lambda v: v.tasks), _HANDLES * 4),
        at_most("tasks left", after.tasks - before.tasks, 0),
        at_most("file handles left", after.handles - before.handles, 0),
        at_most("connections left", after.connections - before.connections, 0),
        at_least("exports that came to their end in the storm", soaked.books.done["export"], soaked.scale.exports),
        at_least("other jobs that got something done", sum(n > 0 for n in jobs_done), len(jobs_done)),
        at_least("kinds of trouble that struck", len(soaked.trouble), 5),
    ]


def _percentiles(seconds: list[float]) -> Spread | None:
    ordered = sorted(seconds)
    return Spread(ordered[len(ordered) // 2], ordered[0], ordered[-1]) if ordered else None


def _vitals_row(when: str, vitals: Vitals) -> Row:
    return {
        "when": when,
        "memory MiB": round(vitals.memory / MIB, 1),
        "blocks": vitals.blocks,
        "tasks": vitals.tasks,
        "file handles": vitals.handles,
        "connections": vitals.connections,
    }
