"""Who is in a team of the sandbox, who manages it, and who is in none."""

from __future__ import annotations

from tests.sandbox.team_caller import INVALID, MISSING, Caller


async def test_members_come_and_go(api: Caller) -> None:
    """Users are added by id, or by email where no id is given, and answered as one comma-separated string."""
    team = await api.create("team")
    one, two, three, four = api.world.users[:4]
    people = [
        {"user_id": one.user_id},
        {"email": two.email},
        {"user_id": three.user_id, "email": four.email},
        {"user_id": "", "email": one.email},
    ]
    assert await api("POST", f"/team/{team}/team_members", people) == {
        "added_at": "2026-01-05T00:00:00Z",
        "user_ids": f"{one.user_id},{two.user_id},{three.user_id}",
    }
    await api("POST", f"/team/{team}/team_members", people[:1])
    members = await api.collect(f"/team/{team}/team_members", "members")
    assert members[0] == {
        "user_id": one.user_id,
        "email": one.email,
        "first_name": one.first_name,
        "last_name": one.last_name,
    }
    assert [member["user_id"] for member in members] == [one.user_id, two.user_id, three.user_id]
    leaving = f"{one.user_id},{two.user_id},{four.user_id}"
    assert await api("DELETE", f"/team/{team}/team_members", user_ids=leaving) is None
    assert api.teams.member_ids(team) == {three.user_id}


async def test_members_are_listed_in_pages(api: Caller) -> None:
    """Pages of members hold at least 15 and leave nobody out."""
    team = await api.create("team")
    everyone = [user.user_id for user in api.world.users]
    await api("POST", f"/team/{team}/team_members", [{"user_id": user_id} for user_id in everyone])
    path = f"/team/{team}/team_members"
    assert (await api("GET", path, page_size="14"))[:2] == (400, 300)
    assert (await api("GET", path, page_size="15"))["page_size"] == 15
    listed = await api.collect(path, "members", page_size="15")
    assert [member["user_id"] for member in listed] == everyone
    token = (await api("GET", path))["next_page_token"]
    api.clock.advance(15 * 60)
    assert await api("GET", path, next_page_token=token) == (400, 300, "The next page token is invalid or expired.")


async def test_batches_of_members_are_bounded() -> None:
    """200 members are added and 30 removed at once, not one more."""
    api = Caller(conversations=1_000_000)
    path = f"/team/{await api.create('team')}/team_members"
    people = [{"user_id": user.user_id} for user in api.world.users]
    too_many = (400, 5007, "Please don't add more than 200 agents at one time.")
    assert await api("POST", path, [*people, people[0]][:201]) == too_many
    assert len((await api("POST", path, people[:200]))["user_ids"].split(",")) == 200
    names = [user.user_id for user in api.world.users[:31]]
    too_many = (400, 5008, "Please don't delete more than 30 agents at one time.")
    assert await api("DELETE", path, user_ids=",".join(names)) == too_many
    assert await api("DELETE", path, user_ids=",".join(names[:30])) is None
    assert len(await api.collect(path, "members")) == 170


async def test_managers_come_and_go(api: Caller) -> None:
    """Up to three managers are added and removed at once; the page size is answered as a string."""
    path = f"/team/{await api.create('team')}/team_managers"
    names = [user.user_id for user in api.world.users[:4]]
    too_many = (400, 5007, "Please don't add more than the threshold number of supervisors at one time.")
    assert await api("POST", path, names) == too_many
    assert (await api("POST", path, names[:3]))["user_ids"] == ",".join(names[:3])
    await api("POST", path, names[3:])
    page = await api("GET", path)
    assert [manager["user_id"] for manager in page["managers"]] == names
    assert (page["page_size"], page["next_page_token"]) == ("30", "")
    assert len(await api.collect(path, "managers", page_size="1")) == 4
    assert (await api("GET", path, page_size="101"))[:2] == (400, 300)
    too_many = (400, 5008, "Please don't delete more than the limited number of supervisors at one time.")
    assert await api("DELETE", path, user_ids=",".join(names)) == too_many
    assert await api("DELETE", path, user_ids=",".join(names[:3])) is None
    assert [manager["user_id"] for manager in (await api("GET", path))["managers"]] == names[3:]


async def test_flat_teams_have_no_managers(api: Caller) -> None:
    """Managers of a flat team are neither added nor removed."""
    path, user_id = f"/team/{api.flat.team_id}/team_managers", api.world.users[0].user_id
    assert await api("POST", path, [user_id]) == (400, 5006, "Assigning supervisor in flat team is not supported.")
    refused = (400, 5006, "Unassigning supervisor in flat team is not supported.")
    assert await api("DELETE", path, user_ids=user_id) == refused


async def test_unknown_people_and_teams_are_refused(api: Caller) -> None:
    """Unknown users and unusable bodies are 5002; an unknown team is 5011, and 5006 where members are added."""
    team = f"/team/{await api.create('team')}"
    for body in ([{"user_id": "nobody"}], [{"email": "no@body"}], [{}], [], {}, None, ["x"]):
        assert await api("POST", f"{team}/team_members", body) == INVALID
    for body in (["nobody"], [], {}, [{}]):
        assert await api("POST", f"{team}/team_managers", body) == INVALID
    for staff in ("team_members", "team_managers"):
        assert await api("DELETE", f"{team}/{staff}", user_ids="nobody") == INVALID
        assert await api("DELETE", f"{team}/{staff}") == INVALID
        assert await api("GET", f"/team/nobody/{staff}") == MISSING
        assert await api("DELETE", f"/team/nobody/{staff}", user_ids="x") == MISSING
    assert await api("POST", "/team/nobody/team_members", []) == (400, 5006, "Team not existing!")
    assert await api("POST", "/team/nobody/team_managers", []) == MISSING
    assert api.teams.member_ids(team.removeprefix("/team/")) == set()


async def test_users_without_a_team(api: Caller) -> None:
    """Licensed users without any team are listed, or those without a flat or without a hierarchical one."""

    async def listed(**query: str) -> set[str]:
        users = await api.collect("/team/unassigned_team_users", "unassigned_users", **query)
        return {user["user_id"] for user in users}

    licensed = {user.user_id for user in api.world.users if user.licensed}
    in_flat = {member for team in api.teams.all() if team.flat for member in team.members}
    in_tree = {m for team in api.teams.all() if not team.flat for m in (*team.members, *team.managers)}
    assert await listed(page_size="15") == licensed - in_flat - in_tree != set()
    assert await listed(team_type="0") == licensed - in_flat
    assert await listed(team_type="1") == licensed - in_tree
    lonely = next(iter(licensed - in_flat - in_tree))
    await api("POST", f"/team/{api.flat.team_id}/team_members", [{"user_id": lonely}])
    assert lonely not in await listed()
    assert lonely in await listed(team_type="1")
