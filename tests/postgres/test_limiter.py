"""The shared limiter against a real Postgres: every claim holds for several processes' limiters together."""

from __future__ import annotations

import asyncio

import pytest

from tests.postgres.callers import LIGHT, assert_windows, call, limiters
from zra_async import errors
from zra_async.core.events import Event, SharedLimitsLost, SharedLimitsRestored
from zra_async.core.limits import Lane, Rate
from zra_async.core.operation import Label
from zra_async.postgres import PostgresRateLimiter

PERIOD = 0.2


async def test_processes_share_one_window(dsn: str, account: str) -> None:
    """Three limiters with callers in both lanes never send more than the limit in any window."""
    sent: list[float] = []
    async with limiters(dsn, account, 3, Rate(20, PERIOD)) as found:
        await asyncio.gather(*(call(limiter, lane, sent) for limiter in found for lane in Lane for _ in range(10)))
    assert len(sent) == 60
    assert_windows(sent, 20, PERIOD)


async def test_a_call_that_was_never_sent_costs_nothing(dsn: str, account: str) -> None:
    """A permit that is released unsent, and a caller who is cancelled, leave their slots to others."""
    sent: list[float] = []
    async with limiters(dsn, account, 2, Rate(2, 30.0)) as (one, two):
        for _ in range(3):
            (await one.acquire(LIGHT, Lane.INTERACTIVE, None)).release()
        gone = asyncio.ensure_future(call(one, Lane.INTERACTIVE, sent))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.wait([gone])
        with anyio_fail_after(10):
            await call(two, Lane.INTERACTIVE, sent)
            await call(one, Lane.INTERACTIVE, sent)


async def test_a_freeze_holds_everywhere_and_a_success_ends_it(dsn: str, account: str) -> None:
    """After a refusal in one process all wait, and go on when the probe has succeeded."""
    sent: list[float] = []
    async with limiters(dsn, account, 2, Rate(50, PERIOD)) as (one, two):
        await call(two, Lane.INTERACTIVE, sent)
        loop = asyncio.get_running_loop()
        one.freeze(LIGHT, 0.3)
        frozen = loop.time()
        while not two.snapshot()[Label.LIGHT].frozen_for:
            await asyncio.sleep(0.001)
        await asyncio.gather(*(call(limiter, Lane.INTERACTIVE, sent) for limiter in (one, two) for _ in range(3)))
        assert min(sent[1:]) >= frozen + 0.3


async def test_a_day_that_is_used_up_is_refused_in_every_process(dsn: str, account: str) -> None:
    """The last call of the day is one of the account's, whoever makes it."""
    sent: list[float] = []
    async with limiters(dsn, account, 2, Rate(50, PERIOD, per_day=3)) as (one, two):
        for limiter in (one, two, one):
            await call(limiter, Lane.BULK, sent)
        with pytest.raises(errors.RateLimited) as refused:
            await call(two, Lane.INTERACTIVE, sent)
        assert refused.value.kind == "daily"
        assert refused.value.resets_at is not None


async def test_a_slot_that_comes_too_late_is_refused_at_once(dsn: str, account: str) -> None:
    """A caller with a deadline does not wait for a slot of the next minute."""
    async with limiters(dsn, account, 1, Rate(1, 60.0)) as (limiter,):
        await call(limiter, Lane.INTERACTIVE, [])
        for lane in Lane:
            with pytest.raises(errors.RateLimited, match="too late"):
                await limiter.acquire(LIGHT, lane, asyncio.get_running_loop().time() + 30)


async def test_a_lease_is_held_by_one_process_at_a_time(dsn: str, account: str) -> None:
    """Exclusive work of two processes never overlaps."""
    inside: list[int] = []

    async def work(limiter: PostgresRateLimiter, number: int) -> None:
        async with limiter.exclusive("teams"):
            inside.append(number)
            await asyncio.sleep(0.001)
            assert inside[-1] == number
            inside.append(number)

    async with limiters(dsn, account, 2, Rate(5)) as found:
        await asyncio.gather(*(work(limiter, number) for number, limiter in enumerate(found * 2)))
    assert inside[0::2] == inside[1::2]


async def test_calls_go_on_without_the_database(dsn: str, account: str) -> None:
    """When the connections are lost, calls wait for one window and go on, and the database counts again afterwards."""
    import psycopg

    events: list[Event] = []
    sent: list[float] = []
    async with limiters(dsn, account, 2, Rate(10, PERIOD), observer=events.append) as found:
        work = [asyncio.ensure_future(call(limiter, Lane.BULK, sent)) for limiter in found for _ in range(30)]
        await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
        async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as other:
            await other.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where datname = current_database() and application_name = 'zra_async'"
            )
        await asyncio.gather(*work)
        while sum(isinstance(event, SharedLimitsRestored) for event in events) < 2:
            await asyncio.sleep(0.005)
    assert {type(event) for event in events} == {SharedLimitsLost, SharedLimitsRestored}
    assert len(sent) == 60
    assert_windows(sent, 10, PERIOD)


async def test_an_account_is_one_account(dsn: str, account: str) -> None:
    """A name that is in use with other limits, or as another account, is refused with advice."""
    async with limiters(dsn, account, 1, Rate(10), identity="first"):
        for other in (
            PostgresRateLimiter(dsn, account=account, overrides={Label.LIGHT: Rate(20)}, identity="first"),
            PostgresRateLimiter(dsn, account=account, overrides={Label.LIGHT: Rate(10)}, identity="second"),
        ):
            with pytest.raises(errors.ConfigurationError, match="a name of its own"):
                await other.open()


@pytest.mark.parametrize("wrong", ["host=/nowhere user=tester dbname=x", "postgresql://127.0.0.1:1/x", "no=such"])
async def test_a_wrong_connection_string_is_a_clear_error(dsn: str, wrong: str) -> None:
    """A limiter that was never in touch with the database does not open."""
    with pytest.raises(errors.ConfigurationError, match=r"database.*(cannot be reached|cannot be used)"):
        await PostgresRateLimiter(wrong, account="acme").open()


def anyio_fail_after(seconds: float):  # type: ignore[no-untyped-def]
    import anyio

    return anyio.fail_after(seconds)


def test_a_limiter_serves_one_event_loop_after_another(dsn: str, account: str) -> None:
    """It can be opened again in a new event loop, and refuses one that it does not serve."""
    limiter = PostgresRateLimiter(dsn, account=account, overrides={Label.LIGHT: Rate(50, PERIOD)})
    sent: list[float] = []

    async def use() -> None:
        async with limiter:
            await asyncio.gather(*(call(limiter, lane, sent) for lane in Lane))
            with pytest.raises(errors.ConfigurationError, match="another event loop"):
                await asyncio.to_thread(asyncio.run, call(limiter, Lane.BULK, []))

    asyncio.run(use())
    asyncio.run(use())
    assert len(sent) == 4
