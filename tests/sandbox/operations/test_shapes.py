"""Every answer about conversations, deals and settings against the schema of its operation, current and older."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.sandbox.desk import Desk
from zra_async.sandbox.generated.times import read_time

OPERATIONS = json.loads((Path(__file__).parents[2] / "contract" / "operations.json").read_text())
CONVERSATION = "/conversations/{conversationId}"
LISTS = {
    "/conversations": "conversations",
    "/deals": "deals",
    "/settings/indicators": "indicators",
    "/scheduled": "meetings",
    f"{CONVERSATION}/comments": "comments",
    f"{CONVERSATION}/content_analysis": "topics",
    f"{CONVERSATION}/interactions": "participants",
    f"{CONVERSATION}/scorecards": "scorecards",
    "/users/{userId}/conversations/playlists": "playlists",
    "/deals/{dealId}/activities": "activities",
}
TYPES = ["topics", "nextSteps", "engagingQuestions", "indicators", "smartChapters", "dealMemo", "playbooks", "all"]

FORMATS = jsonschema.FormatChecker()
CASES = [(template, legacy) for template in [*LISTS, CONVERSATION, "/deals/{dealId}"] for legacy in (False, True)]
CASES.remove(("/scheduled", True))  # has no deprecated twin


@FORMATS.checks("date-time")
def is_time(value: object) -> bool:
    return isinstance(value, str) and read_time(value) is not None


def closed(schema: Any) -> Any:
    """Forbid what the schema does not name."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {key: closed(part) for key, part in schema.items()}
    return inner | {"additionalProperties": False} if schema.get("type") == "object" else inner


def validator(template: str, *, legacy: bool) -> jsonschema.Draft202012Validator:
    path = ("/iq" if legacy else "/zra") + template
    found = next(each for each in OPERATIONS if each["method"] == "GET" and each["path"] == path)
    return jsonschema.Draft202012Validator(closed(found["responses"]["200"]["schema"]), format_checker=FORMATS)


def fields(schema: Any) -> set[str]:
    """Name every field of a schema, at any depth."""
    found: set[str] = set()
    if isinstance(schema, dict):
        found |= set(schema.get("properties", {}))
        for part in schema.values():
            found |= fields(part)
    return found


def seen(body: Any) -> set[str]:
    """Name every field of an answer, at any depth."""
    if isinstance(body, list):
        return {name for part in body for name in seen(part)}
    if isinstance(body, dict):
        return set(body) | {name for part in body.values() for name in seen(part)}
    return set()


async def answers(desk: Desk, template: str, *, legacy: bool) -> list[Any]:
    """Read every answer an operation has in a small account."""
    truth = desk.truth
    paths: list[dict[str, str]] = [{}]
    if "{conversationId}" in template:
        paths = [{"conversationId": row["conversation_id"]} for row in truth.conversations()]
    elif "{dealId}" in template:
        paths = [{"dealId": deal["deal_id"]} for deal in truth.deals()]
    elif "{userId}" in template:
        paths = [{"userId": user.user_id} for user in desk.world.users]
    queries = [{"analysis_type": name} for name in TYPES[: 5 if legacy else 8]] if "analysis" in template else [{}]
    if template not in LISTS:
        return [await desk.get(template, legacy=legacy, **path) for path in paths]
    return [
        page
        for path in paths
        for query in queries
        async for page in desk.pages(template, query | {"page_size": "300"}, legacy=legacy, **path)
    ]


@pytest.mark.parametrize(("template", "legacy"), CASES)
async def test_every_answer_has_the_documented_shape(template: str, legacy: bool) -> None:
    """Without awkward records an answer has documented fields alone, and every documented field turns up somewhere."""
    schema = validator(template, legacy=legacy)
    bodies = await answers(Desk(conversations=24), template, legacy=legacy)
    for body in bodies:
        schema.validate(body)
    missing = fields(schema.schema) - seen(bodies)
    assert not missing


@pytest.mark.parametrize(
    ("template", "what"),
    [
        (CONVERSATION, "rep/customer"),
        (CONVERSATION, "is not of type 'integer'"),
        (f"{CONVERSATION}/interactions", "rep/customer"),
        (f"{CONVERSATION}/scorecards", "is not of type 'number'"),
        (f"{CONVERSATION}/scorecards", "'' is not a 'date-time'"),
        (f"{CONVERSATION}/content_analysis", "is not one of"),
        ("/conversations", "is not of type 'integer'"),
    ],
)
async def test_awkward_records_break_the_schema(template: str, what: str) -> None:
    """With a share of 1 every record is odd, in the ways the service's own records have been."""
    schema = validator(template, legacy=False)
    errors = [
        error.message
        for body in await answers(Desk(conversations=50, awkward=1.0), template, legacy=False)
        for error in schema.iter_errors(body)
    ]
    assert any(what in message for message in errors)


async def test_awkward_records_within_the_schema() -> None:
    """Participants may be absent, speakers silent, times empty, texts long or odd, and names left out."""
    desk = Desk(conversations=80, awkward=1.0)
    truth = desk.truth
    rows = list(truth.conversations())
    speakers = [await desk.get(f"{CONVERSATION}/interactions", conversationId=row["conversation_id"]) for row in rows]
    assert any("participants" not in body for body in speakers)
    last_pages = [truth.interactions(row["conversation_id"]) for row in rows]
    assert any("transcripts" not in speaker for page in last_pages for speaker in page)
    assert any(row.get("iq_processed_time") == "" for row in rows)
    assert any(len(row["conversation_topic"]) > 2000 for row in rows)
    summaries = [truth.detail(row["conversation_id"]).get("summary", "") for row in rows]
    assert 100_000 < max(map(len, summaries)) < 1_000_000
    assert any("\u2028" in row["conversation_topic"] for row in rows)
    assert any("engagement_score" not in row for row in rows)
    assert any(isinstance(row["duration"], str) for row in rows)


async def test_the_share_of_awkward_records_is_the_one_asked_for() -> None:
    """About one record in ten is odd where one in ten was asked for, none where none was."""
    tenth = [each.trait for each in Desk(conversations=4000, awkward=0.1).world.newest_first()]
    assert 300 < sum(trait > 0 for trait in tenth) < 500
    assert len(set(tenth)) == 9
    assert not any(each.trait for each in Desk(conversations=500).world.newest_first())


async def test_a_trait_changes_no_filter() -> None:
    """The same conversations match, however odd they look."""
    plain, odd = Desk(), Desk(awkward=1.0)
    for query in ({"conversation_type": "phone"}, {"scored": "true"}, {"callout_type": "nextSteps"}):
        found = [await desk.every("/conversations", "conversations", query) for desk in (plain, odd)]
        assert [row["conversation_id"] for row in found[0]] == [row["conversation_id"] for row in found[1]]
