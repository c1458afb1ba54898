"""The teams of the sandbox: the tree, its limits and its lock, and which team may see what of another."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.sandbox.team_caller import INVALID, MISSING, Caller
from zra_async.sandbox.api_error import ApiError
from zra_async.sandbox.generated.org_chart import Team
from zra_async.sandbox.operations.route import HANDLERS

BUSY = (400, 5004, "Other admins are editing team structure, please wait.")
NAME_USED = (400, 5006, "Team name has already been used.")


# The hierarchy


@pytest.mark.parametrize("conversations", [0, 500, 1_000_000])
def test_the_account_begins_with_a_hierarchy(conversations: int) -> None:
    """Four tiers and flat teams, unique names and ids, members and managers from the users, and some without a team."""
    api = Caller(conversations)
    teams = api.teams.all()
    users = {user.user_id for user in api.world.users}
    assert len({team.team_id for team in teams}) == len({team.name for team in teams}) == len(teams)
    assert max(len(api.teams.ancestors(team)) for team in teams) == 3
    assert sum(team.flat for team in teams) == 3
    assert all(team.members and not team.managers and not team.parent for team in teams if team.flat)
    assert all(team.managers for team in teams if not team.flat)
    assert {user_id for team in teams for user_id in (*team.members, *team.managers)} < users
    assert 0 < len(api.teams.unassigned()) < len(users) / 5
    assert [team.team_id for team in Caller(conversations).teams.all()] == [team.team_id for team in teams]


def test_members_include_those_of_the_teams_below(api: Caller) -> None:
    """The members of a team, as a filter sees them, are its own and those of its whole subtree."""
    region = api.named("EMEA")
    pods = [team for team in api.teams.all() if team.name.startswith("EMEA") and not team.children]
    assert api.teams.member_ids(region.team_id) == {member for pod in pods for member in pod.members}
    assert api.teams.member_ids(api.flat.team_id) == set(api.flat.members)
    assert api.teams.member_ids("nobody") is None


def test_teams_are_known_by_name(api: Caller) -> None:
    """A team's id gives its name, and an unknown id gives nothing."""
    assert api.teams.team_name(api.flat.team_id) == "Deal Desk"
    assert api.teams.team_name("nobody") is None


async def test_teams_are_listed_in_pages(api: Caller) -> None:
    """Every team is listed once over pages; parent_teams is there only for a search."""
    listed = await api.collect("/teams", "teams", page_size="7")
    assert [team["team_id"] for team in listed] == [team.team_id for team in api.teams.all()]
    assert not any("parent_teams" in team for team in listed)
    assert (await api("GET", "/teams", page_size="101"))[:2] == (400, 300)


async def test_teams_are_filtered(api: Caller) -> None:
    """A parent gives its children; a text gives the teams with it in their name, with their parents up to the root."""
    sales, emea = api.named("Sales"), api.named("EMEA")
    children = await api.collect("/teams", "teams", parent_team_id=sales.team_id)
    assert [team["name"] for team in children] == ["Americas", "EMEA", "APAC"]
    found = await api.collect("/teams", "teams", team_name="emea enter")
    assert {team["name"].partition(" Pod")[0] for team in found} == {"EMEA Enterprise"}
    assert found[0]["parent_teams"] == [
        {"team_id": emea.team_id, "name": "EMEA"},
        {"team_id": sales.team_id, "name": "Sales"},
    ]
    assert await api.collect("/teams", "teams", team_name="emea enter", parent_team_id=sales.team_id) == []
    assert await api.collect("/teams", "teams", parent_team_id="nobody") == []


async def test_team_details(api: Caller) -> None:
    """A team's detail tells its type, its sizes and whether it has teams below it."""
    team = api.flat
    assert await api("GET", f"/team/{team.team_id}") == {
        "team_id": team.team_id,
        "name": "Deal Desk",
        "description": "Everyone in Deal Desk",
        "type": "flat team",
        "member_size": len(team.members),
        "manager_size": 0,
        "leaf": True,
    }
    sales = await api("GET", f"/team/{api.named('Sales').team_id}")
    assert (sales["type"], sales["manager_size"], sales["leaf"]) == ("hierarchical team", 1, False)
    assert await api("GET", "/team/nobody") == MISSING


# Structure


