"""The loop of one call: limit, token, attempt, and what to do about its outcome."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import AsyncGenerator, Callable, Sequence

import msgspec
from msgspec import field

from zra_async import errors
from zra_async.core import events
from zra_async.core.auth import Auth
from zra_async.core.clock import ServiceClock
from zra_async.core.limits import Lane, Permit, RateLimiter, SharedLimiter
from zra_async.core.operation import Host
from zra_async.core.redirects import REDIRECTS, Route, redirected
from zra_async.core.retry import Attempts, RetryPolicy, Stop, Wait
from zra_async.core.timeouts import Timeout, TimeoutWatch
from zra_async.core.transport import Transport
from zra_async.core.transport.attempt import Attempt
from zra_async.core.wire import Reply, Request, failure

_NONE_YET = Attempts()


class CallOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of a call: `timeout` seconds for one attempt, `deadline` seconds for all of it; its lane and retries.

    Without a policy of its own (`retry` is None), a call is repeated as the pipeline says.
    """

    timeout: float | None = 30.0
    deadline: float | None = None
    lane: Lane = Lane.INTERACTIVE
    retry: RetryPolicy | None = None


class _Progress(msgspec.Struct):
    """The progress of one call. Times are those of the event loop."""

    clock: Callable[[], float]
    started: float
    attempt: int = 0
    status: int | None = None
    tracking_id: str = ""
    under_way: Attempt | None = None
    error: str | None = None

    @property
    def in_doubt(self) -> bool:
        """Tell whether an attempt may have reached the service and its answer is outstanding."""
        return self.under_way is not None and self.under_way.sent


def _running_clock() -> Callable[[], float]:
    return asyncio.get_running_loop().time


