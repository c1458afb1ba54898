"""Comments: generated ones, and adding, editing and deleting them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.desk import Desk
from zra_async.sandbox.generated.times import write_time

LIST, ONE = "/conversations/{conversationId}/comments", "/conversations/{conversationId}/comments/{commentId}"


def conversation(desk: Desk, *, comments: int = 2) -> str:
    """Find a conversation that has so many comments."""
    return next(c.conversation_id for c in desk.world.newest_first() if len(desk.world.commentary.on(c)) == comments)


async def add(desk: Desk, name: str, **fields: Any) -> Any:
    answer = await desk.answer("POST", LIST, body={"comment": "Nicely done!"} | fields, conversationId=name)
    assert answer.status == 201
    return answer.body


async def test_generated_comments_are_plausible() -> None:
    """Authors and mentioned people are users of the account, a reply has a parent, ids are unique."""
    desk, seen = Desk(conversations=200), list[Any]()
    for each in desk.world.newest_first():
        found = await desk.every(LIST, "comments", {"page_size": "2"}, conversationId=each.conversation_id)
        assert len(found) == len(desk.truth.comments(each.conversation_id))
        own = {comment["id"] for comment in found}
        for comment in found:
            user = desk.world.user(comment["user_email"])
            assert user
            assert user.display_name == comment["user_name"]
            assert comment["parent_comment_id"] in {"", *own}
            assert comment["created_time"] <= comment["last_modified_time"] <= write_time(desk.clock.time())
        seen += found
    assert len({comment["id"] for comment in seen}) == len(seen) > 200
    for field in ("parent_comment_id", "is_private", "mention_users", "mention_teams"):
        assert any(comment[field] for comment in seen)


async def test_a_comment_is_added_edited_and_deleted() -> None:
    """The list follows each change, and mentions carry names."""
    desk = Desk()
    name, user, team = conversation(desk), desk.world.users[3], desk.account.teams.all()[0]
    mentions = {"mention_user_ids": [user.user_id], "mention_team_ids": [team.team_id]}
    made = await add(desk, name, is_private=True, time_in_recording="00:00:10", **mentions)
    assert made["mention_users"] == [{"user_id": user.user_id, "user_name": user.display_name}]
    assert made["mention_teams"] == [{"team_id": team.team_id, "team_name": team.name}]
    assert (made["user_email"], made["is_private"], made["time_in_recording"]) == (desk.me.email, True, "00:00:10")
    assert made["created_time"] == made["last_modified_time"] == write_time(desk.clock.time())
    assert (await desk.every(LIST, "comments", conversationId=name))[-1] == made
    desk.clock.advance(60)
    path = {"conversationId": name, "commentId": made["id"]}
    assert (await desk.answer("PATCH", ONE, body={"comment": "Zoë, 👀", "mention_user_ids": []}, **path)).status == 204
    edited = (await desk.every(LIST, "comments", conversationId=name))[-1]
    changed = {"comment": "Zoë, 👀", "mention_users": [], "last_modified_time": write_time(desk.clock.time())}
    assert edited == made | changed
    assert (await desk.answer("DELETE", ONE, **path)).status == 204
    assert len(await desk.every(LIST, "comments", conversationId=name)) == 2
    for method, body in (("DELETE", None), ("PATCH", {"comment": "x"})):
        refused = await desk.refused(method, ONE, {}, body, **path)
        assert refused == (404, 1005, f"Comment does not exist: {made['id']}")


async def test_generated_comments_can_be_changed_too() -> None:
    """Editing and deleting what was there from the beginning; what others read stays as it is."""
    desk = Desk()
    name = conversation(desk, comments=3)
    before = await desk.every(LIST, "comments", conversationId=name)
    await desk.answer("PATCH", ONE, body={"comment": "Edited"}, conversationId=name, commentId=before[1]["id"])
    await desk.answer("DELETE", ONE, conversationId=name, commentId=before[0]["id"])
    after = await desk.every(LIST, "comments", conversationId=name)
    assert after == [before[1] | {"comment": "Edited", "last_modified_time": write_time(desk.clock.time())}, before[2]]
    await desk.answer("DELETE", ONE, conversationId=name, commentId=before[1]["id"])
    assert await desk.every(LIST, "comments", conversationId=name) == [before[2]]


async def test_a_comment_belongs_to_one_conversation() -> None:
    """Under another conversation the same id is unknown."""
    desk = Desk()
    names = [row["conversation_id"] for row in desk.truth.conversations()]
    made = await add(desk, names[0])
    refused = await desk.refused("DELETE", ONE, conversationId=names[1], commentId=made["id"])
    assert refused == (404, 1005, f"Comment does not exist: {made['id']}")


async def test_replies_name_a_comment_of_the_conversation() -> None:
    """A reply to an existing comment is accepted, one to an unknown comment is not."""
    desk = Desk()
    name = conversation(desk)
    parent = (await desk.every(LIST, "comments", conversationId=name))[0]["id"]
    assert (await add(desk, name, parent_comment_id=parent))["parent_comment_id"] == parent
    refused = await desk.refused("POST", LIST, {}, {"comment": "x", "parent_comment_id": "p"}, conversationId=name)
    assert refused == (404, 1005, "Comment does not exist: p")


@pytest.mark.parametrize(
    "body",
    [
        None,
        {},
        {"comment": ""},
        {"comment": 5},
        {"comment": "x", "is_private": "yes"},
        {"comment": "x", "mention_user_ids": ["nobody"]},
        {"comment": "x", "mention_team_ids": ["none"]},
        {"comment": "x", "mention_user_ids": "me"},
        {"comment": "x", "time_in_recording": "10"},
    ],
)
async def test_wrong_bodies_are_refused(body: Any) -> None:
    """Each is 400/1001, and nothing is added."""
    desk = Desk()
    name = conversation(desk)
    assert await desk.refused("POST", LIST, {}, body, conversationId=name) == (400, 1001, "Invalid request param")
    assert len(await desk.every(LIST, "comments", conversationId=name)) == 2


async def test_fifty_mentions_are_the_most() -> None:
    """50 users may be mentioned, 51 may not."""
    desk = Desk()
    name, mention = conversation(desk), [desk.me.user_id]
    await add(desk, name, mention_user_ids=mention * 50)
    body = {"comment": "x", "mention_user_ids": mention * 51}
    assert (await desk.refused("POST", LIST, {}, body, conversationId=name))[:2] == (400, 1001)


async def test_edits_are_checked() -> None:
    """A wrong edit changes nothing; an empty one is accepted."""
    desk = Desk()
    name = conversation(desk)
    before = await desk.every(LIST, "comments", conversationId=name)
    path = {"conversationId": name, "commentId": before[0]["id"]}
    for body in (None, {"comment": ""}, {"mention_user_ids": ["nobody"]}, {"time_in_recording": "soon"}):
        assert (await desk.refused("PATCH", ONE, {}, body, **path))[:2] == (400, 1001)
    assert await desk.every(LIST, "comments", conversationId=name) == before
    assert (await desk.answer("PATCH", ONE, body={}, **path)).status == 204


async def test_a_comment_is_an_event() -> None:
    """The event tells who wrote what about which conversation, whose id is percent-encoded."""
    desk = Desk()
    name = next(row["conversation_id"] for row in desk.truth.conversations() if row["conversation_id"].startswith("/"))
    made = await add(desk, name)
    event, body, more = desk.events.emitted[0]
    assert event == "revenue_accelerator.post_comment_completed"
    encoded = name.replace("/", "%2F").replace("+", "%2B")
    assert body == {"comment_id": made["id"], "conversation_id": encoded, "text": "Nicely done!"}
    assert more == {"operator_id": desk.me.user_id, "operator": desk.me.email}


async def test_comments_of_a_deleted_conversation_are_forgotten() -> None:
    """Nothing is kept of them."""
    desk = Desk()
    name = conversation(desk)
    await add(desk, name)
    await desk.answer("DELETE", "/conversations/{conversationId}", conversationId=name)
    assert (await desk.refused("GET", LIST, conversationId=name))[:2] == (404, 1005)
