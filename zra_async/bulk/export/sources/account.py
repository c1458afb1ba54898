"""The sources of the units of an export: each lists its units and reads one of them."""

from __future__ import annotations

import hashlib
from collections import Counter, deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import aclosing, suppress
from datetime import datetime, timedelta
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple, NoReturn, Protocol, TypeVar

import msgspec

from zra_async import errors
from zra_async.api import playlists as api_playlists
from zra_async.api.deals import operations as api_deals
from zra_async.api.deals.models import Deal, DealDetail
from zra_async.api.teams import operations as api_teams
from zra_async.api.teams import people as team_people
from zra_async.api.teams.models import Team
from zra_async.bulk.caller import BulkCaller
from zra_async.bulk.export.destination import ExportLedger
from zra_async.bulk.export.refusals import REFUSED, Refusals
from zra_async.bulk.export.rows import account as account_rows
from zra_async.bulk.export.sources.periods import AHEAD, FLOOR, HORIZON, PeriodWalk
from zra_async.bulk.export.streams import STREAMS
from zra_async.bulk.export.units import Listed, Waiting, id_of
from zra_async.core.limits import Lane
from zra_async.core.operation import Label, ListOperation, Operation
from zra_async.core.pages import Page, Pages
from zra_async.results.exports import UnitKind, UnprovenPeriod

T = TypeVar("T")
#: a list inside a unit whose page token expires is begun anew so many times
_RESTARTS = 3
_PEOPLE_AT_ONCE = 300
_encode = msgspec.json.Encoder().encode


class Gone(Exception):
    """A unit was listed and is not there any more."""


class NotReady(Exception):
    """A unit is still in processing."""


def means_gone(problem: errors.NotFound) -> bool:
    """Return True for a 404 that says that the thing does not exist; code 0 is about the path alone."""
    return problem.code != 0


async def confirm_gone(problem: errors.NotFound, whole: Awaitable[Any]) -> NoReturn:
    """Find out what a 404 on a part of something means: raises `Gone` if all of it is gone, ``problem`` otherwise."""
    try:
        await whole
    except errors.NotFound as other:
        if means_gone(other):
            raise Gone from None
    raise problem


class Reading(NamedTuple):
    """The rows of a unit by stream, the users that it names, and the streams that were refused, each with the reason.

    A stream that was wanted and is in neither has no rows.
    """

    rows: Mapping[str, Sequence[msgspec.Struct]]
    people: Sequence[str] = ()
    refused: Mapping[str, str] = MappingProxyType({})


class Source(Protocol):
    """The units of one kind."""

    kind: UnitKind
    #: whether units are read although their version has not changed, since it does not tell
    unchanged_too: bool

    @property
    def complete(self) -> bool:
        """True if the list has shown all there is, so that what it did not show is gone."""
        ...

    @property
    def unproven(self) -> Sequence[UnprovenPeriod]:
        """The periods of the last listing that the service did not prove to be complete."""
        ...

    def pages(self) -> AsyncGenerator[Sequence[Listed]]:
        """List the units, page by page; may be begun anew."""
        ...

    async def read(self, unit: Waiting, run: int) -> Reading | None:
        """Read a unit for the lines of a run; None for one that exists, where nothing else was asked.

        Raises `Gone` and `NotReady`.
        """
        ...


class Calls:
    """A view of a client that makes the calls of an export, and counts them."""

    def __init__(self, zra: BulkCaller) -> None:
        self.zra: BulkCaller = zra.with_options(lane=Lane.BULK, deadline=None)
        self.counts: Counter[Label] = Counter()
        self.refusals: Refusals = Refusals()

    async def one(self, operation: Operation[Any], answer: Awaitable[T]) -> T:
        """Make one call."""
        self.counts[operation.label] += 1
        return await answer

    async def pages(self, operation: Operation[Any], pages: Pages[T]) -> AsyncGenerator[Page[T]]:
        """Read a list page by page."""
        async with aclosing(pages.pages()) as found:
            async for page in found:
                self.counts[operation.label] += 1
                yield page

    async def walk(
        self,
        kind: UnitKind,
        operation: Operation[Any],
        begin: Callable[[datetime, datetime], Pages[Any]],
        period: tuple[datetime | None, datetime | None],
        ahead: timedelta,
    ) -> PeriodWalk:
        """Return the walk through a list over a period, by default from `FLOOR` to ``ahead`` of the service's time."""
        now = (await self.zra.service_time()).replace(microsecond=0)  # a period travels in whole seconds
        since, until = period[0] or min(FLOOR, now - HORIZON), period[1] or now + ahead

        def listing(first: datetime, last: datetime) -> AsyncGenerator[Page[Any]]:
            return self.pages(operation, begin(first, last))

        return PeriodWalk(kind, listing, (since, until), now, beyond=ahead > AHEAD)

    async def part(
        self,
        streams: Sequence[str],
        read: Callable[[], Awaitable[T]],
        refused: dict[str, str],
        *,
        not_ready: int | None = None,
    ) -> T | None:
        """Make the calls that ``streams`` share; None if there are no streams, or if the service refuses them.

        Refused streams are added to ``refused``. A stream that this run has closed is refused without a call and
        without a reason. Raises `NotReady` for an answer with the code ``not_ready``.
        """
        if not streams:
            return None
        if self.refusals.closes(streams):
            refused.update(dict.fromkeys(streams, ""))
            return None
        try:
            answer = await read()
        except REFUSED as problem:
            if problem.code is not None and problem.code == not_ready:
                raise NotReady from None
            self.refusals.refuse(streams, str(problem))
            refused.update(dict.fromkeys(streams, str(problem)))
            return None
        self.refusals.accept(streams)
        return answer

    async def all(
        self,
        operation: ListOperation[Any, T],
        path: Mapping[str, str] | None = None,
        query: Mapping[str, object] | None = None,
    ) -> Sequence[T]:
        """Read a short list to its end, from the beginning again if its page token expires meanwhile."""
        for _ in range(_RESTARTS):
            with suppress(errors.PageTokenExpired):
                return await self._all(operation, path, query)
        return await self._all(operation, path, query)

    async def _all(
        self, operation: ListOperation[Any, T], path: Mapping[str, str] | None, query: Mapping[str, object] | None
    ) -> Sequence[T]:
        # nearly always there is one page: it is asked for without the machinery for more
        first = await self.zra.call(
            operation, path=path, query={**(query or {}), "page_size": operation.usual_page_size}
        )
        self.counts[operation.label] += 1
        items, token = operation.items(first), first.next_page_token
        if not token:
            return items
        more = self.zra.list(operation, path=path, query=query, cursor=token)
        return [*items, *[item async for page in self.pages(operation, more) for item in page.items]]


