"""Answers that are not as documented, in each of their fields: an error, or that field alone, and never in silence."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from tests.contract.reference import DOCUMENTED, Documented, Place, places, spelled
from tests.contract.shapes import replaced, sample
from tests.contract.test_answers import each_answer, lost, retyped
from zra_async import errors
from zra_async.core import wire
from zra_async.core.decoding import Decoded

_DAMAGED = "damaged \udcff text"


def answer_of(operation: Documented) -> Any:
    """An answer with a value in every documented field."""
    assert operation.answer is not None
    return sample(operation.answer, msgspec.inspect.type_info(operation.row.result), retyped(operation))


def read(operation: Documented, answer: Any) -> Decoded[Any]:
    """Decode an answer; a lone surrogate in it stands for a byte that is no UTF-8."""
    body = json.dumps(answer, ensure_ascii=False).encode("utf-8", "surrogateescape")
    return wire.read(operation.row, wire.Reply(operation.status, {}, body))


def nodes(operation: Documented, *kinds: str) -> Iterator[Place]:
    """The places of an answer whose schema is of one of these kinds."""
    for place, schema in places(operation.answer or {}):
        if schema["type"] in kinds:
            yield place


@each_answer
def test_a_container_of_the_wrong_type_is_an_unexpected_answer(operation: Documented) -> None:
    """A list or an object that is something else fails the call, wherever it stands."""
    answer = answer_of(operation)
    for place in nodes(operation, "array", "object"):
        kind = next(schema["type"] for other, schema in places(operation.answer or {}) if other == place)
        for wrong in ({"0": {}} if kind == "array" else [{}], "text", "", 5, True):
            with pytest.raises(errors.UnexpectedAnswer, match="another shape"):
                read(operation, replaced(answer, place, wrong))


@each_answer
def test_a_field_that_cannot_be_read_costs_itself(operation: Documented) -> None:
    """An object or a damaged text in place of a value costs that value and is counted, or fails the call."""
    answer = answer_of(operation)
    for place in nodes(operation, "string", "integer", "number", "boolean"):
        for wrong in ({"deep": [1]}, _DAMAGED):
            try:
                found = read(operation, replaced(answer, place, wrong))
            except errors.UnexpectedAnswer as problem:
                assert place[-1] in str(problem)
                continue
            assert len(found.dropped) == 1, spelled(place)
            assert found.dropped[0].endswith(place[-1])
            problems = list(lost(answer, json.loads(msgspec.json.encode(found.value))))
            assert len(problems) == 1, problems


@pytest.mark.parametrize("operation", [o for o in DOCUMENTED if o.data["paginated"]], ids=str)
def test_a_page_never_ends_its_list_too_early(operation: Documented) -> None:
    """A page token that cannot be read fails the call."""
    for wrong in ({}, [], True, _DAMAGED):
        with pytest.raises(errors.UnexpectedAnswer, match="next_page_token"):
            read(operation, {**answer_of(operation), "next_page_token": wrong})
