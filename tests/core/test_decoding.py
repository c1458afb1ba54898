"""Decoding forgives single fields and names them; anything larger that cannot be read is an error."""

from __future__ import annotations

import json
import math
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from zra_async.api.conversations.models import ConversationPage
from zra_async.api.schema import Instant, Model, Number, OpenEnum
from zra_async.core.decoding import Decoded, Decoder
from zra_async.core.repair import Repair


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
    amount: Number | None = None
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


DECODER = Decoder(Everything)


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
        ("text", "\ud800", "\ufffd"),
        ("text", 10**30, str(10**30)),
        ("number", "30", 30),
        ("number", " 30 ", 30),
        ("number", 30.0, 30),
        ("number", 30.9, None),
        ("number", "30.9", None),
        ("number", "1e3", 1000),
        ("number", "9007199254740993", 9007199254740993),
        ("number", "", None),
        ("number", "many", None),
        ("number", True, None),
        ("number", "1_000", None),
        ("number", "9" * 5000, None),
        ("number", [], None),
        ("number", 10**30, 10**30),
        ("number", math.inf, None),
        ("number", math.nan, None),
        ("share", "0.5", 0.5),
        ("share", 1, 1.0),
        ("share", 10**400, None),
        ("share", math.nan, None),
        ("share", math.inf, None),
        ("share", "nan", None),
        ("share", True, None),
        ("amount", 1000000, 1000000),
        ("amount", 1000000.75, 1000000.75),
        ("amount", "1000000.75", 1000000.75),
        ("amount", "9007199254740993", 9007199254740993),
        ("amount", 2**70 + 1, 2**70 + 1),
        ("amount", "1,000.5", None),
        ("amount", math.nan, None),
        ("amount", True, None),
        ("amount", "", None),
        ("share", "", None),
        ("flag", "true", True),
        ("flag", "FALSE", False),
        ("flag", 1, True),
        ("flag", 0, False),
        ("flag", "maybe", None),
        ("flag", 2, None),
        ("flag", "", None),
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
        ("at", "1772366400", NOON),
        ("at", "1772366400000", NOON),
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
        ("inners", [{"id": "a"}, {"id": "b", "new": 1, "counts": []}, {}], (Inner(id="a"), Inner(id="b"), Inner())),
        ("inners", None, ()),
        ("names", ["a", 1, None, "b"], ("a", "1", "b")),
        ("names", None, ()),
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
    monkeypatch.setattr("zra_async.core.decoding._parse", lambda _: pytest.fail("the slow way"))
    assert read(**fields) == slow


def test_what_is_demanded_must_be_there() -> None:
    """An item without a field that has no default is an error, and so is an answer without it."""
    things = Decoder(list[Demanding])
    assert things.decode(b'[{"id": "a", "n": "x"}]') == [Demanding("a")]
    for data in (b'[{"id": "a"}, {"n": 1}]', b'[{"id": "a"}, {"id": {}}]'):
        with pytest.raises(ValueError, match=r"another shape: \[1\]"):
            things.decode(data)
    with pytest.raises(ValueError, match="another shape"):
        Decoder(Demanding).decode(b'{"n": 1}')


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
    data = json.dumps(fields).encode()
    got = Decoder(Everything, forgive_containers=True).decode(data)
    try:
        assert msgspec.json.encode(DECODER.decode(data)) == msgspec.json.encode(got)
    except ValueError as problem:
        assert "another shape" in str(problem)
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
    repaired: list[object] = []
    item = Repair._item  # pyright: ignore[reportPrivateUsage]

    def noted(self: Repair, value: Any, info: Any) -> Any:
        repaired.append(value["conversation_id"])
        return item(self, value, info)

    monkeypatch.setattr(Repair, "_item", noted)
    rows = [{"conversation_id": f"c{n}", "duration": "soon" if n == 7 else n} for n in range(300)]
    read = Decoder(ConversationPage).read(msgspec.json.encode({"conversations": rows}))
    assert [row.duration for row in read.value.conversations] == [None if n == 7 else n for n in range(300)]
    assert repaired == ["c7"]
    assert read.dropped == ("conversations[7].duration",)


# --------------------------------------------------------------------------- what was given up


