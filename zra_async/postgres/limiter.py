"""The limits of one account that all of its processes share through Postgres."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, Self

from zra_async import errors
from zra_async.core.clock import utc_now
from zra_async.core.events import Observer, SharedLimitsLost, SharedLimitsRestored, log_event
from zra_async.core.limits import PLANS, SHARED_DAILY, Lane, LimitState, Permit, Plan, Rate, learned
from zra_async.core.operation import Label, Operation
from zra_async.postgres.alone import Alone
from zra_async.postgres.label import MARGIN, SharedLabel
from zra_async.postgres.leases import lease
from zra_async.postgres.link import DatabaseLink, DatabaseLost
from zra_async.postgres.notes import frozen_label
from zra_async.postgres.permit import SharedPermit
from zra_async.postgres.registration import register

_BEAT = 5.0  #: seconds between two signs of life
_RETRY = 0.25  #: seconds between two attempts to reach the database


class PostgresRateLimiter:
    """The limits of one account, counted in a Postgres for all processes that name the same ``account``.

        limiter = PostgresRateLimiter("postgresql://…", account="acme", plan="business")
        async with ZRAClient(auth, limiter=limiter) as zra: ...

    ``plan`` chooses the documented limits, ``overrides`` replaces the rate of single labels; both must be the same in
    all processes. ``identity`` may tell two accounts apart, such as by the account id: a name that is used with another
    plan or identity is refused with `ConfigurationError`.

    Calls are granted on the clock of the database: first come, first served over all processes, interactive calls
    before bulk ones, which keep a tenth. Bulk calls are booked at most 80 ms ahead, so that a process that is killed
    costs no more. While the database is away, calls go on after one window with this process's part of the limits, and
    the events `SharedLimitsLost` and `SharedLimitsRestored` tell so.

    `open` connects and creates the schema where it is missing; `aclose` ends the connection. Several clients of one
    event loop can share a limiter: it closes with the last of them.
    """

    def __init__(
        self,
        dsn: str,
        *,
        account: str,
        plan: Plan = "pro",
        overrides: Mapping[Label, Rate] | None = None,
        identity: str = "",
        margin: float = MARGIN,
        observer: Observer = log_event,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        if not account:
            raise errors.ConfigurationError("the account needs a name that all of its processes use")
        self.account: str = account
        self._plan: Plan = plan
        self._identity = identity
        self._margin = margin
        self._observe = observer
        self._clock = clock
        self._process = secrets.randbits(62)
        self._link = DatabaseLink(dsn, notified=self._notified, lost=self._lose)
        self._rates = {**PLANS[plan], **(overrides or {})}
        own_day = (overrides or {}).get(Label.RESOURCE_INTENSIVE)
        together = plan in SHARED_DAILY and (own_day is None or own_day.per_day is None)
        self._labels = {label: self._label(label, rate, together) for label, rate in self._rates.items()}
        self._alone = Alone(plan, self._rates, clock)
        self._users = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._opening: asyncio.Lock | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._restoring: asyncio.Task[None] | None = None
        self._beating: asyncio.Task[None] | None = None

    def _label(self, label: Label, rate: Rate, together: bool) -> SharedLabel:
        budget = None if rate.per_day is None else label.value
        if label is Label.RESOURCE_INTENSIVE and together:
            budget = Label.HEAVY.value
        return SharedLabel(self._link, (self.account, label, budget, self._process), rate, self._lose)

    # ------------------------------------------------------------------ life

    async def open(self) -> None:
        """Connect, create the schema where it is missing, and register the limits.

        Raises `ConfigurationError` when the database cannot be used, and also when it cannot be reached: a limiter that
        has never been in touch does not know how many processes share the limits.
        """
        self._opening = self._opening or asyncio.Lock()
        async with self._opening:
            if not self._users:
                try:
                    await self._link.open()
                    await register(self._link, self.account, self._plan, self._identity, self._labels, self._margin)
                    await self._beat()
                except DatabaseLost as problem:
                    self._link.close()
                    raise errors.ConfigurationError(
                        f"the database of the shared limits cannot be reached: {problem}; check the connection string"
                    ) from None
                except BaseException:
                    self._link.close()
                    raise
                self._loop = asyncio.get_running_loop()
                self._beating = asyncio.create_task(self._beat_on())
            self._users += 1

    async def aclose(self) -> None:
        """End the connection when the last client that shares this limiter closes."""
        self._users = max(0, self._users - 1)
        if self._users:
            return
        self._opening = None  # the next client may open it in another event loop
        if self._link.is_open:
            with contextlib.suppress(DatabaseLost):
                await self._link.call("zra_leave", self.account, self._process)
        tasks = [task for task in (self._beating, self._restoring, *self._tasks) if task is not None]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        for label in self._labels.values():
            await label.close()
        self._alone.stop()
        self._link.close()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def _beat(self) -> None:
        row = await self._link.call("zra_beat", self.account, self._process)
        self._alone.processes = row.processes

    async def _beat_on(self) -> None:
        while True:
            await asyncio.sleep(_BEAT)
            if self._link.is_open:
                try:
                    await self._beat()
                except DatabaseLost as problem:
                    self._lose(str(problem))

    # ------------------------------------------------------------------ calls

    async def acquire(self, operation: Operation[Any], lane: Lane, deadline: float | None) -> Permit:
        """Wait for a slot of the operation's label.

        Raises `RateLimited` when the account's calls of the day are used up, and when a slot will come too late for an
        attempt before ``deadline``; `DeadlineExceeded` when no attempt can be answered by then.
        """
        if self._users < 1:
            raise errors.ClientNotOpen("this rate limiter is not open: use it in a client, or inside `async with`")
        label = self._labels[operation.label]
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            raise errors.ConfigurationError(
                "this rate limiter serves another event loop: make one for each, with the same account"
            )
        asked = loop.time()
        while True:
            if self._alone.is_used:
                permit = await self._alone.acquire(operation, lane, deadline)
                if permit is None:
                    continue  # the database is back
            else:
                if deadline is not None and not label.times.suffices(deadline - loop.time()):
                    raise errors.DeadlineExceeded(
                        operation.name, "its deadline leaves no time for an attempt: nothing was sent"
                    )
                permit = await self._shared(operation, label, lane, deadline)
                if permit is None:
                    continue  # the database was lost
            permit.waited = loop.time() - asked
            return permit

    async def _shared(
        self, operation: Operation[Any], label: SharedLabel, lane: Lane, deadline: float | None
    ) -> Permit | None:
        waiter = label.ask(lane, deadline)
        try:
            told = await waiter.future
        except asyncio.CancelledError:
            granted = None if waiter.future.cancelled() else waiter.future.result()
            if isinstance(granted, SharedPermit):
                granted.release()
            raise
        finally:
            if waiter.timer is not None:
                waiter.timer.cancel()
        if isinstance(told, SharedPermit):
            return told
        if isinstance(told, datetime):
            raise _used_up(operation, told)
        if told is None:
            raise self._too_late(operation, label)
        return None  # lost

    def observe(self, operation: Operation[Any], headers: Mapping[str, str], error: errors.CallError | None) -> None:
        """Learn from an answer, for all processes: its headers tell the limits, and a success ends a freeze."""
        label = self._labels[operation.label]
        if self._alone.is_used:
            self._alone.observe(operation, headers, error)
        word = learned.read(operation, headers, error)
        if word is not None and word.kind == "daily":
            self._learn_day(self._labels[word.label], word, headers)
        elif word is not None and word.limit is not None:
            target = self._labels[word.label]
            count = min(word.limit, target.rate.count)
            if count != target.known:
                target.known = count
                self._tell("zra_adopt", target.label.value, count)
        if not isinstance(error, errors.RateLimited):
            if label.thawing:
                label.thaw()
                self._tell("zra_thaw", label.label.value)
            return
        label.refused += 1
        if error.kind == "daily":
            self._close_day(label, headers, error.resets_at)
        elif error.kind in {"per_second", "per_minute"}:
            label.widen()
            label.was_refused = True

    def freeze(self, operation: Operation[Any], seconds: float) -> None:
        """Let no process send for ``seconds``, then one probe."""
        label = self._labels[operation.label]
        if self._alone.is_used:
            self._alone.freeze(operation, seconds)
        refused, label.was_refused = label.was_refused, False
        label.freeze(asyncio.get_running_loop().time() + seconds)
        if self._link.is_open:
            self._spawn(self._freeze(label, seconds, refused))

    async def _freeze(self, label: SharedLabel, seconds: float, refused: bool) -> None:
        label.freezes_under_way += 1
        try:
            await self._told("zra_freeze", (label.label.value, seconds, refused))
        finally:
            label.freezes_under_way -= 1

    def snapshot(self) -> Mapping[Label, LimitState]:
        """Return the state of every label: limits and days of the account, callers and windows of this process."""
        if self._alone.is_used:
            return self._alone.snapshot()
        try:
            now = asyncio.get_running_loop().time()
        except RuntimeError:
            now = 0.0
        return {label: _state(shared, now) for label, shared in self._labels.items()}

    @asynccontextmanager
    async def exclusive(self, name: str) -> AsyncGenerator[None]:
        """Hold the lease ``name`` of the account: no other task or process has it at the same time."""
        async with contextlib.AsyncExitStack() as stack:
            with contextlib.suppress(DatabaseLost):  # without the database, the tasks of this process are kept apart
                await stack.enter_async_context(lease(self._link, self.account, name))
            yield

    # ------------------------------------------------------------------ what is learned

    def _learn_day(self, label: SharedLabel, word: learned.Word, headers: Mapping[str, str]) -> None:
        if label.budget is None:
            return
        limit = word.limit if word.limit is None or label.rate.per_day is None else min(word.limit, label.rate.per_day)
        ends = learned.day_ends(headers, self._clock()).timestamp()
        self._tell("zra_learn_day", label.budget, limit, word.remaining, max(0, label.flying - 1), ends, None)

    def _close_day(self, label: SharedLabel, headers: Mapping[str, str], resets_at: datetime | None) -> None:
        now = self._clock()
        until = learned.day_ends(headers, now)
        if resets_at is not None:
            until = resets_at + learned.ahead(headers, now)
        until = min(until, now + timedelta(days=1))  # a day that ends later than this is a mistake
        for other in self._labels.values():
            if other is label or (label.budget is not None and other.budget == label.budget):
                other.dismiss(until)
        if label.budget is not None:
            self._tell("zra_learn_day", label.budget, None, None, 0, 0.0, until.timestamp())

    def _tell(self, function: str, *arguments: Any) -> None:
        """Send a statement in the background."""
        if not self._link.is_open:
            return
        self._spawn(self._told(function, arguments))

    async def _told(self, function: str, arguments: tuple[Any, ...]) -> None:
        try:
            await self._link.call(function, self.account, *arguments)
        except DatabaseLost as problem:
            self._lose(str(problem))

    def _notified(self, payload: str) -> None:
        found = frozen_label(payload, self.account)
        if found is None or found[0] not in self._labels:
            return
        label, until = self._labels[found[0]], found[1]
        if until:
            label.freeze(until + self._link.offset)
        else:
            label.thaw()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # ------------------------------------------------------------------ without the database

    def _lose(self, reason: str) -> None:
        if self._alone.is_used or self._users < 1:
            return
        self._alone.start()
        for label in self._labels.values():
            label.dismiss(lost=True)
        self._observe(SharedLimitsLost(self.account, self._alone.share, reason))
        self._restoring = asyncio.get_running_loop().create_task(self._restore())

    async def _restore(self) -> None:
        while True:
            await asyncio.sleep(_RETRY)
            with contextlib.suppress(DatabaseLost, errors.ConfigurationError):
                await self._link.open()
                await register(self._link, self.account, self._plan, self._identity, self._labels, self._margin)
                for label, ago in self._alone.sent_ago().items():
                    await self._link.call("zra_return", self.account, label.value, ago)
                await self._beat()
                break
        self._alone.stop()
        self._observe(SharedLimitsRestored(self.account))

    def _too_late(self, operation: Operation[Any], label: SharedLabel) -> errors.RateLimited:
        return errors.RateLimited(
            operation.name,
            kind="per_minute" if operation.label is Label.RESOURCE_INTENSIVE else "per_second",
            resets_at=self._clock() + timedelta(seconds=label.rate.period),
            local=True,
            message=f"a free {operation.label.value} slot of the account would come too late for the deadline",
        )

    def __repr__(self) -> str:
        return f"PostgresRateLimiter(account={self.account!r}, plan={self._plan!r})"


def _used_up(operation: Operation[Any], resets_at: datetime) -> errors.RateLimited:
    return errors.RateLimited(
        operation.name,
        kind="daily",
        resets_at=resets_at,
        local=True,
        message=f"the account's {operation.label.value} calls of this day are used up",
    )


def _state(label: SharedLabel, now: float) -> LimitState:
    return LimitState(
        label=label.label,
        limit=label.limit,
        period=label.rate.period,
        in_window=label.in_window(now),
        waiting=label.waiting(Lane.INTERACTIVE),
        waiting_bulk=label.waiting(Lane.BULK),
        frozen_for=max(0.0, label.frozen_until - now),
        used_today=label.used_today,
        per_day=label.per_day,
        refused=label.refused,
    )
