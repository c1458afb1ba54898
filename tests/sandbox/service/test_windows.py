"""Rate windows: exact by property, and exact over real sockets under a load that knows no limits."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sandbox.conftest import Plain, Start
from zra_async.sandbox.clock import NANOSECONDS, Clock
from zra_async.sandbox.service.windows import DAY, LIMITS, UNCHECKED_STAMPS, Limit, Windows

MIDNIGHT = datetime(2026, 3, 1, tzinfo=UTC)
START = int(MIDNIGHT.timestamp()) * NANOSECONDS


def brute_force(times: list[int], limit: Limit) -> list[bool]:
    """Decide every request by looking at all that were accepted before it."""
    accepted: list[int] = []
    verdicts: list[bool] = []
    span = limit.period * NANOSECONDS
    for now in times:
        in_window = sum(now - span < stamp <= now for stamp in accepted)
        today = sum(stamp // DAY == now // DAY for stamp in accepted)
        good = in_window < limit.rate and (limit.daily is None or today < limit.daily)
        if good:
            accepted.append(now)
        verdicts.append(good)
    return verdicts


steps = st.one_of(
    st.integers(0, 3 * NANOSECONDS),
    st.sampled_from([0, 1, NANOSECONDS - 1, NANOSECONDS, NANOSECONDS + 1, 60 * NANOSECONDS, DAY // 3]),
)


@given(
    gaps=st.lists(steps, max_size=120),
    rate=st.integers(1, 6),
    period=st.sampled_from([1, 60]),
    daily=st.one_of(st.none(), st.integers(1, 20)),
)
def test_every_verdict_is_that_of_a_brute_force_count(gaps: list[int], rate: int, period: int, daily: int) -> None:
    """A window accepts exactly those requests that a count over the whole history accepts."""
    limit = Limit(rate, period, daily)
    windows = Windows({"LIGHT": limit})
    now, times = START, []
    for gap in gaps:
        now += gap
        times.append(now)
    assert [windows.admit("LIGHT", now) is None for now in times] == brute_force(times, limit)


def test_the_window_is_open_at_its_old_end() -> None:
    """A request exactly one period after the first is accepted, and one nanosecond earlier it is not."""
    windows = Windows({"LIGHT": Limit(1)})
    assert windows.admit("LIGHT", START) is None
    assert windows.admit("LIGHT", START + NANOSECONDS - 1) is not None
    assert windows.admit("LIGHT", START + NANOSECONDS) is None


def test_refused_requests_do_not_count() -> None:
    """Hammering during a full window does not prolong it."""
    windows = Windows({"LIGHT": Limit(2)})
    verdicts = [windows.admit("LIGHT", START + step * NANOSECONDS // 10) is None for step in range(21)]
    assert [step for step, accepted in enumerate(verdicts) if accepted] == [0, 1, 10, 11, 20]


def test_the_daily_counter_starts_again_at_midnight_utc() -> None:
    """The last second of a day may be refused while the first of the next is not, and the 429 says when."""
    windows = Windows({"MEDIUM": Limit(100, daily=3)})
    late = START + DAY - 2 * NANOSECONDS
    assert [windows.admit("MEDIUM", late) is None for _ in range(4)] == [True, True, True, False]
    refusal = windows.admit("MEDIUM", late)
    assert refusal is not None
    assert refusal.kind == "Daily-limit"
    assert refusal.resets_at == datetime(2026, 3, 2, tzinfo=UTC)
    assert windows.admit("MEDIUM", START + DAY) is None


@pytest.mark.parametrize(("plan", "shared"), [("free", False), ("pro", True), ("business", True)])
def test_heavy_and_resource_intensive_share_a_day_on_paid_plans(plan: str, shared: bool) -> None:
    """On pro and business, a used-up HEAVY day refuses RESOURCE-INTENSIVE calls too; on free it does not."""
    heavy = LIMITS[plan]["HEAVY"]  # type: ignore[index]
    windows = Windows(LIMITS[plan])  # type: ignore[index]
    now = START
    for _ in range(heavy.daily or 0):
        now += NANOSECONDS // heavy.rate
        assert windows.admit("HEAVY", now) is None
    assert windows.admit("HEAVY", now + NANOSECONDS) is not None
    refusal = windows.admit("RESOURCE-INTENSIVE", now + NANOSECONDS)
    assert (refusal is not None and refusal.kind == "Daily-limit") is shared


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        ("free", {"LIGHT": (4, 1, 6_000), "MEDIUM": (2, 1, 2_000), "HEAVY": (1, 1, 1_000)}),
        ("free", {"RESOURCE-INTENSIVE": (10, 60, 30_000), "FILES": (20, 1, None), "MULTIPART": (20, 1, 2_000)}),
        ("pro", {"LIGHT": (30, 1, None), "MEDIUM": (20, 1, None), "HEAVY": (10, 1, 30_000)}),
        ("pro", {"RESOURCE-INTENSIVE": (10, 60, 30_000)}),
        ("business", {"LIGHT": (80, 1, None), "MEDIUM": (60, 1, None), "HEAVY": (40, 1, 60_000)}),
        ("business", {"RESOURCE-INTENSIVE": (20, 60, 60_000)}),
    ],
)
def test_the_numbers_are_the_published_ones(plan: str, expected: dict[str, tuple[int, int, int | None]]) -> None:
    """Every plan has the rates and daily limits that the service publishes."""
    limits = LIMITS[plan]  # type: ignore[index]
    assert {label: (limits[label].rate, limits[label].period, limits[label].daily) for label in expected} == expected


def test_only_the_current_window_is_remembered() -> None:
    """Memory stays bounded by the limit, and without enforcement by a fixed number of stamps."""
    windows = Windows({"LIGHT": Limit(3), "MEDIUM": Limit(3)})
    for step in range(10_000):
        windows.admit("LIGHT", START + step)
    assert windows.stats["LIGHT"].accepted == windows.stats["LIGHT"].peak == 3
    unchecked = Windows({"LIGHT": Limit(3)}, enforced=False)
    for step in range(UNCHECKED_STAMPS + 10):
        assert unchecked.admit("LIGHT", START + step) is None
    assert unchecked.stats["LIGHT"].peak == UNCHECKED_STAMPS


def test_peak_is_the_fullest_window() -> None:
    """The peak counts what any one window held, across the borders of calendar seconds."""
    windows = Windows({"LIGHT": Limit(80)}, enforced=False)
    for offset in (0, 900_000_000, 950_000_000, 1_100_000_000, 1_899_999_999, 3_000_000_000):
        windows.admit("LIGHT", START + offset)
    assert windows.stats["LIGHT"].peak == 4


async def hammer(plain: Plain, path: str, times: int) -> list[int]:
    """Send all requests at once and give their statuses."""
    return [reply.status for reply in await asyncio.gather(*(plain.send("GET", path) for _ in range(times)))]


@pytest.mark.usefixtures("echo")
@pytest.mark.parametrize(("plan", "limit"), [("free", 4), ("pro", 30), ("business", 80)])
async def test_a_burst_gets_exactly_the_limit(start: Start, plan: str, limit: int) -> None:
    """Of many simultaneous requests exactly the limit is accepted, and again after one period."""
    clock = Clock(MIDNIGHT, frozen=True)
    plain = await start(plan=plan, clock=clock)
    for round_ in (1, 2):
        statuses = await hammer(plain, "/zra/conversations/x", 2 * limit + 7)
        assert statuses.count(200) == limit
        assert statuses.count(429) == limit + 7
        stats = plain.sandbox.stats["LIGHT"]
        assert (stats.calls, stats.accepted) == ((2 * limit + 7) * round_, limit * round_)
        assert (stats.rejected, stats.peak) == ((limit + 7) * round_, limit)
        clock.advance(1)


@pytest.mark.usefixtures("echo")
async def test_a_steady_load_is_counted_as_by_brute_force(start: Start) -> None:
    """Under a load at uneven moments every answer is the one that a count over the history gives."""
    clock = Clock(MIDNIGHT, frozen=True)
    plain = await start(plan="pro", clock=clock)
    times, statuses = [], []
    for step in range(60):
        batch = 1 + step * 7 % 5
        times += [clock.time_ns()] * batch
        statuses += await hammer(plain, "/zra/deals", batch)
        clock.advance((step * 37 % 90) / 1000)
    verdicts = brute_force(times, LIMITS["pro"]["MEDIUM"])
    assert [status == 200 for status in statuses] == verdicts
    assert False in verdicts


@pytest.mark.usefixtures("echo")
async def test_labels_are_counted_apart_and_operations_together(start: Start) -> None:
    """Two operations of one label share its window, while another label is untouched."""
    clock = Clock(MIDNIGHT, frozen=True)
    plain = await start(plan="free", clock=clock)
    assert await hammer(plain, "/zra/deals", 1) + await hammer(plain, "/iq/conversations", 2) == [200, 200, 429]
    assert await hammer(plain, "/zra/crm/settings", 4) == [200] * 4


@pytest.mark.usefixtures("echo")
async def test_a_per_second_429_has_its_body_and_headers(start: Start) -> None:
    """A per-second refusal carries category, type, limit and remaining, and no Retry-After."""
    plain = await start(plan="free", clock=Clock(MIDNIGHT, frozen=True))
    await plain.send("GET", "/zra/team/unassigned_team_users")
    reply = await plain.send("GET", "/zra/team/unassigned_team_users")
    assert reply.status == 429
    assert reply.body["code"] == 429
    assert reply.body["message"].startswith("You have reached the maximum per-second rate limit")
    assert {name: reply.headers.get(name) for name in reply.headers if name.startswith("X-RateLimit")} == {
        "X-RateLimit-Category": "Heavy",
        "X-RateLimit-Type": "QPS",
        "X-RateLimit-Limit": "1",
        "X-RateLimit-Remaining": "0",
    }
    assert "Retry-After" not in reply.headers


@pytest.mark.usefixtures("echo")
async def test_a_daily_429_says_when_the_day_ends(start: Start) -> None:
    """A daily refusal carries an ISO instant in Retry-After, and after that instant calls are accepted again."""
    clock = Clock(MIDNIGHT, frozen=True)
    plain = await start(plan="free", clock=clock)
    for _ in range(1000):
        plain.sandbox._service.windows.admit("HEAVY", clock.time_ns())
        clock.advance(1)
    reply = await plain.send("GET", "/zra/team/unassigned_team_users")
    assert reply.status == 429
    assert reply.body["message"].startswith("You have reached the maximum daily rate limit")
    assert reply.headers["X-RateLimit-Type"] == "Daily-limit"
    assert reply.headers["X-RateLimit-Limit"] == "1000"
    assert reply.headers["Retry-After"] == "2026-03-02T00:00:00Z"
    clock.advance((datetime(2026, 3, 2, tzinfo=UTC) - clock.now()).total_seconds())
    await plain.sign_in()  # the old token has died on the way
    assert (await plain.send("GET", "/zra/team/unassigned_team_users")).status == 200


@pytest.mark.usefixtures("echo")
@pytest.mark.parametrize("absent", ["X-RateLimit-Category", "X-RateLimit-Type", "X-RateLimit-Limit"])
async def test_headers_can_be_switched_off_one_by_one(start: Start, absent: str) -> None:
    """A header that is not among the options' names is left out, and only that one."""
    names = {"X-RateLimit-Category", "X-RateLimit-Type", "X-RateLimit-Limit", "X-RateLimit-Remaining", "Retry-After"}
    options = {"plan": "free", "rate_limit_headers": frozenset(names - {absent})}
    plain = await start(clock=Clock(MIDNIGHT, frozen=True), **options)
    await plain.send("GET", "/zra/team/unassigned_team_users")
    reply = await plain.send("GET", "/zra/team/unassigned_team_users")
    assert reply.status == 429
    assert {name for name in names if name in reply.headers} == names - {absent, "Retry-After"}


@pytest.mark.usefixtures("echo")
async def test_without_limits_the_peak_is_still_measured(start: Start) -> None:
    """With limits off nothing is refused, and the stats tell what a client would have done."""
    plain = await start(plan="free", limits=False, clock=Clock(MIDNIGHT, frozen=True))
    assert await hammer(plain, "/zra/deals", 50) == [200] * 50
    assert plain.sandbox.stats["MEDIUM"].peak == 50
