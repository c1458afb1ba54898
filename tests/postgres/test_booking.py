"""The SQL functions: no window ever holds more than the limit, whatever was booked, moved and given back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

HORIZON = 0.1


@pytest.fixture(scope="module")
def connection(dsn: str) -> Iterator[Any]:
    import psycopg
    from psycopg.rows import namedtuple_row

    with psycopg.connect(dsn, autocommit=True, row_factory=namedtuple_row) as connection:
        yield connection


class Database:
    """One label of one account; time passes when the test says so, by moving what is stored into the past."""

    def __init__(
        self, connection: Any, account: str, n: int = 5, period: float = 1.0, per_day: int | None = None
    ) -> None:
        self.connection, self.account = connection, account
        self.budget = None if per_day is None else "DAY"
        self.passed = 0.0
        connection.execute("delete from zra_limit where account = %s", (account,))
        connection.execute("delete from zra_limit_day where account = %s", (account,))
        self.run("zra_register", "LIGHT", n, period, 0.02, self.budget, per_day)

    def run(self, function: str, *arguments: Any) -> Any:
        marks = ", ".join(["%s"] * (1 + len(arguments)))
        return self.connection.execute(f"select * from {function}({marks})", (self.account, *arguments)).fetchone()

    def book(
        self,
        process: int = 1,
        urgent: int = 0,
        bulk: int = 0,
        moves: dict[float, float] | None = None,
        *,
        since: float | None = None,
        expected: float | None = None,
    ) -> Any:
        heads = [time.time() if since is None else since]
        moves = {a - self.passed: b and b - self.passed for a, b in (moves or {}).items()}
        return self.run(
            "zra_book",
            "LIGHT",
            self.budget,
            process,
            heads * urgent,
            heads * bulk,
            list(moves),
            [float(to) for to in moves.values()],
            expected,
            HORIZON,
        )

    def slots(self, answer: Any) -> list[float]:
        """Return the slots of an answer as times of the test."""
        return [slot + self.passed for slot in (*answer.urgent, *answer.bulk)]

    def sleep(self, seconds: float) -> None:
        self.passed += seconds
        self.connection.execute(
            "update zra_limit set log = array(select case when x = 0 then 0 else x - %(s)s end from unnest(log) x),"
            " last = last - %(s)s, frozen_until = frozen_until - %(s)s, bulk_wants = bulk_wants - %(s)s,"
            " held = array(select x - %(s)s from unnest(held) x), probe_until = probe_until - %(s)s,"
            " claim_due = array(select x - %(s)s from unnest(claim_due) x), foreign_at = foreign_at - %(s)s"
            " where account = %(a)s",
            {"s": seconds, "a": self.account},
        )


def assert_windows(times: list[float], limit: int, period: float) -> None:
    ordered = sorted(times)
    for first, beyond in zip(ordered, ordered[limit:], strict=False):
        assert beyond - first > period, f"{limit + 1} calls within {beyond - first:.4f} s"


steps = st.lists(
    st.one_of(
        st.tuples(st.just("urgent"), st.integers(1, 3), st.integers(1, 9)),
        st.tuples(st.just("bulk"), st.integers(1, 3), st.integers(1, 9)),
        st.tuples(st.just("late"), st.integers(0, 20), st.integers(1, 500)),
        st.tuples(st.just("unsent"), st.integers(0, 20), st.just(0)),
        st.tuples(st.just("sleep"), st.sampled_from([64, 192, 576, 896]), st.just(0)),
    ),
    min_size=10,
    max_size=40,
)


@given(steps=steps)
@settings(max_examples=40)
def test_no_window_holds_more_than_the_limit(connection: Any, steps: list[tuple[str, int, int]]) -> None:
    """A brute-force count of all slots, as moved by what was late, finds no window beyond the limit."""
    limit = 5
    database = Database(connection, "windows", limit)
    counted: list[float] = []
    for kind, first, second in steps:
        if kind == "urgent":
            counted += database.slots(database.book(first, urgent=second))
        elif kind == "bulk":
            counted += database.slots(database.book(first, bulk=second))
        elif kind == "sleep":
            database.sleep(first / 1024)
        elif kind == "late" and first < len(counted) and time.time() + database.passed < counted[first] + 0.4:
            late = counted[first] + min(second, 400) / 1024  # exact, as are the sleeps
            database.book(moves={counted[first]: late})
            counted[first] = late
        elif kind == "unsent" and first < len(counted):
            database.book(moves={counted.pop(): 0.0})
        assert_windows(counted, limit, 1.0)


def test_a_late_call_counts_from_when_it_was_sent(connection: Any, account: str) -> None:
    """The window of a call that was late begins later, and the next one waits for that."""
    database = Database(connection, account, 1)
    [slot] = database.slots(database.book(urgent=1))
    database.sleep(0.9)
    database.book(moves={slot: slot + 0.5})
    database.sleep(0.4)
    [second] = database.slots(database.book(urgent=1))
    assert second == pytest.approx(slot + 1.52, abs=0.001)


def test_bulk_is_served_first_come_first_served_over_processes(connection: Any, account: str) -> None:
    """A process whose callers came later leaves the slots to the one whose callers wait longer."""
    database = Database(connection, account, 10)
    assert len(database.book(1, bulk=20, since=time.time() - 9).bulk) < 20
    database.sleep(0.07)
    assert database.book(2, bulk=5).bulk == []
    assert database.book(1, bulk=1, since=time.time() - 9).bulk


def test_interactive_goes_first_and_bulk_keeps_its_tenth(connection: Any, account: str) -> None:
    """While interactive callers saturate the label, about one slot of ten is bulk's."""
    database = Database(connection, account, 50)
    database.book(1, urgent=60)
    urgent = bulk = 0
    for _ in range(40):
        database.sleep(0.05)
        urgent += len(database.book(1, urgent=60).urgent)
        bulk += len(database.book(2, bulk=20, since=time.time() - 60).bulk)
    assert 7 <= urgent / bulk <= 11


