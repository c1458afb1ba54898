"""Repeats are pure decisions: within their budgets, never before Retry-After, never twice for an unsafe write."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from multidict import CIMultiDict

from tests.core.rows import row
from zra_async import errors
from zra_async.core import retry, wire
from zra_async.core.operation import Operation
from zra_async.core.retry import Attempts, RetryPolicy, Stop, Wait, parse_retry_after, passes, passing

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
SAFE, UNSAFE = row(), row(method="POST", retry_safe=False)
DELETE = row(method="DELETE")
TEAM = row(method="POST", retry_safe=False, exclusive=True)
LONGEST = RetryPolicy(random=lambda: 1.0)


def limited(kind: errors.LimitKind = "per_second", *, local: bool = False, after: float | None = None) -> Any:
    """A 429."""
    told = None if after is None else NOW + timedelta(seconds=after)
    return errors.RateLimited("op", kind=kind, local=local, resets_at=told)


def failed(status: int = 500, code: int | None = None) -> errors.APIError:
    """An answer with an error."""
    kind = errors.ServerError if status >= 500 else errors.NotFound if status == 404 else errors.BadRequest
    return kind("op", status=status, code=code)


LOST = errors.ConnectionLost("op", "gone", sent=True)
LATE = errors.AttemptTimeout("op", "late", sent=True)
UNSENT = errors.ConnectionLost("op", "gone", sent=False)
REFUSED = errors.ConnectFailed("op", "nobody there", sent=False)


# --------------------------------------------------------------------------- Retry-After


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("7", 7),
        (" 1.5 ", 1.5),
        ("2026-03-01T12:00:30Z", 30),
        ("2026-03-01T13:00:30+01:00", 30),
        ("2026-03-01T12:00:30", 30),
        ("Sun, 01 Mar 2026 12:00:30 GMT", 30),
        ("Sunday, 01-Mar-26 12:00:30 GMT", 30),
        ("Sun Mar  1 12:00:30 2026", 30),
        ("2026-03-01T11:00:00Z", -3600),
    ],
)
def test_every_form_of_retry_after(text: str, seconds: float) -> None:
    """Seconds, the service's ISO instant, and the three forms of an HTTP date; no offset means UTC."""
    assert parse_retry_after(text, NOW) == NOW + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text",
    [
        *(None, "", "  ", "soon", "-5", "nan", "inf", "1e999", "²", "9" * 30, "x" * 9999, "400000000"),
        *("2026-13-01T00:00:00Z", "2099-01-01T00:00:00Z", "0001-01-01T00:00:00+23:59Z"),
        "Sun, 99 Foo 2026 99:99:99 GMT",
    ],
)
def test_retry_after_that_makes_no_sense_is_absent(text: str | None) -> None:
    """Garbage, and instants more than a year ahead, are as good as no header."""
    assert parse_retry_after(text, NOW) is None


@given(st.text(max_size=70) | st.from_regex(r"[0-9A-Za-z:,+. -]{0,40}", fullmatch=True))
@example("0001-01-01T00:00:00+23:59")
@example("9999-12-31T23:59:59-23:59")
@example("Mon, 01 Jan 0000 00:00:00 GMT")
@example("Mon, 01 Jan 2026 00:00:00 +9999")
def test_any_retry_after_gives_an_aware_instant_or_none(text: str) -> None:
    """No header can raise, and none leads further than a year ahead."""
    moment = parse_retry_after(text, NOW)
    assert moment is None or (moment.tzinfo is not None and moment - NOW <= timedelta(days=366))


@given(
    st.datetimes(datetime(2026, 2, 1), datetime(2027, 2, 1)),
    st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes))),
)
def test_instants_and_dates_round_trip(moment: datetime, offset: timezone) -> None:
    """What is written as an instant or as an HTTP date is read as the same moment."""
    told = moment.replace(microsecond=0, tzinfo=offset)
    assert parse_retry_after(told.isoformat(), NOW) == told
    assert parse_retry_after(format_datetime(told.astimezone(UTC), usegmt=True), NOW) == told


# --------------------------------------------------------------------------- decisions


