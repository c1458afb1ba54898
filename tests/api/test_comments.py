"""Comments: arguments on the wire, checks before it, answers read back."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.api.conftest import RecordingCaller
from zra_async.api.conversations.comments import OPERATIONS, Comments
from zra_async.errors import InvalidArgument


@pytest.fixture
def comments(caller: RecordingCaller) -> Comments:
    return Comments(caller)


async def test_list(comments: Comments, caller: RecordingCaller) -> None:
    """A list is that of one conversation, with who is mentioned."""
    page = await comments.list("c,1", page_size=7, cursor="next")
    assert caller.sent.target == "/zra/conversations/c%2C1/comments?page_size=7&next_page_token=next"
    (comment,) = page.items
    assert comment.mention_users[0].user_name == "John Smith"
    assert comment.mention_teams[0].team_name == "John's team"
    assert comment.created_time == datetime(2022, 3, 22, 5, 59, 9, tzinfo=UTC)
    assert comment.time_in_recording == "00:00:10"


async def test_add_sends_its_fields(comments: Comments, caller: RecordingCaller) -> None:
    """All fields stand in the body, and the stored comment comes back."""
    comment = await comments.add(
        "c",
        comment="Nicely done!",
        mention_user_ids=["u"] * 50,
        mention_team_ids=("t",) * 50,
        is_private=False,
        parent_comment_id="p",
        time_in_recording="00:00:10",
    )
    assert comment.id == "7c8b7301-d32b-4850-92c7-ea9f5a40fd39"
    assert caller.body == {
        "comment": "Nicely done!",
        "mention_user_ids": ["u"] * 50,
        "mention_team_ids": ["t"] * 50,
        "is_private": False,
        "parent_comment_id": "p",
        "time_in_recording": "00:00:10",
    }


async def test_add_sends_no_more_than_given(comments: Comments, caller: RecordingCaller) -> None:
    """The text alone is enough."""
    await comments.add("c", comment="Hm.")
    assert caller.body == {"comment": "Hm."}


@pytest.mark.parametrize(
    "arguments",
    [
        {"comment": ""},
        {"comment": " \n"},
        {"comment": None},
        {"mention_user_ids": ["u"] * 51},
        {"mention_team_ids": ["t"] * 51},
        {"mention_user_ids": "u"},
        {"mention_team_ids": ["t", " "]},
        {"mention_user_ids": [None]},
        {"parent_comment_id": ""},
        {"time_in_recording": ""},
        {"conversation_id": ""},
    ],
    ids=lambda arguments: str(arguments)[:40],
)
async def test_add_refuses(comments: Comments, caller: RecordingCaller, arguments: dict[str, Any]) -> None:
    """A comment that breaks a documented limit is refused before anything is sent."""
    with pytest.raises(InvalidArgument):
        await comments.add(**{"conversation_id": "c", "comment": "x", **arguments})
    assert not caller.requests


async def test_update_sends_what_changes(comments: Comments, caller: RecordingCaller) -> None:
    """Only what is given travels; an empty list takes the mentions away."""
    await comments.update("c", "k/1", mention_user_ids=[])
    assert caller.sent.target == "/zra/conversations/c/comments/k%252F1"
    assert caller.body == {"mention_user_ids": []}


async def test_update_sends_all_fields(comments: Comments, caller: RecordingCaller) -> None:
    """Every field of a change has its argument."""
    await comments.update(
        "c", "k", comment="x", mention_user_ids=["u"], mention_team_ids=["t"], time_in_recording="00:01:00"
    )
    assert caller.body == {
        "comment": "x",
        "mention_user_ids": ["u"],
        "mention_team_ids": ["t"],
        "time_in_recording": "00:01:00",
    }


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"comment": ""},
        {"comment": None},
        {"mention_user_ids": ["u"] * 51},
        {"mention_team_ids": [""]},
        {"time_in_recording": " "},
        {"conversation_id": " ", "comment": "x"},
        {"comment_id": "", "comment": "x"},
    ],
    ids=lambda arguments: str(arguments)[:40] if arguments else "nothing to change",
)
async def test_update_refuses(comments: Comments, caller: RecordingCaller, arguments: dict[str, Any]) -> None:
    """A change without content, or one that breaks a limit, is refused before anything is sent."""
    with pytest.raises(InvalidArgument):
        await comments.update(**{"conversation_id": "c", "comment_id": "k", **arguments})
    assert not caller.requests


async def test_delete(comments: Comments, caller: RecordingCaller) -> None:
    """Deleting names conversation and comment, and sends no body."""
    await comments.delete("c", "k")
    assert (caller.sent.operation.method, caller.sent.target) == ("DELETE", "/zra/conversations/c/comments/k")
    assert caller.sent.body is None


@pytest.mark.parametrize("blank", ["", " "])
async def test_blank_ids_are_refused(comments: Comments, caller: RecordingCaller, blank: str) -> None:
    """A blank id is refused before anything is sent, in a list when it is begun."""
    for arguments in ((blank, "k"), ("c", blank)):
        with pytest.raises(InvalidArgument):
            await comments.delete(*arguments)
    with pytest.raises(InvalidArgument):
        comments.list(blank)
    assert not caller.requests


def test_only_adding_is_unsafe_to_repeat() -> None:
    """A comment that was added twice stands there twice; everything else sets an absolute state."""
    assert [row.name for row in OPERATIONS if not row.retry_safe] == ["comments.add"]
