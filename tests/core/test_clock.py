"""The service's time is learned from answers, and right however wrong the clock of this machine is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zra_async import RetryPolicy, errors
from zra_async.core.clock import ServiceClock, moment_of, parse_date
from zra_async.sandbox import Clock, Fault, Sandbox

YEAR = 365 * 86_400.0
#: how far the service's clock is from that of this machine, in seconds
APART = [-20 * YEAR, -86_400.0, -400.0, 0.0, 400.0, 86_400.0, 20 * YEAR]


class Machine:
    """A machine whose clock may be wrong and may jump, and a service whose clock is right."""

    def __init__(self, service: float = 1.8e9, apart: float = 0.0) -> None:
        self.passed = 100.0
        self.service = service
        self.wall = service + apart
        self.clock = ServiceClock(lambda: self.passed, lambda: self.wall)

    def wait(self, seconds: float) -> None:
        """Let time pass on all clocks."""
        self.passed += seconds
        self.service += seconds
        self.wall += seconds

    def ask(self, there: float = 0.0, back: float = 0.0) -> None:
        """Make a request that takes ``there`` and ``back`` seconds on its way."""
        sent = self.passed
        self.wait(there)
        headers = {"Date": formatdate(self.service, usegmt=True)}
        self.wait(back)
        self.clock.observe(headers, sent, self.passed)


@pytest.mark.parametrize("apart", APART)
def test_any_constant_difference_is_learned_from_one_answer(apart: float) -> None:
    """One answer tells the service's time to a second and the time the request took, whatever this machine thinks."""
    machine = Machine(apart=apart)
    assert not machine.clock.known
    machine.ask(0.2, 0.3)
    assert machine.clock.known
    assert machine.service - 1.5 <= machine.clock.time() <= machine.service
    assert machine.clock.uncertainty == pytest.approx(1.5)


@given(
    steps=st.lists(st.tuples(st.floats(0, 3), st.floats(0, 3), st.floats(0, 5_000)), min_size=1, max_size=30),
    service=st.floats(1e9, 4e9),
)
def test_the_time_is_within_its_bounds_and_never_goes_back(
    steps: list[tuple[float, float, float]], service: float
) -> None:
    """However long requests take, `now` is never late, never off by more than its uncertainty, and never goes back."""
    machine = Machine(service)
    before = 0.0
    for there, back, pause in steps:
        machine.ask(there, back)
        now = machine.clock.time()
        assert now <= machine.service + 1e-3
        assert now + machine.clock.uncertainty >= machine.service - 1e-3
        assert now >= before - 1e-3
        before = now
        machine.wait(pause)


def test_answers_narrow_the_bounds() -> None:
    """Many answers at different parts of a second tell more than a single one does."""
    machine = Machine()
    for _ in range(50):
        machine.ask(0.01, 0.01)
        machine.wait(0.13)
    assert machine.clock.uncertainty < 0.2


@pytest.mark.parametrize("jump", [-20 * YEAR, -3_600.0, -60.0, 60.0, 3_600.0, 20 * YEAR])
def test_a_jump_of_this_machine_changes_nothing(jump: float) -> None:
    """Once it is known, the service's time does not depend on the clock of this machine."""
    machine = Machine()
    machine.ask()
    machine.wall += jump
    machine.wait(10)
    assert machine.service - 1 <= machine.clock.time() <= machine.service


@pytest.mark.parametrize("jump", [-20 * YEAR, -3_600.0, -60.0, 60.0, 3_600.0, 20 * YEAR])
def test_a_jump_of_the_service_is_followed(jump: float) -> None:
    """A clock of the service that is set counts from its next answer on."""
    machine = Machine()
    machine.ask()
    machine.service += jump
    machine.ask()
    assert machine.service - 1 <= machine.clock.time() <= machine.service


@pytest.mark.parametrize(
    "text", ["", "yesterday", "0", "-1", "9" * 30, "Thu, 01 Jan 1969 00:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT",
             "Tue, 99 Foo 2024 99:99:99 GMT", "x" * 10_000, "Wed, 21 Oct 2015 07:28:00 +9999999", "\x00"]
)  # fmt: skip
def test_a_date_that_makes_no_sense_is_no_date(text: str) -> None:
    """Whatever a server puts there, nothing is learned from it and nothing fails."""
    machine = Machine()
    machine.ask()
    before = machine.clock.time()
    machine.clock.observe({"Date": text}, machine.passed, machine.passed)
    assert machine.clock.time() == before
    assert parse_date(text) is None


@given(st.text(max_size=100))
def test_any_text_is_read_or_refused(text: str) -> None:
    """No text of a header raises."""
    found = parse_date(text)
    assert found is None or moment_of(found).tzinfo is UTC


@given(st.floats(-1e300, 1e300))
def test_every_time_is_a_datetime(seconds: float) -> None:
    """What no datetime can hold becomes the first or the last one."""
    assert datetime.min.replace(tzinfo=UTC) <= moment_of(seconds) <= datetime.max.replace(tzinfo=UTC)


def at(apart: float) -> Clock:
    """A sandbox clock that differs from this machine's."""
    return Clock(datetime.now(UTC) + timedelta(seconds=apart))


@pytest.mark.parametrize("apart", [-YEAR, -400.0, 400.0, YEAR])
async def test_a_client_knows_the_time_of_its_service(apart: float) -> None:
    """It is asked for once without credentials, and learned from every answer."""
    async with Sandbox(clock=at(apart), conversations=3) as sandbox, sandbox.client() as zra:
        assert not zra.clock.known
        before = sum(sandbox.stats.operations.values())
        asked = await zra.service_time()
        assert abs((asked - sandbox.clock.now()).total_seconds()) < 30
        assert sum(sandbox.stats.operations.values()) == before, "no operation was called for it"
        sandbox.clock.advance(5_000)
        await zra.conversations.list()
        assert abs((zra.clock.now() - sandbox.clock.now()).total_seconds()) < 30


async def test_a_service_that_cannot_be_asked_is_no_error() -> None:
    """Then it is the time of this machine, and the calls themselves say what is wrong."""
    async with Sandbox(conversations=3) as sandbox:
        client = sandbox.client(retry=RetryPolicy.none())
    async with client as zra:
        assert abs((await zra.service_time() - datetime.now(UTC)).total_seconds()) < 30
        assert not zra.clock.known


@pytest.mark.parametrize("apart", [-YEAR, -400.0, 400.0, YEAR])
async def test_an_instant_to_wait_for_is_the_services(apart: float) -> None:
    """A Retry-After that names an instant is waited for as long as the service means, whatever this machine thinks."""
    waits: list[float] = []
    async with Sandbox(clock=at(apart), conversations=3) as sandbox:
        sandbox.faults.add(Fault(operation="GET /conversations", status=503, retry_after="iso", retry_seconds=30.0))
        async with sandbox.client(retry=RetryPolicy(base=0.0, patience=20.0)) as zra:
            with pytest.raises(errors.ServerError) as refused:
                await zra.conversations.list()
            assert refused.value.resets_at is not None
            waits.append((refused.value.resets_at - zra.clock.now()).total_seconds())
    assert 0 < waits[0] < 33
