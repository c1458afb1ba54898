"""The suite's own watch over secrets: it notes them by itself, hears everything, and finds what was shown."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from tests.leaks import Leaks, listening, output_of
from zra_async import ServerToServer, StaticToken, errors
from zra_async.core.secret import Secret


@pytest.fixture
def watch() -> Iterator[Leaks]:
    """A watch of its own, beside that of the whole suite."""
    leaks = Leaks()
    with listening(leaks):
        yield leaks
    leaks.close()


def test_a_secret_in_a_log_is_found(watch: Leaks) -> None:
    """Of any logger and level, before or after the secret was noted; the finding shows the line without the secret."""
    logging.getLogger("anything.at.all").debug("here is %s!", "noted-later-" + "4d1a")
    assert watch.found() == []
    watch.guard("noted-later-" + "4d1a")
    assert watch.found() == ["anything.at.all DEBUG here is <SECRET>!"]


def test_a_secret_in_an_error_is_found(watch: Leaks) -> None:
    """Every error of the library is looked at when it is made, also one that nobody prints."""
    watch.guard("in-an-error-" + "77ef")
    errors.InvalidArgument("odd: in-an-error-" + "77ef")
    assert watch.found() == ["InvalidArgument: odd: <SECRET>"]


def test_secrets_of_the_library_are_noted_by_themselves(watch: Leaks) -> None:
    """Tokens, credentials and links become known as they are wrapped, with what a link carries in its query."""
    StaticToken("made-by-test-" + "01")
    ServerToServer("account", "client", "made-by-test-" + "02")
    Secret("https://zoom.test/download?name=call.mp4&access_token=made-by-test-" + "03")
    assert {"made-by-test-01", "made-by-test-02", "made-by-test-03"} <= watch.secrets
    assert "call.mp4" not in watch.secrets


def test_what_turns_up_by_chance_is_no_secret(watch: Leaks) -> None:
    """Short and monotonous texts are not looked for."""
    for text in ("", "token", "0" * 40, "abababababababab", "Bearer x"):
        watch.guard(text)
    assert watch.secrets == set()


def test_secrets_still_are_what_they_were(watch: Leaks) -> None:
    """Being watched changes nothing about a `Secret`."""
    secret = Secret("watched-secret-" + "05")
    assert secret == "watched-secret-" + "05"
    assert repr(secret) == "Secret('***')"
    assert isinstance(secret, Secret)
    assert Secret() == ""


def test_the_output_of_a_test_is_looked_at(pytestconfig: pytest.Config) -> None:
    """What was printed and logged is all there; the lines of a test that failed are not."""
    sections = [
        ("Captured stdout call", "printed"),
        ("Captured stderr call", "moaned"),
        ("Captured log call", "logged"),
    ]
    report = pytest.TestReport("t.py::t", ("t.py", 1, "t"), {}, "failed", "it broke", "call", sections)
    assert output_of(report) == "printed\nmoaned\nlogged"


def test_words_of_the_code_are_no_secrets() -> None:
    """A fuzzer sends what stands in the code as a token, and the code goes on to say it."""
    watch = Leaks()
    watch.guard("conversations.interactions")
    watch.guard("watched-secret-" + "06-of-a-kind")
    watch.saw("AttemptDone(operation='conversations.interactions')")
    watch.saw("token watched-secret-" + "06-of-a-kind")
    assert watch.found() == ["token <SECRET>"]
    watch.close()