def version_of(payload: bytes) -> str:
    """A version for a unit whose list does not give one: it changes when its row does."""
    return hashlib.blake2b(payload, digest_size=12).hexdigest()


class Simple:
    """Units that are rows of a list and nothing more, such as indicators; some lists take a period."""

    unchanged_too = False

    def __init__(
        self,
        calls: Calls,
        stream: str,
        operation: Operation[Any],
        begin: Callable[[BulkCaller], Pages[Any]] | None = None,
        begin_period: Callable[[BulkCaller, datetime, datetime], Pages[Any]] | None = None,
    ) -> None:
        spec = STREAMS[stream]
        self.kind: UnitKind = spec.unit
        self.unproven: Sequence[UnprovenPeriod] = ()
        self._calls = calls
        self._stream = stream
        self._key = spec.key
        self._operation = operation
        self._begin = begin
        self._begin_period = begin_period
        self._decoder = msgspec.json.Decoder(spec.row)

    async def pages(self) -> AsyncGenerator[Sequence[Listed]]:
        """List them."""
        if self._begin is not None:
            async for page in self._calls.pages(self._operation, self._begin(self._calls.zra)):
                yield [self._listed(item) for item in page.items]
        if (begin := self._begin_period) is not None:
            listing = partial(begin, self._calls.zra)
            walk = await self._calls.walk(self.kind, self._operation, listing, (None, None), HORIZON)
            async for page in walk.pages():
                yield [self._listed(item) for item in page.items]
            self.unproven = walk.unproven

    async def read(self, unit: Waiting, run: int) -> Reading | None:
        """The list has told everything."""
        if not unit.payload:
            raise Gone
        return Reading({self._stream: [msgspec.structs.replace(self._decoder.decode(unit.payload), run=run)]})

    @property
    def complete(self) -> bool:
        """True if the list has shown all there is."""
        return not self.unproven

    def _listed(self, item: msgspec.Struct) -> Listed:
        payload = _encode(item)
        return Listed(id_of(msgspec.to_builtins(item), self._key), version_of(payload), payload)


class DealUnits:
    """The deals."""

    kind: UnitKind = "deal"

    def __init__(self, calls: Calls, streams: Collection[str], *, unchanged_too: bool) -> None:
        self.unproven: Sequence[UnprovenPeriod] = ()
        self.unchanged_too = unchanged_too
        self._calls = calls
        self._streams = streams
        self._decoder = msgspec.json.Decoder(Deal)

    async def pages(self) -> AsyncGenerator[Sequence[Listed]]:
        """List them."""
        deals = api_deals.Deals(self._calls.zra)
        walk = await self._calls.walk(
            self.kind, api_deals.LIST, lambda begin, end: deals.list(from_=begin, to=end), (None, None), HORIZON
        )
        async for page in walk.pages():
            payloads = [(deal.deal_id, _encode(deal)) for deal in page.items]
            yield [Listed(deal_id, version_of(payload), payload) for deal_id, payload in payloads]
        self.unproven = walk.unproven

    @property
    def complete(self) -> bool:
        """True if the list has shown all there is."""
        return not self.unproven

    async def read(self, unit: Waiting, run: int) -> Reading | None:
        """Read the detail of a deal, and its activities if they are wanted."""
        found: dict[str, Sequence[msgspec.Struct]] = {}
        refused: dict[str, str] = {}
        wanted = unit.streams or self._streams
        listed = self._decoder.decode(unit.payload) if unit.payload else None
        if listed is None or not unit.streams or "deals" in wanted:
            detail = await self._detail(unit.id)
            if listed is None:
                return None
            found["deals"] = [account_rows.deal_row(listed, detail, run)]
        activities = [name for name in ("deal_activities",) if name in wanted]
        try:
            items = await self._calls.part(
                activities, lambda: self._calls.all(api_deals.ACTIVITIES, {"deal_id": unit.id}), refused
            )
        except errors.NotFound as problem:
            await confirm_gone(problem, self._detail(unit.id))
        if items is not None:
            found["deal_activities"] = account_rows.deal_activity_rows(unit.id, items, run)
        return Reading(found, [listed.owner_id] if listed.owner_id else (), refused)

    async def _detail(self, deal_id: str) -> DealDetail:
        try:
            return await self._calls.one(api_deals.GET, api_deals.Deals(self._calls.zra).get(deal_id))
        except errors.NotFound as problem:
            if means_gone(problem):
                raise Gone from None
            raise


