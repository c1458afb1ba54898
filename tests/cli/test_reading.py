"""``zra list``, ``get`` and ``call`` against an account in another process."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Invoke
from zra_async.api.registry import OPERATIONS
from zra_async.cli.commands.resources import LISTS, SINGLES


@pytest.fixture
def ids(served: Invoke) -> dict[str, str]:
    """One id of each kind of thing."""
    first = {kind: served("list", kind, "--limit", "1").rows[0] for kind in ("conversations", "deals", "teams")}
    return {
        "conversation": first["conversations"]["conversation_id"],
        "deal": first["deals"]["deal_id"],
        "team": first["teams"]["team_id"],
        "user": first["conversations"]["host_id"],
    }


def test_every_list_can_be_printed(served: Invoke, ids: dict[str, str]) -> None:
    """Each resource of ``zra list`` works with its id, and its columns are fields of the answer."""
    owner = {"activities": "deal", "members": "team", "managers": "team", "playlists": "user"}
    of_conversation = {"comments", "speakers", "analysis", "scorecards"}
    for name, row in LISTS.items():
        kind = "conversation" if name in of_conversation else owner.get(name)
        ended = served("list", name, *([ids[kind]] if kind else []), "--json")
        assert (ended.code, ended.err) == (0, ""), name
        for item in ended.rows:
            assert set(row.columns) <= set(item), name


def test_single_things_can_be_printed(served: Invoke, ids: dict[str, str]) -> None:
    """What has an id is found by it, put together from all pages where there are several."""
    assert set(SINGLES) >= {"conversation", "interactions", "analysis", "deal", "team"}
    for name in ("conversation", "interactions", "analysis", "deal", "team"):
        kind = name if name in ids else "conversation"
        ended = served("get", name, ids[kind])
        assert (ended.code, len(ended.rows)) == (0, 1), name
    assert served("get", "deals", ids["deal"]).rows[0]["deal_id"] == ids["deal"]


def test_ids_come_from_stdin_and_answers_in_their_order(served: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    """``-`` reads ids, one a line; an id that is not there is told, the others are printed, and the code is 3."""
    names = [row["conversation_id"] for row in served("list", "conversations", "--fields", "conversation_id").rows]
    monkeypatch.setattr(
        "sys.stdin", io.TextIOWrapper(io.BytesIO("\n".join([*names[:5], "nowhere", *names[5:]]).encode()))
    )
    ended = served("get", "conversation", "-", "--fields", "conversation_id")
    assert [row["conversation_id"] for row in ended.rows] == names
    assert ended.code == 3
    assert "nowhere: conversations.get: HTTP 404" in ended.err


def test_one_unknown_id_is_an_error(served: Invoke) -> None:
    """A single thing that is not there ends with 1 and prints nothing."""
    ended = served("get", "deal", "nowhere")
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.startswith("error: deals.get: HTTP 404, code 1005")


def test_filters_are_those_of_the_api(served: Invoke) -> None:
    """A filter narrows the list, and a time is read as one."""
    all_rows = served("list", "conversations").rows
    phone = served("list", "conversations", "conversation_type=phone").rows
    assert 0 < len(phone) < len(all_rows)
    assert {row["conversation_type"] for row in phone} == {"phone"}
    newest = all_rows[0]["meeting_start_time"]
    assert len(served("list", "conversations", f"from={newest}").rows) == 1


def test_all_pages_are_read(served: Invoke) -> None:
    """A small page size only makes more calls; ``--limit`` stops in the middle of a page."""
    assert len(served("list", "conversations", "page_size=5").rows) == 12
    assert len(served("list", "conversations", "page_size=5", "--limit", "7").rows) == 7


def test_fields_are_chosen_and_reached_into(served: Invoke) -> None:
    """``--fields`` keeps the order that was asked for, and a dot reaches into a record."""
    rows = served("list", "deals", "--fields", "deal_name,deal_id,customer_contact.x", "--limit", "1").rows
    assert list(rows[0]) == ["deal_name", "deal_id", "customer_contact.x"]


def test_a_field_that_is_not_there_is_told_once(served: Invoke) -> None:
    """A misspelt field is null in every row, and a line on stderr says so with the name that was meant."""
    ended = served("list", "deals", "--fields", "deal_id,deal_nam", "--limit", "3")
    assert (ended.code, [row["deal_nam"] for row in ended.rows]) == (0, [None] * 3)
    assert ended.err.count("no field is called 'deal_nam'; did you mean deal_name?") == 1
    assert served("list", "deals", "--fields", "deal_name,customer_contact.x", "--limit", "1").err == ""


def test_a_table_when_asked_for(served: Invoke) -> None:
    """``--format table`` makes one even where stdout is no terminal, without cutting anything."""
    table = served("list", "teams", "--format", "table").out.splitlines()
    assert table[0].split()[:3] == ["team_id", "name", "type"]
    assert len({len(line.split("  ")[0]) for line in table[1:]}) == 1
    assert "…" not in "".join(table)


def test_every_operation_is_listed() -> None:
    """All 75 are there, with what they take."""
    assert len(OPERATIONS) == 75


def test_operations_and_streams_are_listed_without_an_account(invoke: Invoke) -> None:
    """What can be called and exported is known without credentials."""
    rows = invoke("list", "operations").rows
    assert {row["name"] for row in rows} == set(OPERATIONS)
    get = next(row for row in rows if row["name"] == "conversations.list")
    assert get["takes"][:2] == ["host_id?", "participant_id?"]
    streams = {row["stream"]: row for row in invoke("list", "streams").rows}
    assert streams["transcripts"]["costs"] == "1 LIGHT + 1 MEDIUM a conversation, 1 MEDIUM a page"


def test_any_operation_by_name(served: Invoke, ids: dict[str, str]) -> None:
    """A call takes the arguments of the method and prints its answer; nothing to print is said."""
    got = served("call", "conversations.get", f"conversation_id={ids['conversation']}").rows
    assert got[0]["conversation_id"] == ids["conversation"]
    page = served("call", "conversations.list", "page_size=2").rows[0]
    assert len(page["conversations"]) == 2
    assert page["next_page_token"]
    team = served("call", "teams.create", "team_name=Made by a test").rows[0]["added_team_id"]
    deleted = served("call", "teams.delete", f"team_id={team}")
    assert (deleted.code, deleted.out) == (0, "")
    assert "done: DELETE /zra/team/{team_id}" in deleted.err


def test_all_pages_of_a_call(served: Invoke) -> None:
    """``--all`` prints the items of every page, and is refused where there are none."""
    assert len(served("call", "conversations.list", "page_size=5", "--all").rows) == 12
    assert served("call", "deals.get", "deal_id=x", "--all").code == 2


def test_an_answer_as_it_came(served: Invoke) -> None:
    """``--raw`` gives the body untouched and the status beside it; with ``--all`` one body a page."""
    raw = served("call", "conversations.list", "page_size=5", "--raw")
    assert list(raw.rows[0])[:2] == ["page_size", "next_page_token"]
    assert raw.err.startswith("HTTP 200, tracking id v=2.0")
    pages = served("call", "conversations.list", "page_size=5", "--raw", "--all").rows
    assert [len(page["conversations"]) for page in pages] == [5, 5, 2]
    assert served("call", "conversations.list", "page_size=0", "--raw").code == 2


def test_a_call_that_was_cut_in_pieces_shows_each(served: Invoke) -> None:
    """More ids than one call takes make two, and so two raw answers; unknown ids are not an error of the call."""
    served("call", "crm.register", "crm_type=t1", "deal_stages:=" + json.dumps(STAGES))
    names = ",".join(f"a{n}" for n in range(101))
    assert len(served("call", "crm.accounts.get", f"ids={names}", "--raw").rows) == 2
    several = served("get", "crm-account", "a1", "a2")
    assert (several.code, several.out) == (3, "")
    assert "not found: 2 of 2" in several.err
    assert served("call", "crm.unregister", "remove_all=true").code == 0


STAGES: list[dict[str, Any]] = [
    {"stage_name": "Open"},
    {"stage_name": "Won", "stage_type": "CLOSED_WON"},
    {"stage_name": "Lost", "stage_type": "CLOSED_LOST"},
]


def test_a_deprecated_operation_says_so(served: Invoke, ids: dict[str, str]) -> None:
    """The ``/iq`` twin is called, and its replacement named, raw or not."""
    for raw in ([], ["--raw"]):
        ended = served("call", "legacy.conversations.get", f"conversation_id={ids['conversation']}", *raw)
        assert ended.code == 0
        assert ended.err.startswith(
            "note: GET /iq/conversations/{conversation_id} is deprecated; conversations.get replaces it"
        )


def test_bytes_from_a_file_are_uploaded(served: Invoke, tmp_path: Path) -> None:
    """A raw operation of the file host takes its content from a file."""
    (tmp_path / "a.mp4").write_bytes(b"\0" * 1000)
    ended = served("call", "files.upload_single", f"content=@{tmp_path}/a.mp4", "file_name=a.mp4")
    assert ended.rows[0]["file_id"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["list", "conversation", "x=1"], "conversations.list takes no 'x'"),
        (["list", "emails"], "zra list knows no 'emails'"),
        (["list", "comment"], "give the conversation_id: zra list comment CONVERSATION_ID"),
        (["get", "dael", "x"], "did you mean 'deal'?"),
        (["get", "deal"], "give at least one id"),
        (["get", "crm-registration", "x"], "takes no id"),
        (["call", "conversations.gte"], "did you mean conversations.get"),
        (["call", "conversations.get"], "needs conversation_id"),
        (["list", "deals", "--json", "--format", "table"], "exclude each other"),
        (["list", "deals", "page_size=0"], "page_size must be a whole number from 1 to 300"),
    ],
)
def test_mistakes_end_with_2(served: Invoke, arguments: list[str], words: str) -> None:
    """A wrong command line is told without anything being printed."""
    ended = served(*arguments)
    assert (ended.code, ended.out) == (2, "")
    assert words in ended.err
