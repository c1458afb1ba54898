"""The client of one account: a namespace for each resource, and the jobs. It puts the parts of the package together."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Self, Unpack

from zra_async.caller import OperationCaller
from zra_async.config import ClientConfig, ClientOptions, database_from_env, settings_from_env
from zra_async.core.auth import Auth
from zra_async.core.events import JobProgress
from zra_async.core.pipeline import CallOptions
from zra_async.osfiles.paths import StrPath
from zra_async.session import Session

if TYPE_CHECKING:
    from zra_async.api.conversations.comments import Comments
    from zra_async.api.deals.operations import Deals
    from zra_async.api.indicators import Indicators
    from zra_async.api.meetings import Meetings
    from zra_async.api.operations import Operations
    from zra_async.api.playlists import Playlists
    from zra_async.api.teams.operations import Teams
    from zra_async.bulk.crm.namespace import Crm
    from zra_async.bulk.export.destination import Destination
    from zra_async.bulk.export.plan import Sweep
    from zra_async.bulk.export.record_stream import RecordStream
    from zra_async.bulk.export.unit_stream import UnitStream
    from zra_async.bulk.ingest.job import DailyBudget, Items
    from zra_async.bulk.ingest.report import IngestReport, ItemOutcome
    from zra_async.bulk.polling import Polling
    from zra_async.files.recordings import Conversations
    from zra_async.files.uploads import Files
    from zra_async.results.exports import ExportReport


class ZRAClient(OperationCaller):
    """The client of one account. Open it once and share it between all tasks of the event loop.

        async with ZRAClient(ServerToServer(account_id, client_id, client_secret), plan="business") as zra:
            async for conversation in zra.conversations.list():
                ...

    The keyword arguments are the fields of `ClientConfig`. Calls raise the exceptions of `zra_async.errors`.
    """

    def __init__(self, auth: Auth, **options: Unpack[ClientOptions]) -> None:
        config = ClientConfig(**options)
        call_options = CallOptions(
            timeout=config.timeout, deadline=config.deadline, lane=config.lane, retry=config.retry
        )
        super().__init__(Session(auth, config), call_options)

    @classmethod
    def from_env(cls, **options: Unpack[ClientOptions]) -> Self:
        """Make a client from the environment; ``options`` override it.

        Reads ZOOM_ACCOUNT_ID, ZOOM_CLIENT_ID, ZOOM_CLIENT_SECRET or ZOOM_CLIENT_SECRET_FILE, and the optional
        ZRA_PLAN, ZRA_SHARE, ZRA_TOKEN_URL, ZRA_API_URL and ZRA_FILE_URL. With ZRA_DATABASE_URL, the connection string
        of a Postgres, all processes of the account share its limits. Raises `ConfigurationError`.
        """
        auth, hosts, plan, share = settings_from_env()
        found: ClientOptions = {"hosts": hosts, "plan": plan, "share": share}
        found.update(options)
        database = database_from_env()
        if database and "limiter" not in options and "limits" not in options:
            from zra_async.postgres import shared_limiter  # an extra

            found["limiter"] = shared_limiter(database, auth, found["plan"], found.get("observer"))
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

    @property
    def conversations(self) -> Conversations:
        """Conversations, their content and their recordings."""
        return self._conversations

    @property
    def comments(self) -> Comments:
        """The comments of conversations."""
        return self._operations.comments

    @property
    def playlists(self) -> Playlists:
        """The playlists of users."""
        return self._operations.playlists

    @property
    def indicators(self) -> Indicators:
        """The account's indicator settings."""
        return self._operations.indicators

    @property
    def meetings(self) -> Meetings:
        """The scheduled meetings."""
        return self._operations.meetings

    @property
    def deals(self) -> Deals:
        """The deals and their activities."""
        return self._operations.deals

    @property
    def crm(self) -> Crm:
        """A CRM connected through the API, and imports of any size into it."""
        return self._crm

    @property
    def teams(self) -> Teams:
        """Teams, their members and managers, and their access."""
        return self._operations.teams

    @property
    def files(self) -> Files:
        """Uploads of files of any size, and the single requests that they consist of."""
        return self._files

    @functools.cached_property
    def legacy(self) -> Operations:
        """The deprecated ``/iq`` operations, with the same methods and a DeprecationWarning."""
        from zra_async.api.operations import Operations

        return Operations(self, legacy=True)

    @functools.cached_property
    def _operations(self) -> Operations:
        from zra_async.api.operations import Operations

        return Operations(self)

    @functools.cached_property
    def _conversations(self) -> Conversations:
        from zra_async.files.recordings import Conversations

        return Conversations(self, self._session, self._options)

    @functools.cached_property
    def _files(self) -> Files:
        from zra_async.files.uploads import Files

        return Files(self, self._session, self._options)

    @functools.cached_property
    def _crm(self) -> Crm:
        from zra_async.bulk.crm.namespace import Crm

        return Crm(self, self._session.observe)

    async def export(
        self,
        to: StrPath | Destination,
        *,
        streams: str | Iterable[str] | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        incremental: bool = True,
        sweep: Sweep = "always",
        adopt: bool = False,
        concurrency: int | None = None,
        on_event: Callable[[JobProgress], None] | None = None,
    ) -> ExportReport:
        """Export the account into the folder ``to``, or bring that folder up to date.

        ``to`` may be another `zra_async.bulk.Destination`, such as a database of yours. A folder that the export makes
        is readable by its owner only, and so are the files in it.

        ``streams`` are names out of `zra_async.bulk.STREAMS` (by default a small set, ``"all"`` everything but the
        recordings). ``since`` and ``until`` are aware datetimes that bound the conversations by the end of their
        analysis; the other streams are always complete. An ``incremental`` run reads what is new or has changed, and
        notes what is gone; without it everything is read again, and changes are written. ``sweep`` says when a run
        lists all conversations to find changed and deleted ones (one call for 300): ``"always"``, ``"daily"``,
        ``"never"`` or a timedelta since the last time; the other runs list what was analysed since. ``concurrency`` is
        the number of units that are read at once, by default as many as the permitted rates can use. ``on_event``
        receives the progress.

        The same call after an interruption of any kind resumes where it stopped. Check ``report.partial``: failures are
        listed in ``failed.jsonl`` and are retried by the next run. The folder of another account is refused; with
        ``adopt``, one that does not say whose it is becomes the folder of this account. Raises `InUse` when another run
        works with the folder, `LedgerError` when the folder cannot be used, and errors that would make every later call
        fail too, such as `AuthenticationFailed`, `MissingScopes` or a daily `RateLimited`.
        ``zra_async.bulk.report_of(error)`` is the report of what was written until then.
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
            sweep=sweep,
            adopt=adopt,
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
        """Read the account as pairs ``(stream, record)``, for a destination of your own.

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

    def export_units(
        self,
        ledger: StrPath,
        *,
        streams: str | Iterable[str] | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        incremental: bool = True,
        sweep: Sweep = "always",
        adopt: bool = False,
        concurrency: int | None = None,
        on_event: Callable[[JobProgress], None] | None = None,
    ) -> UnitStream:
        """Read the units of the account that are new, changed or deleted, for a destination of your own.

            async with zra.export_units("ledger.sqlite") as units:
                async for unit in units:
                    await store(unit.kind, unit.id, unit.rows)
                    unit.acknowledge()

        ``ledger`` is a SQLite file that remembers what was acknowledged: the same call gives the rest, and later what
        has changed. The other arguments are those of `export`. A unit may come more than once; its rows replace the
        older rows of the same streams. Check ``units.report.partial`` at the end.
        """
        self._session.check()
        from zra_async.bulk.export.unit_stream import UnitStream

        return UnitStream(
            self,
            self._session.spawn,
            ledger,
            streams=streams,
            since=since,
            until=until,
            incremental=incremental,
            sweep=sweep,
            adopt=adopt,
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
        adopt: bool = False,
        on_event: Callable[[JobProgress], None] | None = None,
        on_outcome: Callable[[ItemOutcome], None] | None = None,
        analysis: Polling | None = None,
    ) -> IngestReport:
        """Turn recordings into conversations, any number of them, each exactly once.

        ``items`` are `IngestItem` and `CloudRecording`, from any iterable or async iterable, such as a `Manifest`. They
        are taken as they are needed, ``concurrency`` at once, so that memory does not grow with their number. For each
        item the main file, the transcript and the metadata are uploaded, then the conversation is added. ``ledger`` is
        a SQLite file that identifies each item by its key: the same call resumes where an earlier one was interrupted,
        even inside a file, and repeats nothing that was done. The ledger of another account is refused; with ``adopt``,
        one that does not say whose it is becomes the ledger of this account.

        If the answer to an addition is lost, the conversation is looked up by topic, start and host before the addition
        is repeated. An item without a clear result is reported as ``uncertain``, and looked up again by the next run.
        An item that the service refuses is ``failed``, and retried with ``retry_failed``; one that could not reach the
        service is ``interrupted``, and resumed by the next run. The report counts all outcomes and lists the first
        1 000 problems; ``on_outcome`` receives each `ItemOutcome`.

        When the requests that the file host accepts in a day are used up, ``daily_budget="stop"`` ends the call, and
        the report says when to resume; with ``"wait"`` the call waits until then. ``wait_for_analysis`` waits until the
        conversations are analysed, with the growing intervals of ``analysis`` (by default up to six hours), but not for
        cloud recordings.

        An error of the source of one item fails that item. An error of the iterator of ``items`` is raised after the
        items in progress have ended. An error of a callback is logged once, and the callback is not called again; it
        must be a plain function.

        Raises `InUse` when another run works with the ledger, `LedgerError`, `StrayCancellation`, and errors that would
        make every later item fail too, such as `AuthenticationFailed` or `MissingScopes`.
        ``zra_async.bulk.report_of(error)`` is the report of what was done until then. Labels FILES, MULTIPART and
        MEDIUM.
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
            adopt=adopt,
            on_outcome=on_outcome,
            analysis=analysis or ANALYSIS,
        )
        single_limit = self._session.config.transfers.single_upload_limit
        return await ingest(self, items, plan, both(self._session.observe, on_event), single_limit)

    def __repr__(self) -> str:
        return f"ZRAClient(plan={self._session.config.plan!r}, api={self._session.config.hosts.api!r})"