class Pipeline(msgspec.Struct, frozen=True, kw_only=True):
    """The hops of every call of a client."""

    transport: Transport
    limits: RateLimiter
    auth: Auth
    retry: RetryPolicy
    base: Callable[[Host], str]
    trusted: Sequence[str]
    observe: events.Observer
    wants_call_events: Callable[[], bool]  #: whether it is told of calls that go well
    loop_clock: Callable[[], Callable[[], float]] = (
        _running_clock  #: raises `WrongLoop` in another event loop or process
    )
    watch: TimeoutWatch = field(default_factory=TimeoutWatch)
    clock: ServiceClock = field(default_factory=ServiceClock)  #: learns the service's time from every answer
    structure: asyncio.Lock = field(default_factory=asyncio.Lock)  #: team create, delete and move never overlap

    async def call(self, request: Request, options: CallOptions) -> Reply:
        """Send ``request`` until it succeeds, fails for good, or its deadline has come."""
        clock = self.loop_clock()
        progress = _Progress(clock, clock())
        try:
            if options.deadline is None and not request.operation.exclusive:
                return await self._until_done(request, options, None, progress)
            return await self._in_bounds(request, options, progress)
        except BaseException as problem:
            progress.error = type(problem).__name__
            raise
        finally:
            if self.wants_call_events():
                self.observe(
                    events.CallDone(
                        request.operation.name,
                        progress.attempt,
                        clock() - progress.started,
                        progress.status,
                        progress.tracking_id,
                        progress.error,
                    )
                )

    async def _in_bounds(self, request: Request, options: CallOptions, progress: _Progress) -> Reply:
        """Keep the deadline of a call, and calls that must not overlap apart."""
        deadline = None if options.deadline is None else progress.started + options.deadline
        bound = Timeout(self.watch, math.inf if deadline is None else deadline)
        try:
            with bound:
                async with self._apart() if request.operation.exclusive else contextlib.nullcontext():
                    return await self._until_done(request, options, deadline, progress)
        except TimeoutError:
            if not bound.expired:
                raise
            raise self._too_late(request, options, progress) from None

    @contextlib.asynccontextmanager
    async def _apart(self) -> AsyncGenerator[None]:
        """Keep exclusive operations of the client apart, and with a shared limiter those of the whole account."""
        async with self.structure:
            if isinstance(self.limits, SharedLimiter):
                async with self.limits.exclusive("teams"):
                    yield
            else:
                yield

    async def _until_done(
        self, request: Request, options: CallOptions, deadline: float | None, progress: _Progress
    ) -> Reply:
        operation = request.operation
        attempts = _NONE_YET
        route, sending = self._route(request), request
        renewed = False
        while True:
            # every attempt pays, and a token cannot expire in the queue because it is asked for after the wait
            permit = await self.limits.acquire(operation, options.lane, deadline)
            try:
                if permit.waited > 0.001:
                    self.observe(events.LimitWaited(operation.name, operation.label.value, permit.waited))
                header = await self.auth.header()
                outcome = await self._attempt(sending, options, route, header, permit, progress)

                if isinstance(outcome, Reply):
                    if outcome.status in REDIRECTS:
                        self.limits.observe(operation, outcome.headers, None)
                        self.observe(events.Redirected(operation.name, route.follow(sending.operation, outcome)))
                        sending = redirected(sending, outcome.status)
                        continue
                    error = failure(operation, outcome, authorization=header, now=self.clock.now())
                    self.limits.observe(operation, outcome.headers, error)
                    if error is None:
                        return outcome
                else:
                    error = outcome

                if isinstance(error, errors.AuthenticationFailed) and not renewed and self.auth.invalidate(header):
                    renewed = True
                    self.observe(events.TokenRefused(operation.name))
                    continue

                decision = (options.retry or self.retry).decide(operation, attempts, error, self.clock.now())
                if isinstance(decision, Stop):
                    if decision.error is None and isinstance(outcome, Reply):
                        return outcome
                    raise decision.error or error
                if _concerns_all(error):
                    self.limits.freeze(operation, decision.delay)
            finally:
                # not before the freeze: the end of a probe lets the next call of its label go
                permit.release()

            attempts = attempts.after(decision.cause, ambiguous=decision.ambiguous)
            route, sending = self._route(request), request
            await self._pause(request, decision, error, deadline, progress)

    async def _attempt(
        self,
        request: Request,
        options: CallOptions,
        route: Route,
        header: str,
        permit: Permit,
        progress: _Progress,
    ) -> Reply | errors.CallError:
        progress.attempt += 1
        attempt = Attempt(permit)
        progress.status, progress.under_way = None, attempt
        started, sent = progress.clock(), self.clock.monotonic()
        bound = Timeout(self.watch, math.inf if options.timeout is None else started + options.timeout)
        try:
            with bound:
                reply = await self.transport.send(request, route.url, header, timeout=options.timeout, attempt=attempt)
            self.clock.observe(reply.headers, sent, self.clock.monotonic())
            progress.status, progress.tracking_id, progress.under_way = reply.status, reply.tracking_id, None
        except errors.CallError as error:
            return error
        except TimeoutError:
            if not bound.expired:
                raise
            text = f"no answer within {options.timeout} s"
            return errors.AttemptTimeout(request.operation.name, text, sent=progress.in_doubt)
        else:
            return reply
        finally:
            if attempt.sent:
                permit.sent()  # unless the transport knew the moment
            if self.wants_call_events():
                seconds = progress.clock() - started
                self.observe(events.AttemptDone(request.operation.name, progress.attempt, seconds, progress.status))

    async def _pause(
        self,
        request: Request,
        decision: Wait,
        error: errors.CallError,
        deadline: float | None,
        progress: _Progress,
    ) -> None:
        progress.under_way = None
        operation = request.operation
        self.observe(
            events.Retrying(operation.name, progress.attempt, decision.delay, decision.cause, type(error).__name__)
        )
        if _concerns_all(error):
            return  # the next round of the loop queues behind the freeze
        if deadline is not None and progress.clock() + decision.delay > deadline:
            raise error
        await asyncio.sleep(decision.delay)

    def _route(self, request: Request) -> Route:
        return Route(self.base(request.operation.host) + request.target, self.trusted)

    def _too_late(self, request: Request, options: CallOptions, progress: _Progress) -> errors.CallError:
        name = request.operation.name
        late = errors.DeadlineExceeded(name, f"not done within its deadline of {options.deadline} s")
        if progress.in_doubt and not request.operation.retry_safe:
            return errors.AmbiguousWrite(name, late)
        return late


def _concerns_all(error: errors.CallError) -> bool:
    """Return True if a whole label is refused, and not one call or one resource."""
    return isinstance(error, errors.RateLimited) and error.kind != "concurrent"
