"""The library against the reference: all 75 operations, with every parameter, field and error that is documented."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from tests.api.conftest import RecordingCaller
from tests.contract import corrections
from tests.contract.calls import (
    arguments_of,
    body_fields,
    hints_of,
    method_of,
    minimal,
    name_of,
    request_of,
    requests_of,
)
from tests.contract.reference import DOCUMENTED, ROWS, Documented, places, required
from tests.contract.shapes import literals, takes
from zra_async import errors
from zra_async.api.registry import OPERATIONS
from zra_async.core.operation import Host, Label, ListOperation

REFUSED = (errors.InvalidArgument, TypeError)  # TypeError: an argument that has no default was left out
WRONG = "no-such-value"

each_operation = pytest.mark.parametrize("operation", DOCUMENTED, ids=str)


# --------------------------------------------------------------------------- rows


def test_all_75_operations_have_a_row() -> None:
    """There are 52 current and 23 deprecated operations, each has exactly one row, and there is no other row."""
    assert len(DOCUMENTED) == len(OPERATIONS) == 75
    assert {operation.key for operation in DOCUMENTED} == ROWS.keys()
    assert sum(operation.data["deprecated"] for operation in DOCUMENTED) == 23
    assert sum(operation.data["paginated"] for operation in DOCUMENTED) == 24


@each_operation
def test_row(operation: Documented) -> None:
    """The row has the documented path parameters, prefix, host, label and classic scopes."""
    row, data = operation.row, operation.data
    assert OPERATIONS[row.name] is row
    assert row.path.format_map(dict.fromkeys(operation.path_names, "{}")) == operation.key[1].removeprefix(
        f"/{row.prefix}"
    )
    assert row.name.startswith("legacy.") is data["deprecated"] is (row.prefix == "iq")
    assert row.host is {"api": Host.API, "fileapi": Host.FILE}[data["host"]]
    assert set(row.scopes) == set(data["scopes"])
    if data["rate_limit_label"]:
        assert row.label == data["rate_limit_label"]
    else:
        assert row.label is (Label.MULTIPART if "multipart" in row.path else Label.FILES)


@each_operation
def test_granular_scopes(operation: Documented) -> None:
    """The row has the documented granular scopes, or those of a reviewed correction that is still needed."""
    row, documented = operation.row, set(operation.data["granular_scopes"])
    corrected, _ = corrections.GRANULAR_SCOPES.get(row.name, (documented, ""))
    assert set(row.granular_scopes) == set(corrected)
    assert (set(corrected) != documented) is (row.name in corrections.GRANULAR_SCOPES)


@each_operation
def test_pagination(operation: Documented) -> None:
    """Exactly the paginated operations are lists, with the documented bounds of a page's size."""
    row = operation.row
    assert isinstance(row, ListOperation) is operation.data["paginated"]
    if isinstance(row, ListOperation):
        size = operation.query["page_size"]
        assert (row.min_page_size, row.max_page_size) == (size.get("minimum", 1), size.get("maximum", 300))
        # the largest documented size is asked for; where none is documented, the default of the service
        assert row.usual_page_size == size.get("maximum", size["default"])


@each_operation
def test_docstring(operation: Documented) -> None:
    """The method says what it does, its label, and the operation that it stands for."""
    text = " ".join((inspect.getdoc(method_of(operation)) or "").split())
    assert operation.row.label in text
    assert f"``{operation.row.method} /zra{operation.data['path'].removeprefix(f'/{operation.row.prefix}')}``" in text


