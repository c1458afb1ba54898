"""The list of conversations with its filters and pages, and what can be done to one conversation."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from tests.sandbox.desk import Desk
from zra_async.sandbox.generated.conversation import participants
from zra_async.sandbox.generated.times import read_time, write_time
from zra_async.sandbox.operations import scan

LIST, ONE = "/conversations", "/conversations/{conversationId}"
UNKNOWN = "//AAAAAAAAAAAAAAAAAAAA==,1600000000000"


def names(rows: list[Any]) -> list[str]:
    return [row["conversation_id"] for row in rows]


@pytest.mark.parametrize("page_size", ["1", "7", "60", "300"])
async def test_pages_give_every_conversation_once(page_size: str) -> None:
    """The pages together are the whole account, newest first, and none but an only one is empty."""
    desk = Desk()
    pages = [page async for page in desk.pages(LIST, {"page_size": page_size})]
    rows = [row for page in pages for row in page["conversations"]]
    assert rows == list(desk.truth.conversations())
    assert len(pages) == -(-60 // int(page_size))
    starts = [row["meeting_start_time"] for row in rows]
    assert starts == sorted(starts, reverse=True)
    assert {page["page_size"] for page in pages} == {int(page_size)}


async def test_an_empty_account_has_one_empty_page() -> None:
    """Without conversations the list ends at once."""
    body = await Desk(conversations=0).get(LIST)
    assert body["conversations"] == []
    assert body["next_page_token"] == ""


async def test_the_answer_tells_the_period() -> None:
    """`from` and `to` come back; where they were not sent they cover the whole history."""
    desk = Desk()
    body = await desk.get(LIST, {"from": "2025-06-01T00:00:00Z", "to": "2025-06-30T00:00:00Z"})
    assert (body["from"], body["to"]) == ("2025-06-01T00:00:00Z", "2025-06-30T00:00:00Z")
    body = await desk.get(LIST)
    assert body["from"] < min(row["meeting_start_time"] for row in desk.truth.conversations())
    assert body["to"] == write_time(desk.clock.time())


def _truth(desk: Desk, query: dict[str, str]) -> list[str]:
    """Filter the whole account by the plainest reading of a query."""
    world, truth, found = desk.world, desk.truth, list[str]()
    for row in truth.conversations():
        conversation = world.find(row["conversation_id"])
        assert conversation
        analysis = truth.content_analysis(row["conversation_id"])
        heard = {item["indicator_id"] for each in analysis["indicators"] for item in each["section"]}
        labels = {item["label"] for each in analysis["topics"] for item in each["section"]}
        people = {person.user_id for person in participants(conversation, world.users)}
        field = "iq_processed_time" if query.get("period_type") == "iqProcessedTime" else "meeting_start_time"
        callouts = {"engagingQuestions": "engaging_questions_count", "nextSteps": "next_steps_count", "": "duration"}
        tests = [
            query.get("host_id") in (None, row["host_id"]),
            query.get("participant_id") in (None, *people),
            query.get("deal_id") in (None, row.get("deal_id")),
            query.get("conversation_type", "all") in ("all", row["conversation_type"]),
            row[callouts[query.get("callout_type", "")]] > 0,
            query.get("indicator_id") in (None, *heard),
            query.get("mentioned_topic_id") in (None, *labels),
            query.get("scored") in (None, str(bool(truth.scorecards(row["conversation_id"]))).lower()),
            query.get("from", "0") <= row[field] <= query.get("to", "9"),
            "team_id" not in query or row["host_id"] in (desk.account.teams.member_ids(query["team_id"]) or set()),
        ]
        found += [row["conversation_id"]] if all(tests) else []
    return found


QUERIES: list[Callable[[Desk], dict[str, str]]] = [
    lambda desk: {"host_id": desk.world.users[2].user_id},
    lambda desk: {"participant_id": desk.world.users[7].user_id},
    lambda desk: {"team_id": desk.account.teams.all()[1].team_id},
    lambda desk: {"deal_id": desk.world.pipeline.deal_id(2)},
    lambda desk: {"deal_id": desk.world.pipeline.deal_id(2), "conversation_type": "phone"},
    lambda desk: {"conversation_type": "all"},
    lambda desk: {"conversation_type": "meeting", "scored": "false"},
    lambda desk: {"conversation_type": "phone", "callout_type": "nextSteps"},
    lambda desk: {"callout_type": "engagingQuestions", "scored": "true"},
    lambda desk: {"indicator_id": desk.world.catalogue.indicators[5].indicator_id},
    lambda desk: {"mentioned_topic_id": "security"},
    lambda desk: {"from": "2025-02-01T00:00:00Z"},
    lambda desk: {"to": "2025-02-01T00:00:00Z"},
    lambda desk: {"from": "2025-02-01T00:00:00Z", "to": "2025-11-01T00:00:00Z", "scored": "true"},
    lambda desk: {"from": "2025-02-01T00:00:00Z", "to": "2025-11-01T00:00:00Z", "period_type": "iqProcessedTime"},
    lambda desk: {"to": "2025-11-01T00:00:00Z", "period_type": "iqProcessedTime", "conversation_type": "meeting"},
    lambda desk: {"from": "2030-01-01T00:00:00Z"},
    lambda desk: {"to": "2000-01-01T00:00:00Z"},
]


@pytest.mark.parametrize("make", QUERIES)
async def test_filters_really_filter(make: Callable[[Desk], dict[str, str]]) -> None:
    """A filtered list is what the plainest reading of the whole account gives, in the same order, over many pages."""
    desk = Desk(conversations=120)
    query = make(desk)
    expected = _truth(desk, query)
    found = await desk.every(LIST, "conversations", query | {"page_size": "3"})
    assert names(found) == expected
    if "from" not in query and "to" not in query:
        assert 0 < len(expected) <= 120


@pytest.mark.parametrize("period_type", ["meetingStartTime", "iqProcessedTime"])
async def test_bounds_are_inclusive(period_type: str) -> None:
    """A conversation at exactly `from` or `to` is in the list, one second further it is not."""
    desk = Desk()
    field = {"meetingStartTime": "meeting_start_time", "iqProcessedTime": "iq_processed_time"}[period_type]
    row = list(desk.truth.conversations())[30]
    seconds = read_time(row[field]) or 0
    query = {"period_type": period_type}
    for low, high, expected in ((0, 0, True), (1, 1, False), (-1, -1, False), (-1, 0, True), (0, 1, True)):
        bounds = {"from": write_time(seconds + low), "to": write_time(seconds + high)}
        found = await desk.every(LIST, "conversations", query | bounds)
        assert (row["conversation_id"] in names(found)) is expected


@pytest.mark.parametrize(
    ("query", "refusal"),
    [
        ({"from": "2025-01-01"}, (400, 1001, "The from or to time is invalid.")),
        ({"to": "2025-01-01T00:00:00.000Z"}, (400, 1001, "The from or to time is invalid.")),
        ({"from": "2025-01-32T00:00:00Z"}, (400, 1001, "The from or to time is invalid.")),
        (
            {"from": "2025-01-02T00:00:00Z", "to": "2025-01-01T00:00:00Z"},
            (400, 1001, "The from or to time is invalid."),
        ),
        ({"team_id": "t"}, (404, 1005, "Team does not exist: t")),
        ({"deal_id": "d"}, (404, 1005, "Deal does not exist: d")),
        ({"host_id": "u"}, (404, 1005, "Host or participant user does not exist: u")),
        ({"participant_id": "u"}, (404, 1005, "Host or participant user does not exist: u")),
        ({"period_type": "x"}, (400, 300, "Validation Failed.")),
        ({"conversation_type": "x"}, (400, 300, "Validation Failed.")),
        ({"callout_type": "x"}, (400, 300, "Validation Failed.")),
        ({"scored": "x"}, (400, 300, "Validation Failed.")),
        ({"page_size": "301"}, (400, 300, "The page_size must be between 1 and 300.")),
    ],
)
async def test_wrong_parameters_are_refused(query: dict[str, str], refusal: tuple[int, int, str]) -> None:
    """Each wrong parameter has its documented refusal."""
    assert await Desk().refused("GET", LIST, query) == refusal


async def test_a_rare_filter_gives_short_pages_that_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where few conversations match, a page may even be empty; the list still gives them all."""
    monkeypatch.setattr(scan, "SCAN_LIMIT", 10)
    desk = Desk()
    query = {"host_id": desk.world.users[2].user_id}
    pages = [page["conversations"] async for page in desk.pages(LIST, query)]
    assert names([row for page in pages for row in page]) == _truth(desk, query)
    assert len(pages) >= 6
    assert [] in pages[:-1]