def test_a_freeze_holds_for_all_and_ends_with_one_probe(connection: Any, account: str) -> None:
    """Nobody gets a slot during a freeze, then one caller, and after its success all."""
    database = Database(connection, account, 10)
    database.run("zra_freeze", "LIGHT", 5.0, False)
    assert database.book(2, urgent=3).urgent == []
    database.sleep(5.0)
    first = database.book(2, urgent=3)
    assert (len(first.urgent), first.probe) == (1, True)
    assert database.book(1, urgent=3).urgent == []
    database.run("zra_thaw", "LIGHT")
    assert len(database.book(1, urgent=3, since=time.time() - 9).urgent) == 3


def test_the_day_is_shared_and_closes(connection: Any, account: str) -> None:
    """The calls of a day are counted for all processes, and those never sent are given back."""
    database = Database(connection, account, 10, per_day=3)
    slots = database.slots(database.book(1, urgent=2))
    answer = database.book(2, urgent=2)
    assert (len(answer.urgent), answer.used) == (1, 3)
    assert answer.closed > time.time()
    assert len(database.book(1, urgent=1, moves={slots[0]: 0.0}).urgent) == 1


@pytest.mark.parametrize("seconds", [-3600.0, 3600.0])
def test_a_clock_that_jumps_costs_a_window_and_no_refusal(connection: Any, account: str, seconds: float) -> None:
    """After the clock of the database was set, nothing is booked for one window, and then as before."""
    database = Database(connection, account, 5)
    database.book(urgent=5)
    database.sleep(seconds)  # everything that is stored is from another time now
    if seconds < 0:
        connection.execute("update zra_limit set at = last where account = %s", (account,))
    answer = database.book(urgent=5, expected=time.time() - max(seconds, 0.0))
    assert (answer.urgent, answer.jumped) == ([], True)
    assert answer.next_ - answer.now_ == pytest.approx(1.02)


def test_other_apps_get_their_part_and_lose_it_again(connection: Any, account: str) -> None:
    """A refusal shows how much others use; it is taken back when they are gone."""
    database = Database(connection, account, 60)
    database.book(urgent=40)
    database.run("zra_freeze", "LIGHT", 0.0, True)
    database.run("zra_thaw", "LIGHT")
    assert database.book().rate == 39  # 40 were one too many
    database.sleep(60)
    assert database.book().rate <= 43
    database.sleep(120)
    assert database.book().rate == 60


def test_a_row_that_is_replaced_keeps_its_state(connection: Any, account: str) -> None:
    """The row is another one after 1000 updates, and the window goes on."""
    database = Database(connection, account, 2)
    connection.execute("update zra_limit set uses = 1000 where account = %s", (account,))
    assert len(database.book(urgent=2).urgent) == 2
    assert connection.execute("select gen, uses from zra_limit where account = %s", (account,)).fetchall() == [(2, 0)]
    assert database.book(urgent=1).urgent == []


def test_a_lease_is_exclusive_until_it_ends(connection: Any, account: str) -> None:
    """Another owner gets it when its time is over, or when it is released."""
    database = Database(connection, account)
    assert database.run("zra_leased", "teams", "one", 30.0)[0]
    assert not database.run("zra_leased", "teams", "two", 30.0)[0]
    connection.execute("update zra_lease set until = 0 where account = %s", (account,))
    assert database.run("zra_leased", "teams", "two", 30.0)[0]
