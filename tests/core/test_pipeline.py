"""The loop of one call, in virtual time: what it waits for, how long, and with which error it gives up."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any, NoReturn

import pytest
import time_machine

from tests import virtual
from tests.core.clients import GET, POST
from tests.core.rows import row
from tests.core.stage import Stage, breaks, now, says
from zra_async import RetryPolicy, errors
from zra_async.core.events import AttemptDone, CallDone, LimitWaited, Retrying, TokenRefused
from zra_async.core.limits import LocalRateLimiter, Rate
from zra_async.core.operation import Label
from zra_async.core.timeouts import Timeout, TimeoutWatch

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
PER_SECOND = b'{"code": 429, "message": "You have reached the maximum per-second rate limit for this API."}'
DAILY = b'{"code": 429, "message": "You have reached the maximum daily rate limit for this API."}'
CONCURRENT = b'{"code": 429, "message": "Too many concurrent requests."}'
LOST = errors.ConnectionLost("things.get", "gone", sent=True)
UNSENT = errors.ConnectFailed("things.get", "nobody there", sent=False)


def play(scene: Coroutine[Any, Any, None]) -> None:
    """Run a scene in virtual time, at noon."""
    with time_machine.travel(NOON, tick=False):
        virtual.run(scene)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7),
        ("2026-03-01T12:00:07Z", 7),
        ("Sun, 01 Mar 2026 12:00:07 GMT", 7),
        (None, 0),
        ("soon, perhaps", 0),
        ("2026-03-01T11:00:00Z", 0),
    ],
)
def test_retry_after_is_waited_for(header: str | None, seconds: float) -> None:
    """In seconds, as an instant and as a date: the repeat comes then, and some jitter later; without, after jitter."""

    async def scene() -> None:
        headers = {"Retry-After": header} if header else {}
        stage = Stage([says(429, PER_SECOND, headers)])
        await stage.call()
        assert stage.sent[1] - stage.sent[0] == pytest.approx(seconds + 0.5, abs=0.1)

    play(scene())


def test_a_daily_429_is_raised_at_once() -> None:
    """No waiting and no repeat for a limit that resets at midnight; the error says when."""

    async def scene() -> None:
        stage = Stage([says(429, DAILY, {"Retry-After": "2026-03-02T00:00:00Z"})])
        with pytest.raises(errors.RateLimited, match="2026-03-02T00:00:00") as caught:
            await stage.call()
        assert (caught.value.kind, caught.value.local) == ("daily", False)
        assert now() < 0.1
        assert len(stage.sent) == 1

    play(scene())


def test_a_429_freezes_everyone_on_its_label_and_nobody_else() -> None:
    """While the label is frozen nothing is sent under it; other labels go on."""

    async def scene() -> None:
        stage = Stage([says(429, PER_SECOND, {"Retry-After": "5"})])
        first = asyncio.create_task(stage.call())
        await asyncio.sleep(0.1)
        others = [asyncio.create_task(stage.call()) for _ in range(20)]
        await stage.call(row(Label.HEAVY))
        assert now() < 1
        await asyncio.gather(first, *others)
        assert len(stage.sent) == 23
        assert min(stage.sent[2:]) >= 5.5

    play(scene())


def test_a_frozen_label_resumes_with_one_probe() -> None:
    """After the freeze one call goes alone; as long as it fails, no other call is sent."""

    async def scene() -> None:
        refused = says(429, PER_SECOND, after=0.2)
        stage = Stage([refused] * 4, retry=RetryPolicy(base=1.0, random=lambda: 1.0))
        first = asyncio.create_task(stage.call())
        await asyncio.sleep(0.3)
        await asyncio.gather(first, *(stage.call() for _ in range(10)))
        assert len(stage.sent) == 15
        # refused at once, then three probes, each alone after a freeze of its own, then everybody
        waves = [round(later - sooner, 1) for sooner, later in zip(stage.sent, stage.sent[1:4], strict=False)]
        assert all(gap >= 1.0 for gap in waves), stage.sent

    play(scene())


def test_a_lock_on_one_resource_stops_nobody_else() -> None:
    """ "Too many concurrent requests" is about one resource: only its caller waits."""

    async def scene() -> None:
        stage = Stage([says(429, CONCURRENT, {"Retry-After": "5"})])
        first = asyncio.create_task(stage.call())
        await asyncio.sleep(0.1)
        await stage.call()
        assert now() < 1
        await first
        assert stage.sent[-1] >= 5

    play(scene())


def test_the_budget_for_429_ends() -> None:
    """After its repeats a call raises the last refusal."""

    async def scene() -> None:
        stage = Stage(otherwise=says(429, PER_SECOND), retry=RetryPolicy(rate=2))
        with pytest.raises(errors.RateLimited) as caught:
            await stage.call()
        assert (caught.value.kind, caught.value.local) == ("per_second", False)
        assert len(stage.sent) == 3

    play(scene())


# --------------------------------------------------------------------------- deadlines


def test_a_deadline_shorter_than_the_wait_for_the_limit() -> None:
    """The call is refused at once, without being sent, and says when a slot is free."""

    async def scene() -> None:
        stage = Stage(limits=LocalRateLimiter("pro", overrides={Label.LIGHT: Rate(1, 60.0)}))
        await stage.call()
        began = now()
        with pytest.raises(errors.RateLimited, match="past the deadline") as caught:
            await stage.call(deadline=10)
        assert now() == began
        assert caught.value.local
        assert caught.value.kind == "per_second"
        assert caught.value.resets_at is not None
        assert 55 < (caught.value.resets_at - NOON).total_seconds() < 61
        assert len(stage.sent) == 1

    play(scene())


def test_a_deadline_shorter_than_a_freeze() -> None:
    """A call that meets a 429 with a Retry-After past its deadline ends then and there."""

    async def scene() -> None:
        stage = Stage([says(429, PER_SECOND, {"Retry-After": "60"})])
        with pytest.raises(errors.RateLimited):
            await stage.call(deadline=10)
        assert now() < 0.1

    play(scene())


def test_a_deadline_shorter_than_the_next_delay() -> None:
    """When the next repeat would come too late the last error is raised, without waiting."""

    async def scene() -> None:
        stage = Stage(otherwise=says(500, b"{}"), retry=RetryPolicy(base=4.0, random=lambda: 1.0))
        with pytest.raises(errors.ServerError):
            await stage.call(deadline=5)
        assert now() == pytest.approx(4, abs=0.1)
        assert len(stage.sent) == 2

    play(scene())


@pytest.mark.parametrize("deadline", [1.0, 5.0])
def test_a_deadline_in_the_middle_of_a_safe_call(deadline: float) -> None:
    """A call without an answer ends at its deadline, also within a repeat."""

    async def scene() -> None:
        stage = Stage(otherwise=says(200, after=60), retry=RetryPolicy(base=0.0))
        with pytest.raises(errors.DeadlineExceeded, match=f"deadline of {deadline} s") as caught:
            await stage.call(deadline=deadline, timeout=2.0)
        assert isinstance(caught.value, TimeoutError)
        assert now() == pytest.approx(deadline, abs=0.01)

    play(scene())


def test_a_deadline_in_the_middle_of_an_unsafe_write() -> None:
    """The request has left and its answer is outstanding: the write may have been done, and the error says so."""

    async def scene() -> None:
        stage = Stage(otherwise=says(200, after=60))
        with pytest.raises(errors.AmbiguousWrite) as caught:
            await stage.call(POST, deadline=1.0)
        assert isinstance(caught.value.outcome, errors.DeadlineExceeded)
        assert now() == pytest.approx(1.0, abs=0.01)

    play(scene())


def test_a_deadline_before_an_unsafe_write_has_left() -> None:
    """While the connection is made, or between two attempts, nothing is in doubt."""

    async def scene() -> None:
        stage = Stage(otherwise=breaks(UNSENT, after=60))
        with pytest.raises(errors.DeadlineExceeded):
            await stage.call(POST, deadline=1.0)
        stage = Stage(otherwise=says(503), retry=RetryPolicy(base=0.7, random=lambda: 1.0))
        with pytest.raises(errors.ServerError):
            await stage.call(POST, deadline=2.0)

    play(scene())


class SlowAuth:
    """A token that takes a minute, or as long as it is told."""

    api_url = ""
    wait = 60.0

    def bind(self, context: Any) -> None:
        """Need nothing."""

    async def header(self) -> str:
        """Take that long."""
        await asyncio.sleep(self.wait)
        return "Bearer never"

    def invalidate(self, header: str) -> bool:
        """There is another."""
        return True


def test_a_deadline_while_a_token_is_fetched() -> None:
    """Waiting for a token counts, nothing is in doubt, and the slot is given back."""

    async def scene() -> None:
        stage = Stage(auth=SlowAuth())
        with pytest.raises(errors.DeadlineExceeded):
            await stage.call(POST, deadline=1.0)
        assert stage.sent == []
        assert stage.limits.snapshot()[Label.LIGHT].in_window == 0

    play(scene())


def test_a_deadline_after_a_body_that_was_not_taken() -> None:
    """An attempt whose body did not get out is over: a deadline before the next one leaves nothing in doubt."""

    async def scene() -> None:
        auth = SlowAuth()
        auth.wait = 0
        stage = Stage(auth=auth, retry=RetryPolicy(base=0.0))

        async def half_a_body(on_sent: Callable[[], None]) -> NoReturn:
            on_sent()
            auth.wait = 60
            raise errors.ConnectionLost("things.add", "gone", sent=False)

        stage.script = [half_a_body]
        with pytest.raises(errors.DeadlineExceeded):
            await stage.call(POST, deadline=1.0)

    play(scene())


def test_a_cancelled_call_gives_its_slot_back() -> None:
    """Cancelled before its request left, a call has cost nothing; after, it counts."""

    async def scene() -> None:
        stage = Stage([breaks(UNSENT, after=60), says(200, after=60)])
        for used in (0, 1):
            call = asyncio.create_task(stage.call())
            await asyncio.sleep(0.1)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            assert stage.limits.snapshot()[Label.LIGHT].in_window == used

    play(scene())


# --------------------------------------------------------------------------- unsafe writes and refused tokens


@pytest.mark.parametrize("failure", [breaks(LOST), says(500), says(502), says(200, after=60)])
def test_an_unsafe_write_that_may_have_been_done_is_not_repeated(failure: Any) -> None:
    """A lost answer, a 500, a timeout: one request, and an error that says what to do."""

    async def scene() -> None:
        stage = Stage([failure])
        with pytest.raises(errors.AmbiguousWrite, match="check the account before you repeat it"):
            await stage.call(POST, timeout=1.0)
        assert len(stage.sent) == 1

    play(scene())


@pytest.mark.parametrize("failure", [breaks(UNSENT), says(503), says(429, PER_SECOND)])
def test_an_unsafe_write_that_was_not_taken_is_repeated(failure: Any) -> None:
    """A refused connection, a 503 and a 429 come before the work."""

    async def scene() -> None:
        stage = Stage([failure])
        assert (await stage.call(POST)).status == 200
        assert not stage.script

    play(scene())


class TwoTokens:
    """Tokens by number, of which a new one comes when the last one is refused."""

    api_url = ""

    def __init__(self) -> None:
        self.number = 1

    def bind(self, context: Any) -> None:
        """Need nothing."""

    async def header(self) -> str:
        """The present token."""
        return f"Bearer number {self.number}"

    def invalidate(self, header: str) -> bool:
        """Go on to the next, unless somebody did."""
        if header == f"Bearer number {self.number}":
            self.number += 1
        return True


REFUSED = says(401, b'{"code": 124, "message": "Invalid access token."}')


@pytest.mark.parametrize("operation", [GET, POST])
def test_a_refused_token_is_replaced_once(operation: Any) -> None:
    """One repeat with another token, also of an unsafe write, which was not done; a second refusal is raised."""

    async def scene() -> None:
        stage = Stage([REFUSED], auth=TwoTokens(), retry=RetryPolicy.none())
        assert (await stage.call(operation)).status == 200
        assert stage.headers == ["Bearer number 1", "Bearer number 2"]
        assert [e for e in stage.events if isinstance(e, TokenRefused)] == [TokenRefused(operation.name)]
        stage.script = [REFUSED, REFUSED]
        with pytest.raises(errors.AuthenticationFailed, match="check that the app is activated"):
            await stage.call(operation)
        assert len(stage.sent) == 4

    play(scene())


def test_a_deletion_whose_answer_was_lost_is_a_success() -> None:
    """The repeat finds nothing to delete: it was done."""
    delete = row(method="DELETE", retry_safe=True)

    async def scene() -> None:
        stage = Stage([breaks(LOST), says(404, b'{"code": 1005, "message": "gone"}')])
        assert (await stage.call(delete)).status == 404
        with pytest.raises(errors.NotFound):
            await Stage([says(404)]).call(delete)

    play(scene())


# --------------------------------------------------------------------------- events


def test_what_an_observer_is_told() -> None:
    """Every attempt, wait and repeat, and the end of the call with the name of its error."""

    async def scene() -> None:
        stage = Stage([says(500), says(404, b"{}", {"x-zm-trackingid": "WEB_3"})])
        with pytest.raises(errors.NotFound):
            await stage.call()
        kinds = [type(event) for event in stage.events]
        assert kinds == [AttemptDone, Retrying, AttemptDone, CallDone]
        retrying, done = stage.events[1], stage.events[3]
        assert isinstance(retrying, Retrying)
        assert (retrying.attempt, retrying.cause, retrying.error) == (1, "server", "ServerError")
        assert isinstance(done, CallDone)
        assert (done.attempts, done.status, done.tracking_id, done.error) == (2, 404, "WEB_3", "NotFound")
        assert done.seconds == pytest.approx(0.52, abs=0.02)

    play(scene())


def test_waiting_for_a_limit_is_told() -> None:
    """A call that had to queue says how long and on which label."""

    async def scene() -> None:
        stage = Stage(limits=LocalRateLimiter("pro", overrides={Label.LIGHT: Rate(1, 10.0)}))
        await stage.call()
        await stage.call()
        waits = [event for event in stage.events if isinstance(event, LimitWaited)]
        assert [(w.operation, w.label) for w in waits] == [("things.get", "LIGHT")]
        assert waits[0].seconds == pytest.approx(10, abs=0.2)

    play(scene())


def test_bounds_of_many_attempts_are_kept_apart() -> None:
    """One timer watches over all attempts: each ends at its own bound, and one without a bound goes on."""

    async def scene() -> list[tuple[str, float]]:
        watch = TimeoutWatch()
        ended: list[tuple[str, float]] = []

        async def attempt(name: str, seconds: float) -> None:
            with contextlib.suppress(TimeoutError), Timeout(watch, now() + seconds):
                await asyncio.sleep(10)
            ended.append((name, now()))

        bounds = {"long": 5.0, "none": math.inf, "short": 1.0, "longer": 7.0, "loose": 20.0}
        await asyncio.gather(*(attempt(name, seconds) for name, seconds in bounds.items()))
        watch.close()
        return ended

    ended = dict(virtual.run(scene()))
    assert ended == pytest.approx({"short": 1.0, "long": 5.0, "longer": 7.0, "none": 10.0, "loose": 10.0}, abs=0.01)


def test_a_cancellation_from_elsewhere_is_no_timeout() -> None:
    """Who cancels a call gets the cancellation, also where the bound has come at the same moment."""

    async def scene() -> None:
        async def attempt() -> None:
            with Timeout(TimeoutWatch(), now() + 1.0):
                await asyncio.sleep(10)

        task = asyncio.create_task(attempt())
        asyncio.get_running_loop().call_later(1.0, task.cancel)
        with pytest.raises(asyncio.CancelledError):
            await task

    virtual.run(scene())
