"""What the service says about its limits: its last word counts, times the share, within what is configured."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import virtual
from tests.core.callers import LIGHT, assert_windows, call, limiter
from tests.core.clients import GET
from tests.core.rows import row
from tests.core.stage import Stage, says
from zra_async import errors
from zra_async.core.limits import Lane, LimitState, LocalRateLimiter, Rate, learned
from zra_async.core.operation import Host, Label, Operation

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
MIDNIGHT = datetime(2026, 3, 2, tzinfo=UTC)


def qps(limit: object, **more: str) -> dict[str, str]:
    """The headers of a limit by the second or minute."""
    return {"X-RateLimit-Type": "QPS", "X-RateLimit-Limit": str(limit), **more}


def daily(limit: object, remaining: object, **more: str) -> dict[str, str]:
    """The headers of a limit by the day."""
    headers = {"X-RateLimit-Type": "Daily-limit", "X-RateLimit-Limit": str(limit)}
    return {**headers, "X-RateLimit-Remaining": str(remaining), **more}


def hear(
    limits: LocalRateLimiter,
    *answers: Mapping[str, str],
    operation: Operation[Any] = LIGHT,
    error: errors.CallError | None = None,
    label: Label | None = None,
) -> list[LimitState]:
    """Let a limiter hear of answers, and return the state of the label after each."""

    async def scenario() -> list[LimitState]:
        states = []
        for headers in answers:
            limits.observe(operation, headers, error)
            states.append(limits.snapshot()[label or operation.label])
        return states

    return virtual.run(scenario())


def test_the_last_word_counts() -> None:
    """A limit that was told replaces what was told before, upwards too, and never exceeds the configured one."""
    told = [1, 80, 30, 500, 30]
    assert [state.limit for state in hear(limiter(80), *map(qps, told))] == [1, 80, 30, 80, 30]


@pytest.mark.parametrize(
    "garbage", ["", "nonsense", "0", "-5", "2.5", "30 per second", "²", "٣٠", "0x1E", "None"], ids=ascii
)
def test_a_limit_that_makes_no_sense_is_no_word(garbage: str) -> None:
    """Garbage, and a limit of nothing, change nothing."""
    assert [state.limit for state in hear(limiter(80), qps(30), qps(garbage))] == [30, 30]


@pytest.mark.parametrize("digits", [3, 12, 18, 30, 5000])
def test_an_absurdly_large_limit_is_bounded_by_the_configured_one(digits: int) -> None:
    """However large the number is, the configured limit stays the most."""
    assert [state.limit for state in hear(limiter(80), qps(30), qps("9" * digits))] == [30, 80]


def test_white_space_around_a_number_is_no_part_of_it() -> None:
    """A header may be padded."""
    assert hear(limiter(80), qps(" 30 "))[0].limit == 30


@pytest.mark.parametrize(
    ("share", "told", "count", "period"),
    [(0.5, 30, 15, 1.0), (0.5, 80, 40, 1.0), (0.3, 10, 3, 1.0), (0.5, 1, 1, 2.0), (0.1, 4, 1, 2.5), (1.0, 1, 1, 1.0)],
)
def test_the_share_applies_to_what_is_told(share: float, told: int, count: int, period: float) -> None:
    """Less than one call a period becomes one call in a longer period."""
    limits = LocalRateLimiter("business", share=share)
    (state,) = hear(limits, qps(told))
    assert (state.limit, state.period) == (count, pytest.approx(period))


@given(
    share=st.floats(0.01, 1.0),
    configured=st.integers(1, 100),
    told=st.lists(st.integers(0, 200), min_size=1, max_size=5),
)
def test_no_word_exceeds_its_share_or_the_configured_limit(share: float, configured: int, told: list[int]) -> None:
    """After any answers the rate is what was told last, times the share, or the configured one if that is less."""
    limits = LocalRateLimiter("business", share=share, overrides={Label.LIGHT: Rate(configured)})
    state = hear(limits, *map(qps, told))[-1]
    words = [limit for limit in told if limit]
    most = min(configured, words[-1]) if words else configured
    assert state.limit >= 1
    assert state.limit / state.period <= most * share * (1 + 1e-6)


def test_a_plan_by_the_minute_is_told_by_the_minute() -> None:
    """The header of RESOURCE-INTENSIVE speaks of its own period."""
    (state,) = hear(LocalRateLimiter("business"), qps(10), operation=row(Label.RESOURCE_INTENSIVE))
    assert (state.limit, state.period) == (10, 60.0)


def test_an_override_with_a_period_of_its_own_is_compared_by_rate() -> None:
    """100 calls in 10 seconds are fewer than 80 a second, and more than 5 a second."""
    limits = limiter(100, 10.0)
    assert [(s.limit, s.period) for s in hear(limits, qps(80), qps(5))] == [(100, 10.0), (5, 1.0)]


def test_a_category_that_differs_from_the_label_speaks_of_that_category() -> None:
    """The number is the limit of the category that the answer names."""
    limits = LocalRateLimiter("business")
    answer = qps(7, **{"X-RateLimit-Category": "Heavy"})
    assert hear(limits, answer)[0].limit == 80
    assert hear(limits, {}, label=Label.HEAVY)[0].limit == 7


@pytest.mark.parametrize("category", ["Light", "LIGHT", " light "])
def test_a_category_that_is_the_label_changes_nothing(category: str) -> None:
    """The operation's own category is as good as none."""
    assert hear(LocalRateLimiter("business"), qps(7, **{"X-RateLimit-Category": category}))[0].limit == 7


