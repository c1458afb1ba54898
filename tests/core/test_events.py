"""What observers are told holds no secret, and what they do wrong disturbs nobody."""

from __future__ import annotations

import inspect
import logging
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import pytest

import zra_async
from zra_async.core import events
from zra_async.core.events import CallDone, Event, Retrying, TokenRefused, guard_observer, log_event, wants_call_events

DONE = CallDone("things.get", 1, 0.1, 200, "WEB_1", None)
AGAIN = Retrying("things.get", 1, 0.5, "rate", "RateLimited")


def test_events_have_no_place_for_a_secret() -> None:
    """No event has a field for a header, a body, a query, a link or a token."""
    fields = {name for kind in get_args(Event) for name in inspect.signature(kind).parameters}
    assert "operation" in fields
    assert not {name for name in fields if any(word in name for word in ("header", "body", "query", "url", "link"))}
    assert not {name for name in fields if "token" in name or "secret" in name}


@pytest.mark.parametrize("event", [DONE, AGAIN])
def test_events_cannot_be_changed(event: Any) -> None:
    """An observer cannot change what the next one is told."""
    with pytest.raises(AttributeError):
        event.operation = "other"


def test_the_default_observer_logs(caplog: pytest.LogCaptureFixture) -> None:
    """What a call recovered from is logged at INFO, all else is for debugging."""
    with caplog.at_level(logging.DEBUG, logger="zra_async"):
        for event in (DONE, AGAIN, TokenRefused("things.get")):
            log_event(event)
    assert [record.levelno for record in caplog.records] == [logging.DEBUG, logging.INFO, logging.INFO]
    assert "things.get" in caplog.text
    assert "RateLimited" in caplog.text


def test_a_program_without_logging_sees_nothing_on_stderr() -> None:
    """Events, and every level of the package's loggers, stay silent until the program configures logging."""
    code = """
import logging
import zra_async
from zra_async.core import events
events.log_event(events.Retrying("things.get", 1, 0.5, "rate", "RateLimited"))
for name in ("zra_async", "zra_async.sandbox", "zra_async.sandbox.service.dispatch"):
    for level in (logging.INFO, logging.WARNING, logging.ERROR):
        logging.getLogger(name).log(level, "loud")
"""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (told.stdout, told.stderr) == ("", "")


def test_a_program_with_logging_sees_what_it_asks_for() -> None:
    """The package neither sets a level nor stops what goes to the program's own handlers."""
    logger = logging.getLogger("zra_async")
    assert (logger.level, logger.propagate) == (logging.NOTSET, True)
    assert any(isinstance(handler, logging.NullHandler) for handler in logger.handlers)


def test_a_warning_is_for_what_the_user_must_act_on() -> None:
    """Each module that logs at WARNING or above does so for a reason that is named here."""
    reasons = {
        "core/events.py": "the program's observer failed",
        "core/redirects.py": "the account's host is not trusted by the configuration",
        "core/callbacks.py": "the program's callback failed",
        "files/uploader.py": "a transcript or metadata file is not as the service documents it",
        "core/dropped.py": "a field of an answer is lost: what is stored of it is not whole",
        "accounts.py": "a client of the program failed to close",
        "sandbox/service/dispatch.py": "a mistake in the sandbox itself",
    }
    package = Path(zra_async.__file__).parent
    loud = re.compile(r"logger\.(warning|error|exception|critical)\(")
    found = {p.relative_to(package).as_posix() for p in package.rglob("*.py") if loud.search(p.read_text("utf-8"))}
    assert found <= set(reasons)


def test_nothing_is_formatted_that_nobody_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a listener at that level an event costs a comparison."""
    monkeypatch.setattr(events.logger, "log", lambda *_: pytest.fail("formatted"))
    monkeypatch.setattr(events.logger, "isEnabledFor", lambda _: False)
    log_event(DONE)


def test_an_observer_that_fails_is_reported_once_for_each_kind(caplog: pytest.LogCaptureFixture) -> None:
    """The same error again is not logged again; another one is."""
    problems: list[Exception] = [ValueError("a"), ValueError("b"), KeyError("c")]

    def observer(_: Event) -> None:
        raise problems.pop(0)

    observe = guard_observer(observer)
    for _ in range(3):
        observe(DONE)
    assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [ValueError, KeyError]


def test_an_observer_may_end_the_program() -> None:
    """What is no error, such as Ctrl-C, passes."""

    def observer(_: Event) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        guard_observer(observer)(DONE)


def test_events_are_made_only_for_those_who_hear_them(caplog: pytest.LogCaptureFixture) -> None:
    """The default observer hears of calls that go well once its logger is set to DEBUG, and one's own always does."""
    heard = wants_call_events(log_event)
    caplog.set_level(logging.INFO, "zra_async")
    assert not heard()
    caplog.set_level(logging.DEBUG, "zra_async")
    assert heard()
    assert wants_call_events(lambda _: None)()