@pytest.mark.parametrize(
    ("operation", "error", "decision"),
    [
        (SAFE, limited(), "rate"),
        (UNSAFE, limited(), "rate"),
        (SAFE, limited("unknown"), "rate"),
        (SAFE, limited("concurrent"), "rate"),
        (SAFE, limited("daily"), None),
        (SAFE, limited(local=True), None),
        (SAFE, failed(500), "server"),
        (SAFE, failed(503), "server"),
        (UNSAFE, failed(503), "server"),  # not taken at all
        (UNSAFE, failed(500), errors.AmbiguousWrite),
        (UNSAFE, failed(502), errors.AmbiguousWrite),
        (UNSAFE, failed(504), errors.AmbiguousWrite),
        (SAFE, LOST, "transport"),
        (SAFE, LATE, "transport"),
        (UNSAFE, UNSENT, "transport"),
        (UNSAFE, REFUSED, "transport"),
        (UNSAFE, LOST, errors.AmbiguousWrite),
        (UNSAFE, LATE, errors.AmbiguousWrite),
        (SAFE, failed(400, 300), None),
        (SAFE, failed(404), None),
        (TEAM, failed(400, 5004), "rate"),
        (UNSAFE, failed(400, 5004), None),
        (SAFE, errors.UnexpectedAnswer("op", "what?", status=200), None),
        (SAFE, errors.UnsafeRedirect("op", "evil"), None),
        (SAFE, errors.AuthenticationFailed("op", status=401), None),
        (SAFE, errors.MissingScopes("op", status=400, scopes=("a",)), None),
    ],
)
def test_what_follows_which_failure(operation: Operation[Any], error: errors.CallError, decision: Any) -> None:
    """A repeat on its budget, the error itself, or `AmbiguousWrite` around it."""
    got = LONGEST.decide(operation, Attempts(), error, NOW)
    if isinstance(decision, str):
        assert isinstance(got, Wait)
        assert got.cause == decision
    elif decision is None:
        assert got == Stop(error)
    else:
        assert isinstance(got, Stop)
        assert isinstance(got.error, errors.AmbiguousWrite)
        assert got.error.outcome is error


#: every status of RFC 9110 from 400 on, those of RFC 4918, 6585, 7725, 8470, and the vendor's
EVERY = (
    *range(400, 419),
    *(421, 422, 423, 424, 425, 426, 428, 429, 431, 451),
    *(*range(500, 509), 510, 511, *range(520, 528), 529, 530, 598, 599),
)
NOT_PROCESSED = {408, 421, 425, 429, 503, 521, 522, 523, 525, 526, 530}
UNKNOWN = {500, 502, 504, 520, 524, 527, 529, 598, 599}


def answer(status: int, code: int | None = None, **headers: str) -> errors.CallError:
    """The error that an answer of this status is."""
    body = b'{"code": %d, "message": "no"}' % code if code is not None else b""
    error = wire.failure(SAFE, wire.Reply(status, CIMultiDict(headers), body), now=NOW)
    assert error is not None
    return error


@pytest.mark.parametrize("operation", [SAFE, UNSAFE], ids=["safe", "unsafe"])
@pytest.mark.parametrize("status", EVERY)
def test_what_follows_which_status(status: int, operation: Operation[Any]) -> None:
    """Not processed: repeated. Unknown: repeated if that is safe, and ambiguous otherwise. All else is final."""
    error = answer(status)
    got = LONGEST.decide(operation, Attempts(), error, NOW)
    if status in NOT_PROCESSED:
        assert got == Wait(0.5, "rate" if status == 429 else "server", ambiguous=False)
    elif status in UNKNOWN and operation is SAFE:
        assert got == Wait(0.5, "server", ambiguous=True)
    elif status in UNKNOWN:
        assert isinstance(got, Stop)
        assert isinstance(got.error, errors.AmbiguousWrite)
        assert got.error.outcome is error
    else:
        assert got == Stop(error)


