"""The session manager: one client, its pools and limits, and a namespace for each resource."""

from __future__ import annotations

import copy
import functools
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack

import msgspec

from zra_async import errors
from zra_async.config import ClientConfig, ClientOptions, check_seconds, checked_lane, settings_from_env
from zra_async.core import wire
from zra_async.core.auth import Auth
from zra_async.core.clock import ServiceClock
from zra_async.core.decoding import Decoded
from zra_async.core.dropped import DroppedFields
from zra_async.core.events import JobProgress
from zra_async.core.limits import Lane, RateLimiter
from zra_async.core.operation import ListOperation, Operation
from zra_async.core.pages import Page, Pages
from zra_async.core.pipeline import CallOptions
from zra_async.namespaces import Legacy, Namespaces
from zra_async.osfiles.paths import StrPath
from zra_async.session import Session

if TYPE_CHECKING:
    from zra_async.bulk.crm.namespace import Crm as Imports
    from zra_async.bulk.export.record_stream import RecordStream
    from zra_async.bulk.export.report import ExportReport
    from zra_async.bulk.ingest.job import DailyBudget, Items
    from zra_async.bulk.ingest.report import IngestReport, ItemOutcome
    from zra_async.bulk.polling import Polling
    from zra_async.files.recordings import Conversations as Recordings
    from zra_async.files.uploads import Files as Uploads

R = TypeVar("R")
T = TypeVar("T")
_KEEP: Any = object()


