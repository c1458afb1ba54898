"""Decoding forgives single values: whatever stands in a field, the rest of the answer is understood."""

from __future__ import annotations

import json
import math
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from zra_async.api.conversation_models import ConversationPage
from zra_async.api.resource import Instant, Model, OpenEnum
from zra_async.core import lenient
from zra_async.core.lenient import LenientDecoder


class Colour(OpenEnum):
    RED = "red"
    BLUE = "blue"


class Inner(Model, frozen=True):
    id: str = ""
    counts: int | None = None


class Everything(Model, frozen=True):
    text: str | None = None
    number: int | None = None
    share: float | None = None
    flag: bool | None = None
    at: Instant | None = None
    day: date | None = None
    colour: Colour | None = None
    inner: Inner | None = None
    inners: tuple[Inner, ...] = ()
    names: tuple[str, ...] = ()
    by_name: dict[str, int] = msgspec.field(default_factory=dict)
    anything: Any = None
    from_: str | None = msgspec.field(name="from", default=None)
    bare: int = 7


class Demanding(msgspec.Struct):
    id: str
    n: int = 0


DECODER = LenientDecoder(Everything)


def read(**fields: Any) -> Everything:
    """Decode one object."""
    return DECODER.decode(json.dumps({name.removesuffix("_"): value for name, value in fields.items()}).encode())


NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("text", "a", "a"),
        ("text", 5, "5"),
        ("text", 5.5, "5.5"),
        ("text", True, "true"),
        ("text", None, None),
        ("text", {"a": 1}, None),
        ("text", "\ud800", "?"),
        ("number", "30", 30),
        ("number", " 30 ", 30),
        ("number", 30.0, 30),
        ("number", 30.9, 30),
        ("number", "", None),
        ("number", "many", None),
        ("number", True, 1),
        ("number", [], None),
        ("number", 10**30, 10**30),
        ("number", math.inf, None),
        ("number", math.nan, None),
        ("share", "0.5", 0.5),
        ("share", 1, 1.0),
        ("share", 10**400, None),
        ("share", "", None),
        ("flag", "true", True),
        ("flag", "FALSE", False),
        ("flag", 1, True),
        ("flag", 0, False),
        ("flag", "maybe", None),
        ("at", "2026-03-01T12:00:00Z", NOON),
        ("at", "2026-03-01T12:00:00", NOON),
        ("at", "2026-03-01 12:00:00", NOON),
        ("at", "2026-03-01T12:00:00.1234561Z", NOON.replace(microsecond=123456)),
        ("at", "2026-03-01T13:00:00+01:00", NOON),
        ("at", "2026-03-01", NOON.replace(hour=0)),
        ("at", "", None),
        ("at", "string [date-time]", None),
        ("at", 1772366400, NOON),
        ("at", 1772366400000, NOON),
        ("at", 10**40, None),
        ("at", True, None),
        ("at", "9999-99-99T00:00:00Z", None),
        ("day", "2026-03-01", date(2026, 3, 1)),
        ("day", "2026-03-01T23:00:00Z", date(2026, 3, 1)),
        ("day", "", None),
        ("colour", "red", Colour.RED),
        ("colour", "", ""),
        ("colour", "green", "green"),
        ("colour", 5, "5"),
        ("colour", {}, None),
        ("inner", {"id": "x", "counts": "3"}, Inner(id="x", counts=3)),
        ("inner", {"id": None, "counts": {}}, Inner()),
        ("inner", [], None),
        ("inner", "x", None),
        ("inners", [{"id": "a"}, None, "x", {"id": "b", "new": 1}, {}], (Inner(id="a"), Inner(id="b"), Inner())),
        ("inners", {"id": "a"}, ()),
        ("inners", None, ()),
        ("names", ["a", 1, None, [], "b"], ("a", "1", "b")),
        ("by_name", {"a": 1, "b": "2", "c": "x"}, {"a": 1, "b": 2}),
        ("anything", {"deep": [1, {"x": None}]}, {"deep": [1, {"x": None}]}),
        ("from_", 7, "7"),
        ("bare", None, 7),
        ("bare", "", 7),
        ("bare", "8", 8),
    ],
)
def test_odd_values(field: str, value: object, expected: object) -> None:
    """A value of another type is read as what it means, or else the field has its default; its neighbours stay."""
    got = read(**{"text": "neighbour", field: value})
    assert getattr(got, field) == expected
    assert type(getattr(got, field)) is type(expected) or isinstance(expected, str)
    assert field == "text" or got.text == "neighbour"


def test_times_are_always_aware() -> None:
    """However a time is written, it has an offset."""
    for text in ("2026-03-01T12:00:00", "2026-03-01T12:00:00Z", "2026-03-01T12:00:00-05:00", 1772366400):
        at = read(at=text).at
        assert at is not None
        assert at.utcoffset() is not None
    assert read(at="2026-03-01T12:00:00-05:00").at == NOON.replace(tzinfo=timezone(timedelta(hours=-5)))