async def test_changes_between_pages_neither_double_nor_hide_the_others() -> None:
    """While one reads, another deletes and adds: every conversation that was there all the time is read once."""
    desk = Desk()
    before = names(list(desk.truth.conversations()))
    pages = desk.pages(LIST, {"page_size": "10"})
    read = names((await anext(pages))["conversations"])
    await desk.answer("DELETE", ONE, conversationId=before[3])
    await desk.answer("DELETE", ONE, conversationId=before[10])
    await _add(desk, "2026-03-09T23:00:00Z")
    newer = await _add(desk, "2026-03-10T10:00:00Z")
    older = await _add(desk, "2024-04-01T10:00:00Z")
    read += [name async for page in pages for name in names(page["conversations"])]
    assert newer not in read
    assert [name for name in read if name != older] == [name for name in before if name != before[10]]
    assert older in read
    assert read.index(older) > 50


async def _add(desk: Desk, start: str, **fields: Any) -> str:
    body = {"conversation_type": "meeting", "meeting_start_time": start, "file_id": "file-1", **fields}
    answer = await desk.answer("POST", LIST, body=body)
    assert answer.status == 201
    return str(answer.body["conversation_id"])


async def test_detail_agrees_with_the_list() -> None:
    """What a row and the full information share is the same in both."""
    desk = Desk()
    for row in desk.truth.conversations():
        detail = await desk.get(ONE, conversationId=row["conversation_id"])
        shared = row.keys() & detail.keys()
        assert len(shared) > 10
        assert {name: detail[name] for name in shared} == {name: row[name] for name in shared}
        assert detail.get("deal", {}).get("id") == row.get("deal_id")
        assert (await desk.get(ONE, legacy=True, conversationId=row["conversation_id"])).items() <= detail.items()