@each_operation
async def test_deprecation(operation: Documented) -> None:
    """The deprecated operations warn when they are called, the current ones do not."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        await method_of(operation, RecordingCaller())(**minimal(operation))
    assert [w.category for w in caught] == [DeprecationWarning] * operation.data["deprecated"]


# --------------------------------------------------------------------------- parameters


@each_operation
def test_arguments(operation: Documented) -> None:
    """The method takes every documented parameter and field, and nothing else."""
    documented = {corrections.ARGUMENTS.get(name, name) for name in (*operation.query, *body_fields(operation))}
    extra = {argument for name, argument in corrections.EXTRA_ARGUMENTS if name == name_of(operation)}
    if operation.body and operation.body["type"] == "array" and not extra:
        documented.add("user_ids" if "managers" in operation.row.name else "team_ids")
    assert set(arguments_of(operation)) == documented | extra | set(operation.path_names)


def query_parameters() -> Iterator[Any]:
    """Every query parameter of every operation."""
    for operation in DOCUMENTED:
        for name in operation.query:
            yield pytest.param(operation, name, id=f"{operation}?{name}")


def query_samples(operation: Documented, name: str) -> list[tuple[Any, str]]:
    """Arguments for one query parameter, and what they look like on the wire."""
    parameter = operation.query[name]
    if name == "page_size":
        row = operation.row
        assert isinstance(row, ListOperation)
        return [(size, str(size)) for size in (row.min_page_size, 30, row.max_page_size)]
    if name in ("from", "to"):
        east = timezone(timedelta(hours=2))
        return [(datetime(2025, 1, 2, 5, 4, 5, tzinfo=east), "2025-01-02T03:04:05Z")]
    if "max_items" in parameter:
        return [(["a b", "c/d"], "a b,c/d")]
    if "enum" in parameter:
        return [(value, str(value)) for value in parameter["enum"]]
    samples = {"boolean": [(True, "true"), (False, "false")], "integer": [(500, "500")], "string": [("1.5", "1.5")]}
    return samples[parameter["type"]]


@pytest.mark.parametrize(("operation", "name"), list(query_parameters()))
async def test_query_parameter(operation: Documented, name: str) -> None:
    """A query parameter is an argument of the right type, and reaches the wire under its name."""
    argument = corrections.ARGUMENTS.get(name, name)
    parameter = operation.query[name]
    hint = hints_of(operation)[argument]
    assert takes(hint, {**parameter, "type": "integer"} if name == "page_size" else parameter)
    if "enum" in parameter and not operation.data["deprecated"]:
        assert literals(hint) == set(parameter["enum"])
    for value, text in query_samples(operation, name):
        request = await request_of(operation, minimal(operation, **{argument: value}))
        assert request.query[name] == text


@pytest.mark.parametrize(("operation", "name"), list(query_parameters()))
async def test_query_parameter_may_be_left_out(operation: Documented, name: str) -> None:
    """A query parameter may be left out exactly when it is documented as optional; a filter then stays unsent."""
    argument = corrections.ARGUMENTS.get(name, name)
    arguments = {key: value for key, value in minimal(operation).items() if key != argument}
    here = (name_of(operation), name) in corrections.REQUIRED_HERE or name in corrections.EXCLUSIVE.get(
        name_of(operation), ()
    )[:1]
    if operation.query[name]["required"] or here:
        with pytest.raises(REFUSED):
            await request_of(operation, arguments)
    else:
        request = await request_of(operation, arguments)
        assert name not in request.query or name in ("page_size", "remove_all")


@pytest.mark.parametrize(("operation", "name"), list(query_parameters()))
async def test_query_bounds(operation: Documented, name: str) -> None:
    """A value outside the documented ones is refused before the wire; too many values are split."""
    argument = corrections.ARGUMENTS.get(name, name)
    parameter = operation.query[name]
    refused: list[Any] = [""] if parameter["type"] == "string" and name != "next_page_token" else []
    if "enum" in parameter:
        refused += [WRONG, 2]
    if name == "page_size":
        refused += [parameter.get("minimum", 1) - 1, parameter.get("maximum", 300) + 1]
    if name in ("from", "to"):
        refused += [datetime(2025, 1, 2)]
    for value in refused:
        with pytest.raises(errors.InvalidArgument):
            await requests_of(operation, minimal(operation, **{argument: value}))
    if "max_items" in parameter:
        values = [f"v{n}" for n in range(parameter["max_items"] + 1)]
        requests = await requests_of(operation, minimal(operation, **{argument: values}))
        pieces = [request.query[name].split(",") for request in requests]
        assert [value for piece in pieces for value in piece] == values
        assert max(map(len, pieces)) <= parameter["max_items"]


# --------------------------------------------------------------------------- corrections


def test_corrections_are_needed() -> None:
    """Every correction still corrects something: what it names is documented, and documented otherwise."""
    fields = {
        (name_of(operation), place[-1]): place in set(required(operation.body))
        for operation in DOCUMENTED
        if operation.body is not None
        for place, _ in places(operation.body)
    }
    parameters = {(name_of(o), name): p["required"] for o in DOCUMENTED for name, p in o.query.items()}
    optional = {key for key, needed in {**fields, **parameters}.items() if not needed}
    assert corrections.REQUIRED_HERE.keys() <= optional
    groups = {**corrections.EXCLUSIVE, **corrections.ONE_OF}
    assert {(name, field) for name, group in groups.items() for field in group} <= optional
    assert corrections.ARGUMENTS.keys() <= {name for _, name in {**fields, **parameters}}
    answers = {
        (name_of(operation), place[-1]): schema
        for operation in DOCUMENTED
        if operation.answer is not None
        for place, schema in places(operation.answer)
    }
    assert all(answers[key]["type"] != kind for key, (kind, _) in corrections.ANSWER_TYPES.items())
    integers = {place for (_, place), schema in answers.items() if schema["type"] == "integer"}
    assert corrections.MEASURES.keys() <= integers
    assert corrections.PLACEHOLDERS.keys() <= {value for s in answers.values() for value in s.get("enum", ())}
    assert all(value in str(DOCUMENTED) for value in corrections.NO_VALUES)
    assert {name for name, _ in corrections.EXTRA_ARGUMENTS} <= OPERATIONS.keys()