@pytest.mark.parametrize("status", sorted(NOT_PROCESSED | UNKNOWN))
def test_every_repeat_obeys_retry_after(status: int) -> None:
    """Whatever the status, the service's own time comes first, and one that is hours away is raised."""
    soon = LONGEST.decide(SAFE, Attempts(), answer(status, **{"Retry-After": "20"}), NOW)
    assert isinstance(soon, Wait)
    assert soon.delay == pytest.approx(20.5)
    late = answer(status, **{"Retry-After": "7200"})
    assert LONGEST.decide(SAFE, Attempts(), late, NOW) == Stop(late)
    assert isinstance(late, errors.APIError)
    assert late.resets_at == NOW + timedelta(hours=2)


@pytest.mark.parametrize("operation", [SAFE, UNSAFE], ids=["safe", "unsafe"])
def test_a_body_that_is_too_large_for_now(operation: Operation[Any]) -> None:
    """A 413 with Retry-After is temporary, and was not processed; without it the body is too large for good."""
    temporary = LONGEST.decide(operation, Attempts(), answer(413, **{"Retry-After": "3"}), NOW)
    assert temporary == Wait(3.5, "server", ambiguous=False)


@pytest.mark.parametrize("operation", [SAFE, UNSAFE, TEAM], ids=["safe", "unsafe", "team"])
@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize("code", [3300, 5004, 429, 4001, 300, 1001, 1005, 2001, 3319, 5009, 124])
def test_what_follows_which_code(code: int, status: int, operation: Operation[Any]) -> None:
    """The service's codes that ask for another try are followed by one; the others are final."""
    error = answer(status, code)
    got = LONGEST.decide(operation, Attempts(), error, NOW)
    cause = {3300: "server", 429: "rate", 4001: "rate", 5004: "rate" if operation is TEAM else None}.get(code)
    if cause is None:
        assert got == Stop(error)
    else:
        assert got == Wait(0.5, cause, ambiguous=False)  # type: ignore[arg-type]


@pytest.mark.parametrize("status", EVERY)
def test_a_job_goes_on_after_what_may_pass(status: int) -> None:
    """What a call may repeat may also succeed in a later run of a job."""
    assert passing(answer(status)) == (status in NOT_PROCESSED | UNKNOWN)
    assert passes(status) == (status in NOT_PROCESSED | UNKNOWN)


def test_a_refused_scope_is_final_whatever_its_status() -> None:
    """A token does not gain a scope by waiting."""
    error = errors.MissingScopes("op", status=503, scopes=("a",))
    assert LONGEST.decide(SAFE, Attempts(), error, NOW) == Stop(error)


def test_the_table_names_every_status() -> None:
    """The docstring of the module decides each status that is tested here."""
    table = retry.__doc__ or ""
    rows = {int(line.split()[0]) for line in table.splitlines() if line[:4] == "    " and line.split()[0].isdigit()}
    assert rows - {413, 429} - {3300, 5004} == (NOT_PROCESSED | UNKNOWN) - {429, 529, 598, 599}


def test_the_budgets_are_separate() -> None:
    """Each cause has its own number of repeats; using up one leaves the others."""
    policy = RetryPolicy(rate=1, server=2, transport=3)
    attempts = Attempts(rate=1, server=1, transport=3)
    assert isinstance(policy.decide(SAFE, attempts, limited(), NOW), Stop)
    assert isinstance(policy.decide(SAFE, attempts, failed(), NOW), Wait)
    assert policy.decide(SAFE, attempts, LOST, NOW) == Stop(LOST)
    assert attempts.total == 5


def test_no_repeats_at_all() -> None:
    """``RetryPolicy.none()`` stops at the first failure, with its own error."""
    for error in (limited(), failed(), LOST, REFUSED):
        assert RetryPolicy.none().decide(SAFE, Attempts(), error, NOW) == Stop(error)


ERRORS = st.one_of(
    st.builds(
        limited,
        st.sampled_from(["per_second", "per_minute", "daily", "concurrent", "unknown"]),
        local=st.booleans(),
        after=st.none() | st.floats(-1e5, 1e7),
    ),
    st.builds(failed, st.sampled_from([400, 404, 500, 502, 503, 504]), st.sampled_from([None, 5004])),
    st.sampled_from([LOST, LATE, UNSENT, REFUSED]),
)
POLICIES = st.builds(
    RetryPolicy,
    rate=st.integers(0, 5000),
    server=st.integers(0, 5),
    transport=st.integers(0, 5),
    base=st.floats(0, 10),
    longest=st.floats(0, 100),
    patience=st.floats(0, 1000),
    random=st.floats(0, 1).map(lambda x: lambda: x),
)


