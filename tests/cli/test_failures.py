"""What is said when something fails: one line, an exit code, and never a secret."""

from __future__ import annotations

import pytest

from zra_async import errors
from zra_async.cli.exits import Exit
from zra_async.cli.failures import GivenUp, UsageProblem, explain
from zra_async.cli.output.wording import clean, count, duration, rate, size

API = {"status": 400, "code": 1, "message": "no", "tracking_id": "t"}


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageProblem("x"), Exit.USAGE),
        (errors.InvalidArgument("x"), Exit.USAGE),
        (errors.ConfigurationError("x"), Exit.SETUP),
        (errors.TokenError("x", status=401), Exit.SETUP),
        (errors.TokenError("x", passing=True), Exit.ERROR),
        (errors.AuthenticationFailed("a.b", **API), Exit.SETUP),
        (errors.MissingScopes("a.b", scopes=["s"], **API), Exit.SETUP),
        (errors.PermissionDenied("a.b", **API), Exit.ERROR),
        (errors.NotFound("a.b", **API), Exit.ERROR),
        (errors.RateLimited("a.b", kind="daily"), Exit.ERROR),
        (errors.ConnectFailed("a.b", "x", sent=False), Exit.ERROR),
        (errors.PartlyDone("a.b", done=[1], failed=[2], pending=[], cause=ValueError("x")), Exit.PARTIAL),
        (GivenUp("x", exit_code=Exit.PARTIAL), Exit.PARTIAL),
        (OSError(28, "No space left on device"), Exit.ERROR),
        (RuntimeError("x"), Exit.ERROR),
        (ExceptionGroup("many", [errors.ConfigurationError("x")]), Exit.SETUP),
    ],
)
def test_every_failure_has_its_exit_code(error: Exception, code: Exit) -> None:
    """The exit code says whether the command, the set-up or the service is to blame."""
    assert explain(error).exit_code is code


def test_a_failure_is_one_line() -> None:
    """Line ends of a message do not tear it apart."""
    assert "\n" not in explain(errors.NotFound("a.b", **{**API, "message": "one\ntwo"})).message


def test_a_full_disk_promises_nothing_that_the_command_does_not_do() -> None:
    """A list does not go on where it stopped: the advice holds for every command."""
    assert explain(OSError(28, "No space left on device")).advice == "make room on that disk"


def test_a_failure_of_ours_is_called_one() -> None:
    """An exception that nobody expected says so, and how to see more."""
    failure = explain(KeyError("x"))
    assert failure.message == "KeyError: 'x'"
    assert "--debug" in failure.advice


def test_secrets_are_struck_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the client secret nor a bearer nor the password in an address is repeated."""
    monkeypatch.setenv("ZOOM_CLIENT_SECRET", "s3cr3t-value")
    text = clean("s3cr3t-value at https://jo:pw@host/x with Bearer abcdefgh12345678 and Basic QWxhZGRpbjpvcGVu")
    assert text == "*** at https://***@host/x with Bearer *** and Basic ***"


def test_control_characters_are_made_visible() -> None:
    """A message of the service cannot steer the terminal."""
    assert clean("a\x1b]0;title\x07b\ttab\nline") == "a\\x1b]0;title\\x07b\ttab\nline"


def test_numbers_for_people() -> None:
    """Times, sizes, rates and counts are short and carry their units."""
    assert [duration(s) for s in (0.4, 59, 61, 3725)] == ["0 s", "59 s", "1 min 01 s", "1 h 02 min"]
    assert [size(n) for n in (0, 999, 1500, 157_286_400)] == ["0 B", "999 B", "1.5 kB", "157 MB"]
    assert [rate(5, 2), rate(1000, 2, "calls"), rate(1, 0)] == ["2.5/s", "500 calls/s", "0.0/s"]
    assert [count(1, "page"), count(2000, "page")] == ["1 page", "2,000 pages"]
