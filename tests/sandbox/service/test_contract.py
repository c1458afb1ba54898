"""The contract: for all 75 operations the documented request is accepted, and the answer is what its schema says."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import jsonschema
import pytest

from tests.sandbox.conftest import Start
from tests.sandbox.scenes import OPERATIONS, perform, stage, strict
from zra_async.sandbox.operations.handlers import HANDLERS, MODULES
from zra_async.sandbox.service.table import ROWS

FORMATS = jsonschema.FormatChecker(formats=())


@FORMATS.checks("date-time", raises=ValueError)
def _is_time(value: Any) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


@FORMATS.checks("date", raises=ValueError)
def _is_date(value: Any) -> bool:
    return not isinstance(value, str) or bool(date.fromisoformat(value))


@FORMATS.checks("email")
def _is_email(value: Any) -> bool:
    return not isinstance(value, str) or value.count("@") == 1


def success_of(operation: dict[str, Any]) -> int:
    """The documented status of a success."""
    return min(int(status) for status in operation["responses"])


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda o: f"{o['method']} {o['path']}")
async def test_the_documented_request_gets_the_documented_answer(start: Start, operation: dict[str, Any]) -> None:
    """The example is accepted, and the answer has the documented status and no field beside its schema."""
    scene = await stage(start, operation)
    status, body = await perform(scene)
    assert status == success_of(operation), body
    schema = operation["responses"][str(status)].get("schema")
    if schema is None:
        assert body is None
    else:
        jsonschema.Draft202012Validator(strict(schema), format_checker=FORMATS).validate(body)


LISTS = [operation for operation in OPERATIONS if operation["paginated"]]


@pytest.mark.parametrize("operation", LISTS, ids=lambda o: f"{o['method']} {o['path']}")
async def test_every_page_of_a_list_keeps_to_its_schema(start: Start, operation: dict[str, Any]) -> None:
    """Walking a list from page to page ends, each page validates and echoes its size, and something is on them."""
    scene = await stage(start, operation)
    scene.query["page_size"] = "15"
    schema = strict(operation["responses"]["200"]["schema"])
    validator = jsonschema.Draft202012Validator(schema, format_checker=FORMATS)
    found = 0
    for _ in range(100):
        status, body = await perform(scene)
        assert status == 200, body
        validator.validate(body)
        found += sum(len(items) for items in body.values() if isinstance(items, list))
        assert str(body["page_size"]) == "15"
        token = body.get("next_page_token", "")
        if not token:
            assert found
            return
        scene.query["next_page_token"] = token
    pytest.fail("the list never ends")


def test_every_operation_has_its_handler() -> None:
    """The handlers are those of the 52 rows, no more and no fewer."""
    assert MODULES
    assert set(HANDLERS) == {(row.method, row.template) for row in ROWS}


@pytest.mark.parametrize(
    "operation", [o for o in OPERATIONS if o["path_params"]], ids=lambda o: f"{o['method']} {o['path']}"
)
async def test_what_does_not_exist_is_refused_with_a_documented_code(start: Start, operation: dict[str, Any]) -> None:
    """An unknown id in the path gives an error body whose status and code the documents name."""
    scene = await stage(start, operation)
    if "{commentId}" in operation["path"]:
        scene.path["commentId"] = "unknown"
    elif operation["path"].endswith("/playlists") or "{userId}" in operation["path"]:
        scene.path["userId"] = "unknown"
    else:
        scene.path = dict.fromkeys(scene.path, "unknown")
    status, body = await perform(scene)
    documented = {(int(s), e["code"]) for s, r in operation["responses"].items() for e in r.get("errors", [])}
    statuses = {int(s) for s in operation["responses"]}
    assert 400 <= status < 500
    assert isinstance(body["message"], str)
    assert (status, body["code"]) in documented or not any(s == status for s, _ in documented), body
    assert status in statuses