@pytest.mark.parametrize("category", ["Resource-intensive", "RESOURCE_INTENSIVE", "resource intensive"])
def test_a_category_is_known_in_every_spelling(category: str) -> None:
    """Hyphen, underscore and space are the same."""
    limits = LocalRateLimiter("business")
    assert hear(limits, qps(7, **{"X-RateLimit-Category": category}), label=Label.RESOURCE_INTENSIVE)[0].limit == 7


def test_an_unknown_category_speaks_of_no_label() -> None:
    """A number of a category that this client does not know is left alone."""
    limits = LocalRateLimiter("business")
    hear(limits, qps(7, **{"X-RateLimit-Category": "Feather"}))
    assert all(state.limit > 7 for state in hear_all(limits).values())


@pytest.mark.parametrize("label", [Label.FILES, Label.MULTIPART])
def test_the_file_host_has_limits_of_its_own(label: Label) -> None:
    """Its answers speak of the operation's label, and never of a category of the API."""
    limits = LocalRateLimiter("business")
    operation = row(label, host=Host.FILE)
    assert hear(limits, qps(5), operation=operation)[0].limit == 5
    hear(limits, qps(3, **{"X-RateLimit-Category": "Heavy"}), operation=operation)
    assert (hear_all(limits)[label].limit, hear_all(limits)[Label.HEAVY].limit) == (5, 40)


def hear_all(limits: LocalRateLimiter) -> Mapping[Label, LimitState]:
    """The state of every label."""

    async def scenario() -> Mapping[Label, LimitState]:
        return limits.snapshot()

    return virtual.run(scenario())


@pytest.mark.parametrize("kind", ["per_second", "per_minute", "daily", "concurrent", "unknown"])
def test_a_429_without_a_type_is_read_by_its_message(kind: errors.LimitKind) -> None:
    """The error says which limit the numbers belong to; a lock or an unknown kind says nothing."""
    refusal = errors.RateLimited("op", kind=kind)
    word = learned.read(LIGHT, {"X-RateLimit-Limit": "9"}, refusal)
    expected = {"per_second": "rate", "per_minute": "rate", "daily": "daily"}.get(kind)
    assert (word and word.kind) == expected


def test_a_redirect_tells_its_limit_too() -> None:
    """The headers of an answer that leads elsewhere are a word of the service like any other."""

    async def scene() -> int:
        limits = LocalRateLimiter("business")
        away = says(307, headers=qps(9, Location="https://us02.zoom.us/v2/things/1"))
        await Stage([away], limits=limits).call(GET)
        return limits.snapshot()[GET.label].limit

    assert virtual.run(scene()) == 9


@pytest.mark.parametrize("lane", list(Lane))
def test_a_limit_that_rises_again_is_used_at_once(lane: Lane) -> None:
    """Callers who wait under a low limit are served at the higher one, without ever exceeding the limit in force."""

    async def scenario() -> list[float]:
        limits = limiter(20)
        limits.observe(LIGHT, qps(1), None)
        sent: list[float] = []
        waiting = [asyncio.create_task(call(limits, lane, sent=sent)) for _ in range(40)]
        await asyncio.sleep(3.0)
        before = len(sent)
        assert before <= 4
        limits.observe(LIGHT, qps(20), None)
        await asyncio.gather(*waiting)
        return sent

    sent = virtual.run(scenario())
    assert_windows(sent, 20, 1.0)
    assert sent[-1] < 5.5


def test_a_limit_that_sinks_holds_from_the_next_grant_on() -> None:
    """What was sent under the higher limit counts under the lower one."""

    async def scenario() -> list[float]:
        limits = limiter(10)
        sent: list[float] = []
        await asyncio.gather(*(call(limits, Lane.INTERACTIVE, sent=sent) for _ in range(10)))
        limits.observe(LIGHT, qps(2), None)
        await asyncio.gather(*(call(limits, Lane.INTERACTIVE, sent=sent) for _ in range(4)))
        return sent[10:]

    later = virtual.run(scenario())
    assert later[0] > 1.0
    assert_windows(later, 2, 1.0)


# --------------------------------------------------------------------------- daily


def day(limits: LocalRateLimiter, *answers: Mapping[str, str]) -> list[tuple[int | None, int]]:
    """The limit of the day and what is used of it, after each answer."""
    return [(state.per_day, state.used_today) for state in hear(limits, *answers)]


def test_the_last_word_about_the_day_counts() -> None:
    """Limit and rest of the day follow the service down and up again, within what is configured."""
    limits = limiter(80, per_day=1000, clock=lambda: NOON)
    words = [daily(1000, 10), daily(1000, 900), daily(500, 500), daily(9999, 9999)]
    assert day(limits, *words) == [(1000, 990), (1000, 100), (500, 0), (1000, 0)]


