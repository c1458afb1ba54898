"""Lists of which the service shows less than was asked for: walked in windows, or named in the report."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bulk.export.account import account, quick_disk  # noqa: F401
from tests.virtual import run
from zra_async import errors
from zra_async.api.conversations.models import ConversationPage
from zra_async.bulk import read_stream
from zra_async.bulk.export.sources.periods import AHEAD, FLOOR, HORIZON, PeriodWalk
from zra_async.core.pages import Page
from zra_async.sandbox.records.meetings import schedule

STREAMS = "conversations,deals,scheduled_meetings"
NOW = datetime.fromisoformat("2026-03-01T12:00:00Z")
DAY = timedelta(days=1)


def ids(folder: Path, stream: str, key: str) -> list[str]:
    """Return the sorted ids of a stream."""
    return sorted(row[key] for row in read_stream(folder, stream))


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"default_period": 30}, id="a month by default"),
        pytest.param({"default_period": 30, "longest_period": 90}, id="narrowed"),
        pytest.param({"default_period": 30, "longest_period": 31, "refuse_longer": True}, id="refused"),
        pytest.param({"largest_page": 7}, id="small pages"),
    ],
)
async def test_everything_is_exported_however_lists_are_narrowed(options: dict[str, Any], tmp_path: Path) -> None:
    """All conversations, deals and meetings are there, once, and the report says complete."""
    async with account(60, **options) as (sandbox, zra):
        report = await zra.export(tmp_path, streams=STREAMS)
        assert ids(tmp_path, "conversations", "conversation_id") == sorted(
            c.conversation_id for c in sandbox.world.newest_first()
        )
        assert report.units["deal"].done == sandbox.world.pipeline.count
        assert report.records["scheduled_meetings"] == schedule(sandbox.world).count
    assert not report.partial
    assert report.unproven == ()


async def test_a_list_without_an_echo_is_not_called_complete(tmp_path: Path) -> None:
    """Everything that was shown is exported, and report and manifest say which periods are not proven."""
    async with account(20, echo_period=False) as (_, zra):
        report = await zra.export(tmp_path, streams=STREAMS)
        assert {period.kind for period in report.unproven} == {"conversation", "deal", "meeting"}
        assert {period.since for period in report.unproven} == {FLOOR}
        assert report.partial
        assert report.failed == 0
        assert report.watermark is None
        assert len(json.loads((tmp_path / "manifest.json").read_text("utf-8"))["unproven"]) == 3
        with pytest.raises(errors.ExportIncomplete, match="not proven to be complete: conversation units from 2000"):
            async for _ in zra.export_records(streams="conversations"):
                pass


class Service:
    """A list whose only item is the period that it covers: at most ``longest``, from its end or from its beginning."""

    def __init__(self, longest: timedelta, *, forward: bool = False, refuse: bool = False) -> None:
        self.longest, self.forward, self.refuse = longest, forward, refuse
        self.calls = 0

    async def listing(self, since: datetime, until: datetime) -> AsyncGenerator[Page[Any]]:
        """Answer one page."""
        self.calls += 1
        if until - since > self.longest:
            if self.refuse:
                raise errors.BadRequest("conversations.list", status=400, code=1001)
            if self.forward:
                until = since + self.longest
            else:
                since = until - self.longest
        yield Page([(since, until)], "", ConversationPage(from_=since, to=until))


def gaps(periods: list[tuple[datetime, datetime]], since: datetime, until: datetime) -> list[tuple[datetime, datetime]]:
    """Return what the periods leave out between two times."""
    found, reached = [], since
    for begin, end in sorted(periods):
        if begin > reached:
            found.append((reached, begin))
        reached = max(reached, end)
    return found if reached >= until else [*found, (reached, until)]


def listed(walk: PeriodWalk) -> list[tuple[datetime, datetime]]:
    """Walk to the end."""

    async def items() -> list[tuple[datetime, datetime]]:
        return [item async for page in walk.pages() for item in page.items]

    return run(items())


@given(
    st.integers(25, 24 * 400).map(lambda hours: timedelta(hours=hours)),
    st.booleans(),
    st.booleans(),
    st.integers(2, 400).map(lambda days: NOW - days * DAY),
)
def test_windows_leave_nothing_out(longest: timedelta, forward: bool, refuse: bool, since: datetime) -> None:
    """However much the service covers at once, the whole period is listed and proven, in few calls."""
    service = Service(longest, forward=forward, refuse=refuse)
    walk = PeriodWalk("conversation", service.listing, (since, NOW + DAY), NOW)
    assert not gaps(listed(walk), since, NOW)
    assert not walk.unproven
    whole = NOW + DAY - since
    assert service.calls <= 10 + (whole / DAY if refuse else 2 * whole / longest)


@pytest.mark.parametrize("clip", [NOW, NOW + 30 * DAY, NOW - timedelta(hours=1)])
@pytest.mark.parametrize("beyond", [True, False])
def test_a_list_that_ends_early_is_not_called_complete(clip: datetime, beyond: bool) -> None:
    """A list of what is to come has to prove that it shows it, in few calls; one of the past only what is past."""
    calls: list[tuple[datetime, datetime]] = []

    async def listing(since: datetime, until: datetime) -> AsyncGenerator[Page[Any]]:
        calls.append((since, until))
        first, last = min(since, clip), min(until, clip)
        yield Page([(first, last)], "", ConversationPage(from_=first, to=last))

    end = NOW + (HORIZON if beyond else AHEAD)
    walk = PeriodWalk("meeting", listing, (FLOOR, end), NOW, beyond=beyond)
    assert not gaps(listed(walk), FLOOR, min(clip, end))
    missing = [(period.since, period.until) for period in walk.unproven]
    assert missing == ([(clip, end)] if beyond or clip < NOW else [])
    assert len(calls) <= 2


def test_a_service_that_refuses_every_period_is_an_error() -> None:
    """After the shortest window has been refused, too, the refusal is raised."""
    service = Service(timedelta(minutes=1), refuse=True)
    with pytest.raises(errors.BadRequest):
        listed(PeriodWalk("conversation", service.listing, (FLOOR, NOW + DAY), NOW))
    assert service.calls < 30


def test_a_service_that_refuses_the_future_is_asked_for_the_past() -> None:
    """What lies ahead is named as not proven, and the rest is listed."""

    class Past(Service):
        async def listing(self, since: datetime, until: datetime) -> AsyncGenerator[Page[Any]]:
            if until > NOW:
                raise errors.BadRequest("conversations.list", status=400, code=1001)
            async for page in super().listing(since, until):
                yield page

    walk = PeriodWalk("deal", Past(timedelta(days=99999)).listing, (FLOOR, NOW + 5 * DAY), NOW, beyond=True)
    assert not gaps(listed(walk), FLOOR, NOW)
    assert [(period.since, period.until) for period in walk.unproven] == [(NOW, NOW + 5 * DAY)]


@pytest.mark.parametrize("echo", [(NOW, NOW - DAY), (NOW + DAY, NOW + 2 * DAY), (FLOOR, FLOOR), (NOW - DAY / 99, NOW)])
def test_an_echo_that_makes_no_sense_proves_nothing(echo: tuple[datetime, datetime]) -> None:
    """The walk ends, and its period is not called complete."""

    async def listing(since: datetime, until: datetime) -> AsyncGenerator[Page[Any]]:
        yield Page([], "", ConversationPage(from_=echo[0], to=echo[1]))

    walk = PeriodWalk("conversation", listing, (NOW - 30 * DAY, NOW), NOW)
    assert listed(walk) == []
    assert walk.unproven
