"""Participants in a cell: the notations of mail programs are read, and what is no person is told."""

from __future__ import annotations

from email.utils import formataddr

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zra_async.bulk.tables.people import Person, mail_or_id, people
from zra_async.errors import InvalidArgument

JANE, RICK = Person("Doe, Jane", "jane@x.com"), Person("Roe, Rick", "rick@x.com")

READ: list[tuple[str, list[Person]]] = [
    ("jane@x.com", [Person(address="jane@x.com")]),
    ("<jane@x.com>", [Person(address="jane@x.com")]),
    ("'jane@x.com'", [Person(address="jane@x.com")]),
    ("mailto:jane@x.com", [Person(address="jane@x.com")]),
    ("Jane <jane@x.com>", [Person("Jane", "jane@x.com")]),
    ("Jane<jane@x.com>", [Person("Jane", "jane@x.com")]),
    ("'Jane Doe' <jane@x.com>", [Person("Jane Doe", "jane@x.com")]),
    ("jane@x.com <jane@x.com>", [Person(address="jane@x.com")]),
    ('"jane@x.com" <jane@x.com>', [Person(address="jane@x.com")]),
    ("Jane <MAILTO:jane%2Bz@x.com?subject=hi>", [Person("Jane", "jane+z@x.com")]),
    ("Jane [jane@x.com]", [Person("Jane", "jane@x.com")]),
    ("jane@x.com (Jane Doe)", [Person("Jane Doe", "jane@x.com")]),
    ("Jane Doe (jane@x.com)", [Person("Jane Doe", "jane@x.com")]),
    ("Jane <jane@x.com> (Sales; EMEA, Asia)", [Person("Jane", "jane@x.com")]),
    ('"Doe, Jane" <jane@x.com>', [JANE]),
    ("“Doe, Jane” <jane@x.com>", [JANE]),
    ("Doe, Jane <jane@x.com>", [JANE]),
    ("Doe, Jane (jane@x.com)", [JANE]),
    ("Doe, Jane <jane@x.com>; Roe, Rick <rick@x.com>", [JANE, RICK]),
    ("Doe, Jane <jane@x.com>, Roe, Rick <rick@x.com>", [JANE, RICK]),
    ("Doe, Jane <jane@x.com>\r\nRoe, Rick <rick@x.com>\n", [JANE, RICK]),
    ("Doe, Jane; Roe, Rick", [Person("Doe, Jane"), Person("Roe, Rick")]),
    ("Doe, Jane；Roe, Rick", [Person("Doe, Jane"), Person("Roe, Rick")]),
    ("a@x.com, b@x.com;c@x.com\nd@x.com", [Person(address=f"{name}@x.com") for name in "abcd"]),
    ("a@x.com b@x.com", [Person(address="a@x.com"), Person(address="b@x.com")]),
    ("Ann <a@x.com>, b@x.com, Carl", [Person("Ann", "a@x.com"), Person(address="b@x.com"), Person("Carl")]),
    ("Ann; Bob", [Person("Ann"), Person("Bob")]),
    ("Bob (Sales)", [Person("Bob (Sales)")]),
    ("Bob O'Neil", [Person("Bob O'Neil")]),
    (" ;; Ann ; , ;", [Person("Ann")]),
    ("=?utf-8?q?J=C3=BCrgen?= <j@x.com>", [Person("Jürgen", "j@x.com")]),
    ("Jürgen\u00a0 Müller <j@x.com>", [Person("Jürgen Müller", "j@x.com")]),
    ('"O\'Hara, \\"Bob\\"" <b@x.com>', [Person('O\'Hara, "Bob"', "b@x.com")]),
    ("\ufeffAnn <a@x.com>", [Person("Ann", "a@x.com")]),
    (" ; ", []),
]


@pytest.mark.parametrize(("cell", "found"), READ)
def test_the_usual_notations_are_read(cell: str, found: list[Person]) -> None:
    """Names, addresses or both, one or several, with quotes, comments, mailto and any separator."""
    assert people(cell) == found


@pytest.mark.parametrize(
    "cell",
    [
        "Jane <>", "Jane <jane>", "Jane <jane@>", "@jane", "a@b@c", "Jane Doe jane@x.com", "Team: a@x.com, b@x.com;",
        '"unclosed <a@x.com>', "Jane <a@x.com", "Jane (a@x.com", "a@x.com> Jane", '""', "(nobody)", "<jane",
        "Ann, Bob", "Doe, Jane", "Ann, b@x.com", "A, B, C <c@x.com>", "a@x.com Bob <b@x.com>", "a@x.com, Doe, Jane",
    ],
)  # fmt: skip
def test_what_is_no_person_or_may_be_two_is_told(cell: str) -> None:
    """Nothing is guessed: the problem names the text and says how to write it."""
    with pytest.raises(InvalidArgument) as problem:
        people(cell)
    assert len(str(problem.value)) < 300


NAMES = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")) | st.just(" "), min_size=1, max_size=20)
ADDRESSES = st.from_regex(r"[a-z0-9._+-]{1,12}@[a-z0-9-]{1,12}(\.[a-z]{2,5}){0,2}", fullmatch=True)


@given(
    st.lists(st.tuples(NAMES, ADDRESSES), min_size=1, max_size=8), st.sampled_from([", ", ";", "\n", ",\r\n", " ; "])
)
def test_what_a_mail_program_writes_is_read_back(pairs: list[tuple[str, str]], separator: str) -> None:
    """Quoted names of any characters come back with their addresses."""
    cell = separator.join(f'"{_escaped(name)}" <{address}>' for name, address in pairs)
    assert [(person.name, person.address) for person in people(cell)] == [
        (" ".join(name.split()), address) for name, address in pairs
    ]


def _escaped(name: str) -> str:
    return name.replace("\\", "\\\\").replace('"', '\\"')


@given(st.lists(st.tuples(st.from_regex(r"[A-Z][a-z]{1,8}( [A-Z][a-z]{1,8})?", fullmatch=True), ADDRESSES), max_size=6))
def test_formataddr_is_understood(pairs: list[tuple[str, str]]) -> None:
    """What the standard library writes is read as the standard library means it."""
    assert [(p.name, p.address) for p in people(", ".join(map(formataddr, pairs)))] == pairs


@given(st.text(max_size=80))
def test_any_text_is_read_or_refused(text: str) -> None:
    """No cell raises anything else, and nobody comes out without a name and an address."""
    try:
        found = people(text)
    except InvalidArgument:
        return
    assert all(person.shown.strip() for person in found)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("IGTRVt3gQ2i-WjoUIjeZxw", "IGTRVt3gQ2i-WjoUIjeZxw"),
        ("me", "me"),
        ("jane@x.com", "jane@x.com"),
        ("Jane <jane@x.com>", "jane@x.com"),
        ("mailto:jane@x.com", "jane@x.com"),
        ("Doe, Jane <jane@x.com>", "jane@x.com"),
    ],
)
def test_a_host_is_an_id_or_a_mail_address(text: str, found: str) -> None:
    """A host may be written like a participant; only the address counts."""
    assert mail_or_id("host_id", text) == found


@pytest.mark.parametrize("text", ["Jane Doe", "a@x.com; b@x.com", "Jane <jane>", "Jane <>"])
def test_a_host_that_is_neither_is_told(text: str) -> None:
    """A name alone, and several people, are no host."""
    with pytest.raises(InvalidArgument):
        mail_or_id("host_id", text)