async def test_a_team_lives(api: Caller) -> None:
    """A created team is listed under its parent, renamed, moved and deleted."""
    root = await api.create("  New root ")
    child = await api.create("New child", root)
    assert [team["name"] for team in await api.collect("/teams", "teams", parent_team_id=root)] == ["New child"]
    assert await api("PATCH", f"/team/{child}", {"team_name": "Renamed"}) is None
    assert await api("PATCH", f"/team/{child}", {"team_name": "Renamed"}) is None
    sales = api.named("Sales").team_id
    assert await api("PATCH", f"/team/{child}/parent_team", {"new_parent_team_id": sales}) is None
    detail = await api("GET", f"/team/{child}")
    assert (detail["name"], detail["type"]) == ("Renamed", "hierarchical team")
    assert (await api("GET", f"/team/{root}"))["leaf"] is True
    for team_id in (root, child):
        assert await api("DELETE", f"/team/{team_id}") is None
        assert await api("DELETE", f"/team/{team_id}") == MISSING
    assert child not in api.named("Sales").children
    assert await api.create("New root") not in (root, child)


@pytest.mark.parametrize("body", [{}, {"team_name": ""}, {"team_name": "  "}, {"team_name": 5}])
async def test_a_name_is_required(api: Caller, body: dict[str, Any]) -> None:
    """A missing name is 5002 for a new team and 5006 for a renamed one."""
    assert await api("POST", "/team", body) == (400, 5002, "Require team name.")
    assert await api("PATCH", f"/team/{api.flat.team_id}", body) == (400, 5006, "Require team name.")


async def test_names_are_unique(api: Caller) -> None:
    """A name in use is refused for a new and for a renamed team."""
    assert await api("POST", "/team", {"team_name": "Sales"}) == NAME_USED
    assert await api("PATCH", f"/team/{api.flat.team_id}", {"team_name": "Sales"}) == NAME_USED
    assert await api("PATCH", "/team/nobody", {"team_name": "Other"}) == MISSING


async def test_a_parent_must_be_hierarchical(api: Caller) -> None:
    """A team is added neither under a flat team nor under one that does not exist."""
    for parent in (api.flat.team_id, "nobody"):
        assert await api("POST", "/team", {"team_name": "x", "parent_team_id": parent}) == (
            400,
            5009,
            "Add team failed.",
        )
    assert await api("POST", "/team", {"team_name": "x", "parent_team_id": 5}) == INVALID


async def test_ten_tiers(api: Caller) -> None:
    """The tenth tier can be made and the eleventh cannot, neither by creating nor by moving."""
    parent = ""
    for tier in range(10):
        parent = await api.create(f"tier {tier + 1}", parent)
    too_deep = (400, 5005, "Exceed 10 tiers limit!")
    assert await api("POST", "/team", {"team_name": "x", "parent_team_id": parent}) == too_deep
    other = await api.create("other")
    await api.create("below other", other)
    eighth, ninth = api.named("tier 8").team_id, api.named("tier 9").team_id
    assert await api("PATCH", f"/team/{other}/parent_team", {"new_parent_team_id": ninth}) == too_deep
    assert await api("PATCH", f"/team/{other}/parent_team", {"new_parent_team_id": eighth}) is None


async def test_a_hundred_children(api: Caller) -> None:
    """A team takes a hundred teams right below it and no more."""
    parent = await api.create("parent")
    for number in range(100):
        await api.create(f"child {number}", parent)
    full = (400, 5005, "Exceed 100 children team limit!")
    assert await api("POST", "/team", {"team_name": "x", "parent_team_id": parent}) == full
    sales = api.named("Sales").team_id
    assert await api("PATCH", f"/team/{sales}/parent_team", {"new_parent_team_id": parent}) == full


async def test_the_account_holds_so_many_teams(api: Caller) -> None:
    """The account's maximum is refused with its own message."""
    api.teams.max_teams = len(api.teams.all()) + 1
    await api.create("last")
    full = (400, 5005, "Exceed the maximum size of account available teams.")
    assert await api("POST", "/team", {"team_name": "x"}) == full


async def test_only_empty_teams_are_deleted(api: Caller) -> None:
    """A team with members cannot be deleted, nor one with teams below it."""
    assert await api("DELETE", f"/team/{api.flat.team_id}") == (
        400,
        5006,
        "Can not delete team, because team members are not null.",
    )
    assert await api("DELETE", f"/team/{api.named('Sales').team_id}") == INVALID
    api.flat.members.clear()
    assert await api("DELETE", f"/team/{api.flat.team_id}") is None


async def test_a_team_moves_where_it_can(api: Caller) -> None:
    """A team moves neither below itself nor under a flat team; a flat team with members stays, an empty one may go."""
    sales, emea, flat = api.named("Sales"), api.named("EMEA"), api.flat

    async def move(team: Team, parent: str | None) -> Any:
        return await api("PATCH", f"/team/{team.team_id}/parent_team", {"new_parent_team_id": parent})

    assert await move(sales, emea.team_id) == INVALID
    assert await move(sales, sales.team_id) == INVALID
    assert await move(emea, flat.team_id) == INVALID
    assert await move(emea, None) == INVALID
    assert await move(emea, "nobody") == MISSING
    assert await move(emea, sales.team_id) is None
    assert list(sales.children).count(emea.team_id) == 1
    assert (await move(flat, sales.team_id))[:2] == (400, 5006)
    flat.members.clear()
    assert await move(flat, sales.team_id) is None
    assert (await api("GET", f"/team/{flat.team_id}"))["type"] == "hierarchical team"


