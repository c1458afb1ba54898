"""Docstrings against the reference: every documented error and prerequisite of an operation is named in its method."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping

import pytest

from tests.contract.calls import method_of, name_of
from tests.contract.reference import DOCUMENTED, Documented
from tests.contract.test_errors import expected_error

each_operation = pytest.mark.parametrize("operation", DOCUMENTED, ids=str)

_LICENCE = ("The caller must be a Zoom Revenue Accelerator-licensed (iq_listened) user.", "Revenue Accelerator licence")
_ROLE = (
    "For an account-level OAuth app, this API can only be used on behalf of a user who is assigned with a role with "
    "Edit permission for All Conversations.",
    "Edit permission for All Conversations",
)
_HIERARCHY = ("Make sure your account support hierarchical structure team.", "must have hierarchical teams")
_CLOUD = ("Not supported in Gov cluster.", "government cloud does not have it")

#: the prerequisites of each operation, in the words of the vendor's documents and in those of the docstring
PREREQUISITES: Mapping[str, tuple[tuple[str, str], ...]] = {
    "indicators.list": (("The account must be a paid account.", "account must be a paid one"),),
    "conversations.add": (_LICENCE, _ROLE),
    "conversations.update_host": (
        (
            "You must have either iq_conversation:write:admin or iq_conversation:write permissions.",
            "needs the scope ``iq_conversation:write:admin`` or ``iq_conversation:write``",
        ),
    ),
    "files.upload_single": (_LICENCE, _ROLE),
    "files.upload_part": (_LICENCE, _ROLE),
    "files.upload_events": (_LICENCE, _ROLE),
    "teams.delete": (("Team members of the flat target team must be empty.", "must have no members"),),
    "teams.managers.add": (_HIERARCHY,),
    "teams.managers.remove": (_HIERARCHY,),
    "teams.access.grant_from": (_CLOUD,),
    "teams.access.grant_to": (_CLOUD,),
    "teams.access.revoke_from": (_CLOUD,),
    "teams.access.revoke_to": (_CLOUD,),
}


def docstring(operation: Documented) -> str:
    """The docstring of an operation's method, on one line."""
    return " ".join((inspect.getdoc(method_of(operation)) or "").split())


def named_errors(text: str) -> dict[str, set[int]]:
    """The errors that a docstring names, each with the codes that stand between it and the next error."""
    found: dict[str, set[int]] = {}
    for name, rest in re.findall(r"`([A-Z]\w+)`([^`]*)", text):
        found.setdefault(name, set()).update(map(int, re.findall(r"\b\d+\b", rest)))
    return found


@each_operation
def test_documented_errors_are_named(operation: Documented) -> None:
    """Every documented error but 429, which each call may raise, stands in the docstring with its code."""
    named = named_errors(docstring(operation))
    missing = []
    for error in operation.errors:
        name = expected_error(error).__name__
        if name != "RateLimited" and (name not in named or (error.code is not None and error.code not in named[name])):
            missing.append((name, error.code))
    assert not missing


@each_operation
def test_prerequisites_are_named(operation: Documented) -> None:
    """What the documents demand of account, user or cloud stands in the docstring."""
    for demanded, phrase in PREREQUISITES.get(name_of(operation), ()):
        assert phrase in docstring(operation), demanded


def test_every_prerequisite_belongs_to_an_operation() -> None:
    """The table names no operation that does not exist."""
    assert PREREQUISITES.keys() <= {name_of(operation) for operation in DOCUMENTED}
