"""Ids as people have them: lines, JSON lines of ``zra list``, CSV, with a byte order mark, with quotes."""

from __future__ import annotations

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cli.conftest import Invoke
from zra_async.cli.arguments.ids import given_ids, ids_in
from zra_async.cli.failures import UsageProblem

FIRST, SECOND = "egLSRuj2SlWet+wLi87LNA==,1667893163000", "1a2b"
FIELD = "conversation_id"


@pytest.mark.parametrize(
    "text",
    [
        f"{FIRST}\n{SECOND}\n",
        f"{FIRST}\r\n\r\n  {SECOND}  ",
        f"{FIRST}\r{SECOND}\r",
        f"\"{FIRST}\"\n'{SECOND}'\n",
        f'"{FIRST}",\n"{SECOND}"\n',
        f"{FIRST},\n{SECOND};\n",
        f"\ufeff{FIRST}\n{SECOND}",
        f'{{"conversation_id":"{FIRST}","x":1}}\n{{"conversation_id":"{SECOND}"}}\n',
        json.dumps([{"conversation_id": FIRST}, {"conversation_id": SECOND}], indent=2),
        json.dumps([FIRST, SECOND]),
        f'{{"conversation_id":"{FIRST}"}},\n{{"conversation_id":"{SECOND}"}},\n',
        json.dumps({"page_size": 2, "conversations": [{"conversation_id": FIRST}, {"conversation_id": SECOND}]}),
        f'{{"id":"{FIRST}"}}{{"id":"{SECOND}"}}',
        f"conversation_id\n{FIRST}\n{SECOND}\n".replace(FIRST, f'"{FIRST}"'),
        f'topic,conversation_id\n"a, b","{FIRST}"\nc,{SECOND}\n',
        f"conversation_id;topic\r\n{FIRST};a\r\n{SECOND};b\r\n",
        f"topic\tconversation_id\nx\t{FIRST}\ny\t{SECOND}\n",
    ],
)
def test_ids_are_found_in_whatever_holds_them(text: str) -> None:
    """Lines, quotes, JSON in any arrangement, and CSV with a header give the same ids."""
    assert ids_in(text.removeprefix("\ufeff"), FIELD) == [FIRST, SECOND]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"{FIRST} {SECOND}\n", "line 1 on stdin holds more than an id"),
        ("conversation_id  meeting_start_time\n1a2b  2025\n", "the JSON lines of zra list, or CSV"),
        ('{"deal_id": "1"}\n', "no conversation_id in"),
        ('{"conversation_id": 5}\n', "no conversation_id in"),
        ('{"conversation_id": "1"}\n{"conversa', "cannot be read from line 2 on"),
        ("[" * 5000, "cannot be read from line 1 on"),
        ("[1]", "no conversation_id in 1"),
    ],
)
def test_what_holds_no_ids_is_told(text: str, words: str) -> None:
    """The message names the line or the field, and what would be read."""
    with pytest.raises(UsageProblem) as refused:
        ids_in(text, FIELD)
    assert words in str(refused.value)


@given(st.lists(st.from_regex(r"[A-Za-z0-9+/]{1,22}==(,[0-9]{1,13})?", fullmatch=True), min_size=1))
def test_every_notation_gives_the_ids_back(ids: list[str]) -> None:
    """Ids written as lines, JSON lines or CSV are read as they were."""
    assert ids_in("\n".join(ids), FIELD) == ids
    assert ids_in("\n".join(json.dumps({FIELD: one, "x": "y,z"}) for one in ids), FIELD) == ids
    table = io.StringIO()
    csv.writer(table).writerows([("x", FIELD), *(("a\tb", one) for one in ids)])
    assert ids_in(table.getvalue(), FIELD) == ids


def test_ids_of_a_crm_may_hold_anything() -> None:
    """An id with blanks is one id where the CRM makes them."""
    assert ids_in("Customer 5\nA 6\n", "crm_account_id") == ["Customer 5", "A 6"]


def test_ids_on_the_command_line_lose_their_quotes() -> None:
    """Each id is taken once; an empty one is told."""
    assert given_ids([FIRST, f"'{FIRST}'", SECOND], FIELD) == [FIRST, SECOND]
    for wrong in ([""], ["''"], [" "]):
        with pytest.raises(UsageProblem, match="an id is empty"):
            given_ids(wrong, FIELD)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "latin-1"])
def test_stdin_may_begin_with_a_byte_order_mark(encoding: str, served: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    """UTF-8 and UTF-16 with a mark are read; what is in another encoding is told to be."""
    listed = served("list", "conversations", "--limit", "2").out
    text = listed if encoding != "latin-1" else "Größe"
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode(encoding))))
    ended = served("get", "conversation", "-")
    if encoding in {"utf-16-le", "latin-1"}:
        assert (ended.code, ended.out) == (2, "")
        assert "the ids on stdin are not text in UTF-8" in ended.err
    else:
        assert (ended.code, len(ended.rows)) == (0, 2)
