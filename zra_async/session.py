"""The session behind a client: its pools, limits, authentication, and the tasks that it started."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Mapping
from datetime import datetime
from typing import Any, Literal

import msgspec

from zra_async import errors
from zra_async.config import ClientConfig, is_government
from zra_async.core import wire
from zra_async.core.auth import Auth, AuthContext, account_of
from zra_async.core.clock import ServiceClock
from zra_async.core.dropped import DropReport
from zra_async.core.events import Observer, collected, guard_observer, wants_call_events
from zra_async.core.limits import RateLimiter, SharedLimiter
from zra_async.core.operation import Host
from zra_async.core.pipeline import CallOptions, Pipeline
from zra_async.core.place import Place
from zra_async.core.redirects import account_base
from zra_async.core.timeouts import Timeout
from zra_async.core.transport import AiohttpTransport, StreamedResponse, Transport

_PATIENCE = 10.0  #: seconds for the question what time it is


class Session:
    """The state that all views of one client share: pools, limits, authentication, and started tasks."""

    def __init__(self, auth: Auth, config: ClientConfig) -> None:
        self.config = config
        self._auth = auth
        self.account: str = config.account or account_of(auth)  #: the name by which ledgers know it, "" if unknown
        self._state: Literal["new", "open", "closed"] = "new"
        self._transport: Transport = config.transport or AiohttpTransport(config.network)
        self._place: Place | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._limits: RateLimiter | None = None
        self._clock: ServiceClock | None = None
        self._pipeline: Pipeline | None = None
        self._uploads = asyncio.Semaphore(config.transfers.upload_concurrency)
        self._downloads = asyncio.Semaphore(config.transfers.download_concurrency)
        self.observe: Observer = collected(guard_observer(config.observer))
        self.drops: DropReport = DropReport(self.observe)

    async def open(self) -> None:
        """Make the pools and the limits of the running event loop."""
        if self._state != "new":
            raise errors.ClientNotOpen(f"this client was {self._state} before: make a new ZRAClient for each use")
        self._state = "open"
        self._place = Place("client")
        try:
            await self._transport.open()
            self._clock = ServiceClock(asyncio.get_running_loop().time)
            limits = self.config.rate_limiter(self._clock.now)
            if isinstance(limits, SharedLimiter):
                await limits.open()
            self._limits = limits
            self._auth.bind(self._auth_context())
            self._pipeline = Pipeline(
                transport=self._transport,
                limits=self._limits,
                auth=self._auth,
                retry=self.config.retry,
                base=self.base,
                trusted=self.config.hosts.trusted,
                observe=self.observe,
                wants_call_events=wants_call_events(self.config.observer),
                clock=self._clock,
                loop_clock=self._place.clock,
            )
        except BaseException:
            await self.close()
            raise

    def _auth_context(self) -> AuthContext:
        return AuthContext(
            post_form=self._transport.post_form,
            spawn=self.spawn,
            observe=self.observe,
            token_url=self.config.hosts.token,
            is_open=lambda: self._state == "open" and not self._forked,
            check=self.check,
        )

    @property
    def _forked(self) -> bool:
        return self._place is not None and self._place.forked

    def check(self) -> None:
        """Raise `ClientNotOpen` unless the client is open, and `WrongLoop` in another event loop or process."""
        if self._state != "open" or self._place is None:
            raise self._not_open()
        self._place.check()

    async def close(self) -> None:
        """End every task that the client started, then close its connections.

        In a forked process the client is only marked as closed: its tasks and connections are those of the parent.
        Raises `WrongLoop` in another event loop.
        """
        if self._forked:
            self._state = "closed"
            self._transport.abandon()
            return
        if self._place is not None:
            self._place.check()
        self._state = "closed"
        tasks = [task for task in self._tasks if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        try:
            if tasks:
                await asyncio.wait(tasks)
        finally:
            if self._pipeline is not None:
                self._pipeline.watch.close()
            try:
                if isinstance(self._limits, SharedLimiter):
                    await self._limits.aclose()
            finally:
                await self._transport.close()

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Start a task that ends with the client."""
        try:
            self.check()
        except errors.ClientNotOpen:
            work.close()
            raise
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def base(self, host: Host) -> str:
        """The base URL of ``host``."""
        hosts = self.config.hosts
        if host is Host.FILE:
            if not hosts.file:
                raise errors.ConfigurationError("no file host is known for this cloud: give Hosts(file='https://…')")
            return hosts.file
        if self.config.use_account_host and self._auth.api_url:
            return account_base(self._auth.api_url, hosts.api, hosts.trusted)
        return hosts.api

    @property
    def uploads(self) -> asyncio.Semaphore:
        """The slots for parts that are uploaded. Raises `ClientNotOpen`."""
        self.check()
        return self._uploads

    @property
    def downloads(self) -> asyncio.Semaphore:
        """The slots for recordings that are downloaded. Raises `ClientNotOpen`."""
        self.check()
        return self._downloads

    @property
    def limits(self) -> RateLimiter:
        """The rate limits, once the client is open. Raises `WrongLoop` in another event loop."""
        if self._limits is None or self._place is None:
            raise self._not_open()
        if self._place.is_foreign:
            self._place.check()
        return self._limits

    @property
    def clock(self) -> ServiceClock:
        """The service's time, once the client is open."""
        if self._clock is None:
            raise self._not_open()
        return self._clock

    async def service_time(self) -> datetime:
        """The service's time; where no answer has told it yet, the API host is asked, without credentials.

        A host that cannot be reached is no error here: then it is the time of this machine.
        """
        clock, pipeline = self.clock, self._pipeline
        if pipeline is not None and not clock.known:
            sent = clock.monotonic()
            with contextlib.suppress(errors.CallError, TimeoutError, ValueError):
                with Timeout(pipeline.watch, sent + _PATIENCE):
                    answer = await self.fetch("service_time", self.config.hosts.api, {})
                clock.observe(answer.headers, sent, clock.monotonic())
                answer.close()
        return clock.now()

    def send(self, request: wire.Request, options: CallOptions, *, base: str = "") -> Coroutine[Any, Any, wire.Reply]:
        """Make one call, to ``base`` in place of the configured host."""
        if self._state != "open" or self._pipeline is None:
            raise self._not_open()
        row = request.operation
        if not row.government and is_government(base or self.base(row.host)):
            raise errors.ConfigurationError(f"{row.name}: the government cloud does not have {row.title}")
        pipeline = msgspec.structs.replace(self._pipeline, base=_only(base)) if base else self._pipeline
        return pipeline.call(request, options)

    async def fetch(self, name: str, link: str, headers: Mapping[str, str]) -> StreamedResponse:
        """Request what a link points to, without authorization unless it is in ``headers``."""
        self.check()
        return await self._transport.fetch(name, link, headers)

    async def authorization(self) -> str:
        """Return the header that a trusted host may ask for."""
        self.check()
        return await self._auth.header()

    def _not_open(self) -> errors.ClientNotOpen:
        if self._state == "closed":
            return errors.ClientNotOpen("this client is closed: make a new one, and keep it open while you use it")
        return errors.ClientNotOpen("this client is not open yet: use it inside `async with ZRAClient(…) as zra:`")


def _only(base: str) -> Callable[[Host], str]:
    return lambda host: base  # noqa: ARG005