def test_the_share_applies_to_the_day() -> None:
    """Half of the account's day is this client's, until less than that is left for all."""
    limits = LocalRateLimiter("free", share=0.5, clock=lambda: NOON)  # 3 000 of 6 000 LIGHT calls a day
    words = [daily(6000, rest) for rest in (3000, 2999, 10, 5000)]
    assert day(limits, *words) == [(3000, 0), (3000, 1), (3000, 2990), (3000, 0)]
    assert day(limits, daily(1000, 1000)) == [(500, 0)]


def test_a_day_that_is_told_without_being_configured_is_kept() -> None:
    """The account has a daily limit that no document names: this client's share of it counts."""
    limits = LocalRateLimiter("pro", share=0.5, clock=lambda: NOON)
    assert day(limits, daily(1000, 800)) == [(500, 0)]


@pytest.mark.parametrize(("limit", "remaining"), [("0", "0"), ("soon", "x"), ("-1", "-1"), ("", "")])
def test_a_day_that_makes_no_sense_is_no_word(limit: str, remaining: str) -> None:
    """Garbage about the day changes nothing."""
    limits = limiter(80, per_day=1000, clock=lambda: NOON)
    assert day(limits, daily(1000, 400), daily(limit, remaining)) == [(1000, 600), (1000, 600)]


def test_what_was_told_of_a_day_ends_with_it() -> None:
    """At midnight UTC the day is full again; its limit stays as it was told."""
    now = NOON
    limits = limiter(80, per_day=1000, clock=lambda: now)
    assert day(limits, daily(600, 0)) == [(600, 600)]
    now = MIDNIGHT
    assert day(limits, {}) == [(600, 0)]


def test_a_used_up_day_is_counted_by_the_clock_of_the_service() -> None:
    """A clock that is ahead reads yesterday's last word after midnight: it must not close the whole new day."""
    now = MIDNIGHT + timedelta(minutes=3)
    limits = limiter(80, per_day=1000, clock=lambda: now)
    service = MIDNIGHT - timedelta(minutes=2)
    assert day(limits, daily(1000, 0, Date=format_datetime(service, usegmt=True))) == [(1000, 1000)]
    now += timedelta(minutes=2, seconds=1)
    assert day(limits, {}) == [(1000, 0)]


@pytest.mark.parametrize("ahead", [-400, 0, 400])
def test_a_daily_refusal_without_an_instant_ends_at_the_service_s_midnight(ahead: int) -> None:
    """The clock of this machine may differ: the Date header tells when the service's day ends."""
    service = MIDNIGHT - timedelta(minutes=1)
    now = service + timedelta(seconds=ahead)
    limits = limiter(80, clock=lambda: now)

    async def refused() -> datetime | None:
        refusal = errors.RateLimited("op", kind="daily")
        limits.observe(LIGHT, {"Date": format_datetime(service, usegmt=True)}, refusal)
        with pytest.raises(errors.RateLimited) as caught:
            await call(limits, Lane.INTERACTIVE)
        return caught.value.resets_at

    resets_at = virtual.run(refused())
    assert resets_at == MIDNIGHT + timedelta(seconds=ahead)
    now = resets_at
    virtual.run(call(limits, Lane.INTERACTIVE))


def test_a_call_of_yesterday_is_not_given_back_to_today() -> None:
    """A permit that is released unsent after midnight leaves the new day's count alone."""
    now = NOON
    limits = limiter(80, per_day=10, clock=lambda: now)

    async def scenario() -> int:
        nonlocal now
        old = await limits.acquire(LIGHT, Lane.INTERACTIVE, None)
        now = MIDNIGHT
        await call(limits, Lane.INTERACTIVE)
        old.release()
        return limits.snapshot()[Label.LIGHT].used_today

    assert virtual.run(scenario()) == 1


def test_a_clock_that_is_set_back_does_not_give_the_day_anew() -> None:
    """A clock that goes back over midnight and forth again grants no second day."""
    now = MIDNIGHT + timedelta(seconds=5)
    limits = limiter(80, per_day=2, clock=lambda: now)

    async def scenario() -> None:
        nonlocal now
        await call(limits, Lane.INTERACTIVE)
        now -= timedelta(seconds=10)
        await call(limits, Lane.INTERACTIVE)
        now += timedelta(seconds=10)
        with pytest.raises(errors.RateLimited, match="used up"):
            await call(limits, Lane.INTERACTIVE)

    virtual.run(scenario())


@given(st.dictionaries(st.sampled_from(["X-RateLimit-Type", "X-RateLimit-Limit", "X-RateLimit-Remaining"]), st.text()))
def test_no_header_can_raise(headers: dict[str, str]) -> None:
    """Whatever an answer carries, it is a word or it is none."""
    word = learned.read(LIGHT, headers, None)
    assert word is None or (word.limit or 1) > 0


@given(st.text())
def test_no_date_can_raise(date: str) -> None:
    """Whatever a Date header holds, the day ends within a day of the service's."""
    assert learned.day_ends({"Date": date}, NOON) > NOON