def test_unknown_values_of_an_enum_are_kept() -> None:
    """A value that the reference does not list is a member that says so, and still equals its text."""
    colour = read(colour="rep/customer").colour
    assert colour == "rep/customer"
    assert isinstance(colour, Colour)
    assert not colour.known
    assert Colour.RED.known
    assert {colour: 1}["rep/customer"] == 1  # type: ignore[index]


def test_a_documented_answer_is_decoded_in_one_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """The slow way is taken only where the fast one fails, and gives the same."""
    fields: dict[str, Any] = {"text": "a", "number": 1, "at": "2026-03-01T12:00:00Z", "inner": {"id": "x"}, "new": [1]}
    slow = read(**fields, flag="maybe")
    monkeypatch.setattr("zra_async.core.lenient._parse", lambda _: pytest.fail("the slow way"))
    assert read(**fields) == slow


def test_what_is_demanded_must_be_there() -> None:
    """An item without a field that has no default is left out of its list, and an answer without it is refused."""
    things = LenientDecoder(list[Demanding])
    assert things.decode(b'[{"id": "a", "n": "x"}, {"n": 1}, {"id": {}}]') == [Demanding("a")]
    with pytest.raises(ValueError, match="another shape"):
        LenientDecoder(Demanding).decode(b'{"n": 1}')


@pytest.mark.parametrize("data", [b"[]", b"5", b'"x"', b"null", b"true"])
def test_another_shape_is_an_error(data: bytes) -> None:
    """Only the outermost shape must be right."""
    with pytest.raises(ValueError, match="another shape"):
        DECODER.decode(data)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_byte_order_marks(encoding: str) -> None:
    """JSON in another encoding than UTF-8 is understood by its first bytes."""
    assert DECODER.decode('{"text": "ü"}'.encode(encoding)).text == "ü"


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["", "30", "true", "red", "2026-03-01T12:00:00Z", "\ud800", 10**400, 1e308, -1, 2**63]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)
FIELDS = [field.encode_name for field in msgspec.structs.fields(Everything)]


@given(st.dictionaries(st.sampled_from(FIELDS), JSON))
@example({"inners": [{"counts": 10**400}]})
def test_any_object_gives_an_answer(fields: dict[str, Any]) -> None:
    """Whatever stands in the fields of an object: an answer, whose fields have their types, fit to be written again."""
    got = DECODER.decode(json.dumps(fields).encode())
    assert got.text is None or isinstance(got.text, str)
    assert got.number is None or type(got.number) is int
    assert got.at is None or got.at.utcoffset() is not None
    assert type(got.bare) is int
    assert all(isinstance(inner, Inner) for inner in got.inners)
    assert set(fields) >= {"text"} or got.text is None
    for text in (got.text, got.colour, *got.names):
        assert text is None or text.encode().decode() == text


@given(st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_give_an_answer_or_a_value_error(data: bytes) -> None:
    """No input raises anything but ValueError."""
    try:
        assert isinstance(DECODER.decode(data), Everything)
    except ValueError as problem:
        assert type(problem) is ValueError


def test_only_the_odd_record_of_a_page_is_read_value_by_value(monkeypatch: pytest.MonkeyPatch) -> None:
    """One odd value must not make a page of hundreds slow: the other records are decoded as ever."""
    mended: list[object] = []
    mend = lenient._mend  # pyright: ignore[reportPrivateUsage]

    def noted(value: object, info: object) -> object:
        if isinstance(value, dict) and "conversation_id" in value:
            mended.append(value["conversation_id"])
        return mend(value, info)

    monkeypatch.setattr(lenient, "_mend", noted)
    rows = [{"conversation_id": f"c{n}", "duration": "soon" if n == 7 else n} for n in range(300)]
    page = LenientDecoder(ConversationPage).decode(msgspec.json.encode({"conversations": rows}))
    assert [row.duration for row in page.conversations] == [None if n == 7 else n for n in range(300)]
    assert mended == ["c7"]


@pytest.mark.parametrize("text", [b'"\\ud83d"', b'"\xed\xa0\xbd"'], ids=["escaped", "bytes"])
def test_half_a_character_in_a_record_becomes_a_question_mark(text: bytes) -> None:
    """A lone surrogate could not be written again; the record next to an odd one loses nothing else."""
    data = b'{"conversations": [{"conversation_topic": ' + text + b', "duration": 3}, {"duration": "soon"}]}'
    page = LenientDecoder(ConversationPage).decode(data)
    assert (page.conversations[0].conversation_topic or "").strip("?") == ""
    assert page.conversations[0].duration == 3
