"""Recordings by the thousand become conversations: each exactly once, whatever goes wrong on the way."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import time
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Sized
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

import anyio

from zra_async import errors
from zra_async.api.arguments import check_choice, check_whole
from zra_async.bulk.caller import BulkCaller
from zra_async.bulk.events import OnEvent
from zra_async.bulk.ingest.add import TRY_AGAIN, Adder, NotReached
from zra_async.bulk.ingest.analysis import Analyses
from zra_async.bulk.ingest.budget import Budget
from zra_async.bulk.ingest.item import Checked, CloudRecording, IngestItem, checked
from zra_async.bulk.ingest.ledger import Claim, Entry, IngestLedger, open_ledger
from zra_async.bulk.ingest.report import GOOD, IngestReport, ItemOutcome, OnOutcome, Outcomes
from zra_async.bulk.ingest.spool import replayable
from zra_async.bulk.ingest.steps import ItemUploader, first_step
from zra_async.bulk.owner import Owner
from zra_async.bulk.polling import Polling, passing
from zra_async.bulk.reports import attach
from zra_async.bulk.tables.record_files import PathLike, as_text
from zra_async.core.callbacks import check_plain
from zra_async.core.cancellation import CallersCode, as_error, told
from zra_async.core.events import JobProgress
from zra_async.core.limits import Lane
from zra_async.core.operation import Label
from zra_async.core.tasks import Tasks, shielded

Items = Iterable[IngestItem | CloudRecording] | AsyncIterable[IngestItem | CloudRecording]
DailyBudget = Literal["stop", "wait"]
JOB = "ingest"
logger: logging.Logger = logging.getLogger("zra_async")
_END: Any = object()
_MOST_AT_ONCE = 256
ANALYSIS = Polling(first=10.0, longest=300.0)
SETTLE = Polling(first=1.0, factor=3.0, longest=10.0, limit=15.0)
PATIENCE = Polling(first=1.0, factor=2.0, longest=60.0)
#: so many items in a row that do not reach the service are enough
_TROUBLE = 20
_ADDED = ("waiting", "unanalysed")
#: after these the next item would fare no better
_FATAL = (
    errors.AuthenticationFailed,
    errors.MissingScopes,
    errors.TokenError,
    errors.ConfigurationError,
    errors.ClientNotOpen,
    errors.LedgerError,
    errors.JournalError,
    errors.UnsafeRedirect,
    errors.InUse,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestPlan:
    """The settings of an ingest; ``zra.ingest`` documents them. `patience` sets the pauses between attempts."""

    ledger: PathLike
    concurrency: int = 16
    wait_for_analysis: bool = False
    retry_failed: bool = False
    daily_budget: DailyBudget = "stop"
    on_outcome: OnOutcome | None = None
    adopt: bool = False
    analysis: Polling = ANALYSIS
    settle: Polling = SETTLE
    patience: Polling = PATIENCE

    def __post_init__(self) -> None:
        check_whole("concurrency", self.concurrency, 1, _MOST_AT_ONCE)
        check_choice("daily_budget", self.daily_budget, ("stop", "wait"))
        if self.on_outcome is not None:
            check_plain("on_outcome", self.on_outcome)


async def ingest(client: BulkCaller, items: Items, plan: IngestPlan, tell: OnEvent, single_limit: int) -> IngestReport:
    """Turn every item into a conversation. ``zra.ingest`` says how, and what it raises.

    ``single_limit`` is up to how many bytes a file goes in one request.
    """
    began = time.monotonic()
    view = client.with_options(lane=Lane.BULK, deadline=None)
    feed = Feed(items)
    total = len(items) if isinstance(items, Sized) else None
    async with await open_ledger(plan.ledger, Owner(client.account, plan.adopt)) as ledger:
        await client.service_time()  # the days of the budget and the times of the ledger are the service's
        budget = Budget(client.limits, client.clock.now)
        budget.take_over(await ledger.planned(budget.today))
        run = IngestRun(view, ledger, budget, plan, single_limit)
        code = CallersCode()
        run.on_progress = lambda done, failed: tell(JobProgress(JOB, "items", done, failed, total))
        try:
            async with Tasks() as tasks:
                if plan.wait_for_analysis:
                    tasks.start(run.analyses.run)
                await run.take(feed)
                if feed.failure is not None:
                    raise feed.failure
                run.analyses.close()
        except BaseException as error:
            if isinstance(error, GeneratorExit) and not code.raised(error):
                raise  # this coroutine is closed, and may await nothing
            await shielded(run.abandon(error))
            attach(error, run.report(time.monotonic() - began))
            raise
        finally:
            run.tidy()
    return run.report(time.monotonic() - began)


class Feed:
    """Hands the items out to several workers, one at a time. An error of their iterator, `failure`, is their end."""

    def __init__(self, items: Items) -> None:
        self._async: AsyncIterator[Any] | None = None
        self._sync: Iterator[Any] = iter(())
        if isinstance(items, AsyncIterable):
            self._async = aiter(items)
        elif isinstance(items, Iterable) and not isinstance(items, (str, bytes)):  # pyright: ignore[reportUnnecessaryIsInstance]
            self._sync = iter(items)
        else:
            raise errors.InvalidArgument(f"items must be an iterable of IngestItem, not {type(items).__name__}")
        self._turn = asyncio.Lock()
        self._ended = False
        self.failure: BaseException | None = None

    async def next(self) -> list[Any]:
        """Return the next item as a list of one; an empty list after the last."""
        async with self._turn:
            if self._ended:
                return []
            code = CallersCode()
            try:
                item = next(self._sync, _END) if self._async is None else await anext(self._async, _END)
            except BaseException as problem:
                if not code.raised(problem):
                    raise
                self.failure = as_error(problem, "the iterator of items")
                item = _END
            self._ended = item is _END
            return [] if self._ended else [item]


class IngestRun:
    """One run over the items, by several workers."""

    def __init__(
        self, view: BulkCaller, ledger: IngestLedger, budget: Budget, plan: IngestPlan, single_limit: int
    ) -> None:
        self.on_progress: Callable[[int, int], None] | None = None
        self._ledger = ledger
        self._budget = budget
        self._plan = plan
        self._outcomes = Outcomes(plan.on_outcome)
        self._done = self._failed = 0
        self._places = itertools.count()
        self._open: dict[int, str] = {}  # the keys of the items that were taken and have no outcome yet
        self._unanalysed = 0  # items of this run that wait for their analysis
        self._ending = asyncio.Event()
        self._trouble = 0
        self._stopped = ""
        self._resets_at: datetime | None = None
        analysis = plan.analysis if plan.wait_for_analysis else None
        adder = Adder(view.conversations, ledger, plan.settle, plan.patience, analysis, view.clock)
        self._uploader = ItemUploader(
            view.files, adder, ledger, plan.patience, single_limit, self._count_bytes, self._outcomes.warn
        )
        self.analyses: Analyses = Analyses(view.conversations, ledger, plan.analysis, self._analysed)

    def report(self, seconds: float) -> IngestReport:
        """Return the report of all items so far."""
        return IngestReport(
            counts=dict(self._outcomes.counts),
            problems=tuple(self._outcomes.problems),
            stopped=self._stopped,
            resets_at=self._resets_at,
            sent=self._outcomes.sent,
            warnings=tuple(self._outcomes.warnings),
            seconds=seconds,
        )

    def tidy(self) -> None:
        """Leave nothing behind that no later run needs."""
        self._uploader.tidy()

    async def take(self, feed: Feed) -> None:
        """Take all items, several at a time, and bring each to its outcome, or to the wait for its analysis."""
        async with Tasks() as workers:
            for _ in range(self._plan.concurrency):
                workers.start(self._work, feed)

    async def abandon(self, error: BaseException) -> None:
        """Give an outcome to every item that was taken and has none, since ``error`` ends the run."""
        reason = f"the ingest ended before: {told(error)}"
        self._stopped = told(error)
        taken = list(self._open.values())
        self._open.clear()
        with contextlib.suppress(errors.LedgerError):  # which may be why the run ends
            async for entry in self._ledger.waiting():
                if entry.key in taken:  # it was added a moment ago, and its worker could not say so any more
                    taken.remove(entry.key)
                    self._unanalysed += 1
                self._analysed(entry, ItemOutcome(entry.key, "unanalysed", entry.conversation_id, reason=reason))
            for key in await self._ledger.finished(taken):
                taken.remove(key)
                self._outcomes.add(ItemOutcome(key, "added"))
        for key in taken:
            self._outcomes.add(ItemOutcome(key, "interrupted", reason=reason))
        if self._unanalysed > 0:
            self._outcomes.counts["unanalysed"] += self._unanalysed

    async def _work(self, feed: Feed) -> None:
        """Take items until there are no more, or until the run is stopped."""
        while not self._stopped and (item := await feed.next()):
            place = next(self._places)
            self._open[place] = _key_of(item[0])
            outcome = await self._one(item[0])
            del self._open[place]
            self._note(outcome)
        if feed.failure is not None:
            self._ending.set()

    async def _one(self, item: Any) -> ItemOutcome | None:
        """Process one item and return its outcome; None if the wait for its analysis reports it."""
        code = CallersCode()
        try:
            ready = await checked(item)
        except BaseException as problem:
            # the item may be of any class: its own code runs while it is looked at
            if not code.raised(problem):
                raise
            fit = isinstance(problem, errors.InvalidArgument)
            return await self._unfit(item, str(problem) if fit else told(problem))
        claim = await self._ledger.claim(ready.key, ready.fingerprint, first_step(ready))
        if self._was_told(claim):
            return None
        known = self._known(claim)
        if known is not None:
            return known
        if claim.entry.state in _ADDED:
            return None
        try:
            self._outcomes.warn(ready.key, ready.warnings)
            return await self._carried(ready, claim.entry)
        except _FATAL:
            raise
        except BaseException as problem:
            if not code.raised(problem):
                raise
            return await self._not_done(ready.key, problem)

    def _was_told(self, claim: Claim) -> bool:
        """Tell whether an item has its outcome: an analysis that an earlier run waited for ended before its turn."""
        if claim.twice or claim.entry.analysed != self._ledger.run:
            return False
        self._unanalysed -= 1  # it does not wait, although its worker has no outcome to tell
        return True

    def _known(self, claim: Claim) -> ItemOutcome | None:
        """Return the outcome of an item that the ledger already knows."""
        entry = claim.entry
        if claim.twice:
            return ItemOutcome(entry.key, "failed", reason="another item of this run has the same key")
        if entry.state == "failed" and not self._plan.retry_failed:
            return ItemOutcome(entry.key, "failed", code=entry.code, reason=entry.reason)
        unwanted = entry.state in _ADDED and not self._plan.wait_for_analysis
        if entry.state == "done" or unwanted:
            return ItemOutcome(entry.key, "skipped", entry.conversation_id)
        return None

    async def _carried(self, ready: Checked, entry: Entry) -> ItemOutcome | None:
        """Carry an item when the day has room for it; put it off, or wait for the next day, when it has none."""
        async with replayable(ready) as item:
            while True:
                if await self._planned(item, entry):
                    try:
                        outcome = await self._uploader.carry(item, entry)
                    except errors.RateLimited as limit:
                        if limit.kind != "daily":
                            raise
                        reason, resets_at = str(limit), limit.resets_at or self._budget.resets_at
                        if not limit.operation.startswith("files."):
                            self._stop(reason, resets_at)  # nothing else can be added today either
                    else:
                        waits = outcome.outcome == "added" and self._plan.wait_for_analysis and item.cloud is None
                        return None if waits else outcome
                else:
                    resets_at = self._budget.resets_at
                    reason = "the file host takes no more requests for files of this size today"
                if self._plan.daily_budget == "stop" or self._ending.is_set():
                    self._resets_at = resets_at
                    return ItemOutcome(item.key, "deferred", reason=reason)
                with anyio.move_on_after(self._budget.seconds_until(resets_at)):
                    await self._ending.wait()
                entry = await self._ledger.recall(item.key)

    async def _planned(self, item: Checked, entry: Entry) -> bool:
        states = self._budget.states()
        multipart = states.get(Label.MULTIPART)
        needs = await self._uploader.requests(item, entry, multipart.per_day if multipart else None)
        counted = self._budget.take(needs, states)
        if counted:
            await self._ledger.plan(self._budget.today, counted)
        return counted is not None

    async def _unfit(self, item: Any, reason: str) -> ItemOutcome | None:
        """An item that cannot be sent as it is; one that was sent in an earlier run need not be fit any more."""
        key = _key_of(item)
        if not key.strip() or key != getattr(item, "key", ""):
            return ItemOutcome(key, "failed", reason=reason)
        claim = await self._ledger.claim(key, b"", "main")
        if self._was_told(claim):
            return None
        if claim.twice or claim.entry.state in ("done", *_ADDED):
            return self._known(claim)
        await self._ledger.save(replace(claim.entry, state="unfit", code=None, reason=reason))
        return ItemOutcome(key, "failed", reason=reason)

    async def _not_done(self, key: str, problem: BaseException) -> ItemOutcome:
        entry = await self._ledger.recall(key)
        reason = str(problem) if isinstance(problem, errors.ZRAError) else told(problem)
        code = problem.code if isinstance(problem, errors.APIError) else None
        passes = passing(problem) and code != TRY_AGAIN  # which was tried often enough by now
        if passes or isinstance(problem, (NotReached, asyncio.CancelledError)):
            self._trouble += 1
            if self._trouble == _TROUBLE:
                self._stop(f"{self._trouble} items in a row did not reach the service; the last one: {reason}", None)
            await self._ledger.save(replace(entry, reason=reason))
            return ItemOutcome(key, "interrupted", reason=reason)
        if not isinstance(problem, errors.ZRAError):
            logger.info("the item %r failed", key, exc_info=problem)
        # an addition that is in doubt stays so: the next attempt looks it up first
        begun = entry.begun and entry.step == "add"
        await self._ledger.save(replace(entry, state="failed", begun=begun, code=code, reason=reason))
        return ItemOutcome(key, "failed", code=code, reason=reason)

    def _stop(self, reason: str, resets_at: datetime | None) -> None:
        if self._plan.daily_budget == "stop" or resets_at is None:
            self._stopped = reason
            self._resets_at = resets_at
            self._ending.set()

    def _analysed(self, entry: Entry, outcome: ItemOutcome) -> None:
        if entry.run == self._ledger.run:
            self._unanalysed -= 1
        self._outcomes.add(outcome)

    def _note(self, outcome: ItemOutcome | None) -> None:
        if outcome is None or outcome.outcome in GOOD:
            self._done += 1
            self._trouble = 0
        else:
            self._failed += 1
        if outcome is None:
            self._unanalysed += 1
        else:
            self._outcomes.add(outcome)
        if self.on_progress is not None:
            self.on_progress(self._done, self._failed)

    def _count_bytes(self, size: int) -> None:
        self._outcomes.sent += size


def _key_of(item: object) -> str:
    """The key of an item of any class, as text that can be written down; "" where it has none."""
    try:
        key: object = getattr(item, "key", "")
        return as_text(key if isinstance(key, str) else str(key))
    except Exception:
        return ""