class _ListedTeam(msgspec.Struct, frozen=True):
    team: Team
    parent_team_id: str | None


class TeamUnits:
    """The teams. Whether their people have changed is not in the list, so they are read in every run."""

    kind: UnitKind = "team"
    unchanged_too = True
    complete = True
    unproven: Sequence[UnprovenPeriod] = ()

    def __init__(self, calls: Calls, streams: Collection[str]) -> None:
        self._calls = calls
        self._everybody = "playlists" in streams  # their owners have to be found
        people: dict[str, ListOperation[Any, Any]] = {
            "team_members": team_people.LIST_MEMBERS,
            "team_managers": team_people.LIST_MANAGERS,
        }
        self._people = [item for item in people.items() if self._everybody or item[0] in streams]
        self._decoder = msgspec.json.Decoder(_ListedTeam)

    async def pages(self) -> AsyncGenerator[Sequence[Listed]]:
        """Walk the hierarchy from its roots; an account has few teams."""
        found: dict[str, _ListedTeam] = {}
        parents: deque[str | None] = deque([None])
        asked: set[str | None] = set()
        while parents:
            parent = parents.popleft()
            if parent in asked:
                continue
            asked.add(parent)
            for team in await self._calls.all(api_teams.LIST, query={"parent_team_id": parent}):
                if parent is not None or team.team_id not in found:
                    found[team.team_id] = _ListedTeam(team, parent)
                if not team.leaf:
                    parents.append(team.team_id)
        payloads = [(team_id, _encode(team)) for team_id, team in found.items()]
        yield [Listed(team_id, version_of(payload), payload) for team_id, payload in payloads]

    async def read(self, unit: Waiting, run: int) -> Reading | None:
        """Read the people of a team."""
        if not unit.payload:
            raise Gone
        listed, team = self._decoder.decode(unit.payload), {"team_id": unit.id}
        found: dict[str, Sequence[msgspec.Struct]] = {
            "teams": [account_rows.team_row(listed.team, listed.parent_team_id, run)]
        }
        people: list[str] = []
        refused: dict[str, str] = {}
        try:
            for stream, operation in self._people:
                users = await self._calls.part([stream], partial(self._calls.all, operation, team), refused)
                if users is not None:
                    found[stream] = account_rows.team_user_rows(unit.id, users, run)
                    people += [user.user_id for user in users]
        except errors.NotFound as problem:
            await confirm_gone(problem, self._calls.one(api_teams.GET, api_teams.Teams(self._calls.zra).get(unit.id)))
        if self._everybody:
            for reason in filter(None, refused.values()):
                self._calls.refusals.note("playlists", reason)
        return Reading(found, people, refused)


class Users:
    """The users that the other units have named, and those without a team, for their playlists."""

    kind: UnitKind = "user"
    unchanged_too = True
    complete = False
    unproven: Sequence[UnprovenPeriod] = ()

    def __init__(self, calls: Calls, ledger: ExportLedger) -> None:
        self._calls = calls
        self._ledger = ledger

    async def pages(self) -> AsyncGenerator[Sequence[Listed]]:
        """List everybody who is known."""
        after = ""
        while known := await self._ledger.people(after, _PEOPLE_AT_ONCE):
            yield [Listed(user_id, "", b"{}") for user_id in known]
            after = known[-1]
        everybody = api_teams.Teams(self._calls.zra).unassigned_users()
        async for page in self._calls.pages(api_teams.UNASSIGNED_USERS, everybody):
            yield [Listed(user.user_id, "", b"{}") for user in page.items]

    async def read(self, unit: Waiting, run: int) -> Reading | None:
        """Read the playlists of a user."""
        refused: dict[str, str] = {}
        try:
            playlists = await self._calls.part(
                ["playlists"], lambda: self._calls.all(api_playlists.LIST, {"user_id": unit.id}), refused
            )
        except errors.NotFound as problem:
            if means_gone(problem):
                raise Gone from None
            raise
        return Reading({"playlists": account_rows.playlist_rows(unit.id, playlists or (), run)}, refused=refused)