async def test_one_structure_edit_at_a_time(api: Caller) -> None:
    """While a team is created, deleted or moved, a second such edit is 5004; reading and renaming go on."""
    team, parent = await api.create("team"), api.named("Sales").team_id
    edits = (
        lambda: api("POST", "/team", {"team_name": "other"}),
        lambda: api("DELETE", f"/team/{team}"),
        lambda: api("PATCH", f"/team/{team}/parent_team", {"new_parent_team_id": parent}),
    )
    api.teams.edit_seconds = 30
    for edit in edits:
        running = asyncio.ensure_future(edit())
        await asyncio.sleep(0)
        assert [await second() for second in edits] == [BUSY] * 3
        assert await api("PATCH", f"/team/{team}", {"team_name": "renamed"}) is None
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    api.teams.edit_seconds = 0
    assert await edits[2]() is None


async def test_concurrent_edits_leave_one_winner(api: Caller) -> None:
    """Of ten teams created at once one is made, and the next one can be made afterwards."""
    api.teams.edit_seconds = 0.001
    answers = await asyncio.gather(*(api("POST", "/team", {"team_name": f"team {number}"}) for number in range(10)))
    assert answers.count(BUSY) == 9
    assert await api.create("team 10")


async def test_of_two_deletions_the_second_finds_nothing(api: Caller) -> None:
    """A team that was deleted while another edit was looked up is not deleted twice."""
    team = await api.create("team")
    found = api.teams.find(team)
    assert found is not None
    await api.teams.delete(found)
    with pytest.raises(ApiError, match="5011"):
        await api.teams.delete(found)


# Access


async def test_access_is_granted_both_ways(api: Caller) -> None:
    """What one team is granted from another is what the other grants to it, and can be taken back from either side."""
    one, two, three = [await api.create(name) for name in ("one", "two", "three")]
    granted = await api("POST", f"/team/{one}/access/granted-from", [two, three])
    assert granted == {"added_at": "2026-01-05T00:00:00Z"}
    assert await api("POST", f"/team/{one}/access/granted-to", [three]) == granted
    assert api.teams.granted_from(one) == {two, three}
    assert api.teams.granted_to(two) == {one}
    assert api.teams.granted_from(three) == {one}
    assert await api("DELETE", f"/team/{two}/access/granted-to", team_ids=one) is None
    assert await api("DELETE", f"/team/{two}/access/granted-to", team_ids=one) is None
    assert await api("DELETE", f"/team/{three}/access/granted-from", team_ids=f"{one},{two}") is None
    assert (api.teams.granted_from(one), api.teams.granted_to(one)) == ({three}, set())
    await api("DELETE", f"/team/{three}")
    assert api.teams.granted_from(one) == set()


@pytest.mark.parametrize("way", ["granted-from", "granted-to"])
async def test_grants_are_checked(api: Caller, way: str) -> None:
    """Unknown teams, the team itself, unusable bodies and more than 200 teams are refused, and nothing is granted."""
    team, other = api.flat.team_id, api.named("EMEA").team_id
    path = f"/team/{team}/access/{way}"
    assert await api("POST", path, [other, "nobody"]) == (404, 5011, "Team doesn't exist.")
    assert await api("DELETE", path, team_ids="nobody") == (404, 5011, "Team does not exist.")
    assert await api("POST", f"/team/nobody/access/{way}", [team]) == (404, 5011, "Team doesn't exist.")
    assert await api("DELETE", f"/team/nobody/access/{way}", team_ids=team) == (404, 5011, "Team does not exist.")
    for body in ([], [other, team], {}, [5], None):
        assert await api("POST", path, body) == INVALID
    assert await api("DELETE", path) == INVALID
    assert (await api("POST", path, [other] * 201))[:2] == (400, 5007)
    assert (await api("DELETE", path, team_ids=",".join([other] * 201)))[:2] == (400, 5008)
    assert api.teams.granted_from(team) == api.teams.granted_to(team) == set()
    assert await api("POST", path, [other] * 200) == {"added_at": "2026-01-05T00:00:00Z"}


async def test_a_role_without_team_management_is_refused(api: Caller) -> None:
    """Every operation of a user who may not manage teams is 403/5001."""
    api.teams.denied.add("caller")
    templates = [key for key in HANDLERS if key[1].startswith("/team")]
    assert len(templates) == 17
    for method, template in templates:
        answer = await api(method, template.replace("{teamId}", api.flat.team_id), {}, user_ids="x", team_ids="x")
        assert answer[:2] == (403, 5001), (method, template)
