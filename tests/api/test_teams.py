"""Teams: what goes over the wire, what is refused before it, and how long lists of users and teams are split."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zra_async.api.registry import OPERATIONS
from zra_async.api.teams.models import Assignment, NewMember, TeamType, latest, merged_assignment
from zra_async.api.teams.operations import Teams
from zra_async.core import wire
from zra_async.errors import InvalidArgument, PartlyDone, ServerError

from .conftest import RecordingCaller

Call = Callable[[Teams], Awaitable[Any]]


def line(request: wire.Request) -> str:
    """Method and target of a request."""
    return f"{request.operation.method} {request.target}"


def body_of(request: wire.Request) -> Any:
    """The JSON body of a request, None without one."""
    return json.loads(request.body) if isinstance(request.body, bytes) else None


@pytest.mark.parametrize(
    ("call", "expected", "body"),
    [
        (lambda t: t.create("A"), "POST /zra/team", {"team_name": "A"}),
        (lambda t: t.create("A", parent_team_id="p"), "POST /zra/team", {"team_name": "A", "parent_team_id": "p"}),
        (lambda t: t.get("t/1"), "GET /zra/team/t%252F1", None),
        (lambda t: t.rename("t", "B"), "PATCH /zra/team/t", {"team_name": "B"}),
        (lambda t: t.delete("t"), "DELETE /zra/team/t", None),
        (lambda t: t.move("t", "p"), "PATCH /zra/team/t/parent_team", {"new_parent_team_id": "p"}),
        (
            lambda t: t.members.add("t", ["u", "v"]),
            "POST /zra/team/t/team_members",
            [{"user_id": "u"}, {"user_id": "v"}],
        ),
        (lambda t: t.members.add("t", emails=["u@x"]), "POST /zra/team/t/team_members", [{"email": "u@x"}]),
        (
            lambda t: t.members.add("t", ["u"], emails=["v@x"]),
            "POST /zra/team/t/team_members",
            [{"user_id": "u"}, {"email": "v@x"}],
        ),
        (lambda t: t.members.remove("t", ["u", "v", "u"]), "DELETE /zra/team/t/team_members?user_ids=u%2Cv", None),
        (lambda t: t.managers.add("t", ["u", "v"]), "POST /zra/team/t/team_managers", ["u", "v"]),
        (lambda t: t.managers.remove("t", ["u"]), "DELETE /zra/team/t/team_managers?user_ids=u", None),
        (lambda t: t.access.grant_from("t", ["a"]), "POST /zra/team/t/access/granted-from", ["a"]),
        (lambda t: t.access.revoke_from("t", ["a"]), "DELETE /zra/team/t/access/granted-from?team_ids=a", None),
        (lambda t: t.access.grant_to("t", ["a"]), "POST /zra/team/t/access/granted-to", ["a"]),
        (lambda t: t.access.revoke_to("t", ["a", "b"]), "DELETE /zra/team/t/access/granted-to?team_ids=a%2Cb", None),
    ],
)
async def test_arguments_reach_the_wire(caller: RecordingCaller, call: Call, expected: str, body: Any) -> None:
    """Each method is one request, with its arguments where the reference puts them."""
    await call(Teams(caller))
    assert line(caller.sent) == expected
    assert body_of(caller.sent) == body


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda t: t.list(), "/zra/teams?page_size=100"),
        (
            lambda t: t.list(parent_team_id="p", team_name="a b", page_size=1),
            "/zra/teams?parent_team_id=p&team_name=a%20b&page_size=1",
        ),
        (lambda t: t.members.list("t"), "/zra/team/t/team_members?page_size=30"),
        (lambda t: t.members.list("t", page_size=15), "/zra/team/t/team_members?page_size=15"),
        (lambda t: t.managers.list("t"), "/zra/team/t/team_managers?page_size=100"),
        (lambda t: t.managers.list("t", page_size=1), "/zra/team/t/team_managers?page_size=1"),
        (lambda t: t.unassigned_users(), "/zra/team/unassigned_team_users?page_size=30"),
        (lambda t: t.unassigned_users(team_type=0), "/zra/team/unassigned_team_users?team_type=0&page_size=30"),
        (
            lambda t: t.unassigned_users(team_type=1, cursor="n", page_size=15),
            "/zra/team/unassigned_team_users?team_type=1&page_size=15&next_page_token=n",
        ),
    ],
)
async def test_lists_reach_the_wire(caller: RecordingCaller, call: Callable[[Teams], Any], expected: str) -> None:
    """A list sends its filters and the largest documented page size, unless another is asked for."""
    items = [item async for item in call(Teams(caller))]
    assert len(items) == 1
    assert caller.sent.target == expected


@pytest.mark.parametrize(
    "call",
    [
        lambda t: t.list(page_size=0),
        lambda t: t.list(page_size=101),
        lambda t: t.list(parent_team_id=" "),
        lambda t: t.list(team_name=""),
        lambda t: t.members.list("t", page_size=14),
        lambda t: t.members.list("t", page_size=301),
        lambda t: t.members.list(""),
        lambda t: t.managers.list("t", page_size=101),
        lambda t: t.managers.list("t", page_size="30"),
        lambda t: t.managers.list(" "),
        lambda t: t.unassigned_users(page_size=14),
        lambda t: t.unassigned_users(team_type=2),
        lambda t: t.unassigned_users(team_type="1"),
        lambda t: t.unassigned_users(team_type=True),
    ],
)
def test_lists_refuse(caller: RecordingCaller, call: Callable[[Teams], Any]) -> None:
    """A page size out of bounds, a blank filter or id and an unknown team type are refused when the list is made."""
    with pytest.raises(InvalidArgument):
        call(Teams(caller))


IDS_REFUSED: tuple[Any, ...] = ([], [""], ["u", " "], ["u,v"], "u", [None], ["u", 5], {"u": 1}, b"u", 5, None)


@pytest.mark.parametrize(
    "call",
    [
        lambda t: t.create(" "),
        lambda t: t.create("A", parent_team_id=""),
        lambda t: t.get(""),
        lambda t: t.rename("t", ""),
        lambda t: t.rename("", "A"),
        lambda t: t.delete(" "),
        lambda t: t.move("t", " "),
        lambda t: t.move("", "p"),
        lambda t: t.members.add("t"),
        lambda t: t.members.add("t", emails=["nobody"]),
        lambda t: t.members.add("", ["u"]),
        *(lambda t, v=v: t.members.add("t", v) for v in IDS_REFUSED),
        *(lambda t, v=v: t.members.remove("t", v) for v in IDS_REFUSED),
        *(lambda t, v=v: t.managers.add("t", v) for v in IDS_REFUSED),
        *(lambda t, v=v: t.managers.remove("t", v) for v in IDS_REFUSED),
        *(lambda t, v=v: t.access.grant_from("t", v) for v in IDS_REFUSED),
        *(lambda t, v=v: t.access.revoke_from("t", v) for v in IDS_REFUSED),
        *(lambda t, v=v: t.access.grant_to("t", v) for v in IDS_REFUSED),
        *(lambda t, v=v: t.access.revoke_to("t", v) for v in IDS_REFUSED),
    ],
)
async def test_calls_refuse(caller: RecordingCaller, call: Call) -> None:
    """Blank names and ids, no ids, and ids that a comma would split are refused before the wire."""
    with pytest.raises(InvalidArgument):
        await call(Teams(caller))
    assert not caller.requests


#: the calls that are split: how, the most values of one call, and where a request holds them
SPLITS: dict[str, tuple[Callable[[Teams, list[str]], Awaitable[Any]], int, Callable[[wire.Request], list[str]]]] = {
    "members.add": (lambda t, v: t.members.add("t", v), 200, lambda r: [m["user_id"] for m in body_of(r)]),
    "members.remove": (lambda t, v: t.members.remove("t", v), 29, lambda r: r.query["user_ids"].split(",")),
    "managers.add": (lambda t, v: t.managers.add("t", v), 3, body_of),
    "managers.remove": (lambda t, v: t.managers.remove("t", v), 3, lambda r: r.query["user_ids"].split(",")),
    "access.grant_from": (lambda t, v: t.access.grant_from("t", v), 200, body_of),
    "access.revoke_from": (lambda t, v: t.access.revoke_from("t", v), 200, lambda r: r.query["team_ids"].split(",")),
    "access.grant_to": (lambda t, v: t.access.grant_to("t", v), 200, body_of),
    "access.revoke_to": (lambda t, v: t.access.revoke_to("t", v), 200, lambda r: r.query["team_ids"].split(",")),
}


@given(st.sampled_from(sorted(SPLITS)), st.floats(0.01, 3.5))
async def test_long_lists_are_split(name: str, share: float) -> None:
    """Every value goes out once, in order, and no call holds more than the documented maximum."""
    call, most, values_of = SPLITS[name]
    values = [f"id{n}" for n in range(max(1, int(most * share)))]
    caller = RecordingCaller()
    await call(Teams(caller), values)
    pieces = [values_of(request) for request in caller.requests]
    assert [value for piece in pieces for value in piece] == values
    assert all(len(piece) == most for piece in pieces[:-1])
    assert len(pieces[-1]) <= most


@given(st.sampled_from(sorted(SPLITS)), st.integers(0, 2))
async def test_a_failed_piece_tells_what_was_done(name: str, failing: int) -> None:
    """When one of three calls fails, the error holds the values before it, its own, and those not tried."""
    call, most, _ = SPLITS[name]
    values = [f"id{n}" for n in range(2 * most + 1)]
    failure = ServerError(f"teams.{name}", status=500)
    answers: list[Any] = [{}] * failing + [failure]
    with pytest.raises(PartlyDone) as partly:
        await call(Teams(RecordingCaller(answers)), values)
    parts = (partly.value.done, partly.value.failed, partly.value.pending)
    cuts = (values[: failing * most], values[failing * most : (failing + 1) * most], values[(failing + 1) * most :])
    if name == "members.add":
        assert parts == tuple(tuple(NewMember(user_id=v) for v in cut) for cut in cuts)
    else:
        assert parts == tuple(map(tuple, cuts))
    assert partly.value.__cause__ is failure


async def test_merged_answers_name_every_user() -> None:
    """The answer of a split call has all users in order, as one text and one by one, and the latest time."""
    answers = [
        {"user_ids": "a,b,c", "added_at": "2025-06-04T15:30:00Z"},
        {"user_ids": "d", "added_at": "2025-06-04T15:30:05Z"},
    ]
    merged = await Teams(RecordingCaller(list(answers))).managers.add("t", ["a", "b", "c", "d"])
    assert merged.user_ids == "a,b,c,d"
    assert merged.users == ("a", "b", "c", "d")
    assert merged.added_at == datetime(2025, 6, 4, 15, 30, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "users"), [("", ()), ("a", ("a",)), ("a,b", ("a", "b")), (" a , b,", ("a", "b")), (",", ())]
)
def test_users_takes_the_text_apart(text: str, users: tuple[str, ...]) -> None:
    """One comma-separated text gives the ids one by one, without blanks."""
    assert Assignment(user_ids=text).users == users


def test_merging_nothing_and_missing_times() -> None:
    """Answers without a time leave the merged one without; a known time is kept."""
    noon = datetime(2025, 1, 1, 12, tzinfo=UTC)
    assert merged_assignment([Assignment(user_ids="a")]) == Assignment(user_ids="a")
    assert latest([None, noon, None]) == noon
    assert latest([]) is None


async def test_answers_are_read_as_documented(caller: RecordingCaller) -> None:
    """Team, detail and person decode to their Structs; a placeholder in place of a time is None."""
    teams = Teams(caller)
    (team,) = (await teams.list()).items
    detail = await teams.get("t")
    (person,) = (await teams.managers.list("t")).items
    created = await teams.create("A")
    assert team.type is TeamType.HIERARCHICAL
    assert team.parent_teams[0].name == "level 1"
    assert (detail.manager_size, detail.leaf) == (1, True)
    assert person.first_name == "Jonathan"
    assert (created.added_team_id, created.added_at) == ("Ikl0Wx89Tx-2XBoYVz53BQ", None)


async def test_the_size_of_a_page_of_managers_is_a_number(caller: RecordingCaller) -> None:
    """The service writes this one page size as a text."""
    assert (await Teams(caller).managers.list("t")).answer.page_size == 30


def test_structure_edits_exclude_each_other() -> None:
    """Exactly create, delete and move never overlap."""
    exclusive = {name for name, row in OPERATIONS.items() if row.exclusive}
    assert exclusive == {"teams.create", "teams.delete", "teams.move"}


async def test_only_the_list_has_a_deprecated_twin(caller: RecordingCaller) -> None:
    """The legacy list goes to the old prefix with a warning; everything else of teams is refused there."""
    legacy = Teams(caller, legacy=True)
    with pytest.warns(DeprecationWarning, match="/iq/teams"):
        await legacy.list(team_name="x")
    assert caller.sent.target == "/iq/teams?team_name=x&page_size=100"
    with pytest.raises(InvalidArgument, match="no deprecated twin"):
        await legacy.members.add("t", ["u"])
