"""Arguments from the command line: read by the types of the method, refused before anything is sent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.api.conftest import RecordingCaller
from zra_async.api.operations import Operations
from zra_async.api.registry import OPERATIONS
from zra_async.cli.arguments.values import arguments, instant, method_of, parameters_of
from zra_async.cli.failures import UsageProblem


def read(operation: str, *pairs: str) -> dict[str, Any]:
    """The arguments of an operation."""
    return arguments(OPERATIONS[operation], pairs)


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_can_be_called(name: str) -> None:
    """Each of the 75 has a method whose arguments and types are known."""
    row = OPERATIONS[name]
    assert callable(method_of(Operations(RecordingCaller()), row))
    assert all(parameter.kinds for parameter in parameters_of(row).values())


@pytest.mark.parametrize(
    ("pair", "expected"),
    [
        ("host_id=abc", {"host_id": "abc"}),
        ("host_id=a=b==", {"host_id": "a=b=="}),
        ("scored=true", {"scored": True}),
        ("scored=No", {"scored": False}),
        ("page_size=5", {"page_size": 5}),
        ("page-size=5", {"page_size": 5}),
        ("page_size:=5", {"page_size": 5}),
        ("from=2025-01-31", {"from_": datetime(2025, 1, 31, tzinfo=UTC)}),
        ("from=2025-01-31T10:00:00+01:00", {"from_": datetime(2025, 1, 31, 9, tzinfo=UTC)}),
        ('from:="2025-01-31T09:00:00Z"', {"from_": datetime(2025, 1, 31, 9, tzinfo=UTC)}),
        ("conversation_type=Phone", {"conversation_type": "phone"}),
        ("scored:=null", {"scored": None}),
    ],
)
def test_a_value_is_read_as_its_type_says(pair: str, expected: dict[str, Any]) -> None:
    """Texts, numbers, truths, times and fixed words come in the form that the method wants."""
    assert read("conversations.list", pair) == expected


def test_several_values_come_with_commas_or_repeated() -> None:
    """A list may be one value with commas, or its key several times, or JSON."""
    assert read("crm.accounts.get", "ids=a,b", "ids=c") == {"ids": ["a", "b", "c"]}
    assert read("crm.accounts.get", 'ids:=["a,b"]') == {"ids": ["a,b"]}


def test_a_whole_number_of_a_fixed_set_is_a_number() -> None:
    """Where the words are numbers, the value is one."""
    assert read("teams.unassigned_users", "team_type=1") == {"team_type": 1}


def test_values_come_from_files(tmp_path: Path) -> None:
    """``@`` takes bytes as bytes, text without its last line end, JSON as JSON and JSONL as a list."""
    (tmp_path / "a.bin").write_bytes(b"\xff\x00\n")
    (tmp_path / "a.txt").write_text("Größe\n", "utf-8")
    (tmp_path / "a.json").write_text('[{"crm_account_id": "1"}]')
    (tmp_path / "a.jsonl").write_text('{"n": 1}\n\n{"n": 2}\n')
    upload = read("files.upload_single", f"content=@{tmp_path}/a.bin", "file_name=x.mp4")
    assert upload["content"] == b"\xff\x00\n"
    assert read("teams.create", f"team_name=@{tmp_path}/a.txt") == {"team_name": "Größe"}
    assert read("crm.accounts.import_records", f"records:=@{tmp_path}/a.json") == {"records": [{"crm_account_id": "1"}]}
    assert read("crm.accounts.import_records", f"records:=@{tmp_path}/a.jsonl") == {"records": [{"n": 1}, {"n": 2}]}


@pytest.mark.parametrize(
    ("operation", "pairs", "words"),
    [
        ("conversations.get", [], "needs conversation_id"),
        ("conversations.list", ["hostid=1"], "did you mean host_id?"),
        ("conversations.list", ["from_date=1"], "it takes host_id?"),
        ("conversations.list", ["page_size=many"], "whole number"),
        ("conversations.list", ["scored=perhaps"], "true or false"),
        ("conversations.list", ["from=soon"], "from must be a time"),
        ("conversations.list", ["conversation_type=fax"], "one of all, meeting, phone"),
        ("conversations.list", ["host_id=a", "host_id=b"], "given twice"),
        ("conversations.list", ["phone"], "not key=value"),
        ("conversations.list", ["page_size:={"], "not JSON"),
        ("crm.accounts.import_records", ["records=a"], "records:=JSON"),
        ("crm.registration", ["x=1"], "takes no arguments"),
        ("teams.create", ["team_name=@nowhere"], "cannot be read"),
    ],
)
def test_mistakes_are_told_in_the_words_of_the_command_line(operation: str, pairs: list[str], words: str) -> None:
    """A wrong argument names itself and what would be right."""
    with pytest.raises(UsageProblem) as refused:
        read(operation, *pairs)
    assert words in str(refused.value)


@given(st.text().filter(lambda text: not text.startswith("@")))
def test_any_text_passes_as_it_is(text: str) -> None:
    """A text argument is neither split nor stripped, whatever it holds."""
    assert read("teams.create", f"team_name={text}") == {"team_name": text}


@given(st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=-7))])))
def test_any_time_comes_back(value: datetime) -> None:
    """A time that was written in ISO 8601 is read as the same instant."""
    assert instant("from", value.isoformat()) == value
