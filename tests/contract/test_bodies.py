"""Request bodies against the reference: every field, required flag, type and enum of each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.contract import corrections
from tests.contract.calls import (
    bodies,
    body_fields,
    body_of,
    hints_of,
    name_of,
    over_the_wire,
    request_of,
    requests_of,
    sending,
)
from tests.contract.reference import DOCUMENTED, Documented, Place, Schema, places, required, spelled
from tests.contract.shapes import has, literals, replaced, struct_in, struct_problems, takes, without
from zra_async import errors

REFUSED = (errors.InvalidArgument, TypeError)  # TypeError: an argument that has no default was left out
WRONG = "no-such-value"

WITH_BODY = [operation for operation in DOCUMENTED if operation.body is not None]
each_body = pytest.mark.parametrize("operation", WITH_BODY, ids=str)


@each_body
async def test_documented_body_goes_over_the_wire(operation: Documented) -> None:
    """The documented example, given as arguments, arrives as it is; together its bodies have every field."""
    assert operation.body is not None
    sent = bodies(operation)
    for body in sent:
        request = await request_of(operation, sending(operation, body))
        assert await body_of(request) == over_the_wire(operation, body)
        assert request.content_type.startswith(operation.data["request"]["content_type"])
    unseen = [spelled(p) for p, _ in places(operation.body) if not any(has(body, p) for body in sent)]
    assert not unseen


@each_body
def test_body_types(operation: Documented) -> None:
    """Every field is an argument of its type, and every nested record a Struct with exactly the documented fields."""
    hints = hints_of(operation)
    problems: list[str] = []
    for name, schema in body_fields(operation).items():
        hint = hints[corrections.ARGUMENTS.get(name, name)]
        struct = struct_in(hint)
        if not takes(hint, schema) and name != "file":
            problems.append(f"{name}: {schema['type']} is not what {hint} takes")
        if "enum" in schema and literals(hint) != set(schema["enum"]):
            problems.append(f"{name}: {hint} has other values than {schema['enum']}")
        if struct is not None:
            problems += struct_problems(schema["items"], struct, exact=True)
        elif schema.get("items", {}).get("type") == "object":
            problems.append(f"{name}: {hint} names no Struct")
    assert not problems


@each_body
async def test_required_fields(operation: Documented) -> None:
    """A body without a field is refused before the wire exactly when the field is required."""
    assert operation.body is not None
    must = set(required(operation.body))
    problems: list[str] = []
    for place, _ in places(operation.body):
        here = (name_of(operation), place[-1]) in corrections.REQUIRED_HERE
        one_of = place[-1] in corrections.EXCLUSIVE.get(name_of(operation), ())
        for body in (body for body in bodies(operation) if has(body, place)):
            shorter = without(body, place)
            try:
                request = await request_of(operation, sending(operation, shorter))
            except REFUSED:
                if not (place in must or here or one_of):
                    problems.append(f"{spelled(place)} is optional, but a body without it is refused")
            else:
                if place in must or here or one_of:
                    problems.append(f"{spelled(place)} is required, but a body without it is sent")
                elif await body_of(request) != over_the_wire(operation, shorter):
                    problems.append(f"{spelled(place)} was left out, but the body is not just shorter")
    assert not problems


def body_enums() -> Iterator[Any]:
    """Every enum of every request body."""
    for operation in WITH_BODY:
        for place, schema in places(operation.body or {}):
            if "enum" in schema:
                yield pytest.param(operation, place, schema, id=f"{operation}:{spelled(place)}")


@pytest.mark.parametrize(("operation", "place", "schema"), list(body_enums()))
async def test_body_enum(operation: Documented, place: Place, schema: Schema) -> None:
    """Each documented value of an enum is sent, another one is refused before the wire."""
    sent = set()
    for body in (body for body in bodies(operation) if has(body, place)):
        for value in schema["enum"]:
            changed = replaced(body, place, value)
            if operation.row.name.endswith("upload_events") and changed != body:
                continue  # the method decides about the other fields
            request = await request_of(operation, sending(operation, changed))
            assert await body_of(request) == changed
            sent.add(value)
        with pytest.raises(errors.InvalidArgument):
            await request_of(operation, sending(operation, replaced(body, place, WRONG)))
    assert sent == set(schema["enum"])


async def test_long_arrays_are_split() -> None:
    """An array over its documented maximum goes out in several requests, none of them longer than that."""
    limited = [operation for operation in WITH_BODY if "maxItems" in (operation.body or {})]
    assert limited
    for operation in limited:
        assert operation.body is not None
        most = operation.body["maxItems"]
        ids = [f"id{n}" for n in range(2 * most + 1)]
        requests = await requests_of(operation, sending(operation, ids))
        pieces = [await body_of(request) for request in requests]
        assert [value for piece in pieces for value in piece] == ids
        assert max(map(len, pieces)) == most