@given(
    POLICIES,
    st.sampled_from([SAFE, UNSAFE, DELETE, TEAM]),
    st.builds(
        Attempts,
        rate=st.integers(0, 6000),
        server=st.integers(0, 6),
        transport=st.integers(0, 6),
        ambiguous=st.booleans(),
    ),
    ERRORS,
)
def test_a_repeat_is_always_allowed_and_never_early(
    policy: RetryPolicy, operation: Operation[Any], attempts: Attempts, error: Any
) -> None:
    """For any policy and failure: within the budget, after Retry-After, jitter bounded, nothing unsafe done twice."""
    decision = policy.decide(operation, attempts, error, NOW)
    if isinstance(decision, Stop):
        assert decision.error is not None or (operation is DELETE and attempts.ambiguous)
        return
    assert getattr(attempts, decision.cause) < getattr(policy, decision.cause)
    assert not getattr(error, "local", False)
    assert getattr(error, "kind", "") != "daily"
    maybe_done = getattr(error, "sent", False) or getattr(error, "status", 0) in {500, 502, 504}
    assert operation.retry_safe or not maybe_done
    assert decision.ambiguous == maybe_done
    told = getattr(error, "resets_at", None)
    wait = max(0.0, (told - NOW).total_seconds()) if told else 0.0
    assert wait <= policy.patience
    assert wait <= decision.delay <= wait + policy.longest + 1e-6


def test_the_delay_doubles_up_to_its_longest() -> None:
    """Full jitter: the n-th delay is drawn between nothing and base × 2ⁿ, at most `longest`."""
    policy = RetryPolicy(base=1.0, longest=6.0, rate=9, random=lambda: 1.0)
    delays = [policy.decide(SAFE, Attempts(rate=n), limited(), NOW) for n in range(5)]
    assert [d.delay for d in delays if isinstance(d, Wait)] == [1, 2, 4, 6, 6]
    least = RetryPolicy(random=lambda: 0.0).decide(SAFE, Attempts(), limited(after=3), NOW)
    assert isinstance(least, Wait)
    assert least.delay == 3


def test_a_retry_after_that_is_hours_away_is_reported() -> None:
    """A limit of unknown kind that is lifted in three hours is raised, with the moment, and not waited for."""
    error = limited("unknown", after=3 * 3600)
    assert LONGEST.decide(SAFE, Attempts(), error, NOW) == Stop(error)
    assert error.resets_at == NOW + timedelta(hours=3)


def test_the_service_may_ask_for_time_on_a_503_too() -> None:
    """Retry-After of a server error is kept, and too long a one is raised."""
    error = errors.ServerError("op", status=503)
    error.resets_at = NOW + timedelta(seconds=20)
    decision = LONGEST.decide(SAFE, Attempts(), error, NOW)
    assert isinstance(decision, Wait)
    assert decision.delay == pytest.approx(20.5)
    error.resets_at = NOW + timedelta(hours=1)
    assert LONGEST.decide(SAFE, Attempts(), error, NOW) == Stop(error)


def test_deleting_twice_is_deleting_once() -> None:
    """A 404 after a DELETE whose answer was lost is a success; a 404 at the first attempt is not."""
    missing = failed(404)
    decision = LONGEST.decide(DELETE, Attempts(), LOST, NOW)
    assert isinstance(decision, Wait)
    lost = Attempts().after(decision.cause, ambiguous=decision.ambiguous)
    assert LONGEST.decide(DELETE, lost, missing, NOW) == Stop(None)
    assert LONGEST.decide(DELETE, lost.after("rate", ambiguous=False), missing, NOW) == Stop(None)
    assert LONGEST.decide(DELETE, lost, answer(410), NOW) == Stop(None)
    assert LONGEST.decide(DELETE, Attempts(transport=1), missing, NOW) == Stop(missing)
    assert LONGEST.decide(SAFE, lost, missing, NOW) == Stop(missing)
