"""An export stays equal to an account that lives.

A sandbox changes by itself while its account is exported again and again; some runs are killed, a foreign app eats
part of the limit, features are refused for a while. After each quiet moment the folder is compared with the account's
whole truth. Then an unchanged run is counted. ``python -m benchmarks truth`` makes 50 runs; ``--quick`` makes 10.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.copying.audit import UNITS, Verdict, audit
from benchmarks.copying.job import PARTIAL
from benchmarks.report import Options, Report, Row, Target, at_least, at_most, progress
from zra_async.results.exports import ExportReport
from zra_async.sandbox import Life, Sandbox

STREAMS = ",".join(UNITS)
_BEYOND_LISTS = ("scorecards", "comments", "deal_activities")  # no list shows all of their changes
_PAGE = 300
_SETTLED = 3600.0  # seconds of the account's clock after which nothing is in processing or late any more
_TRIES = 3
_LISTS = ("GET /zra/conversations", "GET /zra/deals")


@dataclass(frozen=True, slots=True)
class Scale:
    """How large the account is, and how often it is exported, killed and compared."""

    conversations: int
    runs: int
    steps: int  #: changes before each run; as many again happen in it
    every: int  #: runs between two quiet moments


FULL = Scale(conversations=50, runs=50, steps=3, every=5)
QUICK = Scale(conversations=40, runs=10, steps=6, every=5)


@dataclass(slots=True)
class Course:
    """The course of all runs."""

    runs: int = 0
    killed: int = 0
    partial: int = 0
    failed: int = 0
    changes: Counter[str] = field(default_factory=Counter[str])
    verdicts: list[tuple[Verdict, ExportReport]] = field(default_factory=list[tuple[Verdict, ExportReport]])
    list_calls: int = 0
    other_calls: int = 0
    units: int = 0


def main(options: Options) -> Report:
    """Let the account live, and hold the copy to its truth."""
    course = asyncio.run(_course(QUICK if options.quick else FULL))
    verdicts = [verdict for verdict, _ in course.verdicts]
    tables = {"streams": [_stream_row(stream, verdicts) for stream in UNITS], "course": [_course_row(course)]}
    return Report("truth", tables, _targets(course), [*_NOTES, *verdicts[-1].examples])


async def _course(scale: Scale) -> Course:
    course, chance = Course(), random.Random(5)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "copy"
        async with Sandbox(conversations=scale.conversations, awkward=0.0) as sandbox:
            life = sandbox.live(0, seed=11)
            async with _foreign_app(sandbox):
                for number in range(scale.runs):
                    await _run(sandbox, life, folder, course, chance, scale)
                    if (number + 1) % scale.every == 0:
                        await _quiet_moment(sandbox, folder, course)
            await _unchanged(sandbox, folder, course)
            course.changes.update(change.kind for change in life.changes)
    return course


async def _run(sandbox: Sandbox, life: Life, folder: Path, course: Course, chance: random.Random, scale: Scale) -> None:
    """Export in another process while the account changes, and kill every third run somewhere in it."""
    for _ in range(scale.steps):
        sandbox.clock.advance(chance.uniform(0, 60))
        life.step()
    command = [sys.executable, "-m", "benchmarks.copying.job", str(folder), STREAMS]
    environment = {**os.environ, **sandbox.environment()}
    process = await asyncio.create_subprocess_exec(*command, env=environment, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    await process.stdout.readline()
    course.runs += 1
    if course.runs % 3 == 0:
        await asyncio.sleep(chance.uniform(0.01, 0.5))
        with contextlib.suppress(ProcessLookupError):
            process.kill()
    steps = 0
    while process.returncode is None and steps < scale.steps:
        life.step()
        steps += 1
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), 0.05)
    status = await process.wait()
    course.killed += status < 0
    course.partial += status == PARTIAL
    course.failed += status > 0 and status != PARTIAL
    progress(f"truth: run {course.runs} of {scale.runs} ended with {status}")


async def _quiet_moment(sandbox: Sandbox, folder: Path, course: Course) -> None:
    """Let everything settle, export until the report is complete, and compare."""
    sandbox.faults.clear()
    sandbox.clock.advance(_SETTLED)
    async with sandbox.client(share=0.6) as zra:
        for _ in range(_TRIES):
            report = await zra.export(folder, streams=STREAMS)
            if not report.partial and not report.resumed:  # one that resumes has a list from before
                break
    course.verdicts.append((audit(sandbox.truth, folder), report))


async def _unchanged(sandbox: Sandbox, folder: Path, course: Course) -> None:
    """Count the calls of a run that has nothing to read."""
    async with sandbox.client() as zra:
        await zra.export(folder, streams=STREAMS)
        before = Counter(sandbox.stats.operations)
        await zra.export(folder, streams=STREAMS)
    made = Counter(sandbox.stats.operations) - before
    course.list_calls = sum(made[name] for name in _LISTS)
    course.other_calls = made.total() - course.list_calls - made["token"]
    truth = sandbox.truth
    course.units = sum(
        -(-count // _PAGE) for count in (sum(1 for _ in truth.conversations()), len(list(truth.deals())))
    )


@contextlib.asynccontextmanager
async def _foreign_app(sandbox: Sandbox) -> AsyncIterator[None]:
    """Let another app call the account all the time, with a third of the limits."""

    async def call() -> None:
        async with sandbox.client(share=0.3) as zra:
            while True:
                async for _ in zra.conversations.list(page_size=30):
                    await asyncio.sleep(0)
                await asyncio.sleep(0.05)

    task = asyncio.get_running_loop().create_task(call())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


def _stream_row(stream: str, verdicts: list[Verdict]) -> Row:
    return {
        "stream": stream,
        "rows compared": sum(v.compared[stream] for v in verdicts),
        "lost": sum(v.lost[stream] for v in verdicts),
        "doubled": sum(v.doubled[stream] for v in verdicts),
        "stale": sum(v.stale[stream] for v in verdicts),
        "different": sum(v.different[stream] for v in verdicts),
    }


def _course_row(course: Course) -> Row:
    return {
        "runs": course.runs,
        "killed": course.killed,
        "partial": course.partial,
        "changes": course.changes.total(),
        "deletions": course.changes["deletion"],
        "quiet moments": len(course.verdicts),
        "list calls, unchanged": course.list_calls,
        "other calls, unchanged": course.other_calls,
    }


def _targets(course: Course) -> list[Target]:
    verdicts = [verdict for verdict, _ in course.verdicts]
    shown = [stream for stream in UNITS if stream not in _BEYOND_LISTS]
    silent = sum(not verdict.clean and not report.partial for verdict, report in course.verdicts)

    def total(kind: str, streams: list[str]) -> int:
        return sum(getattr(verdict, kind)[stream] for verdict in verdicts for stream in streams)

    wrong = {name: sum(total(kind, [name]) for kind in ("lost", "doubled", "stale", "different")) for name in UNITS}
    return [
        at_least("runs", course.runs, 10),
        at_least("runs killed", course.killed, course.runs // 6),
        at_most("runs that ended with an error", course.failed, 0),
        at_most("lost rows", total("lost", shown), 0),
        at_most("doubled rows", total("doubled", list(UNITS)), 0),
        at_most("rows of deleted units", total("stale", shown), 0),
        at_most("different rows", total("different", shown), 0),
        *(at_most(f"wrong rows of {stream}", wrong[stream], 0) for stream in _BEYOND_LISTS),
        at_most("silent moments", silent, 0),
        at_most("list calls of an unchanged run per page of 300 units", course.list_calls / max(1, course.units), 1.1),
    ]


_NOTES = (
    "Texts, numbers, ids and times of each row are compared; lists in a row are not. A moment is silent if the copy "
    "differs from the account and the last report calls it complete. Changes of "
    "comments, scorecards and activities appear in no list; they are found again only by a refresh or a webhook. "
    "Examples of wrong rows, if there are any, are those of the last moment.",
)
