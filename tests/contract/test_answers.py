"""Answers against the reference: every field of each lands in an attribute of its type."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from tests.api.conftest import RecordingCaller
from tests.contract import corrections
from tests.contract.calls import method_of, minimal, name_of
from tests.contract.reference import DOCUMENTED, Documented, Place, spelled
from tests.contract.shapes import sample, struct_problems
from zra_async.core import wire

each_answer = pytest.mark.parametrize("operation", [o for o in DOCUMENTED if o.answer is not None], ids=str)


def retyped(operation: Documented) -> dict[str, str]:
    """The fields of an answer that are read as another type, by a reviewed correction."""
    return {n: kind for (name, n), (kind, _) in corrections.ANSWER_TYPES.items() if name == name_of(operation)}


def decoded(operation: Documented, answer: Any) -> Any:
    """An answer as the library reads it, written as JSON again."""
    reply = wire.Reply(operation.status, {}, json.dumps(answer).encode())
    assert wire.failure(operation.row, reply) is None
    result = wire.decode(operation.row, reply)
    assert isinstance(result, operation.row.result)
    return json.loads(msgspec.json.encode(result))


def lost(wanted: Any, found: Any, place: Place = ()) -> Iterator[str]:
    """What of ``wanted`` is missing from ``found``, or stands there with another value."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        for name, inner in wanted.items():
            if name in found:
                yield from lost(inner, found[name], (*place, name))
            else:
                yield f"{spelled((*place, name))} is missing"
    elif isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        for number, (one, other) in enumerate(zip(wanted, found, strict=True)):
            yield from lost(one, other, (*place, str(number)))
    elif not same(wanted, found):
        yield f"{spelled(place)} is {found!r} instead of {wanted!r}"


def same(wanted: Any, found: Any) -> bool:
    """Whether a value has arrived: a time may be written otherwise, and a number for its text."""
    if wanted == found or (isinstance(wanted, str) and isinstance(found, int) and wanted == str(found)):
        return True
    if wanted in corrections.NO_VALUES:
        return found is None
    try:
        return instant(wanted) == instant(found)
    except (TypeError, ValueError):
        return False


def instant(text: str) -> datetime:
    """A time of the wire, in UTC where it has no offset."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


@each_answer
def test_answer_types(operation: Documented) -> None:
    """Every documented field has an attribute of its type; current answers have no other attribute."""
    assert operation.answer is not None
    exact = not operation.data["deprecated"]
    assert not struct_problems(operation.answer, operation.row.result, exact=exact, retyped=retyped(operation))


@each_answer
def test_documented_answer(operation: Documented) -> None:
    """The documented example decodes, and each of its values lands in its attribute."""
    assert not list(lost(operation.answer_example, decoded(operation, operation.answer_example)))


@each_answer
def test_full_answer(operation: Documented) -> None:
    """An answer with a value in every documented field keeps all of them."""
    assert operation.answer is not None
    info = msgspec.inspect.type_info(operation.row.result)
    answer = sample(operation.answer, info, retyped(operation))
    assert not list(lost(answer, decoded(operation, answer)))


@each_answer
def test_empty_answer(operation: Documented) -> None:
    """An answer without any field decodes to the defaults."""
    assert isinstance(wire.decode(operation.row, wire.Reply(operation.status, {}, b"{}")), operation.row.result)


@pytest.mark.parametrize("operation", [o for o in DOCUMENTED if o.answer is None], ids=str)
def test_no_answer(operation: Documented) -> None:
    """An operation without a documented body gives None."""
    assert operation.status == 204
    assert wire.decode(operation.row, wire.Reply(204, {}, b"")) is None


@pytest.mark.parametrize("operation", [o for o in DOCUMENTED if o.data["paginated"]], ids=str)
async def test_pages(operation: Documented) -> None:
    """A list gives the items of the documented example, and goes on with its token."""
    example = operation.answer_example
    items = next((value for value in example.values() if isinstance(value, list)), None)
    caller = RecordingCaller([{**example, "next_page_token": "token"}, {**example, "next_page_token": ""}])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        pages = [page async for page in method_of(operation, caller)(**minimal(operation)).pages()]
    assert [request.query.get("next_page_token") for request in caller.requests] == [None, "token"]
    if name_of(operation) != "conversations.content_analysis":  # there an item is the whole page
        assert items
        assert [len(page.items) for page in pages] == [len(items)] * 2