async def test_most_recordings_can_be_downloaded() -> None:
    """Every meeting and some phone calls have a link, in both fields that the reference knows; others have none."""
    desk = Desk()
    details = [await desk.get(ONE, conversationId=name) for name in names(list(desk.truth.conversations()))]
    assert all(detail.get("recording_download_url") == detail.get("downloadUrl") for detail in details)
    meetings = [detail for detail in details if detail["conversation_type"] == "meeting"]
    assert all("recording_download_url" in detail for detail in meetings)
    assert any("recording_download_url" not in detail for detail in details)


async def test_the_truth_for_tests_is_what_the_calls_answer() -> None:
    """`World.detail` is the answer of the call, but for the links that expire."""
    desk = Desk()
    for name in names(list(desk.truth.conversations())):
        detail = await desk.get(ONE, conversationId=name)
        links = {"recording_download_url", "downloadUrl"}
        assert {key: value for key, value in detail.items() if key not in links} == desk.truth.detail(name)
    with pytest.raises(KeyError):
        desk.truth.detail(UNKNOWN)


async def test_a_deleted_conversation_is_gone_everywhere() -> None:
    """After a deletion every path answers 404/1005, and no list has the conversation."""
    desk = Desk()
    deal = next(row["deal_id"] for row in desk.truth.conversations() if "deal_id" in row)
    name = desk.truth.activities(deal)[0].get("conversation_id") or desk.truth.activities(deal)[-1]["conversation_id"]
    assert (await desk.answer("DELETE", ONE, conversationId=name)).status == 204
    assert name not in names(await desk.every(LIST, "conversations"))
    assert name not in names(await desk.every(LIST, "conversations", {"deal_id": deal}))
    for method, rest in itertools.chain(
        (("GET", ""), ("DELETE", "")),
        (("GET", f"/{part}") for part in ("comments", "content_analysis", "interactions", "scorecards")),
        (("POST", "/comments"),),
    ):
        status, code, message = await desk.refused(method, f"{ONE}{rest}", conversationId=name)
        assert (status, code) == (404, 1005)
        assert message.removesuffix(".") == f"Conversation does not exist: {name}"
    assert (await desk.get("/deals/{dealId}", dealId=deal))["number_of_conversations"] == sum(
        row.get("deal_id") == deal for row in desk.truth.conversations()
    )


async def test_a_conversation_gets_another_host() -> None:
    """The new host is in the list, in the information and in the filters, named by id or by address."""
    desk = Desk()
    name = names(list(desk.truth.conversations()))[0]
    licensed = [user for user in desk.world.users if user.licensed]
    for host, key in ((licensed[5], licensed[5].user_id), (licensed[6], licensed[6].email)):
        answer = await desk.answer("PATCH", f"{ONE}/update_host", body={"new_host_id": key}, conversationId=name)
        assert answer.status == 204
        assert (await desk.get(ONE, conversationId=name))["host_email"] == host.email
        assert name in names(await desk.every(LIST, "conversations", {"host_id": host.user_id}))
    assert name not in names(await desk.every(LIST, "conversations", {"host_id": licensed[5].user_id}))


async def test_a_new_host_must_be_a_licensed_user() -> None:
    """The four refusals of the operation."""
    desk = Desk()
    name, path = names(list(desk.truth.conversations()))[0], f"{ONE}/update_host"
    unlicensed = next(user for user in desk.world.users if not user.licensed)

    async def refused(body: Any, conversation_id: str = name) -> tuple[int, int, str]:
        return await desk.refused("PATCH", path, {}, body, conversationId=conversation_id)

    assert await refused({"new_host_id": unlicensed.user_id}) == (400, 1006, "User has no IQ license.")
    assert await refused({"new_host_id": "nobody"}) == (404, 1005, "User does not exist.")
    for body in ({}, None, [], {"new_host_id": ""}, {"new_host_id": 5}):
        assert await refused(body) == (400, 300, "Missing field: new_host_id")
    assert await refused({"new_host_id": desk.me.user_id}, UNKNOWN) == (
        404,
        2001,
        f"Conversation does not exist: {UNKNOWN}.",
    )
