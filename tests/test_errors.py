"""One tree of errors, each of which can be acted on, kept, and sent to another process."""

from __future__ import annotations

import copy
import inspect
import pickle
import re
from datetime import UTC, datetime
from typing import Any

import pytest

from zra_async import errors

LOST = errors.ConnectionLost("deals.get", "gone", sent=True)
MADE: list[errors.ZRAError] = [
    errors.ZRAError("any"),
    errors.InvalidArgument("bad"),
    errors.ClientNotOpen("closed"),
    errors.TokenError("check it", status=401, reason="invalid_client"),
    errors.CallError("deals.get", "failed"),
    errors.BadRequest("deals.get", status=400, code=300, message="no", tracking_id="WEB_1", errors=[{"field": "a"}]),
    errors.PageTokenExpired("deals.list", status=400, code=300, message="old"),
    errors.MissingScopes("deals.get", scopes=["a", "b"], status=400, code=4711, message="lacks"),
    errors.RateLimited("deals.get", kind="daily", resets_at=datetime(2026, 3, 2, tzinfo=UTC), message="no more"),
    errors.RateLimited("deals.get", kind="per_second", local=True),
    errors.ServerError("deals.get", status=503, message="down"),
    LOST,
    errors.AttemptTimeout("deals.get", "late", sent=False),
    errors.DeadlineExceeded("deals.get", "late"),
    errors.AmbiguousWrite("deals.get", LOST),
    errors.UnexpectedAnswer("deals.get", "what?", status=200, tracking_id="WEB_2"),
    errors.PartlyDone("teams.members.add", done=["a"], failed=["b"], pending=[], cause=LOST),
]


def classes() -> dict[str, type[errors.ZRAError]]:
    """Every class of the module."""
    return {
        name: kind for name, kind in vars(errors).items() if inspect.isclass(kind) and issubclass(kind, errors.ZRAError)
    }


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    """The drawing at the top of the module shows every class once, each below its parent."""
    drawing = (errors.__doc__ or "").split("\n\n")[1]
    parents: list[str] = []
    shown: dict[str, str | None] = {}
    for line in drawing.splitlines():
        found = re.match(r"    ([│├└─ ]*)([A-Z]\w+)", line)
        assert found, line
        depth = len(found[1]) // 4
        parents[depth:] = [found[2]]
        assert found[2] not in shown
        shown[found[2]] = parents[depth - 1] if depth else None
    for name, kind in classes().items():
        assert name in shown, f"{name} is not drawn"
        assert kind is errors.ZRAError or shown[name] == kind.__bases__[0].__name__
    assert shown.keys() == classes().keys()


@pytest.mark.parametrize("error", MADE, ids=lambda error: type(error).__name__)
def test_errors_can_be_copied_and_sent_elsewhere(error: errors.ZRAError) -> None:
    """A worker process can raise any of them to its parent: text, attributes and class arrive."""
    for other in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(other) is type(error)
        assert str(other) == str(error)
        assert repr(other) == repr(error)
        assert {name: str(value) for name, value in vars(other).items()} == {
            name: str(value) for name, value in vars(error).items()
        }


@pytest.mark.parametrize(
    ("kind", "builtin"),
    [
        (errors.InvalidArgument, ValueError),
        (errors.ConfigurationError, ValueError),
        (errors.ClientNotOpen, RuntimeError),
        (errors.TargetExists, FileExistsError),
        (errors.DeadlineExceeded, TimeoutError),
    ],
)
def test_errors_that_are_builtin_ones_too(kind: type[errors.ZRAError], builtin: type[Exception]) -> None:
    """Code that knows only the builtin exception catches them as well."""
    assert issubclass(kind, builtin)


def test_a_text_is_enough_to_act_on() -> None:
    """Operation, status, code, message, what to do, and the tracking id, in one line."""
    text = str(
        errors.MissingScopes(
            "deals.get", scopes=["zra:read:deal"], status=400, code=4711, message="lacks it", tracking_id="WEB_9"
        )
    )
    assert text == (
        "deals.get: HTTP 400, code 4711; lacks it — "
        "add one of these scopes to the app and fetch a new token: zra:read:deal [tracking id WEB_9]"
    )
    limited = str(errors.RateLimited("deals.get", kind="per_second", resets_at=datetime(2026, 3, 2, tzinfo=UTC)))
    assert limited == "deals.get: HTTP 429; no message — per-second limit: come back at 2026-03-02T00:00:00+00:00"
    assert "come back later" in str(errors.RateLimited("deals.get", kind="unknown"))


@pytest.mark.parametrize("fields", [[{}], [{"field": None}], [{"message": 5}], [{"field": "x" * 5000}] * 9])
def test_texts_stay_short(fields: Any) -> None:
    """However much a service answers, the text of an error can be logged."""
    error = errors.BadRequest("deals.get", status=400, code=1, message="m" * 100_000, errors=fields)
    assert len(str(error)) < 2000
    assert len(error.message) == 100_000