class ZRAClient(Namespaces):
    """The client of one account: open it once, share it between all tasks of the event loop.

        async with ZRAClient(ServerToServer(account_id, client_id, client_secret), plan="business") as zra:
            async for conversation in zra.conversations.list():
                ...

    The keyword arguments are the fields of `ClientConfig`. Calls raise the exceptions of `zra_async.errors`.
    """

    def __init__(self, auth: Auth, **options: Unpack[ClientOptions]) -> None:
        config = ClientConfig(**options)
        self._session = Session(auth, config)
        self._options = CallOptions(timeout=config.timeout, deadline=config.deadline, lane=config.lane)
        self._dropped = DroppedFields()
        super().__init__(self, legacy=False)

    @classmethod
    def from_env(cls, **options: Unpack[ClientOptions]) -> Self:
        """Make a client from the environment; ``options`` given here come before it.

        Reads ZOOM_ACCOUNT_ID, ZOOM_CLIENT_ID, ZOOM_CLIENT_SECRET or ZOOM_CLIENT_SECRET_FILE, and the optional
        ZRA_PLAN, ZRA_SHARE, ZRA_TOKEN_URL, ZRA_API_URL and ZRA_FILE_URL. Raises `ConfigurationError`.
        """
        auth, hosts, plan, share = settings_from_env()
        found: ClientOptions = {"hosts": hosts, "plan": plan, "share": share}
        found.update(options)
        return cls(auth, **found)

    async def __aenter__(self) -> Self:
        await self._session.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the client: its tasks end, its connections close, and every later call raises `ClientNotOpen`."""
        await self._session.close()

    def with_options(
        self,
        *,
        timeout: float | None = _KEEP,
        deadline: float | None = _KEEP,
        lane: Lane = _KEEP,
    ) -> Self:
        """Return a view of this client with other bounds, in seconds, or another lane.

        It opens and closes with this one. The view of a subclass has the attributes of its original.
        """
        changes: dict[str, Any] = {"timeout": timeout, "deadline": deadline, "lane": lane}
        changes = {name: value for name, value in changes.items() if value is not _KEEP}
        for name in ("timeout", "deadline"):
            check_seconds(name, changes.get(name))
        if "lane" in changes:
            changes["lane"] = checked_lane(lane)
        view = copy.copy(self)
        for kind in type(self).__mro__:
            for name, value in vars(kind).items():
                if isinstance(value, functools.cached_property):
                    vars(view).pop(name, None)  # it would call through the original
        view._options = msgspec.structs.replace(self._options, **changes)
        view._dropped = DroppedFields(self._dropped)
        Namespaces.__init__(view, view, legacy=False)
        return view

    @functools.cached_property
    def conversations(self) -> Recordings:
        """Conversations, what they hold, and their recordings."""
        from zra_async.files.recordings import Conversations as Recordings

        return Recordings(self, self._session)

    @functools.cached_property
    def files(self) -> Uploads:
        """Files on their way to the service: whole ones of any size, and the raw operations."""
        from zra_async.files.uploads import Files as Uploads  # builds on this module, and costs an import

        return Uploads(self, self._session, self._options)

    @functools.cached_property
    def crm(self) -> Imports:
        """A CRM connected through the API, and whole imports into it."""
        from zra_async.bulk.crm.namespace import Crm as Imports  # builds on this module, and costs an import

        return Imports(self, self._session.observe)

    @functools.cached_property
    def legacy(self) -> Legacy:
        """The deprecated ``/iq`` operations."""
        return Legacy(self)

    @property
    def limits(self) -> RateLimiter:
        """The rate limits of this client; ``limits.snapshot()`` tells where each label stands."""
        return self._session.limits

    @property
    def clock(self) -> ServiceClock:
        """The service's clock as its answers tell it; the clock of this machine may differ from it."""
        return self._session.clock

    async def service_time(self) -> datetime:
        """Return the service's time, and ask the API host for it where no answer has told it yet."""
        return await self._session.service_time()

    @property
    def dropped_fields(self) -> Mapping[str, int]:
        """How many fields of answers could not be read and have their default, by operation.

        A list tells which they are in `Page.dropped`, and the observer hears of each answer in `FieldsDropped`. A view
        made by `with_options` counts for itself, and for the client that it belongs to.
        """
        return self._dropped.counts

    async def export(
        self,
        to: StrPath,
        *,
        streams: str | Iterable[str] | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        incremental: bool = True,
        concurrency: int | None = None,
        on_event: Callable[[JobProgress], None] | None = None,
    ) -> ExportReport:
        """Export the account into the folder ``to``, or bring that folder up to date.

        ``streams`` are names out of `zra_async.bulk.STREAMS` (by default a small set, ``"all"`` everything but the
        recordings). ``since`` and ``until`` are aware datetimes that bound the conversations by the end of their
        analysis; the other streams are always complete. An ``incremental`` run lists what was analysed since the last
        one; without it everything is read again, and what has changed is written. ``concurrency`` is how many units
        are read at once, by default what the permitted rates can use. ``on_event`` is told of the progress.

        The same call after an interruption of any kind goes on where it stopped. Look at ``report.partial``: what
        failed is in ``failed.jsonl`` and is tried again by the next run. Raises `InUse` when another run works with
        the folder, `LedgerError` when the folder cannot be used, and what makes every further call useless, such as
        `AuthenticationFailed`, `MissingScopes` or a daily `RateLimited`. The report of what was written until then is
        ``zra_async.bulk.report_of(error)``.
        """
        self._session.check()
        from zra_async.bulk.export.job import export  # builds on this module, and costs an import

        return await export(
            self,
            to,
            streams=streams,
            since=since,
            until=until,
            incremental=incremental,
            concurrency=concurrency,
            on_event=on_event,
            observer=self._session.observe,
        )

    def export_records(
        self,
        *,
        streams: str | Iterable[str] | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        concurrency: int | None = None,
        on_event: Callable[[JobProgress], None] | None = None,
    ) -> RecordStream:
        """Read the account as pairs ``(stream, record)``, for a sink of your own.

            async with zra.export_records(streams="conversations,transcripts") as records:
                async for stream, record in records:
                    ...

        The arguments are those of `export`; a record is a dict of plain JSON values. All records of one conversation
        come together. Raises `ExportIncomplete` at the end if something could not be read.
        """
        self._session.check()
        from zra_async.bulk.export.record_stream import RecordStream

        return RecordStream(
            self,
            self._session.spawn,
            streams=streams,
            since=since,
            until=until,
            concurrency=concurrency,
            on_event=on_event,
            observer=self._session.observe,
        )

    async def ingest(
        self,
        items: Items,
        *,
        ledger: StrPath,
        concurrency: int = 16,
        wait_for_analysis: bool = False,
        retry_failed: bool = False,
        daily_budget: DailyBudget = "stop",
        on_event: Callable[[JobProgress], None] | None = None,
        on_outcome: Callable[[ItemOutcome], None] | None = None,
        analysis: Polling | None = None,
    ) -> IngestReport:
        """Turn recordings into conversations, any number of them, each exactly once.

        ``items`` are `IngestItem` and `CloudRecording`, from any iterable or async iterable, such as a `Manifest`; they
        are taken as they are needed, ``concurrency`` at once, so that memory does not grow with them. An item goes main
        file, transcript, metadata, conversation. ``ledger`` is a SQLite file that knows each item by its key: the same
        call goes on where an earlier one was interrupted, also inside a file, and sends nothing twice that was done.

        An addition whose answer is lost is looked up by topic, start and host before it is repeated; an item for which
        that gives no clear answer is reported as ``uncertain``, and looked up again by the next run. What the service
        refuses is ``failed``, and tried again with ``retry_failed``; what could not reach it is ``interrupted``, and
        goes on with the next run. The report counts all outcomes and has the first 1 000 problems; ``on_outcome`` is
        told of each `ItemOutcome`.

        A file that the file host takes no more requests for today is put off: with ``daily_budget="stop"`` the report
        says when to go on, with ``"wait"`` the call does so itself. ``wait_for_analysis`` waits until the conversations
        are analysed, asking less and less often, as ``analysis`` says (by default up to six hours); cloud recordings
        are not waited for.

        An error of one item's own source is the failure of that item. An error of the iterator of ``items`` ends the
        call after the items under way, and is raised as it is. Whatever a callback raises is logged once, and the
        callback is not called again; it must be a plain function.

        Raises `InUse` when another run works with the ledger, `LedgerError`, `StrayCancellation`, and what makes every
        further item useless, such as `AuthenticationFailed` or `MissingScopes`. The report of what was done until then
        is ``zra_async.bulk.report_of(error)``. Labels FILES, MULTIPART and MEDIUM.
        """
        self._session.check()
        from zra_async.bulk.events import both
        from zra_async.bulk.ingest.job import ANALYSIS, IngestPlan, ingest  # builds on this module, and costs an import

        plan = IngestPlan(
            ledger=ledger,
            concurrency=concurrency,
            wait_for_analysis=wait_for_analysis,
            retry_failed=retry_failed,
            daily_budget=daily_budget,
            on_outcome=on_outcome,
            analysis=analysis or ANALYSIS,
        )
        single_limit = self._session.config.transfers.single_upload_limit
        return await ingest(self, items, plan, both(self._session.observe, on_event), single_limit)

    async def call(
        self,
        operation: Operation[R] | str,
        *,
        path: Mapping[str, str] | None = None,
        query: Mapping[str, object] | None = None,
        body: object = None,
        **arguments: Any,
    ) -> Any:
        """Call any operation by name, with the keyword arguments of its method.

            await zra.call("conversations.get", conversation_id="…")

        A list gives its first `Page`. Raises `InvalidArgument` for an unknown name or argument.
        """
        if isinstance(operation, str):
            if not (path is None and query is None and body is None):
                raise errors.InvalidArgument(
                    f"{operation}: by name, give the arguments of the method; raw() takes a path"
                )
            return await self._call_by_name(operation, arguments)
        _check_row(operation)
        if arguments:
            unknown = ", ".join(arguments)
            raise errors.InvalidArgument(f"{operation.name}: give {unknown} in path=, query= or body=, or call by name")
        reply = await self._send(operation, path, query, body)
        return self._read(operation, reply).value

    async def raw(
        self,
        operation: Operation[Any] | str,
        *,
        path: Mapping[str, str] | None = None,
        query: Mapping[str, object] | None = None,
        body: object = None,
    ) -> wire.Reply:
        """Make a call and return its `Reply` as it came: status, headers, body and tracking id.

        Limits, authentication, repeats and errors are those of every call; only the decoding is left out.
        """
        row = _row(operation) if isinstance(operation, str) else _check_row(operation)
        return await self._send(row, path, query, body)

    def list(
        self,
        operation: ListOperation[Any, T],
        *,
        path: Mapping[str, str] | None = None,
        query: Mapping[str, object] | None = None,
        page_size: int | None = None,
        cursor: str = "",
    ) -> Pages[T]:
        """Begin a list of any paginated operation."""
        size = operation.usual_page_size
        if page_size is not None:
            from zra_async.api.arguments import check_whole

            size = check_whole("page_size", page_size, operation.min_page_size, operation.max_page_size)
        fixed = {**(query or {}), "page_size": size}

        async def fetch(token: str) -> Page[T]:
            wanted = {**fixed, "next_page_token": token or None}
            try:
                reply = await self._send(operation, path, wanted, None)
            except errors.PageTokenExpired as expired:
                expired.query = {name: wire.query_text(v) for name, v in fixed.items() if v is not None}
                expired.cursor = token
                raise
            answer = self._read(operation, reply)
            token = getattr(answer.value, "next_page_token", "")
            return Page(operation.items(answer.value), token, answer.value, answer.dropped)

        return Pages(operation.name, fetch, self._session.spawn, cursor=cursor, check=self._session.check)

    def _send(
        self,
        operation: Operation[Any],
        path: Mapping[str, str] | None,
        query: Mapping[str, object] | None,
        body: object,
    ) -> Awaitable[wire.Reply]:
        return self._session.send(wire.encode(operation, path=path, query=query, body=body), self._options)

    def _read(self, operation: Operation[R], reply: wire.Reply) -> Decoded[R]:
        answer = wire.read(operation, reply)
        if answer.dropped:
            self._dropped.add(operation.name, len(answer.dropped))
            self._session.drops.tell(operation.name, answer.dropped, reply.tracking_id)
        return answer

    async def _call_by_name(self, name: str, arguments: Mapping[str, Any]) -> Any:
        _row(name)
        method: Any = functools.reduce(getattr, name.split("."), self)
        try:
            pending = method(**arguments)
        except TypeError as problem:
            raise errors.InvalidArgument(f"{name}: {problem}") from None
        return await pending

    def __repr__(self) -> str:
        return f"ZRAClient(plan={self._session.config.plan!r}, api={self._session.config.hosts.api!r})"


def _check_row(operation: Operation[R]) -> Operation[R]:
    if not isinstance(operation, Operation):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise errors.InvalidArgument(f"give an Operation or its name, not {type(operation).__name__}")
    return operation


def _row(name: str) -> Operation[Any]:
    from zra_async.api.registry import OPERATIONS  # all resources are imported with it

    row = OPERATIONS.get(name)
    if row is None:
        raise errors.InvalidArgument(f"no operation is called {name!r}; the names are in zra_async.OPERATIONS")
    return row