@pytest.mark.parametrize(
    ("data", "dropped"),
    [
        ({"number": 30.9}, "number"),
        ({"amount": True}, "amount"),
        ({"flag": 2}, "flag"),
        ({"at": "soon"}, "at"),
        ({"text": {"a": 1}}, "text"),
        ({"colour": []}, "colour"),
        ({"share": math.nan}, "share"),
        ({"from": []}, "from"),
        ({"inner": {"counts": 0.5}}, "inner.counts"),
        ({"inners": [{}, {"counts": "x"}]}, "inners[1].counts"),
        ({"names": ["a", None]}, "names[1]"),
        ({"by_name": {"a": "x"}}, "by_name.a"),
        ({"text": "a\ud800b"}, "text"),
        ({"inners": [{"id": "a\ud800b"}]}, "inners[0].id"),
    ],
)
def test_a_field_that_is_given_up_is_named(data: dict[str, Any], dropped: str) -> None:
    """Each field that cannot be read is told by its path, and nothing else is."""
    assert DECODER.read(json.dumps(data).encode()).dropped == (dropped,)


@pytest.mark.parametrize(
    "data",
    [
        {"number": "30", "amount": "5", "flag": "true", "text": 5, "at": 1772366400, "share": "0.5"},
        {"number": "", "amount": " ", "flag": "", "at": "", "day": "", "share": ""},
        dict.fromkeys(("text", "number", "amount", "flag", "at", "inner", "inners", "names", "bare")),
        {"new": {"of": "another", "kind": [1]}, "text": "a"},
    ],
    ids=["converted", "blank", "null", "unknown"],
)
def test_what_loses_nothing_is_not_counted(data: dict[str, Any]) -> None:
    """A value of another type, nothing at all, and a field that is not known are no loss."""
    assert DECODER.read(json.dumps(data).encode()).dropped == ()


@pytest.mark.parametrize("wrong", [{}, {"0": {}}, "x", "", 5, 0.5, True, False])
def test_a_list_that_is_none_is_an_error(wrong: object) -> None:
    """An object, a text or a number where a list is due never reads as an empty list."""
    for name in ("inners", "names"):
        with pytest.raises(ValueError, match=f"another shape: {name} is .* where a list is due"):
            read(**{name: wrong})


@pytest.mark.parametrize("wrong", [[], [{}], "x", "", 5, True])
def test_an_object_that_is_none_is_an_error(wrong: object) -> None:
    """A list, a text or a number where an object is due never reads as nothing."""
    for name in ("inner", "by_name"):
        with pytest.raises(ValueError, match=f"another shape: {name} is .* where an object is due"):
            read(**{name: wrong})


@pytest.mark.parametrize("wrong", [None, [], "x", 5, True])
def test_an_item_that_is_none_is_an_error(wrong: object) -> None:
    """A list never gets shorter in silence: an item that is no object is an error which names it."""
    with pytest.raises(ValueError, match=r"another shape: inners\[1\]"):
        read(inners=[{"id": "a"}, wrong, {"id": "b"}])
    forgiving = Decoder(Everything, forgive_containers=True)
    assert forgiving.decode(json.dumps({"inners": [wrong, {"id": "b"}]}).encode()).inners == (Inner(id="b"),)


@pytest.mark.parametrize("wrong", [{}, [], True, "a\ud800"])
def test_a_page_token_is_never_given_up(wrong: object) -> None:
    """A list whose token cannot be read would end too early."""
    with pytest.raises(ValueError, match="another shape: next_page_token cannot be read"):
        Decoder(ConversationPage).read(json.dumps({"conversations": [], "next_page_token": wrong}).encode())


# --------------------------------------------------------------------------- damaged texts


def page_with(text: bytes, name: bytes = b"conversation_topic") -> Decoded[ConversationPage]:
    """Decode a page whose second of three records has this text."""
    rows = b'{"conversation_id": "a"}, {"' + name + b'": "' + text + b'", "duration": 3}, {"conversation_id": "c"}'
    return Decoder(ConversationPage).read(b'{"next_page_token": "t", "conversations": [' + rows + b"]}")


@pytest.mark.parametrize(
    ("text", "mended"),
    [
        (b"a\xffb", "a\ufffdb"),
        (b"a\xc3", "a\ufffd"),
        (b"a\xed\xa0\xbdb", "a\ufffdb"),
        (b"a\xf5\x80\x80\x80b", "a\ufffdb"),
        (b"a\\ud83db", "a\ufffdb"),
        (b"a\\ude00\\ud83db", "a\ufffdb"),
        (b"a\\u12", "a\ufffd12"),
        (b"a\\xb", "a\ufffdxb"),
        (b"a\\u", "a\ufffd"),
        (b"a\\q\\ud83d\\ude00", "a\ufffdq\U0001f600"),
    ],
)
def test_a_damaged_text_costs_itself(text: bytes, mended: str) -> None:
    """A byte that is no UTF-8, half a character or a broken escape costs that place of the text, and is counted."""
    read = page_with(text)
    assert read.value.conversations[1].conversation_topic == mended
    assert read.dropped == ("conversations[1].conversation_topic",)
    assert [row.conversation_id for row in read.value.conversations] == ["a", "", "c"]
    assert read.value.conversations[1].duration == 3


@pytest.mark.parametrize("text", [b"a\x01b", b"a\nb", b"a\tb", b"a\x00b", b"a\x7fb", b"a\\u0000b"])
def test_control_characters_are_characters(text: bytes) -> None:
    """A control character in a text costs nothing."""
    read = page_with(text)
    topic = read.value.conversations[1].conversation_topic or ""
    assert (topic[0], topic[-1], len(topic)) == ("a", "b", 3)
    assert read.dropped == ()


@pytest.mark.parametrize("name", [b"conversation_id", b"meeting_uuid", b"host_id"])
def test_a_damaged_id_is_no_id(name: bytes) -> None:
    """An id with a damaged character would name something else: it is given up whole."""
    read = page_with(b"a\xffb", name)
    assert not getattr(read.value.conversations[1], name.decode())
    assert read.dropped == (f"conversations[1].{name.decode()}",)


def test_a_damaged_name_is_counted() -> None:
    """The name of a field of an item may be that of any field; that of a list or of a page's own field is an error."""
    for name in (b"conversation_t\xffpic", b"conversation_t\\ud800pic", b"conversation_t\\xpic"):
        assert page_with(b"x", name).dropped == ("conversations[1].?",)
    for data in (b'{"conversat\xffons": [{}]}', b'{"next_page_t\xffken": "x"}', b'{"conversat\\ud800ns": [{}]}'):
        with pytest.raises(ValueError, match="another shape"):
            Decoder(ConversationPage).read(data)
    with pytest.raises(ValueError, match="another shape"):
        DECODER.read(b'{"inn\xffrs": [{}]}')


@pytest.mark.parametrize("name", [b"conversations", b"next_page_token"])
def test_a_damaged_name_of_a_large_page_is_an_error(name: bytes) -> None:
    """However long a page is, it loses neither its list nor its token in silence."""
    topics = b",".join(b'{"conversation_id": "a", "topic": "M\xc3\xbcller"}' for _ in range(1_000))
    page = b'{"next_page_token": "t", "page_size": 300, "from": "a", "to": "b", "conversations": [' + topics + b"]}"
    assert len(Decoder(ConversationPage).read(page).value.conversations) == 1_000
    with pytest.raises(ValueError, match="another shape"):
        Decoder(ConversationPage).read(page.replace(name[:-2], name[:-3] + b"\xff", 1))


def test_a_charset_that_is_named_counts_only_where_it_is_needed() -> None:
    """An answer in the charset of its header is read in it; one in UTF-8 is UTF-8, whatever its header says."""
    german = '{"text": "Müller"}'
    for data in (german.encode("latin-1"), german.encode()):
        read = DECODER.read(data, "application/json; charset=ISO-8859-1")
        assert (read.value.text, read.dropped) == ("Müller", ())
    for content_type in ("", "application/json", "text/plain; charset=utf-8", "text/plain; charset=klingon"):
        assert DECODER.read(german.encode("latin-1"), content_type).dropped == ("text",)


def test_of_a_name_that_comes_twice_the_last_counts() -> None:
    """Both ways of decoding agree on it."""
    for odd in (b"1", b'"x"'):
        assert DECODER.decode(b'{"text": "a", "number": ' + odd + b', "text": "b"}').text == "b"


@pytest.mark.parametrize("field", ["number", "amount", "share"])
def test_numbers_out_of_range_cost_their_field(field: str) -> None:
    """A number that is none, or that no machine can hold, is given up."""
    for text in (b"NaN", b"-Infinity", b"1e400", b"9" * 5000, b"1" + b"0" * 5000 + b".5"):
        read = DECODER.read(b'{"text": "a", "' + field.encode() + b'": ' + text + b"}")
        assert (getattr(read.value, field), read.value.text, read.dropped) == (None, "a", (field,))


@given(st.integers(-(2**80), 2**80), st.sampled_from(["{}", '"{}"', "{}.0", "{}e0", '"{}.0"']), st.booleans())
def test_whole_numbers_keep_all_their_digits(number: int, form: str, odd: bool) -> None:
    """However a whole number is written, and whatever stands beside it, it does not pass through a float."""
    beside = ', "flag": "maybe"' if odd else ""
    read = DECODER.decode(f'{{"number": {form.format(number)}{beside}}}'.encode())
    assert read.number == number
